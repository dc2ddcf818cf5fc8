package judge

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Whatever happened to a fleet: once it is well and has been for as long as a loss is told, the status says so, and nothing of what was.
func TestWhateverHappenedAFleetThatIsWellAgainSaysSo(t *testing.T) {
	said := func(s *v1alpha1.FlowCollectorStatus) map[string]string {
		out := make(map[string]string)
		for _, c := range s.Conditions {
			out[c.Type] = string(c.Status) + " " + c.Reason + ": " + c.Message
		}
		return out
	}
	fresh := wellNow(noon, noon)
	pass(fresh, 0)
	want := said(new(pass(fresh, 0).Status))
	for seed := range uint64(histories) {
		h := newHistory(seed)
		for range 12 {
			h.told = nil
			h.f.Applied.Changed = nil
			for range 1 + h.IntN(4) {
				h.happen()
			}
			h.consistent()
			v := Judge(h.f)
			h.f.Collector.Status, h.f.Before = v.Status, v.Memory
		}
		if h.f.Deletion != nil { // it does not come back
			continue
		}
		f := wellNow(h.f.Now, h.f.Server)
		f.Collector.Generation, f.Collector.Status, f.Before = h.f.Collector.Generation, h.f.Collector.Status, h.f.Before
		var v Verdict
		for range 3 {
			f.Collectors.At = f.Now.Add(lossTold)
			for i := range f.Collectors.Reports {
				f.Collectors.Reports[i].Asked, f.Collectors.Reports[i].Answered = f.Collectors.At, f.Collectors.At
			}
			v = pass(f, lossTold)
		}
		got := said(&v.Status)
		for kind, is := range got {
			if is != want[kind] {
				t.Errorf("history %d: %s is %q, not %q", seed, kind, is, want[kind])
			}
		}
		for kind := range want {
			if got[kind] == "" {
				t.Errorf("history %d: there is no %s", seed, kind)
			}
		}
		for i := range v.Status.Conditions {
			if c := &v.Status.Conditions[i]; c.ObservedGeneration != f.Collector.Generation {
				t.Errorf("history %d: %s is of generation %d, not of %d", seed, c.Type, c.ObservedGeneration, f.Collector.Generation)
			}
		}
		s, w := &v.Status, &fresh.Collector.Status
		if s.ObservedGeneration != f.Collector.Generation || s.Collectors != w.Collectors || s.Address != w.Address || s.Image != w.Image {
			t.Errorf("history %d: generation %d, %+v, %q, %q", seed, s.ObservedGeneration, s.Collectors, s.Address, s.Image)
		}
		if again := pass(f, time.Second); len(again.Transitions) > 0 {
			t.Errorf("history %d: it goes on to change: %+v", seed, again.Transitions)
		}
		if t.Failed() {
			t.Fatalf("it was last: %q, %v", h.told, meta.FindStatusCondition(h.f.Collector.Status.Conditions, v1alpha1.ConditionReady))
		}
	}
}

// wellNow is well at a time by the operator's clock, and by the API server's.
func wellNow(now, server time.Time) *Facts {
	f := well()
	f.Now, f.Server = now, server
	f.Collectors.Distribution.Collectors, f.Collectors.Distribution.Busy = 3, 3
	for i := range f.Collectors.Reports {
		r := &f.Collectors.Reports[i]
		r.Asked, r.Answered = now, now
	}
	return f
}
