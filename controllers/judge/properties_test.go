package judge

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// always are conditions that each judgement of a fleet has.
var always = []string{v1alpha1.ConditionReady, v1alpha1.ConditionProgressing, v1alpha1.ConditionDegraded, v1alpha1.ConditionConfigurationValid,
	v1alpha1.ConditionCollectorsAvailable, v1alpha1.ConditionTemplateStoreReady, v1alpha1.ConditionStreamReady, v1alpha1.ConditionServiceReady,
	v1alpha1.ConditionSourceIPPreserved, v1alpha1.ConditionLoadDistributed, v1alpha1.ConditionNothingLost, v1alpha1.ConditionReceiveBuffersGranted}

var reasonPattern = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`) // of metav1.Condition

// judged is one judgement of a history, with what it was made of.
type judged struct {
	*testing.T
	h      *history
	before v1alpha1.FlowCollectorStatus
	v      Verdict
}

func (j *judged) status(kind string) (metav1.ConditionStatus, string) {
	if c := meta.FindStatusCondition(j.v.Status.Conditions, kind); c != nil {
		return c.Status, c.Reason
	}
	return "", ""
}

func (j *judged) is(kind string, status metav1.ConditionStatus) bool {
	s, _ := j.status(kind)
	return s == status
}

func (j *judged) wrong(format string, args ...any) {
	j.Helper()
	j.Errorf("after %q: "+format, append([]any{j.h.told}, args...)...)
	for _, c := range j.v.Status.Conditions {
		j.Logf("%s of %d: %s %s %.200q", c.Type, c.ObservedGeneration, c.Status, c.Reason, c.Message)
	}
}

// histories that are tried: seconds of them.
const histories = 300

// Whatever happens, and in whatever order: a verdict is complete, can be written, follows from the facts alone, and promises nothing that they do
// not have.
func TestWhateverHappensNoVerdictLies(t *testing.T) {
	for seed := range uint64(histories) {
		h := newHistory(seed)
		for range 12 {
			h.told = nil
			h.f.Applied.Changed = nil
			for range 1 + h.IntN(4) {
				h.happen()
			}
			h.consistent()
			facts := snapshot(t, h.f)
			before := *h.f.Collector.Status.DeepCopy()
			j := &judged{t, h, before, Judge(h.f)}
			if after := snapshot(t, h.f); after != facts {
				j.wrong("judging changes the facts")
			}
			j.checkForm()
			j.checkTransitions()
			j.checkPromises()
			j.checkTools()
			h.f.Collector.Status, h.f.Before = j.v.Status, j.v.Memory
			h.f.Applied.Changed = nil // it was written once
			again := Judge(h.f)
			if len(again.Transitions) > 0 && !slices.Contains(h.told, "what is applied") { // whose writes are taken as done here
				j.wrong("judging the same again tells of %.300q", again.Transitions)
			}
			h.f.Before = again.Memory
			h.f.Collector.Status = again.Status
			if t.Failed() {
				t.Fatalf("history %d", seed)
			}
		}
	}
}

// snapshot of facts.
func snapshot(t *testing.T, f *Facts) string {
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkForm: what the API server takes, and the same after it was read back.
func (j *judged) checkForm() {
	f, s := j.h.f, &j.v.Status
	kinds := always
	if f.Blind {
		kinds = []string{v1alpha1.ConditionReady, v1alpha1.ConditionProgressing, v1alpha1.ConditionDegraded}
	}
	if f.Deletion != nil && !f.Blind {
		kinds = kinds[:3]
	}
	for _, kind := range kinds {
		if j.is(kind, "") {
			j.wrong("%s is not there", kind)
		}
	}
	seen := make(map[string]bool)
	for _, c := range s.Conditions {
		old := meta.FindStatusCondition(j.before.Conditions, c.Type)
		switch {
		case seen[c.Type]:
			j.wrong("%s is there twice", c.Type)
		case strings.TrimSpace(c.Message) == "" || len(c.Message) > 32768 || strings.Contains(c.Message, "\n") || !utf8.ValidString(c.Message):
			j.wrong("%s has the message %.100q of %d bytes", c.Type, c.Message, len(c.Message))
		case !reasonPattern.MatchString(c.Reason):
			j.wrong("%s has the reason %q", c.Type, c.Reason)
		case c.ObservedGeneration > f.Collector.Generation || c.ObservedGeneration < 0:
			j.wrong("%s is of generation %d of %d", c.Type, c.ObservedGeneration, f.Collector.Generation)
		case c.LastTransitionTime.After(f.Server) || c.LastTransitionTime.IsZero():
			j.wrong("%s is so since %s, and it is %s", c.Type, c.LastTransitionTime, f.Server)
		case old != nil && old.Status == c.Status && !old.LastTransitionTime.Equal(&c.LastTransitionTime) && (c.Reason != ReasonDeleting || old.Reason == ReasonDeleting):
			j.wrong("%s was so before, and its time changes", c.Type)
		case old != nil && old.Status != c.Status && c.LastTransitionTime.Time.Before(f.Server.Add(-time.Second)):
			j.wrong("%s was %s before, and is %s since %s", c.Type, old.Status, c.Status, c.LastTransitionTime)
		case old != nil && c.ObservedGeneration < old.ObservedGeneration:
			j.wrong("%s is of generation %d, after %d", c.Type, c.ObservedGeneration, old.ObservedGeneration)
		}
		seen[c.Type] = true
	}
	if len(s.Addresses) > 2*maxAddresses || len(s.Consumers) > 64 {
		j.wrong("it has %d addresses and %d consumers", len(s.Addresses), len(s.Consumers))
	}
	text, err := json.Marshal(s)
	read := v1alpha1.FlowCollectorStatus{}
	if err != nil || json.Unmarshal(text, &read) != nil || !equality.Semantic.DeepEqual(read, *s) {
		j.wrong("the status is another one once it was written: %v", err)
	}
	if j.v.Again < 0 {
		j.wrong("the next judgement is due in %s", j.v.Again)
	}
}

// checkTransitions: each is one, and each change is told.
func (j *judged) checkTransitions() {
	told := make(map[string]Transition)
	for _, t := range j.v.Transitions {
		told[t.Type] = t
	}
	for _, c := range j.v.Status.Conditions {
		old := meta.FindStatusCondition(j.before.Conditions, c.Type)
		from, reason := metav1.ConditionUnknown, ""
		if old != nil {
			from, reason = old.Status, old.Reason
		}
		t, ok := told[c.Type]
		if changed := from != c.Status || reason != c.Reason; changed != ok || ok && (t.From != from || t.To != c.Status || t.Reason != c.Reason || t.Message != c.Message) {
			j.wrong("%s becomes %s %s from %s %s, and what is told is %t, %+v", c.Type, c.Status, c.Reason, from, reason, ok, t)
		}
	}
}

// checkPromises: what is said for good rests on facts.
func (j *judged) checkPromises() {
	f := j.h.f
	whole := f.appliedInFull() && !f.Blind
	if j.v.Status.ObservedGeneration > j.before.ObservedGeneration && !whole && !j.is(v1alpha1.ConditionStalled, "True") {
		j.wrong("observedGeneration rises to %d, which is not applied in full", j.v.Status.ObservedGeneration)
	}
	if j.v.Settled && !whole {
		j.wrong("it is settled without being applied")
	}
	before := meta.FindStatusCondition(j.before.Conditions, v1alpha1.ConditionProgressing)
	if _, reason := j.status(v1alpha1.ConditionProgressing); reason == ReasonSettled && !j.v.Settled && !f.Applied.Failed {
		j.wrong("it says Settled, and is not")
	} else if reason == ReasonProgressDeadlineExceeded && before != nil && before.Reason == ReasonSettled && f.Server.Sub(j.h.edited) >= f.Deadline() &&
		f.DaemonSet != nil && j.h.seen == f.DaemonSet.Generation {
		j.wrong("it was settled, and is stuck though nobody changed anything")
	}
	j.h.seen = 0
	if f.DaemonSet != nil {
		j.h.seen = f.DaemonSet.Generation
	}
	if j.is(v1alpha1.ConditionReconciling, "True") && j.is(v1alpha1.ConditionStalled, "True") {
		j.wrong("it is Reconciling and Stalled")
	}
	for _, c := range j.v.Status.Conditions {
		if strings.Contains(c.Message, "no change of its objects waits") && !whole {
			j.wrong("%s says what is not known", c.Type)
		}
	}
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if !j.is(kind, "") && !j.is(kind, "True") {
			j.wrong("%s is there and not True", kind)
		}
	}
	if f.Deletion != nil && !f.Blind {
		if s, reason := j.status(v1alpha1.ConditionReady); s != "False" || reason != ReasonDeleting {
			j.wrong("it is deleted, and Ready is %s, %s", s, reason)
		}
	}
	trouble := map[string]bool{v1alpha1.ConditionProgressing: true, v1alpha1.ConditionReconciling: true, v1alpha1.ConditionDegraded: true, v1alpha1.ConditionStalled: true}
	for _, c := range j.v.Status.Conditions {
		if (f.Blind || f.Deletion != nil) && c.Status == metav1.ConditionTrue && !trouble[c.Type] {
			j.wrong("nothing is known, and %s is True", c.Type)
		}
	}
	if f.Blind || f.Deletion != nil {
		if j.is(v1alpha1.ConditionDegraded, "False") {
			j.wrong("nothing is known, and Degraded is False")
		}
		return
	}
	missing := slices.IndexFunc(essential, func(kind string) bool { return !j.is(kind, "True") })
	if ready := j.is(v1alpha1.ConditionReady, "True"); ready != (missing < 0) {
		j.wrong("Ready is True: %t, and all that it needs: %t", ready, missing < 0)
	}
	is, was := meta.FindStatusCondition(j.v.Status.Conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(j.before.Conditions, v1alpha1.ConditionReady)
	if is.ObservedGeneration == f.Collector.Generation && (was == nil || was.ObservedGeneration < is.ObservedGeneration) && (!whole || !j.v.Settled) {
		j.wrong("Ready is of a generation that is not applied, or does not run")
	}
	if _, reason := j.status(v1alpha1.ConditionStalled); (reason == ReasonAddressMissing || reason == ReasonProgressDeadlineExceeded) && f.Server.Sub(j.h.edited) < f.Deadline() {
		j.wrong("it is Stalled, %s, %s after it was edited", reason, f.Server.Sub(j.h.edited))
	}
	if j.is(v1alpha1.ConditionStalled, "True") && !j.is(v1alpha1.ConditionDegraded, "True") {
		j.wrong("it is Stalled, and not Degraded")
	}
	yet := map[string]bool{ReasonStarting: true, ReasonAddressPending: true, ReasonPending: true, ReasonUnavailable: true, ReasonPartlyUnavailable: true,
		ReasonDatagramsRefused: true, ReasonBuffersSmaller: true, ReasonNeverRead: true}
	if j.is(v1alpha1.ConditionDegraded, "False") {
		was := meta.FindStatusCondition(j.before.Conditions, v1alpha1.ConditionDegraded)
		for _, kind := range degrading {
			s, reason := j.status(kind)
			_, progress := j.status(v1alpha1.ConditionProgressing)
			if toldByCollectors[kind] && (reason == ReasonPending || reason == ReasonCollectorsUnreachable && progress == ReasonRolling) && was != nil && was.Status == metav1.ConditionFalse {
				continue // new collectors unsettle nothing
			}
			switch {
			case s == "False" && (!yet[reason] || (reason == ReasonUnavailable || reason == ReasonPartlyUnavailable) && j.v.Settled), s == "Unknown" && !inconclusive[reason]:
				j.wrong("Degraded is False, and %s is %s, %s", kind, s, reason)
			}
		}
	}
	j.checkLooks()
}

// checkLooks: nothing is called well of which nobody has looked.
func (j *judged) checkLooks() {
	f := j.h.f
	was := func(kind string, of int64) bool {
		c := meta.FindStatusCondition(j.before.Conditions, kind)
		return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration >= of
	}
	applied := int64(0)
	if f.appliedInFull() {
		applied = f.Collector.Generation
	}
	answers, compared, shares, publishes := 0, 0, 0, 0
	for i := range f.Collectors.Reports {
		r := &f.Collectors.Reports[i]
		if r.Error != "" || r.Now == nil || f.Now.Sub(r.Answered) > 5*time.Minute {
			continue
		}
		c := collector{r}
		answers++
		if r.Before != nil || c.fresh() {
			compared++
		}
		if c.shares() {
			shares++
		}
		if c.publishes() {
			publishes++
		}
	}
	for kind, users := range map[string]int{v1alpha1.ConditionTemplateStoreReady: shares, v1alpha1.ConditionStreamReady: publishes} {
		if s, reason := j.status(kind); s == "True" && reason == ReasonReportedByCollectors && users == 0 && !was(kind, applied) {
			j.wrong("%s is True by the word of no collector", kind)
		}
	}
	if j.is(v1alpha1.ConditionNothingLost, "True") && compared == 0 && !was(v1alpha1.ConditionNothingLost, applied) {
		j.wrong("no collector was compared, and nothing was lost")
	}
	for kind, look := range map[string]*jetstream.Look{v1alpha1.ConditionTemplateStoreReady: lookOf(f.NATS.Bucket), v1alpha1.ConditionStreamReady: lookOfStream(f.NATS.Stream)} {
		if kind == v1alpha1.ConditionTemplateStoreReady && f.Collector.Spec.TemplateStore.Disabled {
			continue
		}
		looked := look != nil && look.Current && !look.At.IsZero() && look.Class == jetstream.ClassNone && look.Age <= 5*time.Minute
		if j.is(kind, "True") && !looked && answers == 0 && !was(kind, applied) {
			j.wrong("nobody has looked, and %s is True", kind)
		}
		if j.is(kind, "True") && answers == 0 && look != nil && look.Age > 5*time.Minute {
			j.wrong("nobody has looked for long, and %s is True", kind)
		}
	}
	for _, kind := range []string{v1alpha1.ConditionNothingLost, v1alpha1.ConditionReceiveBuffersGranted} {
		if s, reason := j.status(kind); s == "True" && answers == 0 && (len(f.Collectors.Reports) == 0 || !was(kind, applied)) {
			j.wrong("no collector answers, and %s is True, %s", kind, reason)
		}
	}
	if len(f.Collectors.Reports) == 0 && j.is(v1alpha1.ConditionSourceIPPreserved, "True") {
		if _, reason := j.status(v1alpha1.ConditionSourceIPPreserved); reason == ReasonAddressesKept {
			j.wrong("no collector runs, and exporters' addresses are kept")
		}
	}
	if f.DaemonSet == nil && j.is(v1alpha1.ConditionCollectorsAvailable, "True") {
		j.wrong("there is no DaemonSet, and collectors are available")
	}
}

func lookOf(b *jetstream.BucketFinding) *jetstream.Look {
	if b == nil {
		return nil
	}
	return &b.Look
}

func lookOfStream(s *jetstream.StreamFinding) *jetstream.Look {
	if s == nil {
		return nil
	}
	return &s.Look
}

// checkTools: what Flux and Argo CD see is what is there.
func (j *judged) checkTools() {
	if j.h.IntN(20) > 0 || j.h.f.Deletion != nil {
		return
	}
	f := j.h.f
	fc := f.Collector.DeepCopy()
	fc.Status = j.v.Status
	sees := controllertest.Kstatus(j.T, fc)
	if sees == kstatus.CurrentStatus && (f.Blind || !j.is(v1alpha1.ConditionReady, "True") || !j.v.Settled && !f.Applied.Failed || f.Waits != "") && !f.Collector.Spec.Suspend {
		j.wrong("kstatus says Current")
	}
	stalled := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionStalled)
	if (sees == kstatus.FailedStatus) != (stalled != nil && fc.Status.ObservedGeneration == fc.Generation) {
		j.wrong("kstatus says %s", sees)
	}
	if !f.Blind {
		checkArgoCD(j.T, fc, sees)
	}
}
