package exporters

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// life is a device and a fleet's collectors, looked at each ten seconds, with what is written and told of the device.
type life struct {
	testing.TB
	now        time.Time
	m          *memory
	o          *v1alpha1.FlowExporter
	collectors map[string]*hearing
	writes     int
	events     []string
}

// hearing is one collector: what it has of the device, and whether it answers.
type hearing struct {
	began time.Time
	mute  bool
	exporter
}

type exporter = status.Exporter

func newLife(t *testing.T, collectors ...string) *life {
	e := healthy().Exporter
	e.Status.Conditions = nil
	l := &life{TB: t, now: noon, m: newMemory(), o: e, collectors: make(map[string]*hearing)}
	for _, name := range collectors {
		l.start(name)
	}
	return l
}

// start has a collector begin, or begin anew.
func (l *life) start(name string) { l.collectors[name] = &hearing{began: l.now} }

// send has so many packets of ten records arrive at a collector, and so many of these be lost.
func (l *life) send(name string, packets, lost uint64) {
	h := l.collectors[name]
	if h.Streams == nil {
		h.exporter = status.Exporter{Address: "192.0.2.1", Protocol: "netflow9", Streams: []status.Stream{{Port: 5000, Sampling: &status.Sampling{
			Rate: 100, Source: "announced", Rated: true}, SkewMillis: new(int64(0)), Span: ledger.Span{First: 1 << 32, Next: 1 << 32}}}, Taught: &status.Taught{Templates: 1}}
	}
	h.Received, h.Decoded, h.Records = h.Received+packets-lost, h.Decoded+packets-lost, h.Records+10*(packets-lost)
	s := &h.Streams[0]
	s.LastSeen, s.Span.Next, s.Span.Units = l.now, s.Span.Next+packets, s.Span.Units+packets-lost
}

// look lets ten seconds go by, and looks.
func (l *life) look() {
	l.now = l.now.Add(interval)
	s, began, look := newSum(), make(map[string]time.Time), Look{Collectors: len(l.collectors)}
	for name, h := range l.collectors {
		if h.mute {
			began[name] = time.Time{}
			look.Unanswered++
			continue
		}
		began[name] = h.began
		p := &status.Exporters{Started: h.began, Time: l.now}
		if h.Received > 0 {
			one := h.exporter
			one.Streams = slices.DeleteFunc(slices.Clone(h.Streams), func(s status.Stream) bool { return l.now.Sub(s.LastSeen) > 10*time.Minute })
			p.Exporters = []status.Exporter{one}
		}
		s.take(observation.Pod{Name: name, Node: "node-" + name}, p, l.now, all)
	}
	l.m.take(s, began, l.now, look)
	after := Judge(l.m.facts(l.o, l.now, l.now))
	if weigh(&l.o.Status, &after) == nothing {
		return
	}
	l.writes++
	for _, c := range after.Conditions {
		b := meta.FindStatusCondition(l.o.Status.Conditions, c.Type)
		if c.Type != v1alpha1.ConditionReady && (c.Status == metav1.ConditionFalse) != (b != nil && b.Status == metav1.ConditionFalse) && c.Status != metav1.ConditionUnknown {
			l.events = append(l.events, c.Type+" "+string(c.Status))
		}
	}
	l.o.Status = after
}

// looks has the device send at each of so many looks, before which something may happen.
func (l *life) looks(n int, before func(i int)) {
	for i := range n {
		before(i)
		l.look()
	}
}

func (l *life) expect(kind string, want metav1.ConditionStatus, reason string) {
	l.Helper()
	if c := meta.FindStatusCondition(l.o.Status.Conditions, kind); c == nil || c.Status != want || c.Reason != reason {
		l.Errorf("%s is not %s with %s: %+v", kind, want, reason, c)
	}
}

// told compares the events since it was asked last.
func (l *life) told(want ...string) {
	l.Helper()
	if !slices.Equal(l.events, want) {
		l.Errorf("events: %s; wanted: %s", strings.Join(l.events, ", "), strings.Join(want, ", "))
	}
	l.events = nil
}

// In a large fleet one collector or another is always being replaced, and of others that hear the device nothing changes with that.
func TestADeviceIsMeasuredThoughCollectorsThatDoNotHearItAreReplacedAllTheTime(t *testing.T) {
	l := newLife(t, "a", "b")
	l.looks(40, func(int) {
		l.start("b")
		l.send("a", 100, 5)
	})
	l.expect("Complete", metav1.ConditionFalse, ReasonLost)
	if rate := l.o.Status.RecordsPerSecond; rate == nil || *rate != 95 {
		t.Errorf("records a second: %v", rate)
	}
}

func TestADeviceIsMeasuredThoughACollectorThatHearsItFailsToAnswerNowAndThen(t *testing.T) {
	l := newLife(t, "a", "b")
	l.looks(60, func(i int) {
		l.collectors["b"].mute = i%3 == 2
		l.send("a", 50, 0)
		l.send("b", 50, 0)
	})
	l.expect("Ready", metav1.ConditionTrue, ReasonReady)
	if rate := l.o.Status.RecordsPerSecond; rate == nil || *rate != 100 {
		t.Errorf("records a second: %v", rate)
	}
	if s := &l.o.Status; l.writes > 6 || s.Collectors != 2 || len(s.Nodes) != 2 {
		t.Errorf("%d writes; heard by %d collectors on %v", l.writes, s.Collectors, s.Nodes)
	}
	l.told()
}

// What a collector that was mute had counted before is not what came in the last minutes.
func TestACollectorThatWasMuteForLongBeginsAnewInTheFigures(t *testing.T) {
	l := newLife(t, "a", "b")
	l.looks(20, func(int) { l.send("a", 50, 0); l.send("b", 50, 0) })
	l.collectors["b"].mute = true
	l.looks(100, func(int) { l.send("a", 50, 0); l.send("b", 50, 0) })
	if s := &l.o.Status; s.Collectors != 1 || *s.RecordsPerSecond != 50 {
		t.Errorf("%d collectors, %d records a second", s.Collectors, *s.RecordsPerSecond)
	}
	l.collectors["b"].mute = false
	l.looks(40, func(int) { l.send("a", 50, 0); l.send("b", 50, 0) })
	if s := &l.o.Status; s.Collectors != 2 || *s.RecordsPerSecond != 100 {
		t.Errorf("%d collectors, %d records a second", s.Collectors, *s.RecordsPerSecond)
	}
}

func TestAMuteCollectorNowAndThenMakesNoConditionFlap(t *testing.T) {
	for name, test := range map[string]struct {
		send   func(*life)
		kind   string
		status metav1.ConditionStatus
		reason string
	}{
		"never heard":        {func(*life) {}, "Sending", metav1.ConditionFalse, ReasonNeverHeard},
		"loses":              {func(l *life) { l.send("a", 100, 5) }, "Complete", metav1.ConditionFalse, ReasonLost},
		"without a protocol": {func(l *life) { l.o.Spec.Protocols = []v1alpha1.ExporterProtocol{"IPFIX"}; l.send("a", 100, 0) }, "Sending", metav1.ConditionFalse, ReasonProtocolMissing},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, "a", "b")
			l.looks(40, func(int) { test.send(l) })
			l.told(test.kind + " False")
			l.writes = 0
			l.looks(30, func(i int) { l.collectors["b"].mute = i%2 == 0; test.send(l) })
			l.expect(test.kind, test.status, test.reason)
			l.told()
			if l.writes > 2 {
				t.Errorf("%d writes in five minutes", l.writes)
			}
			l.looks(10, func(int) { l.collectors["b"].mute = true; test.send(l) })
			if c := meta.FindStatusCondition(l.o.Status.Conditions, test.kind); c.Status != metav1.ConditionUnknown {
				t.Errorf("it is not known for a minute and more, and said to be: %+v", c)
			}
		})
	}
}

func TestARolloutOfTheOnlyCollectorTellsNothingNewOfASilentDevice(t *testing.T) {
	l := newLife(t, "a")
	l.looks(10, func(int) { l.send("a", 100, 0) })
	l.looks(40, func(int) {})
	l.told("Sending False")
	delete(l.collectors, "a")
	l.looks(3, func(int) {})
	l.expect("Sending", metav1.ConditionFalse, ReasonSilent)
	l.looks(6, func(int) {})
	l.expect("Sending", metav1.ConditionUnknown, ReasonNoCollectors)
}

func TestARestartOfTheOperatorTellsNothingNewOfADevice(t *testing.T) {
	for name, send := range map[string]func(*life){
		"never heard": func(*life) {},
		"silent":      func(l *life) { l.o.Status.LastHeard = &metav1.Time{Time: noon.Add(-time.Hour)} },
		"well":        func(l *life) { l.send("a", 100, 0) },
		"loses":       func(l *life) { l.send("a", 100, 5) },
	} {
		l := newLife(t, "a", "b")
		l.looks(60, func(int) { send(l) })
		before := l.o.Status.DeepCopy()
		l.m, l.events = newMemory(), nil
		l.looks(40, func(int) {
			send(l)
			for _, c := range l.o.Status.Conditions {
				if b := meta.FindStatusCondition(before.Conditions, c.Type); b == nil || b.Status != c.Status || b.Reason != c.Reason || !b.LastTransitionTime.Equal(&c.LastTransitionTime) {
					t.Fatalf("%s: %+v became %+v", name, b, c)
				}
			}
		})
		if len(l.events) > 0 {
			t.Errorf("%s: %v", name, l.events)
		}
	}
}

func TestARebootOfADeviceIsNoLossAndItIsStillMeasured(t *testing.T) {
	l := newLife(t, "a")
	l.looks(40, func(int) { l.send("a", 100, 0) })
	s := &l.collectors["a"].Streams[0]
	s.Span, s.SkewMillis = ledger.Span{First: 1 << 33, Next: 1 << 33, Restarts: 1}, new(int64(3600000))
	l.looks(3, func(int) { l.send("a", 100, 0) })
	l.expect("Complete", metav1.ConditionTrue, ReasonComplete)
	l.expect("ClockRight", metav1.ConditionFalse, ReasonClockWrong)
	s.SkewMillis = new(int64(100))
	l.looks(40, func(int) { l.send("a", 100, 0) })
	l.expect("Ready", metav1.ConditionTrue, ReasonReady)
	l.told("ClockRight False", "ClockRight True")
	if l.o.Status.Restarts != 1 {
		t.Errorf("%d restarts", l.o.Status.Restarts)
	}
}

// Ports behind NAT come and go: those that are told of no more take their units with them, and not what is known of the others.
func TestADeviceWhosePortsComeAndGoIsMeasured(t *testing.T) {
	l := newLife(t, "a")
	l.looks(120, func(i int) {
		l.send("a", 100, 0)
		h := l.collectors["a"]
		h.Streams = append(h.Streams, status.Stream{Port: uint16(6000 + i), LastSeen: l.now, Span: ledger.Span{First: 1, Next: uint64(1000 + 500*(i%2)), Units: uint64(900 + 500*(i%2))}})
		h.Streams = h.Streams[:1+copy(h.Streams[1:], h.Streams[max(1, len(h.Streams)-30):])]
		h.Streams[0].LastSeen = l.now
	})
	s := l.m.senders[router]
	if w := s.window(); w == nil || w.Records != w.Received*10 || w.Time < windowTime-sampleEvery || w.Missed > w.Sent {
		t.Errorf("%+v", w)
	}
}

func TestADeviceThatMovesToAnotherCollectorIsReadyAllTheTime(t *testing.T) {
	l := newLife(t, "a", "b", "c")
	l.looks(20, func(int) { l.send("a", 100, 0) })
	for _, next := range []string{"b", "c", "a"} {
		before := l.collectors["a"].Streams[0].Span.Next
		for _, h := range l.collectors {
			if len(h.Streams) > 0 {
				before = max(before, h.Streams[0].Span.Next)
			}
		}
		l.send(next, 0, 0)
		s := &l.collectors[next].Streams[0].Span
		if s.Units == 0 {
			s.First, s.Next = before, before
		}
		s.Next = before
		l.looks(100, func(int) {
			l.send(next, 100, 0)
			l.expect("Ready", metav1.ConditionTrue, ReasonReady)
		})
		if t.Failed() {
			t.Fatalf("at %s: %+v", next, l.o.Status)
		}
	}
	l.told()
	if s := &l.o.Status; s.Collectors != 1 || s.Nodes[0] != "node-a" || s.Loss != "0.00%" {
		t.Errorf("%+v", s)
	}
}

// A device without traffic sends templates: what of it is missing, and which rate flows have, nobody knows.
func TestOfADeviceWithoutFlowsNothingIsClaimedAndNobodyIsToldToWait(t *testing.T) {
	l := newLife(t, "a")
	l.looks(40, func(int) { l.send("a", 100, 5) })
	l.expect("Complete", metav1.ConditionFalse, ReasonLost)
	h := l.collectors["a"]
	h.Streams[0].Sampling = &status.Sampling{}
	l.looks(60, func(int) {
		h.Received, h.Decoded = h.Received+1, h.Decoded+1
		h.Streams[0].LastSeen = l.now
	})
	l.expect("Sending", metav1.ConditionTrue, ReasonHeard)
	l.expect("Complete", metav1.ConditionUnknown, ReasonNoFlows)
	l.expect("SamplingKnown", metav1.ConditionUnknown, ReasonNoFlows)
	l.expect("Ready", metav1.ConditionUnknown, ReasonNoFlows)
	l.looks(20, func(int) {
		l.send("a", 100, 0)
		h.Streams[0].Sampling = &status.Sampling{Rate: 1, Rated: true, Source: "announced"}
	})
	l.expect("Ready", metav1.ConditionTrue, ReasonReady)
}

func TestOfADeviceThatNobodyHearsNoRateIsShown(t *testing.T) {
	for name, away := range map[string]func(*life){
		"no collectors":         func(l *life) { delete(l.collectors, "a") },
		"that answer":           func(l *life) { l.collectors["a"].mute = true },
		"the fleet's own":       func(*life) {},
		"nobody looks any more": func(*life) {},
	} {
		l := newLife(t, "a")
		l.looks(20, func(int) { l.send("a", 100, 0) })
		away(l)
		l.looks(60, func(int) {})
		if r := l.o.Status.RecordsPerSecond; r != nil {
			t.Errorf("%s: %d records a second", name, *r)
		}
	}
	f := healthy()
	f.Exporter.Status = v1alpha1.FlowExporterStatus{Collectors: 2, Nodes: []string{"n"}, Ports: 1, Records: 7, Restarts: 1, Units: &v1alpha1.ExporterUnits{}, RecordsPerSecond: new(int64(3))}
	f.Idle = idle{ReasonNoCollector, "there is no FlowCollector"}
	s := Judge(f)
	if s.Collectors != 0 || s.Nodes != nil || s.Ports != 0 || s.Records != 0 || s.Restarts != 0 || s.Units != nil || s.RecordsPerSecond != nil {
		t.Errorf("collectors of a fleet that is gone hear it: %+v", s)
	}
}

// An operator that comes back after days has not looked meanwhile, and nor has one whose collectors do not answer.
func TestNoObjectGoesForASilenceThatNobodyLookedAt(t *testing.T) {
	objects := []*v1alpha1.FlowExporter{found("192.0.2.1", noon.Add(-48*time.Hour), 9)}
	for name, look := range map[string]Look{
		"just started":    {Since: noon.Add(-begun / 2), Collectors: 1},
		"no collectors":   {Since: noon.Add(-time.Hour)},
		"one is mute":     {Since: noon.Add(-time.Hour), Collectors: 2, Unanswered: 1},
		"looks for a day": {Since: noon.Add(-25 * time.Hour), Collectors: 1},
	} {
		c := choose(objects, nil, 10, look, noon)
		if got := fmt.Sprint(len(c.remove)); (got == "1") != (name == "looks for a day") {
			t.Errorf("%s: %s removed", name, got)
		}
	}
}

// What was lost long ago is not what is lost now, and what the device sent while nobody heard it is.
func TestADeviceThatComesBackAfterASilenceHasLostWhatItSentMeanwhileAndNoMore(t *testing.T) {
	for name, meanwhile := range map[string]uint64{"it was off": 0, "it was cut off": 2000} {
		l := newLife(t, "a")
		l.looks(60, func(int) { l.send("a", 100, 10) })
		l.looks(150, func(int) {})
		l.looks(12, func(i int) {
			if i == 0 {
				l.collectors["a"].Streams[0].Span.Next += meanwhile
			}
			l.send("a", 100, 0)
		})
		w := l.m.senders[router].window()
		if w == nil || w.Sent != 1200+meanwhile || w.Missed != meanwhile {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// A device may be meant to be silent for a while: what it sends then shows as soon as it is measured, and not five minutes later.
func TestADeviceThatSendsNowAndThenIsShownToSendWhenItDoes(t *testing.T) {
	l := newLife(t, "a")
	l.o.Spec.SilentAfter = "1h"
	l.looks(40, func(int) { l.send("a", 100, 0) })
	for round := range 3 {
		l.looks(60, func(int) {})
		if rate := l.o.Status.RecordsPerSecond; rate == nil || *rate != 0 || l.o.Status.Loss != "" {
			t.Errorf("%d: silent, it has the rate %v and the loss %q", round, rate, l.o.Status.Loss)
		}
		l.writes = 0
		l.looks(10, func(int) { l.send("a", 100, 0) })
		if rate := l.o.Status.RecordsPerSecond; *rate < 50 || l.o.Status.Loss != "0.00%" {
			t.Errorf("%d: for 100 s it has sent 100 records a second, and is shown with %d and the loss %q", round, *rate, l.o.Status.Loss)
		}
		if l.writes > 2 {
			t.Errorf("%d: %d writes", round, l.writes)
		}
	}
	l.told()
}

// What came before the first look cannot be measured. A device that is silent from then on is not waited for.
func TestADeviceThatIsHeardForAMomentIsNotSaidToBeMeasured(t *testing.T) {
	l := newLife(t, "a")
	l.send("a", 10, 0)
	for look := range 20 {
		l.look()
		for _, c := range l.o.Status.Conditions {
			if look > 7 && strings.Contains(c.Message, "wait") {
				t.Fatalf("look %d: %s: %s", look, c.Type, c.Message)
			}
		}
	}
	if c := meta.FindStatusCondition(l.o.Status.Conditions, v1alpha1.ConditionSending); c == nil || c.Status != metav1.ConditionTrue {
		t.Errorf("it was heard 4 minutes ago, and %+v", c)
	}
}
