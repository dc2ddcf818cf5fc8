package judge

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// reading are the facts about a fleet with one consumer that has read half an hour of a stream of a day.
func reading() (*Facts, *jetstream.Consumers) {
	f := well()
	f.Collector.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "sink"}}
	all := &jetstream.Consumers{First: 1001, Last: 2000, Bytes: 50 << 20, MaxAge: 24 * time.Hour, MaxBytes: 100 << 20, MaxMessages: -1,
		Each: []jetstream.Consumer{{Name: "sink", Found: true, Managed: true, Made: noon.Add(-24 * time.Hour), Pending: 10, AckPending: 2, Delivered: 1990,
			Deliveries: 1990, AckFloor: 1988, AckWait: 30 * time.Second, LastRead: noon.Add(-time.Second), Oldest: 1989, Lag: time.Minute, LagKnown: true}}}
	f.NATS.Stream.Found.Consumers, f.NATS.Stream.FoundAt = all, noon
	return f, all
}

// look judges what is found a time later, with the status of before as it is.
func lookLater(f *Facts, after time.Duration) *v1alpha1.ConsumerStatus {
	f.Now = f.Now.Add(after)
	f.NATS.Stream.FoundAt, f.NATS.Stream.At = f.Now, f.Now
	f.Collector.Status = Judge(f).Status
	return &f.Collector.Status.Consumers[0]
}

func keepUp(v *v1alpha1.FlowCollectorStatus) *metav1.Condition {
	return meta.FindStatusCondition(v.Conditions, v1alpha1.ConditionConsumersKeepUp)
}

func TestConsumersKeepUpSaysWhatIsKnown(t *testing.T) {
	for name, test := range map[string]struct {
		change               func(f *Facts, all *jetstream.Consumers, k *jetstream.Consumer)
		status, reason, says string
		degraded             bool
	}{
		"a reader in time": {func(*Facts, *jetstream.Consumers, *jetstream.Consumer) {}, "True", ReasonKeepingUp, "more than half", false},
		"everything is read": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) {
			k.Pending, k.AckPending, k.Oldest, k.Lag, k.AckFloor, k.Delivered = 0, 0, 0, 0, 2000, 2000
		}, "True", ReasonKeepingUp, "", false},
		"differences that stay": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) { k.Kept = []string{"ackWait is 1h"} },
			"True", ReasonDifferences, "consumer sink: ackWait is 1h", false},
		"somebody paused it": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) { k.Paused = "is paused until tomorrow" },
			"True", ReasonDifferences, "consumer sink is paused until tomorrow", false},
		"somebody paused it, and half of maxAge has passed": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) {
			k.Lag, k.Paused = 12*time.Hour, "is paused until tomorrow"
		}, "False", ReasonReaderBehind, "and it is paused until tomorrow", true},
		"half of maxAge has passed": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) { k.Lag = 12 * time.Hour },
			"False", ReasonReaderBehind, "is 12h0m0s old and has used 50 %", true},
		"almost half of maxAge": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) { k.Lag = 11*time.Hour + 45*time.Minute },
			"True", ReasonKeepingUp, "", false},
		"it was behind, and has not caught up": {func(f *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) {
			k.Lag = 10 * time.Hour
			f.Collector.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionConsumersKeepUp, Status: "False", Reason: ReasonReaderBehind}}
		}, "False", ReasonReaderBehind, "41 %", true},
		"more than half of maxBytes is unread": {func(_ *Facts, all *jetstream.Consumers, k *jetstream.Consumer) {
			all.Bytes, k.Oldest, k.AckFloor, k.Pending = 100<<20, 1401, 1400, 598
		}, "False", ReasonReaderBehind, "has used 60 %", true},
		"all of a stream that is half full is read": {func(_ *Facts, all *jetstream.Consumers, k *jetstream.Consumer) {
			all.Bytes, k.Oldest = 100<<20, 1999
		}, "True", ReasonKeepingUp, "", false},
		"most messages": {func(_ *Facts, all *jetstream.Consumers, k *jetstream.Consumer) {
			all.MaxMessages, k.Oldest = 1000, 1201
		},
			"False", ReasonReaderBehind, "has used 80 %", true},
		"the age of what is unread is not known": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) {
			k.LagKnown, k.Oldest, k.LagError = false, 0, "permissions violation"
		}, "Unknown", ReasonLagUnknown, "12 messages that are not acknowledged, and how old they are is not known: permissions violation", false},
		"the age is not known, and the size is enough": {func(_ *Facts, all *jetstream.Consumers, k *jetstream.Consumer) {
			all.Bytes, k.LagKnown, k.Oldest, k.AckFloor = 100<<20, false, 0, 1200
		}, "False", ReasonReaderBehind, "has used 80 %", true},
		"the age does not matter": {func(_ *Facts, all *jetstream.Consumers, k *jetstream.Consumer) {
			all.MaxAge, k.LagKnown, k.Oldest = 0, false, 0
		},
			"True", ReasonKeepingUp, "", false},
		"nobody ever read": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) {
			k.Deliveries, k.Delivered, k.AckFloor, k.AckPending, k.LastRead = 0, 0, 0, 0, time.Time{}
		}, "False", ReasonNeverRead, "start its reader", false},
		"nobody ever read, and much waits": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) {
			k.Deliveries, k.Delivered, k.AckFloor, k.AckPending, k.Lag, k.LastRead = 0, 0, 0, 0, 20*time.Hour, time.Time{}
		}, "False", ReasonReaderBehind, "nobody ever read from it", true},
		"a loss is told for an hour": {func(f *Facts, _ *jetstream.Consumers, _ *jetstream.Consumer) {
			f.Collector.Status.Consumers = []v1alpha1.ConsumerStatus{{Name: "sink", Lost: 7, LostTime: &metav1.Time{Time: noon.Add(-59 * time.Minute)}}}
		}, "False", ReasonMessagesLost, "has lost 7 messages", true},
		"a loss is not told for ever": {func(f *Facts, _ *jetstream.Consumers, _ *jetstream.Consumer) {
			f.Collector.Status.Consumers = []v1alpha1.ConsumerStatus{{Name: "sink", Lost: 7, LostTime: &metav1.Time{Time: noon.Add(-time.Hour)}}}
		}, "True", ReasonKeepingUp, "", false},
		"a loss that is not known exactly": {func(f *Facts, _ *jetstream.Consumers, _ *jetstream.Consumer) {
			f.Collector.Status.Consumers = []v1alpha1.ConsumerStatus{{Name: "sink", Lost: 7, LostAtLeast: true, LostTime: &metav1.Time{Time: noon}}}
		}, "False", ReasonMessagesLost, "at least 7 messages", true},
		"another's consumer": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) {
			*k = jetstream.Consumer{Name: "sink", Class: jetstream.ClassConflict, Error: "belongs to flows/other"}
		}, "False", ReasonConsumerConflict, "flows/other", true},
		"a consumer that pushes": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) {
			*k = jetstream.Consumer{Name: "sink", Class: jetstream.ClassForeign, Error: "pushes"}
		}, "False", ReasonConsumerForeign, "pushes", true},
		"a consumer that NATS refuses": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) {
			*k = jetstream.Consumer{Name: "sink", Class: jetstream.ClassRefused, Error: "filtered consumers overlap"}
		}, "False", ReasonConsumerFailed, "overlap", true},
		"a consumer that may not be looked at": {func(_ *Facts, _ *jetstream.Consumers, k *jetstream.Consumer) {
			*k = jetstream.Consumer{Name: "sink", Class: jetstream.ClassForbidden, Error: "permissions violation"}
		}, "Unknown", ReasonConsumerFailed, "permissions violation", false},
		"NATS is away": {func(f *Facts, _ *jetstream.Consumers, _ *jetstream.Consumer) {
			f.NATS.Stream.Class, f.NATS.Stream.Error = jetstream.ClassUnreachable, "connection refused"
		}, "Unknown", ReasonNATSUnreachable, "connection refused", true}, // StreamReady is why
		"the stream is another's": {func(f *Facts, _ *jetstream.Consumers, _ *jetstream.Consumer) {
			f.NATS.Stream.Class, f.NATS.Stream.Error, f.NATS.Stream.Found.Consumers = jetstream.ClassConflict, "belongs to flows/other", nil
		}, "Unknown", ReasonStreamFailed, "flows/other", true},
		"the stream cannot be read": {func(f *Facts, _ *jetstream.Consumers, _ *jetstream.Consumer) {
			f.NATS.Stream.Found.Consumers, f.NATS.Stream.Found.ConsumersError = nil, "no leader"
		}, "Unknown", ReasonConsumerFailed, "no leader", false},
		"nobody has looked": {func(f *Facts, _ *jetstream.Consumers, _ *jetstream.Consumer) { f.NATS.Stream.Current = false },
			"Unknown", ReasonPending, "", false},
		"suspended": {func(f *Facts, _ *jetstream.Consumers, _ *jetstream.Consumer) { f.Collector.Spec.Suspend = true },
			"Unknown", ReasonSuspended, "", false},
		"secrets may not be read": {func(f *Facts, _ *jetstream.Consumers, _ *jetstream.Consumer) { f.Secrets.Forbidden = true },
			"Unknown", ReasonSecretsNotReadable, "kubectl create rolebinding", false},
	} {
		t.Run(name, func(t *testing.T) {
			f, all := reading()
			test.change(f, all, &all.Each[0])
			v := Judge(f)
			c := keepUp(&v.Status)
			if c == nil || string(c.Status) != test.status || c.Reason != test.reason || !strings.Contains(c.Message, test.says) {
				t.Errorf("it is %+v, not %s %s saying %q", c, test.status, test.reason, test.says)
			}
			if got := meta.IsStatusConditionTrue(v.Status.Conditions, v1alpha1.ConditionDegraded); got != test.degraded {
				t.Errorf("Degraded: %t", got)
			}
		})
	}
}

func TestWhatNoAPIServerTakesOfAServerIsNotWritten(t *testing.T) {
	for _, said := range []string{"9999-12-31T23:59:59-05:00", "0000-01-01T00:00:00+05:00", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z"} {
		at, err := time.Parse(time.RFC3339, said)
		if err != nil {
			t.Fatal(err)
		}
		f, all := reading()
		all.Each[0].Made, all.Each[0].LastRead = at, at
		for range 2 { // new, and known
			s := lookLater(f, time.Minute)
			if !s.Position.Created.IsZero() || s.LastReadTime != nil {
				t.Errorf("%s: made %s, read %s", said, s.Position.Created, s.LastReadTime)
			}
			text, err := json.Marshal(s)
			if err != nil || strings.Contains(string(text), "10000") || strings.Contains(string(text), "null") {
				t.Errorf("%s: %s, %v", said, text, err)
			}
		}
	}
}

func TestNoNumberOfAServerBecomesNegative(t *testing.T) {
	f, all := reading()
	lookLater(f, 0)
	f.Collector.Status.Consumers[0].Lost = math.MaxInt64 - 5
	k := &all.Each[0]
	all.First, all.Last = math.MaxUint64-1, math.MaxUint64
	k.Pending, k.AckPending, k.Redelivered, k.AckFloor, k.Oldest = math.MaxUint64, math.MaxUint64, math.MaxInt, math.MaxUint64, math.MaxUint64
	s := lookLater(f, time.Minute)
	for _, n := range []int64{s.Lost, s.Pending, s.AckPending, s.Redelivered, s.Position.First, s.Position.AckFloor, s.Position.Oldest} {
		if n < 0 {
			t.Errorf("%+v", s)
		}
	}
	if s.Lost != math.MaxInt64 {
		t.Errorf("%d are lost", s.Lost)
	}
}

func TestAReaderThatFallsBehindWarnsOnce(t *testing.T) {
	f, all := reading()
	lookLater(f, 0)
	all.Each[0].Lag = 13 * time.Hour
	v := Judge(f)
	warnings := 0
	for _, tr := range v.Transitions {
		if tr.Type == v1alpha1.ConditionConsumersKeepUp && tr.Warning && tr.Event {
			warnings++
		}
	}
	f.Collector.Status = v.Status
	all.Each[0].Lag = 14 * time.Hour
	for _, tr := range Judge(f).Transitions {
		if tr.Type == v1alpha1.ConditionConsumersKeepUp {
			warnings++
		}
	}
	if warnings != 1 {
		t.Errorf("%d warnings", warnings)
	}
}

func TestAFleetWithoutConsumersHasNoConditionAboutThem(t *testing.T) {
	f, _ := reading()
	f.Collector.Spec.Output.Consumers, f.NATS.Stream.Found.Consumers = nil, nil
	v := Judge(f)
	if c := keepUp(&v.Status); c != nil || len(v.Status.Consumers) > 0 {
		t.Errorf("%+v, %+v", c, v.Status.Consumers)
	}
}

// What a look finds is counted once, however often it is judged, and also where the operator was restarted in between: all that is needed
// stands in the status.
func TestWhatTheStreamTakesUnreadIsCountedOnce(t *testing.T) {
	type look struct {
		change  func(all *jetstream.Consumers, k *jetstream.Consumer)
		after   time.Duration
		lost    int64
		atLeast bool
	}
	stopped := func(_ *jetstream.Consumers, k *jetstream.Consumer) { k.LastRead = noon.Add(-10 * time.Minute) }
	for name, looks := range map[string][]look{
		"nothing is taken": {{stopped, 0, 0, false}, {func(all *jetstream.Consumers, _ *jetstream.Consumer) { all.First, all.Last = 1900, 2900 }, time.Minute, 0, false}},
		"nobody reads": {
			{stopped, 0, 0, false},
			{func(all *jetstream.Consumers, _ *jetstream.Consumer) { all.First = 1989 }, time.Minute, 0, false},                  // exactly up to the reader
			{func(all *jetstream.Consumers, k *jetstream.Consumer) { all.First, k.AckPending = 1990, 1 }, time.Minute, 1, false}, // delivered, never acknowledged
			{func(all *jetstream.Consumers, k *jetstream.Consumer) {
				all.First, k.AckPending, k.AckFloor, k.Pending = 1996, 0, 1990, 5
			}, time.Minute, 7, false},
			{func(all *jetstream.Consumers, _ *jetstream.Consumer) { all.First, all.Last = 2996, 3995 }, time.Minute, 1007, false},
		},
		"a server that notes one by one what the stream took": {
			{stopped, 0, 0, false},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) { all.First, k.AckPending = 1991, 1 }, time.Minute, 1, false},
			{func(_ *jetstream.Consumers, k *jetstream.Consumer) { k.AckPending, k.AckFloor = 0, 1990 }, time.Minute, 2, false},
		},
		"the server's restart forgets when it was read": {
			{stopped, 0, 0, false},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) {
				all.First, k.AckPending, k.AckFloor, k.LastRead = 1991, 0, 1990, time.Time{}
			}, time.Minute, 2, false},
		},
		"a reader that may have acknowledged in time": {
			{func(*jetstream.Consumers, *jetstream.Consumer) {}, 0, 0, false},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) {
				all.First, k.AckPending, k.AckFloor = 1991, 0, 1990
			}, 30 * time.Second, 0, true},
		},
		"a reader that goes on behind a gap": {
			{stopped, 0, 0, false},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) {
				all.First, all.Last, k.Delivered, k.Deliveries, k.AckFloor, k.AckPending = 2101, 3100, 2105, 1995, 2105, 0
			}, time.Minute, 110, true},
		},
		"a reader in time while the stream is full": {
			{func(*jetstream.Consumers, *jetstream.Consumer) {}, 0, 0, false},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) {
				all.First, all.Last, k.Delivered, k.Deliveries, k.AckFloor = 1501, 2500, 2490, 2490, 2488
			}, time.Minute, 0, false},
		},
		"a setting is changed while nobody reads": {
			{stopped, 0, 0, false},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) {
				all.First, k.AckPending, k.AckFloor, k.Pending, k.Changed = 1996, 0, 1990, 5, []string{"ackWait raised from 1s to 30s"}
			}, time.Minute, 7, false},
		},
		"other subjects are delivered": {
			{stopped, 0, 0, false},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) {
				all.First, k.AckPending, k.AckFloor, k.Pending, k.Refiltered = 1996, 0, 1990, 5, true
			}, time.Minute, 0, false},
		},
		"a consumer that was made anew": {
			{stopped, 0, 0, false},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) {
				all.First, k.Made, k.Deliveries, k.Delivered, k.AckFloor = 5001, noon, 0, 5000, 0
			}, time.Minute, 0, false},
		},
		"a consumer that was never read": {
			{func(_ *jetstream.Consumers, k *jetstream.Consumer) {
				k.Delivered, k.Deliveries, k.AckFloor, k.AckPending, k.LastRead = 0, 0, 0, 0, time.Time{}
			}, 0, 0, false},
			{func(all *jetstream.Consumers, _ *jetstream.Consumer) { all.First = 1101 }, time.Minute, 100, false},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) { all.First, k.Delivered = 1201, 1220 }, time.Minute, 220, false}, // the server skips
		},
		"a consumer of one protocol": {
			{func(all *jetstream.Consumers, k *jetstream.Consumer) { k.Filtered = true; stopped(all, k) }, 0, 0, false},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) { all.First, k.AckPending = 1990, 1 }, time.Minute, 1, true},
			{func(all *jetstream.Consumers, k *jetstream.Consumer) { all.First, k.Pending = 1995, 6 }, time.Minute, 5, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, all := reading()
			for i, l := range looks {
				l.change(all, &all.Each[0])
				s := lookLater(f, l.after)
				if s.Lost != l.lost || s.LostAtLeast != l.atLeast {
					t.Errorf("look %d: %d, at least %t; not %d, %t", i, s.Lost, s.LostAtLeast, l.lost, l.atLeast)
				}
				if s := lookLater(f, 0); s.Lost != l.lost || s.LostAtLeast != l.atLeast {
					t.Errorf("look %d is counted again: %d, at least %t", i, s.Lost, s.LostAtLeast)
				}
			}
		})
	}
}

// An operator that starts anew says what the one before said, until it has looked itself: a fleet is not Degraded for a moment.
func TestWhatIsHarmlessStaysSoWhenTheOperatorIsRestarted(t *testing.T) {
	f, _ := reading()
	for reason := range harmless {
		f.Collector.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionConsumersKeepUp, Status: "False", Reason: reason, ObservedGeneration: 2}}
		f.NATS.Stream.Current = false
		v := Judge(f)
		if c := keepUp(&v.Status); c.Reason != reason || meta.IsStatusConditionTrue(v.Status.Conditions, v1alpha1.ConditionDegraded) {
			t.Errorf("%s: %+v", reason, v.Status.Conditions)
		}
	}
}

func TestAConsumerThatIsGoneGoesFromTheStatus(t *testing.T) {
	f, all := reading()
	lookLater(f, 0)
	f.Collector.Spec.Output.Consumers, all.Each = nil, nil
	f.NATS.Stream.Current = false
	if s := Judge(f).Status; len(s.Consumers) != 1 {
		t.Errorf("it is forgotten before it was removed: %+v", s.Consumers)
	}
	f.NATS.Stream.Current, all.Gone = true, []string{"sink"}
	if s := Judge(f).Status; len(s.Consumers) != 0 {
		t.Errorf("%+v", s.Consumers)
	}
}
