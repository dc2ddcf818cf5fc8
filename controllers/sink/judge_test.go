package sink

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

func TestJudgement(t *testing.T) {
	deployment := func(replicas, updated, ready int32) *appsv1.Deployment {
		d := &appsv1.Deployment{}
		d.Generation = 3
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: replicas, UpdatedReplicas: updated, ReadyReplicas: ready}
		return d
	}
	for _, test := range []struct {
		name                          string
		change                        func(*Facts)
		ready, reason, says           string
		destination, progress, failed string
		observed                      int64
	}{
		{"all ready", func(*Facts) {}, "True", ReasonSinksReady, "2 of 2 sinks", "True", "", "", 7},
		{"one not ready", func(f *Facts) { f.Deployment = deployment(2, 2, 1) }, "False", ReasonSinksNotReady, "1 of 2 sinks can read the stream and store; see kubectl logs -n flows deployment/rows-sink", "Unknown", "True", "", 7},
		{"the pods' reason", func(f *Facts) {
			f.Deployment = deployment(2, 2, 0)
			f.Pods = []corev1.Pod{{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}}}}
		}, "False", ReasonSinksNotReady, "ImagePullBackOff: no such image", "Unknown", "True", "", 7},
		{"a sink's own words", func(f *Facts) {
			f.Deployment = deployment(2, 2, 1)
			f.Heard = []Heard{{Error: "no"}, {Pod: observation.Pod{Name: "rows-sink-b"}, Said: &status.Sink{Destination: "no host clickhouse"}}}
		}, "False", ReasonSinksNotReady, "rows-sink-b says: no host clickhouse", "False", "True", "", 7},
		{"what a sink cannot put away", func(f *Facts) {
			f.Deployment = deployment(2, 2, 1)
			f.Heard = []Heard{{Said: &status.Sink{}}, {Pod: observation.Pod{Name: "rows-sink-b"}, Said: &status.Sink{Refusing: "make room in the stream"}}}
		}, "False", ReasonSinksNotReady, "rows-sink-b says: make room in the stream", "Unknown", "True", "", 7},
		{"what a sink cannot read", func(f *Facts) {
			f.Deployment = deployment(2, 2, 1)
			f.Heard = []Heard{{Pod: observation.Pod{Name: "rows-sink-b"}, Said: &status.Sink{Reading: "name another consumer"}}}
		}, "False", ReasonSinksNotReady, "rows-sink-b says: name another consumer", "Unknown", "True", "", 7},
		{"ready, but of the old spec", func(f *Facts) { f.Deployment = deployment(2, 1, 2) }, "False", ReasonRolling, "1 of 2 sinks have", "Unknown", "True", "", 7},
		{"old ones beside the new", func(f *Facts) { f.Deployment = deployment(3, 2, 2) }, "False", ReasonRolling,
			"former sinks that run until others can take over: 1; 2 of 2 sinks have the present spec", "Unknown", "True", "", 7},
		{"a new one that cannot take over, in its own words", func(f *Facts) {
			f.Deployment = deployment(3, 2, 2)
			f.Heard = []Heard{{Said: &status.Sink{}}, {Pod: observation.Pod{Name: "rows-sink-b"}, Said: &status.Sink{NATS: "no host nast"}}}
		}, "False", ReasonRolling, "until others can take over: 1; 2 of 2 sinks have the present spec; rows-sink-b says: no host nast", "Unknown", "True", "", 7},
		{"a Deployment that nobody has seen", func(f *Facts) { f.Deployment.Generation = 4 }, "False", ReasonRolling, "being made", "Unknown", "True", "", 7},
		{"a Deployment that was changed since", func(f *Facts) { f.Behind = true }, "False", ReasonRolling, "being made", "Unknown", "True", "", 7},
		{"no Deployment yet", func(f *Facts) { f.Deployment = nil }, "False", ReasonRolling, "being made", "Unknown", "True", "", 7},
		{"no FlowCollector", func(f *Facts) { f.Collector = nil }, "False", ReasonFlowCollectorMissing, "no FlowCollector edge", "Unknown", "True", "", 6},
		{"no stream", func(f *Facts) { f.Stream = "" }, "False", ReasonStreamPending, "StreamReady", "Unknown", "True", "", 6},
		{"a spec that cannot work", func(f *Facts) { f.Problems = []string{"choose Protobuf"} }, "False", ReasonInvalid, "what runs is left as it is: choose Protobuf", "Unknown", "", "True", 7},
		{"a spec that cannot work from the first", func(f *Facts) { f.Problems, f.Deployment = []string{"choose Protobuf"}, nil }, "False", ReasonInvalid, "no sinks are started: choose Protobuf", "Unknown", "", "True", 7},
		{"a spec that cannot work, and a request that fails", func(f *Facts) { f.Problems, f.Failure = []string{"choose Protobuf"}, "no answer" }, "False", ReasonInvalid,
			"choose Protobuf", "Unknown", "", "True", 7},
		{"a quota keeps pods from being made", func(f *Facts) {
			f.Deployment = deployment(0, 0, 0)
			f.Deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue,
				Message: `pods "rows-sink-x" is forbidden: exceeded quota: few`}}
		}, "False", ReasonRolling, `pods are not made: pods "rows-sink-x" is refused: exceeded quota: few`, "Unknown", "True", "", 7},
		{"pods that may not be watched any more", func(f *Facts) {
			f.Unseen = judge.Unseen{"Pod": {Words: `pods is forbidden: User "operator" cannot list`}}
		}, "Unknown", judge.ReasonOperatorForbidden, `Pod (pods is refused: User "operator" cannot list)`, "Unknown", "True", "", 7},
		{"pods that were never seen", func(f *Facts) {
			f.Blind, f.Unseen = true, judge.Unseen{"Pod": {Words: `pods is forbidden: User "operator" cannot list`}}
		}, "Unknown", judge.ReasonOperatorForbidden, `cannot begin its work`, "Unknown", "True", "", 6},
		{"no right to apply", func(f *Facts) { f.Forbidden = []string{`deployments is forbidden: User "operator" cannot patch`} }, "False", judge.ReasonOperatorForbidden,
			`deployments is refused: User "operator" cannot patch`, "Unknown", "True", "", 6},
		{"a FlowCollector that goes", func(f *Facts) { f.Collector, f.Deleting = nil, true }, "False", ReasonFlowCollectorMissing, "is being deleted", "Unknown", "True", "", 6},
		{"not applied", func(f *Facts) { f.Failure = "quota" }, "False", ReasonApplyFailed, "quota", "Unknown", "True", "", 6},
		{"none wanted", func(f *Facts) { f.Sink.Spec.Replicas = new(int32); f.Deployment = deployment(0, 0, 0) }, "False", ReasonNoReplicas, "wait", "Unknown", "", "True", 7},
		{"ready, and all is refused", func(f *Facts) {
			f.Heard = []Heard{{Said: &status.Sink{}}, {Pod: observation.Pod{Name: "rows-sink-b"}, Said: &status.Sink{Rejecting: "destination: Code: 33"}}}
		}, "False", ReasonEverythingRefused, "the latest as destination: Code: 33; they are kept in the stream flows-edge-refused-", "True", "True", "", 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			two := int32(2)
			s := &v1alpha1.FlowSink{}
			s.Namespace, s.Name = "flows", "rows"
			s.Generation, s.Status.ObservedGeneration = 7, 6
			s.Spec.From.FlowCollector, s.Spec.Replicas = "edge", &two
			f := &Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Image: "image", Deployment: deployment(2, 2, 2)}
			test.change(f)
			got := Judge(f)
			status := func(kind string) string {
				if c := meta.FindStatusCondition(got.Conditions, kind); c != nil {
					return string(c.Status)
				}
				return ""
			}
			ready := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionReady)
			if status(v1alpha1.ConditionReady) != test.ready || ready.Reason != test.reason || !strings.Contains(ready.Message, test.says) {
				t.Errorf("Ready: %+v", ready)
			}
			for kind, want := range map[string]string{v1alpha1.ConditionDestinationReachable: test.destination,
				v1alpha1.ConditionReconciling: test.progress, v1alpha1.ConditionStalled: test.failed} {
				if status(kind) != want {
					t.Errorf("%s is %q, not %q", kind, status(kind), want)
				}
			}
			checkKstatus(t, s, got, test.ready, test.failed)
			if got.ObservedGeneration != test.observed {
				t.Errorf("observed generation %d, not %d", got.ObservedGeneration, test.observed)
			}
		})
	}
}

// checkKstatus asks kstatus itself, as Flux and others do: Current where all is well, Failed where only another spec helps.
func checkKstatus(t *testing.T, s *v1alpha1.FlowSink, judged v1alpha1.FlowSinkStatus, ready, failed string) {
	t.Helper()
	s = s.DeepCopy()
	s.Status = judged
	want := kstatus.InProgressStatus
	if failed == "True" {
		want = kstatus.FailedStatus
	} else if ready == "True" {
		want = kstatus.CurrentStatus
	}
	if got := controllertest.Kstatus(t, s); got != want {
		t.Errorf("kstatus says %s, not %s", got, want)
	}
}

// heard is a sink that is well, read a minute ago and has half an hour of a stream of a day behind it.
func heard() Heard {
	lag := time.Minute
	return Heard{Pod: observation.Pod{Name: "rows-sink-a"}, Asked: time.Unix(2_000_000_000, 0), Said: &status.Sink{
		Schema: &status.Schema{Version: 1, Wanted: 1}, Stored: 1_234_567, Waiting: 99, Refused: map[string]uint64{"encoding": 101},
		Place: &status.Place{Stream: "flows-edge", Consumer: "flows_rows", First: 1001, Last: 2000, Bytes: 50 << 20, MaxAge: 24 * time.Hour,
			MaxBytes: 100 << 20, MaxMessages: -1, Made: time.Unix(1_999_900_000, 0), Pending: 10, AckPending: 2, Delivered: 1990, Deliveries: 1990,
			AckFloor: 1988, AckWait: time.Minute, Oldest: 1989, Lag: &lag}}}
}

func TestWhatSinksSayIsJudged(t *testing.T) {
	later := func(h Heard) Heard { h.Asked = h.Asked.Add(time.Second); return h }
	for _, test := range []struct {
		name                             string
		heard                            func() []Heard
		keeping, keepingReason, keepSays string
		schema, schemaReason             string
		destination                      string
	}{
		{"all is well", func() []Heard { return []Heard{heard()} }, "True", judge.ReasonKeepingUp, "more than half", "True", ReasonSchemaCurrent, "True"},
		{"nobody was asked", func() []Heard { return nil }, "Unknown", ReasonNotKnown, "see Ready", "Unknown", ReasonNotKnown, "True"},
		{"nobody answers", func() []Heard {
			asked := time.Unix(2_000_000_000, 0)
			return []Heard{{Pod: observation.Pod{Name: "b"}, Asked: asked, Error: "late"}, {Pod: observation.Pod{Name: "a"}, Asked: asked, Error: "another one answers at 10.0.0.1:8080"}}
		}, "Unknown", ReasonNotKnown, "see Ready; asking a: another one answers at 10.0.0.1:8080", "Unknown", ReasonNotKnown, "True"},
		{"half of maxAge has passed", func() []Heard {
			h := heard()
			*h.Said.Place.Lag = 12 * time.Hour
			return []Heard{h}
		}, "False", judge.ReasonReaderBehind, "is 12h0m0s old and has used 50 %", "True", ReasonSchemaCurrent, "True"},
		{"the latest word counts", func() []Heard {
			behind := heard()
			*behind.Said.Place.Lag = 12 * time.Hour
			return []Heard{later(heard()), behind}
		}, "True", judge.ReasonKeepingUp, "", "True", ReasonSchemaCurrent, "True"},
		{"nothing was read yet, and nothing is there", func() []Heard {
			h := heard()
			p := h.Said.Place
			p.Pending, p.AckPending, p.Delivered, p.Deliveries, p.AckFloor, p.Oldest, *p.Lag = 0, 0, 0, 0, 0, 0, 0
			return []Heard{h}
		}, "True", judge.ReasonKeepingUp, "", "True", ReasonSchemaCurrent, "True"},
		{"the age may not be looked at", func() []Heard {
			h := heard()
			h.Said.Place.Lag, h.Said.Place.LagError = nil, "no right to read the stream"
			return []Heard{h}
		}, "Unknown", judge.ReasonLagUnknown, "no right to read the stream", "True", ReasonSchemaCurrent, "True"},
		{"the consumer is not known", func() []Heard {
			h := heard()
			h.Said.Place, h.Said.Unplaced = nil, "connecting to NATS: no route"
			return []Heard{h}
		}, "Unknown", ReasonNotKnown, "rows-sink-a says: connecting to NATS: no route", "True", ReasonSchemaCurrent, "True"},
		{"another's consumer says nothing", func() []Heard {
			h := heard()
			h.Said.Place.Consumer = "flows_other"
			return []Heard{h}
		}, "Unknown", ReasonNotKnown, "", "True", ReasonSchemaCurrent, "True"},
		{"nor does the same consumer of another stream", func() []Heard {
			h := later(heard())
			h.Said.Place.Stream = "flows-before"
			return []Heard{h}
		}, "Unknown", ReasonNotKnown, `reads stream "flows-before"`, "True", ReasonSchemaCurrent, "True"},
		{"no tables", func() []Heard {
			h := heard()
			h.Said.Schema.Version = 0
			return []Heard{h}
		}, "True", judge.ReasonKeepingUp, "", "False", ReasonSchemaMissing, "True"},
		{"tables of another version", func() []Heard {
			h := heard()
			h.Said.Schema.Version = 2
			return []Heard{heard(), h}
		}, "True", judge.ReasonKeepingUp, "", "False", ReasonSchemaDiffers, "True"},
		{"one cannot store", func() []Heard {
			h := heard()
			h.Said.Storing, h.Said.Schema = "no space", nil
			return []Heard{heard(), h}
		}, "True", judge.ReasonKeepingUp, "", "True", ReasonSchemaCurrent, "False"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &v1alpha1.FlowSink{}
			s.Namespace, s.Name, s.Spec.From.FlowCollector = "flows", "rows", "edge"
			d := &appsv1.Deployment{Status: appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1}}
			got := Judge(&Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Deployment: d, Heard: test.heard(),
				Now: time.Unix(2_000_000_010, 0)})
			for kind, want := range map[string][3]string{
				v1alpha1.ConditionKeepingUp:            {test.keeping, test.keepingReason, test.keepSays},
				v1alpha1.ConditionSchemaCurrent:        {test.schema, test.schemaReason},
				v1alpha1.ConditionDestinationReachable: {test.destination},
			} {
				c := meta.FindStatusCondition(got.Conditions, kind)
				if c == nil || string(c.Status) != want[0] || want[1] != "" && c.Reason != want[1] || !strings.Contains(c.Message, want[2]) {
					t.Errorf("%s: %+v, want %v", kind, c, want)
				}
			}
		})
	}
}

// What the stream takes while nobody reads is counted from the look before, also where that was not written down at each look.
func TestWhatTheStreamTookUnreadIsALossOfTheSink(t *testing.T) {
	s := &v1alpha1.FlowSink{}
	s.Namespace, s.Name = "flows", "rows"
	f := &Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Heard: []Heard{heard()}, Now: time.Unix(2_000_000_010, 0)}
	s.Status = Judge(f)
	h := heard()
	h.Asked = h.Asked.Add(time.Hour)
	h.Said.Place.First, h.Said.Place.Last, h.Said.Place.Pending, h.Said.Place.Oldest = 1996, 2100, 105, 1996
	h.Said.Place.Delivered, h.Said.Place.AckFloor, h.Said.Place.AckPending = 1995, 1995, 0
	f.Heard, f.Now = []Heard{h}, f.Now.Add(time.Hour)
	got := Judge(f)
	c := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionKeepingUp)
	if got.Reader.Lost != 7 || c.Status != "False" || c.Reason != judge.ReasonMessagesLost { // 1989 to 1995
		t.Errorf("%+v, %+v", got.Reader, c)
	}
}

// A stream that is deleted takes what was not stored with it, and nobody can say how much that was in the end.
func TestWhatWasNotStoredOfAStreamThatWasDeletedMayBeLost(t *testing.T) {
	s := &v1alpha1.FlowSink{}
	s.Namespace, s.Name = "flows", "rows"
	before, after := heard(), heard()
	before.Said.Place.StreamMade = time.Unix(1_900_000_000, 0)
	f := &Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Heard: []Heard{before}, Now: time.Unix(2_000_000_010, 0)}
	s.Status = Judge(f)
	after.Asked = after.Asked.Add(time.Minute)
	after.Said.Place = &status.Place{Stream: "flows-edge", Consumer: "flows_rows", StreamMade: after.Asked.Add(-20 * time.Second), Made: after.Asked.Add(-10 * time.Second),
		First: 1, Last: 3, Pending: 3, Lag: new(time.Duration), Oldest: 1, MaxAge: time.Hour}
	f.Heard, f.Now = []Heard{after}, f.Now.Add(time.Minute)
	got := Judge(f)
	c := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionKeepingUp)
	if r := got.Reader; r.Lost != 0 || !r.LostAtLeast || r.MayBeLost != 12 || c.Status != "False" || c.Reason != judge.ReasonStreamReplaced ||
		!strings.Contains(c.Message, "12 messages of the former one") {
		t.Errorf("%+v, %+v", r, c)
	}
}

// A server that lost its volume brings a stream of one copy back empty, as old as before.
func TestWhatWasNotStoredOfAStreamThatCameBackEmptyMayBeLost(t *testing.T) {
	for replicas, want := range map[int]string{1: judge.ReasonStreamReplaced, 3: judge.ReasonKeepingUp, 0: judge.ReasonKeepingUp} { // 0: an earlier sink
		s := &v1alpha1.FlowSink{}
		s.Namespace, s.Name = "flows", "rows"
		before, after := heard(), heard()
		after.Asked = after.Asked.Add(time.Minute)
		after.Said.Place = &status.Place{Stream: "flows-edge", Consumer: "flows_rows", Made: after.Asked.Add(-10 * time.Second), First: 1, Last: 3, Pending: 3,
			Lag: new(time.Duration), Oldest: 1, MaxAge: time.Hour, MaxBytes: -1, MaxMessages: -1}
		for _, h := range []*Heard{&before, &after} {
			h.Said.Place.StreamMade, h.Said.Place.Replicas = time.Unix(1_900_000_000, 0), replicas
		}
		f := &Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Heard: []Heard{before}, Now: time.Unix(2_000_000_010, 0)}
		s.Status = Judge(f)
		f.Heard, f.Now = []Heard{after}, f.Now.Add(time.Minute)
		got := Judge(f)
		if c := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionKeepingUp); c.Reason != want || (got.Reader.MayBeLost == 12) != (replicas == 1) {
			t.Errorf("of %d copies: %+v, %+v", replicas, got.Reader, c)
		}
	}
}

// The places of a consumer that sinks tell of come in any order: sinks go, fail to answer, and serve pages that are some seconds old.
func TestAPlaceThatWasSeenBeforeTheOneThatWasJudgedCountsNothing(t *testing.T) {
	asked := time.Unix(2_000_000_000, 0)
	at := func(pod string, first uint64, asked, looked time.Time) Heard {
		h := heard()
		h.Pod.Name, h.Asked = pod, asked
		p := h.Said.Place
		p.StreamMade, p.Replicas, p.Time = time.Unix(1_900_000_000, 0), 1, looked
		p.First, p.Last, p.AckFloor, p.Delivered, p.AckPending, p.Oldest, p.Pending = first, first+99, 1000, 1000, 0, first, 100
		return h
	}
	second := func(n int) time.Time { return asked.Add(time.Duration(n) * time.Second) }
	for name, test := range map[string]struct{ early, late, next Heard }{
		"the sink that was asked last is gone": {at("a", 1101, second(0), time.Time{}), at("b", 1151, second(1), time.Time{}), at("a", 1161, second(15), time.Time{})},
		"a page was some seconds old":          {at("a", 1101, second(2), second(-1)), at("b", 1151, second(1), second(1)), at("a", 1161, second(15), second(15))},
		"another server's clock is wrong":      {at("a", 1101, second(0), second(-20)), at("b", 1151, second(1), second(1)), at("a", 1161, second(15), second(-5))},
	} {
		t.Run(name, func(t *testing.T) {
			s := &v1alpha1.FlowSink{}
			s.Namespace, s.Name = "flows", "rows"
			f := &Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Now: second(-60)}
			f.Heard = []Heard{at("a", 1001, second(-60), second(-60))}
			for n, heard := range [][]Heard{f.Heard, {test.early, test.late}, {test.early}, {test.next}} {
				f.Heard = heard
				for i := range heard { // what the operator does as it hears of each
					if f.Placed == nil || heard[i].LaterPlace(f.Placed) {
						f.Placed = &heard[i]
					}
				}
				s.Status = Judge(f)
				if r := s.Status.Reader; r.MayBeLost != 0 || r.Lost != []int64{0, 150, 150, 160}[n] {
					t.Errorf("look %d: %+v", n, r)
				}
				f.Now = second(n * 16)
			}
			if f.Heard = []Heard{{Error: "no"}}; meta.FindStatusCondition(Judge(f).Conditions, v1alpha1.ConditionKeepingUp).Status != "Unknown" {
				t.Error("nobody tells any more")
			}
		})
	}
}

// How far sinks have come is written less often than they come further, never less of the same stream, and of one that came back empty from its
// beginning: another consumer would begin behind messages that nobody has stored.
func TestABookmarkIsWrittenForEnoughAndForAStreamThatCameBackEmpty(t *testing.T) {
	made := time.Unix(1_900_000_000, 0).UTC()
	for name, test := range map[string]struct {
		written   uint64 // 0 for none
		last, ack uint64
		want      string // Acknowledged, empty for no write
	}{
		"the first":                     {0, 2000, 1988, "1988"},
		"nothing is acknowledged":       {0, 2000, 0, ""},
		"not by enough":                 {1988, 3000, 2988, ""},
		"by enough":                     {1988, 5000, 4000, "4000"},
		"less than is written":          {4000, 5000, 3000, ""},
		"the stream is empty":           {4000, 0, 0, "0"},
		"the stream has little again":   {4000, 3999, 3000, "3000"},
		"it was written as one of none": {0, 0, 0, ""},
	} {
		s := &Sink{Sink: &v1alpha1.FlowSink{}, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge"}
		s.Sink.Namespace, s.Sink.Name = "flows", "rows"
		h := heard()
		h.Said.Place.StreamMade, h.Said.Place.Last, h.Said.Place.AckFloor = made, test.last, test.ack
		var written *status.Bookmark
		if test.written > 0 {
			written = &status.Bookmark{Stream: "flows-edge", Consumer: "flows_rows", StreamMade: made, Acknowledged: test.written}
		}
		next, err := s.Bookmark(written, []Heard{h}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if next != nil {
			got = strconv.FormatUint(BookmarkIn(next.Data).Acknowledged, 10)
		}
		if got != test.want {
			t.Errorf("%s: %q, not %q", name, got, test.want)
		}
	}
}

// A sink that lacks its tables reaches ClickHouse, and has nothing else to say: Ready tells what to type, for the sink's own database.
func TestReadySaysThatTablesAreMissing(t *testing.T) {
	const print = "collector schema clickhouse --database lake"
	for version, want := range map[int][]string{0: {"no tables", print}, 2: {"have version 2", print}, 4: {"in the database lake have version 4", "latest"}} {
		s := &v1alpha1.FlowSink{}
		s.Namespace, s.Name, s.Spec.From.FlowCollector, s.Spec.ClickHouse.Database = "flows", "rows", "edge", "lake"
		h := heard()
		h.Said.Schema.Version, h.Said.Schema.Wanted = version, 3
		got := Judge(&Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Heard: []Heard{h}, Now: time.Unix(2_000_000_010, 0),
			Deployment: &appsv1.Deployment{Status: appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1}}})
		c := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionReady)
		for _, text := range want {
			if c == nil || c.Status != "False" || !strings.Contains(c.Message, text) || strings.Contains(c.Message, print) != (version < 3) {
				t.Errorf("version %d: %+v", version, c)
			}
		}
	}
}

func TestBooksAreSumsOfTwoDigits(t *testing.T) {
	liar := heard()
	liar.Said.Stored = math.MaxUint64
	got := Judge(&Facts{Sink: &v1alpha1.FlowSink{}, Heard: []Heard{heard(), heard(), {Error: "no"}}}).Books
	want := &v1alpha1.FlowSinkBooks{Sinks: 2, Stored: 2_400_000, Waiting: 190, Refused: []v1alpha1.FlowSinkRefused{{Reason: "encoding", Records: 200}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Judge(&Facts{Sink: &v1alpha1.FlowSink{}, Heard: []Heard{heard(), liar}}).Books; got.Stored != math.MaxInt64 {
		t.Errorf("with one that lies: %+v", got)
	}
}

func TestOnlyTheDeploymentsOwnPodsAreAsked(t *testing.T) {
	s := &v1alpha1.FlowSink{}
	s.Name = "rows"
	pod := func(change func(*corev1.Pod)) corev1.Pod {
		yes := true
		p := corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1"}}
		p.Name, p.Labels = "rows-sink-5d-x", map[string]string{"pod-template-hash": "5d"}
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "rows-sink-5d", Controller: &yes}}
		change(&p)
		return p
	}
	if got := Askable(s, []corev1.Pod{pod(func(*corev1.Pod) {})}); len(got) != 1 || got[0].Port != port {
		t.Errorf("its own: %+v", got)
	}
	beside := pod(func(p *corev1.Pod) { // as an admission webhook puts one before the sink's own
		for i, name := range []string{"proxy", "sink"} {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: name, Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: int32(9001 + i)}}})
		}
	})
	if got := Askable(s, []corev1.Pod{beside}); len(got) != 1 || got[0].Port != 9002 {
		t.Errorf("beside another container: %+v", got)
	}
	for name, change := range map[string]func(*corev1.Pod){
		"nobody's":           func(p *corev1.Pod) { p.OwnerReferences = nil },
		"another's":          func(p *corev1.Pod) { p.OwnerReferences[0].Name = "other-sink-5d" },
		"of a longer name":   func(p *corev1.Pod) { p.OwnerReferences[0].Name = "rows-sink-more-5d" },
		"of another kind":    func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "Job" },
		"without an address": func(p *corev1.Pod) { p.Status.PodIP = "" },
		"that ends":          func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} },
		"that does not run":  func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending },
	} {
		if got := Askable(s, []corev1.Pod{pod(change)}); len(got) != 0 {
			t.Errorf("%s is asked: %+v", name, got)
		}
	}
	many := make([]corev1.Pod, 1000)
	for i := range many {
		many[i] = pod(func(*corev1.Pod) {})
	}
	if got := Askable(s, many); len(got) != maxAsked {
		t.Errorf("%d pods are asked", len(got))
	}
}
