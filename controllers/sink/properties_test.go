package sink

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// histories that are tried: seconds of them.
const histories = 120

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// history is what happens to a FlowSink, at random.
type history struct {
	*rand.Rand
	f *Facts
}

func newHistory(seed uint64) *history {
	s := &v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "rows", Generation: 1, CreationTimestamp: metav1.NewTime(noon)}}
	s.Spec.From.FlowCollector, s.Spec.ClickHouse = "edge", v1alpha1.ClickHouse{Database: "flows"}
	return &history{rand.New(rand.NewPCG(seed, 2)), &Facts{Sink: s, Now: noon, Server: noon}}
}

func (h *history) maybe() bool { return h.IntN(2) == 0 }

func (h *history) rarely(words ...string) string {
	if h.IntN(6) > 0 {
		return ""
	}
	if h.IntN(50) == 0 {
		return strings.Repeat("a long story ", 400)
	}
	return append(words, "no route to host", "first\nsecond", "größe\xff", `pods is forbidden: User "operator" cannot`)[h.IntN(4+len(words))]
}

func list(word string) []string {
	if word == "" {
		return nil
	}
	return []string{word}
}

// pass makes the facts of one more pass: nothing but the FlowSink itself is remembered.
func (h *history) pass() {
	f, s := h.f, h.f.Sink
	past := []time.Duration{0, time.Second, time.Minute, 10 * time.Minute}[h.IntN(4)]
	f.Server = f.Server.Add(past)
	f.Now = f.Now.Add(past)
	if h.IntN(10) == 0 { // another operator, with another clock
		f.Now = f.Now.Add(time.Duration(h.IntN(3)-1) * time.Hour)
	}
	if h.IntN(4) == 0 {
		s.Generation++
		s.Spec.Replicas = new(int32(h.IntN(4)))
	}
	*f = Facts{Sink: s, Now: f.Now, Server: f.Server, Deployment: f.Deployment, Stream: f.Stream, Image: "image", Heard: f.Heard}
	f.Failure, f.Forbidden, f.Problems, f.Behind, f.Stores = h.rarely(), list(h.rarely()), list(h.rarely()), h.IntN(6) == 0, h.maybe()
	f.Refused, f.Going, f.Contested = list(h.rarely()), list(h.rarely()), list(h.rarely())
	f.Uncompared = f.Failure != "" && h.maybe() // that is such a failure
	switch h.IntN(8) {
	case 0:
		f.Deleting = h.maybe()
	default:
		f.Collector = &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge"}}
	}
	if h.IntN(3) == 0 {
		f.Stream = []string{"", "flows-edge", "other"}[h.IntN(3)]
	}
	if word := h.rarely("gone"); word != "" {
		f.Unseen = judge.Unseen{"Pod": {Words: word, Fails: h.maybe()}}
		f.Blind = h.maybe()
	}
	if h.IntN(4) == 0 {
		other := &v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Namespace: []string{"flows", "elsewhere"}[h.IntN(2)], Name: "twin", CreationTimestamp: metav1.NewTime(noon)}}
		f.Twins = []Twin{{Sink: other, Wanted: h.maybe(), Stores: h.maybe()}}
	}
	if h.maybe() {
		h.deploy()
	}
	if h.IntN(3) > 0 {
		h.hear()
	}
	if f.Blind {
		f.Deployment, f.Pods, f.Heard = nil, nil, nil
	}
}

func (h *history) deploy() {
	f := h.f
	if h.IntN(6) == 0 {
		f.Deployment = nil
		return
	}
	n := Replicas(f.Sink)
	near := func() int32 { return max(n+int32(h.IntN(3)*h.IntN(2))-1+int32(h.IntN(2)), 0) }
	f.Deployment = &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 3}, Status: appsv1.DeploymentStatus{ObservedGeneration: 3 - int64(h.IntN(8)/7),
		Replicas: near(), UpdatedReplicas: near(), ReadyReplicas: near()}}
	if h.maybe() {
		f.Deployment.Status.Replicas, f.Deployment.Status.UpdatedReplicas, f.Deployment.Status.ReadyReplicas = n, n, n
	}
	d := &f.Deployment.Status // counts are of all pods
	d.UpdatedReplicas, d.ReadyReplicas = min(d.UpdatedReplicas, d.Replicas), min(d.ReadyReplicas, d.Replicas)
	if word := h.rarely(); word != "" {
		f.Deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: word}}
	}
}

func (h *history) hear() {
	f := h.f
	f.Heard = nil
	for i := range h.IntN(4) {
		one := Heard{Pod: observation.Pod{Name: "rows-sink-" + string(rune('a'+i))}, Asked: f.Now.Add(-time.Duration(h.IntN(400)) * time.Second), Error: h.rarely()}
		if one.Error == "" {
			d := &status.Sink{NATS: h.rarely(), Reading: h.rarely(), Destination: h.rarely(), Storing: h.rarely(), Refusing: h.rarely(), Rejecting: h.rarely(), Blocks: h.rarely(),
				Unplaced: "it is not there", Stored: uint64(h.IntN(1e6)), Refused: map[string]uint64{"Code: 33": uint64(h.IntN(3))}}
			if h.maybe() {
				d.Schema = &status.Schema{Version: h.IntN(3), Wanted: 2}
			}
			if h.maybe() {
				lag := time.Duration(h.IntN(7200)) * time.Second
				d.Place = &status.Place{Stream: []string{"flows-edge", "other"}[h.IntN(2)], Consumer: ConsumerName(f.Sink), StreamMade: noon, Made: noon.Add(-time.Duration(h.IntN(2)) * 1e9 * time.Hour),
					First: uint64(h.IntN(9)), Last: 100, Bytes: 1 << 20, MaxAge: time.Hour, MaxBytes: 1 << 21, MaxMessages: -1, Pending: uint64(h.IntN(50)), AckPending: uint64(h.IntN(9)),
					Delivered: uint64(h.IntN(100)), Deliveries: uint64(h.IntN(100)), AckFloor: uint64(h.IntN(100)), AckWait: time.Second, Oldest: uint64(h.IntN(100)), Lag: &lag}
			}
			one.Said = d
		}
		f.Heard = append(f.Heard, one)
	}
}

// Whatever happens to a FlowSink, and in whatever order: its status is complete, can be written, and promises nothing that the facts do not have.
func TestWhateverHappensNoStatusOfAFlowSinkLies(t *testing.T) {
	for seed := range uint64(histories) {
		h := newHistory(seed)
		s := h.f.Sink
		for range 12 {
			h.pass()
			facts, err := json.Marshal(h.f)
			if err != nil {
				t.Fatal(err)
			}
			before := *s.Status.DeepCopy()
			after := Judge(h.f)
			if now, _ := json.Marshal(h.f); string(now) != string(facts) {
				t.Errorf("judging changes the facts")
			}
			checkForm(t, h.f, &before, &after)
			checkPromises(t, h.f, &before, &after)
			s.Status = after
			if again := Judge(h.f); !equality.Semantic.DeepEqual(again.Conditions, after.Conditions) {
				t.Errorf("judging the same again says something else")
			}
			checkTools(t, h, s)
			if t.Failed() {
				for _, c := range after.Conditions {
					t.Logf("%s of %d: %s %s %.200q", c.Type, c.ObservedGeneration, c.Status, c.Reason, c.Message)
				}
				t.Fatalf("history %d: %.3000s", seed, facts)
			}
		}
	}
}

func checkForm(t *testing.T, f *Facts, before, after *v1alpha1.FlowSinkStatus) {
	t.Helper()
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionDestinationReachable, v1alpha1.ConditionKeepingUp, v1alpha1.ConditionSchemaCurrent} {
		if meta.FindStatusCondition(after.Conditions, kind) == nil {
			t.Errorf("%s is not there", kind)
		}
	}
	for _, c := range after.Conditions {
		old := meta.FindStatusCondition(before.Conditions, c.Type)
		switch {
		case strings.TrimSpace(c.Message) == "" || len(c.Message) > maxMessage || !utf8.ValidString(c.Message) || strings.ContainsAny(c.Message, "\n"):
			t.Errorf("%s has the message %.200q of %d bytes", c.Type, c.Message, len(c.Message))
		case toldBySinks[c.Type] && c.Status != metav1.ConditionUnknown:
			if present := c.ObservedGeneration == f.Sink.Generation; present && !f.run(after.ObservedGeneration) && (old == nil || old.ObservedGeneration != f.Sink.Generation) ||
				!present && f.run(after.ObservedGeneration) {
				t.Errorf("%s is of generation %d", c.Type, c.ObservedGeneration)
			}
		case c.Reason == "" || c.ObservedGeneration != f.Sink.Generation && (c.Type != v1alpha1.ConditionDestinationShared || !f.Blind && !f.Uncompared):
			t.Errorf("%s is of generation %d, with the reason %q", c.Type, c.ObservedGeneration, c.Reason)
		case c.LastTransitionTime.After(f.Server) || old != nil && old.Status == c.Status && !old.LastTransitionTime.Equal(&c.LastTransitionTime) ||
			(old == nil || old.Status != c.Status) && c.LastTransitionTime.Time.Before(f.Server.Add(-time.Second)):
			t.Errorf("%s is so since %s, and it is %s", c.Type, c.LastTransitionTime, f.Server)
		}
	}
	text, err := json.Marshal(after)
	read := v1alpha1.FlowSinkStatus{}
	if err != nil || json.Unmarshal(text, &read) != nil || !equality.Semantic.DeepEqual(read, *after) {
		t.Errorf("the status is another one once it was written: %v", err)
	}
}

func checkPromises(t *testing.T, f *Facts, before, after *v1alpha1.FlowSinkStatus) {
	t.Helper()
	is := func(kind string) (metav1.ConditionStatus, string) {
		if c := meta.FindStatusCondition(after.Conditions, kind); c != nil {
			return c.Status, c.Reason
		}
		return "", ""
	}
	applied := !f.Blind && f.Failure == "" && len(f.Forbidden)+len(f.Problems)+len(f.Refused)+len(f.Going)+len(f.Contested) == 0 && f.Collector != nil && f.Stream != "" && f.Waits() == nil
	ready, reason := is(v1alpha1.ConditionReady)
	n := Replicas(f.Sink)
	runs := f.Deployment != nil && !f.Behind && f.Deployment.Status.ObservedGeneration == f.Deployment.Generation && n > 0 && f.Deployment.Status.Replicas == n &&
		f.Deployment.Status.UpdatedReplicas == n && f.Deployment.Status.ReadyReplicas == n
	if ready == "True" && (!applied || !runs || len(f.Unseen) > 0) {
		t.Errorf("Ready is True, applied %t, runs %t, unseen %v", applied, runs, f.Unseen)
	}
	reconciling, _ := is(v1alpha1.ConditionReconciling)
	stalled, _ := is(v1alpha1.ConditionStalled)
	if (ready == "True") == (reconciling == "True" || stalled == "True") || reconciling == "True" && stalled == "True" {
		t.Errorf("Ready is %s, Reconciling %s, Stalled %s", ready, reconciling, stalled)
	}
	if after.ObservedGeneration > before.ObservedGeneration && !applied && stalled != "True" {
		t.Errorf("generation %d is observed, and not applied", after.ObservedGeneration)
	}
	heard := slices.DeleteFunc(slices.Clone(f.Heard), func(h Heard) bool { return h.Said == nil || f.Now.Sub(h.Asked) > 5*time.Minute })
	says := func(what func(*status.Sink) bool) bool {
		return slices.ContainsFunc(heard, func(h Heard) bool { return what(h.Said) })
	}
	if s, _ := is(v1alpha1.ConditionDestinationReachable); s == "True" && (ready != "True" && reason != ReasonEverythingRefused || says(func(d *status.Sink) bool { return d.Destination != "" || d.Storing != "" })) {
		t.Errorf("the destination is reachable, and Ready is %s, %s", ready, reason)
	}
	if s, _ := is(v1alpha1.ConditionSchemaCurrent); s == "True" && (!says(func(d *status.Sink) bool { return d.Schema != nil && d.Schema.Version == d.Schema.Wanted }) ||
		says(func(d *status.Sink) bool { return d.Schema != nil && d.Schema.Version != d.Schema.Wanted })) {
		t.Errorf("the schema is current, and no sink says so, or another one that it is not")
	}
	if s, _ := is(v1alpha1.ConditionKeepingUp); s != "Unknown" && !says(func(d *status.Sink) bool { return d.Place != nil }) {
		t.Errorf("KeepingUp is %s, and no sink tells where it is", s)
	}
}

// checkTools: Flux sees what is there.
func checkTools(t *testing.T, h *history, s *v1alpha1.FlowSink) {
	t.Helper()
	if h.IntN(10) > 0 {
		return
	}
	ready := meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady)
	stalled := meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionStalled)
	switch sees := controllertest.Kstatus(t, s); {
	case sees == kstatus.CurrentStatus && (!ready || s.Status.ObservedGeneration != s.Generation), sees != kstatus.CurrentStatus && ready,
		(sees == kstatus.FailedStatus) != stalled:
		t.Errorf("kstatus says %s", sees)
	}
}
