package controllers

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

func (w *world) readyOf(s *v1alpha1.FlowSink) string {
	w.Helper()
	w.read(s)
	c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
	return string(c.Status) + " " + c.Reason + ": " + c.Message
}

// Sinks go on without their FlowCollector. Another FlowSink of their stream and tables does not begin beside them.
func TestAFlowSinkWhoseFlowCollectorIsGoneStillCountsAsOneThatStores(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	edge := w.create("edge")
	w.create("core")
	first, _ := w.runningSink("edge", "first")
	if err := w.c.Delete(t.Context(), edge); err != nil {
		t.Fatal(err)
	}
	w.expectSink(first, metav1.ConditionFalse, sink.ReasonFlowCollectorMissing)
	second := w.sinkOf("core", "second", func(s *v1alpha1.FlowSink) { s.Spec.From.Stream = first.Status.Stream })
	w.expectSink(second, metav1.ConditionFalse, sink.ReasonDestinationShared)
	if w.configured(second) != "" {
		t.Error("its sinks are started")
	}
}

// What a FlowSink stores is known, too, while its FlowCollector does not show its stream, since the operator may not read its Secrets.
func TestAFlowSinkThatWaitsDoesNotBeginWhenTheOtherOnesFlowCollectorShowsNoStream(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	letReadSecrets(t, w.s, w.namespace)
	o := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.make(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "token"}, StringData: map[string]string{"token": "x"}})
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.NATS.Token = &v1alpha1.SecretKey{Name: "token", Key: "token"}
	})
	first, _ := w.runningSink("edge", "first")
	second := w.sinkOf("edge", "second", func(s *v1alpha1.FlowSink) { s.Spec.From.Stream = first.Status.Stream })
	w.expectSink(second, metav1.ConditionFalse, sink.ReasonDestinationShared)
	if err := w.c.Delete(t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "flowfleet-secret-reader"}}); err != nil {
		t.Fatal(err)
	}
	w.knows("operator", right{"", "secrets", "get"}, false)
	w.lookNow(o, fc)
	natstest.Eventually(t, "the FlowCollector shows no stream", func() bool { w.read(fc); return fc.Status.Stream == nil })
	o.reconcile(second)
	o.reconcile(second)
	if got := w.readyOf(second); w.configured(second) != "" || !strings.Contains(got, sink.ReasonDestinationShared) {
		t.Errorf("it begins: %s", got)
	}
}

// storedTwice has two FlowSinks that store the same flows in the same tables, as an earlier operator let them.
func (w *world) storedTwice(o *operator) (older, younger *v1alpha1.FlowSink) {
	w.Helper()
	older, _ = w.runningSink("edge", "older")
	younger, _ = w.runningSink("edge", "younger", func(s *v1alpha1.FlowSink) { s.Spec.ClickHouse.Database = "lake" })
	o.stop()
	configuration := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.ObjectName(younger)}}
	change(w, configuration, func(c *corev1.ConfigMap) {
		c.Data[sink.ConfigurationFile] = strings.ReplaceAll(c.Data[sink.ConfigurationFile], "database: lake", "database: flowfleet")
	})
	change(w, younger, func(s *v1alpha1.FlowSink) { s.Spec.ClickHouse.Database = "flowfleet" })
	return older, younger
}

// That flows are stored twice is said as long as it goes on, also where what runs is left as it is, and no longer.
func TestStoredTwiceIsSaidWhileTheSinksRunAndNoLonger(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	o := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	edge := w.create("edge")
	older, younger := w.storedTwice(o)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.expectShared(younger, sink.ReasonStoredTwice)
	w.runSink(younger)

	// A spec that cannot work: what runs is left as it is.
	change(w, edge, func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Encoding = v1alpha1.EncodingJSON })
	w.expectSink(younger, metav1.ConditionFalse, sink.ReasonInvalid)
	w.expectShared(younger, sink.ReasonStoredTwice)
	// No FlowCollector: the same.
	if err := w.c.Delete(t.Context(), edge); err != nil {
		t.Fatal(err)
	}
	w.expectSink(younger, metav1.ConditionFalse, sink.ReasonFlowCollectorMissing)
	w.expectShared(younger, sink.ReasonStoredTwice)
	w.expectShared(older, "")
	if err := w.c.Delete(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	w.expectShared(younger, "")
}

// Two FlowSinks that are to swap their tables wait for each other, over a restart of the operator, too, and say so, until one has no sinks for a
// while. No flow of either is stored where both of them store at a time.
func TestTwoFlowSinksSwapTheirTablesOnceOneHasNoSinks(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	o := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.create("edge")
	of := func(database string) func(*v1alpha1.FlowSink) {
		return func(s *v1alpha1.FlowSink) { s.Spec.ClickHouse.Database = database }
	}
	one, _ := w.runningSink("edge", "one", of("one"))
	two, _ := w.runningSink("edge", "two", of("two"))
	is := func(s *v1alpha1.FlowSink, status metav1.ConditionStatus, reason, database string, sees kstatus.Status) {
		t.Helper()
		w.expectSink(s, status, reason)
		if text := w.configured(s); !strings.Contains(text, "database: "+database+"\n") {
			t.Errorf("%s runs with %s", s.Name, text)
		}
		if got := controllertest.Kstatus(t, s); got != sees {
			t.Errorf("%s, %s: kstatus says %s, not %s", s.Name, reason, got, sees)
		}
	}
	change(w, one, of("two"))
	is(one, metav1.ConditionFalse, sink.ReasonDestinationShared, "one", kstatus.FailedStatus)
	change(w, two, of("one"))
	for range 2 {
		is(one, metav1.ConditionFalse, sink.ReasonDestinationShared, "one", kstatus.FailedStatus)
		is(two, metav1.ConditionFalse, sink.ReasonDestinationShared, "two", kstatus.FailedStatus)
		w.expectShared(one, sink.ReasonNotStarted)
		w.expectShared(two, sink.ReasonNotStarted)
		o.stop()
		o = startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
		for _, s := range []*v1alpha1.FlowSink{one, two} {
			natstest.Eventually(t, "the operator looks at "+s.Name, func() bool { return o.sinkQueue.passes(requestOf(s)) > 0 })
		}
	}
	change(w, one, func(s *v1alpha1.FlowSink) { s.Spec.Replicas = new(int32) })
	is(one, metav1.ConditionFalse, sink.ReasonRolling, "two", kstatus.InProgressStatus)
	o.reconcile(two)
	is(two, metav1.ConditionFalse, sink.ReasonRolling, "one", kstatus.InProgressStatus)
	w.runSink(two)
	is(two, metav1.ConditionTrue, sink.ReasonSinksReady, "one", kstatus.CurrentStatus)
	change(w, one, func(s *v1alpha1.FlowSink) { s.Spec.Replicas = new(int32(1)) })
	is(one, metav1.ConditionFalse, sink.ReasonRolling, "two", kstatus.InProgressStatus)
	w.runSink(one)
	is(one, metav1.ConditionTrue, sink.ReasonSinksReady, "two", kstatus.CurrentStatus)
	w.expectShared(one, "")
	w.expectShared(two, "")
}

// A FlowCollector that is being deleted is there: to create it is refused.
func TestAFlowSinkSaysThatItsFlowCollectorIsBeingDeleted(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	edge := w.create("edge", deletesBoth)
	s, _ := w.runningSink("edge", "warehouse")
	w.nats.Stop()
	if err := w.c.Delete(t.Context(), edge); err != nil {
		t.Fatal(err)
	}
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonFlowCollectorMissing)
	if got := w.readyOf(s); !strings.Contains(got, "FlowCollector edge is being deleted") {
		t.Error(got)
	}
	if !w.exists(edge) {
		t.Error("it is gone already, and the test shows nothing")
	}
}

// An operator that starts has asked no sink yet. It does not say meanwhile that nothing is known, nor that all is well.
func TestARestartOfTheOperatorMakesNoStatusOfAFlowSinkFlap(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	var stream atomic.Pointer[string]
	stream.Store(new(string))
	slow := make(chan struct{})
	close(slow)
	var wait atomic.Pointer[chan struct{}]
	wait.Store(&slow)
	w.sinkPod("rows-sink-5d-a", "rows-sink-5d", func(out http.ResponseWriter, r *http.Request) {
		select {
		case <-*wait.Load():
		case <-r.Context().Done():
			return
		}
		lag := time.Minute
		text, err := status.EncodeSink(&status.Sink{Started: time.Unix(1, 0), Time: time.Now(), Schema: &status.Schema{Version: 1, Wanted: 1}, Stored: 1234, Rejecting: "destination: Code: 33",
			Place: &status.Place{Stream: *stream.Load(), Consumer: w.namespace + "_rows", First: 1, Last: 100, MaxAge: 24 * time.Hour, MaxBytes: -1, MaxMessages: -1,
				Made: time.Unix(1_700_000_000, 0), Pending: 5, Delivered: 95, Deliveries: 95, AckFloor: 95, AckWait: time.Minute, Oldest: 96, Lag: &lag}})
		if err != nil {
			t.Error(err)
		}
		_, _ = out.Write(text)
	})
	o := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, sinksInterval: time.Second})
	w.create("edge")
	s := w.sinkOf("edge", "rows")
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
	stream.Store(new(s.Status.Stream))
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.ObjectName(s)}}
	w.read(deployment)
	deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: deployment.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
	if err := w.c.Status().Update(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonEverythingRefused)
	natstest.Eventually(t, "it keeps up", func() bool {
		w.read(s)
		return meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionKeepingUp)
	})
	o.stop()
	later := make(chan struct{})
	wait.Store(&later)
	w.read(s)
	before := s.DeepCopy()
	o = startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, sinksInterval: time.Second})
	natstest.Eventually(t, "the operator looks at it", func() bool { return o.sinkQueue.passes(requestOf(s)) > 0 })
	o.reconcile(s)
	w.read(s)
	for _, was := range before.Status.Conditions {
		if is := meta.FindStatusCondition(s.Status.Conditions, was.Type); is == nil || is.Status != was.Status || is.Reason != was.Reason {
			t.Errorf("%s was %s, %s, and is %+v", was.Type, was.Status, was.Reason, is)
		}
	}
	close(later)
	natstest.Eventually(t, "what the sinks say counts again", func() bool {
		return strings.Contains(w.readyOf(s), sink.ReasonEverythingRefused)
	})
}
