package exporters

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// saidBy is what is known after pages of collectors, each with one exporter of one sequence.
func saidBy(protocol string, change ...func(*status.Exporter)) *Figures {
	s := newSum()
	for i, f := range change {
		e := status.Exporter{Address: router.String(), Protocol: protocol, Received: 1, Taught: &status.Taught{Templates: 3, TemplatesChanged: new(noon.Add(-time.Hour))},
			Streams: []status.Stream{{LastSeen: noon, SkewMillis: new(int64(-1000)), Sampling: &status.Sampling{Rate: 100, Source: "announced", Rated: true}}}}
		f(&e)
		pod := observation.Pod{Name: string(rune('a' + i)), Node: "node-" + string(rune('a'+i))}
		s.take(pod, &status.Exporters{Time: noon, Exporters: []status.Exporter{e}}, noon, all)
	}
	return s.end()[router]
}

func TestWhatCollectorsSayOfRatesClocksAndTemplatesIsPutTogether(t *testing.T) {
	same := func(*status.Exporter) {}
	f := saidBy("netflow9", same, func(e *status.Exporter) {
		*e.Streams[0].SkewMillis, e.Streams[0].Sampling.Rate, e.Taught.Templates, e.Taught.BootTimes = 5000, 200, 5, true
	})
	s := f.Said
	if s.Skew != 5*time.Second || s.SkewNode != "node-b" || len(s.Rates) != 2 || !s.Rated || s.Unrated || s.Templates != 5 || !s.BootTimes || s.DisputedRates ||
		s.RatesUntold || s.ClocksUntold || s.TaughtUntold || !s.Changed.Equal(noon.Add(-time.Hour)) {
		t.Errorf("%+v", s)
	}
	both := &Figures{}
	both.add(f)
	both.add(saidBy("ipfix", same))
	if both.Said.Templates != 8 || len(both.Said.Rates) != 2 || both.Said.Clocks != 3 {
		t.Errorf("%+v", both.Said)
	}
}

// A device whose flows reach another collector now may say something else there.
func TestWhatACollectorHeardBeforeTheLastMinutesIsNotSaidNow(t *testing.T) {
	s := saidBy("netflow9", func(e *status.Exporter) { e.Streams[0].Sampling.Rate, *e.Streams[0].SkewMillis = 200, 0 }, func(e *status.Exporter) {
		e.Streams[0].LastSeen, *e.Streams[0].SkewMillis = noon.Add(-windowTime-time.Second), 3_600_000
	}).Said
	if !s.Rates[200] || len(s.Rates) != 1 || s.Clocks != 1 || s.Skew != 0 {
		t.Errorf("%+v", s)
	}
}

// A collector of a former version has none of these fields.
func TestWhatACollectorDoesNotSayIsUnknown(t *testing.T) {
	s := saidBy("netflow9", func(*status.Exporter) {}, func(e *status.Exporter) { e.Taught, e.Streams[0].SkewMillis, e.Streams[0].Sampling = nil, nil, nil }).Said
	if !s.RatesUntold || !s.ClocksUntold || !s.TaughtUntold {
		t.Errorf("%+v", s)
	}
	if s := saidBy("sflow", func(e *status.Exporter) { e.Streams[0].SkewMillis = nil }).Said; s.ClocksUntold || s.Clocks != 0 {
		t.Errorf("%+v", s)
	}
	if s := saidBy("netflow9", func(e *status.Exporter) { e.Taught, e.Streams = nil, nil }).Said; s.TaughtUntold {
		t.Error("one that did not hear it lately has to tell of it")
	}
}

func TestWhatAPodLiesIsBounded(t *testing.T) {
	s := newSum()
	for i := range 1000 {
		e := status.Exporter{Address: router.String(), Protocol: "netflow9", Received: 1, Taught: &status.Taught{Templates: -1 << 60}, Streams: []status.Stream{{LastSeen: noon,
			SkewMillis: new(int64(-1 << 63)), Sampling: &status.Sampling{Rate: uint64(i + 1), Source: "announced", Rated: true}},
			{LastSeen: noon, Sampling: &status.Sampling{Rate: 7, Source: "a word", Rated: true}}}}
		s.take(observation.Pod{}, &status.Exporters{Time: noon, Exporters: []status.Exporter{e}}, noon, all)
	}
	if f := s.end()[router]; len(f.Said.Rates) != shownList || len(f.Said.Sources) != 1 || f.Said.Templates != 0 || f.Said.Skew > -time.Hour {
		t.Errorf("%+v", f.Said)
	}
}

// Where nobody says which rate it is, none is known.
func TestARateThatNobodyNamesIsNotKnown(t *testing.T) {
	for name, change := range map[string]func(*status.Sampling){
		"none":                   func(s *status.Sampling) { s.Rate = 0 },
		"a word of a later time": func(s *status.Sampling) { s.Source = "inferred" },
	} {
		f := healthy()
		f.Figures.Said = saidBy("netflow9", func(e *status.Exporter) { change(e.Streams[0].Sampling) }).Said
		if c := samplingKnown(f, sending(f)); c.status == metav1.ConditionTrue {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// Twins take turns: a collector that has just taken over from another one has not heard both yet.
func TestDevicesThatContradictEachOtherAreNotCalledOneByACollectorThatHasJustBegun(t *testing.T) {
	f := healthy()
	f.Figures.Said.ConflictingLayouts = true
	f.Exporter.Status = Judge(f)
	f.Figures.Said.ConflictingLayouts = false
	for ran, want := range map[time.Duration]metav1.ConditionStatus{12 * time.Second: metav1.ConditionFalse, windowTime: metav1.ConditionTrue} {
		f.Figures.Said.Listening = ran
		if c := meta.FindStatusCondition(Judge(f).Conditions, v1alpha1.ConditionConsistent); c.Status != want {
			t.Errorf("after %s it is %+v", ran, c)
		}
	}
}
