package controllers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// configured is the configuration that the sinks of a FlowSink run with; empty where there is no Deployment.
func (w *world) configured(s *v1alpha1.FlowSink) string {
	w.Helper()
	name := metav1.ObjectMeta{Namespace: s.Namespace, Name: sink.ObjectName(s)}
	if !w.exists(&appsv1.Deployment{ObjectMeta: name}) {
		return ""
	}
	c := &corev1.ConfigMap{ObjectMeta: name}
	w.read(c)
	return c.Data[sink.ConfigurationFile]
}

func (w *world) expectShared(s *v1alpha1.FlowSink, reason string) {
	w.Helper()
	natstest.Eventually(w, s.Name+" shares its destination: "+reason, func() bool {
		w.read(s)
		c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionDestinationShared)
		return reason == "" && c == nil || c != nil && c.Reason == reason && c.ObservedGeneration == s.Generation
	})
}

func TestTheSecondFlowSinkOfTheSameTablesWaitsUntilTheFirstIsGone(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.create("edge")
	first, _ := w.runningSink("edge", "warehouse")
	second := w.sinkOf("edge", "again")
	w.expectSink(second, metav1.ConditionFalse, sink.ReasonDestinationShared)
	w.expectShared(second, sink.ReasonNotStarted)
	if c := meta.FindStatusCondition(second.Status.Conditions, v1alpha1.ConditionReady); !strings.Contains(c.Message, "FlowSink warehouse") ||
		!meta.IsStatusConditionTrue(second.Status.Conditions, v1alpha1.ConditionStalled) {
		t.Errorf("%+v", second.Status.Conditions)
	}
	natstest.Eventually(t, "an event tells of it", func() bool {
		return slices.ContainsFunc(w.events(second), func(e eventsv1.Event) bool {
			return e.Reason == sink.ReasonNotStarted && e.Type == corev1.EventTypeWarning
		})
	})
	if w.configured(second) != "" {
		t.Fatal("its sinks are started")
	}
	w.expectSink(first, metav1.ConditionTrue, sink.ReasonSinksReady)
	w.expectShared(first, "")

	// One that is changed so that it would store where another one does goes on where it was, although it is older.
	third, _ := w.runningSink("edge", "lake", func(s *v1alpha1.FlowSink) { s.Spec.ClickHouse.Database = "lake" })
	change(w, first, func(s *v1alpha1.FlowSink) {
		s.Spec.ClickHouse.URL, s.Spec.ClickHouse.Database = "http://ClickHouse."+w.namespace+".svc:8123/", "lake"
	})
	w.expectSink(first, metav1.ConditionFalse, sink.ReasonDestinationShared)
	if text := w.configured(first); !strings.Contains(text, "database: flowfleet\n") {
		t.Errorf("the older one runs with %s", text)
	}
	w.expectSink(second, metav1.ConditionFalse, sink.ReasonDestinationShared) // for the first still stores where it did
	if w.configured(second) != "" {
		t.Fatal("it is started while the first one stores there")
	}
	w.expectSink(third, metav1.ConditionTrue, sink.ReasonSinksReady)

	// Once the first is gone, the second begins.
	if err := w.c.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.expectSink(second, metav1.ConditionFalse, sink.ReasonRolling)
	w.expectShared(second, "")
}

// FlowSinks that ran side by side before the operator knew of twins go on, and the younger one says what that costs.
func TestTwoFlowSinksThatRunAlreadyGoOnAndTheYoungerOneTells(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.create("edge")
	one, _ := w.runningSink("edge", "one")
	two := w.sinkOf("edge", "two")
	w.expectSink(two, metav1.ConditionFalse, sink.ReasonDestinationShared)
	// As an earlier operator would have made them.
	name := metav1.ObjectMeta{Namespace: w.namespace, Name: sink.ObjectName(two), OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(two,
		v1alpha1.SchemeGroupVersion.WithKind("FlowSink"))}, Labels: map[string]string{"app.kubernetes.io/managed-by": "flowfleet"}}
	config := &corev1.ConfigMap{ObjectMeta: *name.DeepCopy(), Data: map[string]string{sink.ConfigurationFile: w.configured(one)}}
	if err := w.c.Create(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	labels := sink.Selector(two)
	deployment := &appsv1.Deployment{ObjectMeta: name, Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "sink", Image: testImage}}}}}}
	if err := w.c.Create(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	w.expectShared(two, sink.ReasonStoredTwice)
	natstest.Eventually(t, "its sinks are kept as its spec says", func() bool { return strings.Contains(w.configured(two), "consumer: "+w.namespace+"_two\n") })
	w.runSink(two)
	w.expectShared(two, sink.ReasonStoredTwice)
	w.expectShared(one, "")
	if c := meta.FindStatusCondition(two.Status.Conditions, v1alpha1.ConditionDestinationShared); !strings.Contains(c.Message, "FlowSink one") {
		t.Errorf("%+v", c)
	}
}

// Two FlowCollectors publish in one stream. Their FlowSinks store in the same tables, which each names as its namespace does.
func TestTheSecondFlowSinkWaitsAlsoInAnotherNamespaceAndIsNotToldTheName(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	other := w.s.Namespace(t)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, namespaces: []string{other}})
	shared := func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Output.Stream.Name, fc.Spec.Output.Subject = "shared", "flows.shared"
	}
	w.create("edge", shared)
	first := w.sinkOf("edge", "warehouse", func(s *v1alpha1.FlowSink) { s.Spec.ClickHouse.URL = "http://clickhouse:8123" })
	w.expectSink(first, metav1.ConditionFalse, sink.ReasonRolling)
	w.create("core", shared, func(fc *v1alpha1.FlowCollector) {
		fc.Namespace, fc.Spec.Output.Stream.Managed, fc.Spec.Output.Stream.MaxBytes = other, new(bool), nil
	})
	second := w.sinkOf("core", "rows", func(s *v1alpha1.FlowSink) {
		s.Namespace, s.Spec.ClickHouse.URL = other, "http://clickhouse."+w.namespace+".svc:8123"
	})
	w.expectSink(second, metav1.ConditionFalse, sink.ReasonDestinationShared)
	if w.configured(second) != "" {
		t.Error("its sinks are started")
	}
	for _, c := range second.Status.Conditions {
		if strings.Contains(c.Message, "warehouse") || strings.Contains(c.Message, w.namespace) {
			t.Errorf("%s tells of another namespace: %s", c.Type, c.Message)
		}
	}
	// The Service of that name in its own namespace is another server.
	change(w, second, func(s *v1alpha1.FlowSink) { s.Spec.ClickHouse.URL = "http://clickhouse:8123" })
	w.expectSink(second, metav1.ConditionFalse, sink.ReasonRolling)
	w.expectShared(second, "")
}

// Databases, and protocols, that are others are no twins.
func TestFlowSinksOfOtherTablesOrOtherFlowsDoNotWait(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.create("edge")
	w.create("core")
	for name, change := range map[string]func(*v1alpha1.FlowSinkSpec){
		"ipfix": func(s *v1alpha1.FlowSinkSpec) { s.Protocols = []v1alpha1.FlowProtocol{"ipfix"} },
		"sflow": func(s *v1alpha1.FlowSinkSpec) { s.Protocols = []v1alpha1.FlowProtocol{"sflow"} },
		"core":  func(s *v1alpha1.FlowSinkSpec) { s.From.FlowCollector = "core" },
		"lake":  func(s *v1alpha1.FlowSinkSpec) { s.ClickHouse.Database = "lake" },
	} {
		s := w.sinkOf("edge", name, func(s *v1alpha1.FlowSink) { change(&s.Spec) })
		w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
		w.expectShared(s, "")
	}
}

// Everybody may make FlowSinks, and a thousand of one destination. Were each to ask what all others run, they would take all that the operator may
// ask of the API server, and its time, from everybody else.
func TestFlowSinksOfOneDestinationAskTheAPIServerForNothingOnceTheyAreJudged(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	var asked atomic.Int64
	o := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, between: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "-sink") {
				asked.Add(1)
			}
			return next.RoundTrip(r)
		})
	}})
	w.create("edge")
	first, _ := w.runningSink("edge", "first")
	var others []*v1alpha1.FlowSink
	for i := range 10 {
		others = append(others, w.sinkOf("edge", fmt.Sprintf("waits%d", i)), w.sinkOf("edge", fmt.Sprintf("rests%d", i), func(s *v1alpha1.FlowSink) { s.Spec.Replicas = new(int32) }))
	}
	for i := 0; i < len(others); i += 2 {
		w.expectShared(others[i], sink.ReasonNotStarted)
		w.expectSink(others[i+1], metav1.ConditionFalse, sink.ReasonRolling)
	}
	for range 2 { // what was written last may not have come back at once
		asked.Store(0)
		for _, s := range append(others, first) {
			o.reconcile(s)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d FlowSinks of which nothing has changed made %d requests", len(others)+1, n)
	}
}
