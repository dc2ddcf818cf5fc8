package exporters

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// histories that are tried: seconds of them.
const histories = 600

// history is what happens to a device and its FlowExporter, at random.
type history struct {
	*rand.Rand
	f *Facts
}

func (h *history) maybe() bool { return h.IntN(2) == 0 }

func (h *history) number() uint64 {
	return []uint64{0, 0, 1, 7, 1000, math.MaxInt64, math.MaxUint64}[h.IntN(7)]
}

func (h *history) ago(most time.Duration) time.Time {
	return h.f.Now.Add(-time.Duration(h.Int64N(int64(most))))
}

func (h *history) words() string {
	return []string{"no route to host", "first\nsecond", "größe\xff", strings.Repeat("a long story ", 4000)}[h.IntN(4)]
}

// pass makes the facts of one more look. The operator may have been restarted in between.
func (h *history) pass() {
	f, e := h.f, h.f.Exporter
	f.Now = f.Now.Add([]time.Duration{time.Second, 10 * time.Second, 3 * time.Minute, time.Hour}[h.IntN(4)])
	if h.IntN(5) == 0 {
		e.Generation++
		e.Spec.Protocols = [][]v1alpha1.ExporterProtocol{nil, {"IPFIX"}, {"IPFIX", "NetFlow"}}[h.IntN(3)]
		e.Spec.DisplayName = []string{"", "core", "größe"}[h.IntN(3)]
	}
	next := healthy()
	next.Now, next.Exporter = f.Now, e
	next.Look = Look{Since: h.ago(2 * time.Hour), Collectors: h.IntN(4), NoRoom: h.IntN(4) == 0, Unfollowed: h.IntN(4) == 0}
	if next.Look.Collectors > 0 && h.IntN(3) == 0 {
		next.Look.Unanswered, next.Look.Reason = 1+h.IntN(next.Look.Collectors), h.words()
	}
	if h.maybe() {
		next.Look.Whole = h.ago(10 * time.Minute)
	}
	next.LastHeard = []time.Time{{}, h.ago(time.Minute), f.Now.Add(-time.Duration(11+h.IntN(60)) * time.Minute), f.Now.Add(time.Second)}[h.IntN(4)]
	g := next.Figures
	g.Received, g.Records, g.Waiting, g.Missed, g.Sent, g.Units, g.Restarts = h.number(), h.number(), h.number(), h.number(), h.number(), h.number(), h.number()
	g.Sequences, g.LeftOut, g.VolumeUntold, g.NamingUntold = h.IntN(3), h.IntN(4) == 0, h.maybe(), h.maybe()
	g.Volume.Bytes, g.Volume.Scaled = h.number(), h.number()
	if h.IntN(3) == 0 {
		g.Protocols, g.Nodes = nil, nil
	}
	s := &g.Said
	s.Unrated, s.Rated, s.RatesUntold, s.DisputedRates, s.ClocksUntold, s.TaughtUntold, s.ConflictingLayouts, s.BootTimes = h.maybe(), h.maybe(), h.IntN(4) == 0, h.IntN(4) == 0, h.IntN(4) == 0,
		h.IntN(4) == 0, h.IntN(6) == 0, h.IntN(6) == 0
	s.Skew, s.Clocks = time.Duration(h.Int64N(1e15))-5e14, h.IntN(3)
	w := next.Window
	w.Time = time.Duration(1+h.IntN(600)) * time.Second
	w.Received, w.Records, w.Refused, w.Undecoded, w.Sent, w.Missed, w.Volume.Bytes, w.Volume.Scaled, w.VolumeUnknown = h.number(), h.number(), h.number(), h.number(), h.number(), h.number(), h.number(), h.number(), h.maybe()
	switch h.IntN(5) {
	case 0:
		next.Window = nil
	case 1:
		next.Window, next.Figures = nil, nil
	}
	if f.Now.Sub(next.LastHeard) > 5*time.Minute { // nothing came that could be measured, nor says a collector anything of the last ten minutes
		next.Window, g.Said, g.Protocols, g.Nodes, g.Sequences = nil, Said{}, nil, nil, 0
	}
	switch h.IntN(6) {
	case 0:
		next.Settings.wrong = h.words()
	case 1:
		next.Settings.fault = h.words()
	case 2:
		next.Settings.noRoom = true
	}
	next.InForce, next.Uptake, next.Nameless = h.maybe(), uptake{h.IntN(3), h.IntN(2), h.IntN(2)}, h.maybe()
	if h.IntN(8) == 0 {
		next.Idle = idle{ReasonNotLookedAfter, "nobody looks"}
	}
	h.f = next
}

// Whatever happens to a device, and in whatever order: its status is complete, can be written, and promises nothing that the facts do not have.
func TestWhateverHappensNoStatusOfAFlowExporterLies(t *testing.T) {
	for seed := range uint64(histories) {
		h := &history{rand.New(rand.NewPCG(seed, 3)), healthy()}
		for range 12 {
			h.pass()
			f, e := h.f, h.f.Exporter
			facts, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			before := *e.Status.DeepCopy()
			after := Judge(f)
			if now, _ := json.Marshal(f); string(now) != string(facts) {
				t.Error("judging changes the facts")
			}
			checkForm(t, f, &before, &after)
			checkPromises(t, f, &before, &after)
			e.Status = after
			again := Judge(f)
			for i := range again.Conditions { // what is not known may not be known for another reason
				c := meta.FindStatusCondition(after.Conditions, again.Conditions[i].Type)
				if c == nil || c.Status != again.Conditions[i].Status || c.Status != metav1.ConditionUnknown && c.Reason != again.Conditions[i].Reason {
					t.Errorf("judging the same again says something else: %s", cmp.Diff(after, again))
				}
			}
			if t.Failed() {
				for _, c := range after.Conditions {
					t.Logf("%s of %d: %s %s %.200q", c.Type, c.ObservedGeneration, c.Status, c.Reason, c.Message)
				}
				t.Fatalf("history %d: %.2500s", seed, facts)
			}
		}
	}
}

func checkForm(t *testing.T, f *Facts, before, after *v1alpha1.FlowExporterStatus) {
	t.Helper()
	kinds := []string{v1alpha1.ConditionReady, v1alpha1.ConditionSending, v1alpha1.ConditionDecoding, v1alpha1.ConditionSamplingKnown, v1alpha1.ConditionClockRight, v1alpha1.ConditionConsistent}
	if f.Idle != (idle{}) {
		kinds = kinds[:1]
		if len(after.Conditions) != 1 {
			t.Errorf("nobody looks, and it has %d conditions", len(after.Conditions))
		}
	}
	for _, kind := range kinds {
		if meta.FindStatusCondition(after.Conditions, kind) == nil {
			t.Errorf("%s is not there", kind)
		}
	}
	if after.ObservedGeneration != f.Exporter.Generation {
		t.Errorf("it is of generation %d", after.ObservedGeneration)
	}
	for _, c := range after.Conditions {
		old := meta.FindStatusCondition(before.Conditions, c.Type)
		switch {
		case strings.TrimSpace(c.Message) == "" || len(c.Message) > longestMessage || !utf8.ValidString(c.Message) || strings.Contains(c.Message, "\n"):
			t.Errorf("%s has the message %.200q of %d bytes", c.Type, c.Message, len(c.Message))
		case c.Reason == "" || c.ObservedGeneration != f.Exporter.Generation:
			t.Errorf("%s is of generation %d, with the reason %q", c.Type, c.ObservedGeneration, c.Reason)
		case old != nil && old.Status == c.Status && !old.LastTransitionTime.Equal(&c.LastTransitionTime), c.LastTransitionTime.After(f.Now):
			t.Errorf("%s is so since %s, and it is %s", c.Type, c.LastTransitionTime, f.Now)
		}
	}
	for name, n := range map[string]*int64{"records": after.RecordsPerSecond, "bytes": after.BytesPerSecond, "scaled bytes": after.ScaledBytesPerSecond, "all": &after.Records, "restarts": &after.Restarts} {
		if n != nil && *n < 0 {
			t.Errorf("%s are %d", name, *n)
		}
	}
	text, err := json.Marshal(after)
	read := v1alpha1.FlowExporterStatus{}
	if err != nil || json.Unmarshal(text, &read) != nil || !equality.Semantic.DeepEqual(read, *after) {
		t.Errorf("the status is another one once it was written: %v", err)
	}
}

func checkPromises(t *testing.T, f *Facts, before, after *v1alpha1.FlowExporterStatus) {
	t.Helper()
	is := func(kind string) metav1.ConditionStatus {
		if c := meta.FindStatusCondition(after.Conditions, kind); c != nil {
			return c.Status
		}
		return ""
	}
	was := func(kind string) bool {
		c := meta.FindStatusCondition(before.Conditions, kind)
		return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == f.Exporter.Generation
	}
	if f.Idle != (idle{}) {
		if is(v1alpha1.ConditionReady) != metav1.ConditionUnknown {
			t.Error("nobody looks, and Ready is not Unknown")
		}
		return
	}
	ready := is(v1alpha1.ConditionReady) == metav1.ConditionTrue
	for _, kind := range []string{v1alpha1.ConditionSending, v1alpha1.ConditionDecoding} {
		if ready && is(kind) != metav1.ConditionTrue {
			t.Errorf("Ready is True, and %s is %s", kind, is(kind))
		}
	}
	for _, c := range after.Conditions {
		if ready && c.Status == metav1.ConditionFalse || ready && c.Type == v1alpha1.ConditionComplete && c.Status != metav1.ConditionTrue {
			t.Errorf("Ready is True, and %s is %s", c.Type, c.Status)
		}
	}
	heard := !f.LastHeard.IsZero() && f.Now.Sub(f.LastHeard) <= 5*time.Minute
	if is(v1alpha1.ConditionSending) == metav1.ConditionTrue && !heard && !was(v1alpha1.ConditionSending) {
		t.Errorf("it sends, and was last heard at %s", f.LastHeard)
	}
	for _, kind := range []string{v1alpha1.ConditionDecoding, v1alpha1.ConditionComplete, v1alpha1.ConditionSamplingKnown, v1alpha1.ConditionClockRight, v1alpha1.ConditionConsistent} {
		if is(kind) != metav1.ConditionTrue || was(kind) {
			continue
		}
		if f.Figures == nil || !heard {
			t.Errorf("%s is True without figures, or of one that is silent", kind)
		}
	}
	if is(v1alpha1.ConditionDecoding) == metav1.ConditionTrue && f.Window != nil && (f.Window.Undecoded > 0 || f.Window.Refused > 0) && !was(v1alpha1.ConditionDecoding) {
		t.Errorf("it is read, but for %d sets, and %d datagrams are refused", f.Window.Undecoded, f.Window.Refused)
	}
	if f.Settings.wrong != "" && is(v1alpha1.ConditionConfigured) == metav1.ConditionTrue {
		t.Error("its settings are wrong, and Configured is True")
	}
}

// A collector may say any figure: a status has none that is less than nothing.
func TestARateOfAnythingIsANumber(t *testing.T) {
	for v, want := range map[float64]int64{0: 0, 99.4: 99, 12345: 12000, math.MaxInt64: math.MaxInt64, math.MaxUint64: math.MaxInt64, math.Inf(1): math.MaxInt64} {
		if got := twoDigits(v); got != want {
			t.Errorf("%g is written as %d, not %d", v, got, want)
		}
	}
}
