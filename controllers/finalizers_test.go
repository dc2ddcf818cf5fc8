package controllers

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// Others may keep a FlowCollector from going, such as "kubectl delete --cascade=foreground" until its objects are gone. It is no longer what it was
// meanwhile, and nothing of it is kept in NATS.
func TestAFlowCollectorThatFinalizersOfOthersKeepSaysThatItIsBeingDeleted(t *testing.T) {
	for name, test := range map[string]struct {
		policy v1alpha1.DeletionPolicy
		keep   func(w *world, fc *v1alpha1.FlowCollector) []client.DeleteOption
		says   string
	}{
		"foreground": {v1alpha1.DeletionRetain, func(*world, *v1alpha1.FlowCollector) []client.DeleteOption {
			return []client.DeleteOption{client.PropagationPolicy(metav1.DeletePropagationForeground)}
		}, "foregroundDeletion"},
		"another's": {v1alpha1.DeletionRetain, anothersFinalizer, "example.com/inventory"},
		"another's, after what is in NATS is deleted": {v1alpha1.DeletionDelete, anothersFinalizer, "example.com/inventory"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.start()
			fc := w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Stream.DeletionPolicy = test.policy })
			w.run(fc, 0)
			w.expectReady(fc)
			options := test.keep(w, fc)
			if err := w.c.Delete(t.Context(), fc, options...); err != nil {
				t.Fatal(err)
			}
			w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonDeleting, "is being deleted", test.says)
			if c := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionCollectorsAvailable); c.Status != metav1.ConditionUnknown {
				t.Errorf("%+v", c)
			}
			if slices.Contains(fc.Finalizers, finalizer) {
				t.Error("the operator keeps it, too")
			}
			// Where the operator has ended the collectors, nobody is to send to them; otherwise they run until the object is gone.
			ended := test.policy == v1alpha1.DeletionDelete
			natstest.Eventually(t, fmt.Sprintf("the status tells of the collectors that have ended: %t", ended), func() bool {
				w.read(fc)
				s := &fc.Status
				return ended == (s.Address == "") && ended == (s.Collectors.Summary == "0/0")
			})
			js := w.jetStream(w.nats)
			if err := js.DeleteKeyValue(t.Context(), fc.Status.Bucket.Name); err != nil {
				t.Fatal(err)
			}
			w.lookNow(o, fc)
			o.settle(fc)
			if w.streamThere(js, "KV_"+fc.Status.Bucket.Name) {
				t.Error("its bucket is made again")
			}
			change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Finalizers = nil })
			if w.exists(fc) {
				t.Error("it is still there")
			}
		})
	}
}

func anothersFinalizer(w *world, fc *v1alpha1.FlowCollector) []client.DeleteOption {
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Finalizers = append(fc.Finalizers, "example.com/inventory") })
	return nil
}

func TestAFlowSinkThatFinalizersOfOthersKeepSaysThatItIsBeingDeletedAndCallsNobody(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	o := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.create("edge")
	s, _ := w.runningSink("edge", "warehouse")
	if err := w.c.Delete(t.Context(), s, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		t.Fatal(err)
	}
	w.expectSink(s, metav1.ConditionFalse, judge.ReasonDeleting)
	o.settle(s)
	w.read(s)
	if s.Status.Books != nil {
		t.Errorf("nobody asks its sinks, which are said to have stored %+v", s.Status.Books)
	}
	for _, c := range s.Status.Conditions {
		if c.Type != v1alpha1.ConditionReady && (c.Status != metav1.ConditionUnknown || c.Reason != judge.ReasonDeleting) {
			t.Errorf("%+v", c)
		}
	}
	for _, e := range w.events(s) {
		if e.Reason == judge.ReasonDeleting && e.Type != corev1.EventTypeNormal {
			t.Errorf("an event warns of the deletion: %s", e.Note)
		}
	}
	families, err := o.sinkMetrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if len(f.GetMetric()) > 0 {
			t.Errorf("there are metrics %s", f.GetName())
		}
	}
}

// A FlowSink that others keep has its sinks until it goes: what it stores would be stored twice.
func TestAFlowSinkWaitsForOneThatIsBeingDeletedAndStillRuns(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.create("edge")
	first, deployment := w.runningSink("edge", "warehouse")
	change(w, first, func(s *v1alpha1.FlowSink) { s.Finalizers = []string{"example.com/inventory"} })
	if err := w.c.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.expectSink(first, metav1.ConditionFalse, judge.ReasonDeleting)
	second := w.sinkOf("edge", "again")
	w.expectSink(second, metav1.ConditionFalse, sink.ReasonDestinationShared)
	w.expectShared(second, sink.ReasonNotStarted)
	if w.configured(second) != "" {
		t.Fatal("its sinks are started")
	}
	if err := w.c.Delete(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	change(w, first, func(s *v1alpha1.FlowSink) { s.Finalizers = nil })
	w.expectSink(second, metav1.ConditionFalse, sink.ReasonRolling)
}
