package controllers

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// silence lets no more news come by the watches of FlowCollectors and FlowSinks, which stand all the same, as of an API server whose own cache is stuck.
type silence struct {
	on       atomic.Bool
	requests atomic.Int32
}

func (s *silence) between(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		watch := request.URL.Query().Get("watch") != ""
		if s.on.Load() && !watch {
			s.requests.Add(1)
		}
		response, err := next.RoundTrip(request)
		if err == nil && watch && (strings.HasSuffix(request.URL.Path, "/flowcollectors") || strings.HasSuffix(request.URL.Path, "/flowsinks")) {
			response.Body = silentBody{response.Body, s, request.Context()}
		}
		return response, err
	})
}

type silentBody struct {
	io.ReadCloser
	s    *silence
	stop context.Context
}

func (b silentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.s.on.Load() && err == nil {
		<-b.stop.Done()
		return 0, b.stop.Err()
	}
	return n, err
}

// A watch that goes silent neither ends nor shows what has changed. Writes of the status, which are refused then, are not repeated without end, and
// what has changed is found out.
func TestAWatchThatGoesSilentIsSeenThrough(t *testing.T) {
	w := newWorld(t)
	s := &silence{}
	operator := startOperator(w, w.s, w.namespace, operatorOptions{between: s.between})
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.NodeSelector = map[string]string{"role": "edge"} })
	w.run(fc, 0)
	w.expectReady(fc)
	operator.settle(fc)
	s.on.Store(true)
	change(w, fc, func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Collector.Image, fc.Spec.Collector.NodeSelector = nextImage, nil // what goes is gone
	})
	w.run(fc, 2)
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonPartlyUnavailable)
	natstest.Eventually(t, "the edit is applied", func() bool {
		return w.imageOf(fc) == nextImage && len(w.daemonSet(fc).Spec.Template.Spec.NodeSelector) == 0
	})
	w.run(fc, 0)
	w.expectReady(fc)
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	if fc.Status.ObservedGeneration != fc.Generation {
		t.Errorf("generation %d is observed, of %d", fc.Status.ObservedGeneration, fc.Generation)
	}
	time.Sleep(2 * time.Second)
	before := s.requests.Load()
	time.Sleep(5 * time.Second)
	if n := s.requests.Load() - before; n > 10 {
		t.Errorf("%d requests in 5 s", n)
	}
}

// The same of FlowSinks.
func TestAWatchOfFlowSinksThatGoesSilentIsSeenThrough(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	s := &silence{}
	operator := startOperator(w, w.s, w.namespace, operatorOptions{between: s.between, sinks: true})
	w.create("edge")
	warehouse, deployment := w.runningSink("edge", "warehouse")
	operator.settle(warehouse)
	s.on.Store(true)
	change(w, warehouse, func(s *v1alpha1.FlowSink) { s.Spec.Image = nextImage })
	w.read(deployment)
	deployment.Status.ReadyReplicas, deployment.Status.AvailableReplicas = 0, 0
	if err := w.c.Status().Update(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the edit is applied", func() bool {
		w.read(deployment)
		return deployment.Spec.Template.Spec.Containers[0].Image == nextImage
	})
	w.expectSink(warehouse, metav1.ConditionFalse, sink.ReasonRolling)
	w.runSink(warehouse)
}

// What is made for an owner that is gone, Kubernetes deletes again, and that would be a reason to make it once more.
func TestNothingIsMadeForAFlowCollectorThatOnlyASilentWatchStillHas(t *testing.T) {
	w := newWorld(t)
	s := &silence{}
	operator := startOperator(w, w.s, w.namespace, operatorOptions{between: s.between})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	operator.settle(fc)
	s.on.Store(true)
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	set := w.daemonSet(fc)
	for range 4 { // as Kubernetes does; the first time the operator finds out
		if err := w.c.Delete(t.Context(), set); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
	}
	if err := w.c.Get(t.Context(), client.ObjectKeyFromObject(set), set); !apierrors.IsNotFound(err) {
		t.Errorf("the DaemonSet was made again: %v", err)
	}
}

// The first write that a silent watch makes fail may be the sign that the operator still looks after the object, which comes before all else.
func TestASilentWatchIsSeenThroughWhenTheClaimIsRenewed(t *testing.T) {
	w := newWorld(t)
	s := &silence{}
	operator := startOperator(w, w.s, w.namespace, operatorOptions{between: s.between})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	operator.settle(fc)
	w.read(fc)
	const due = 4 * time.Second
	before := fc.DeepCopy()
	fc.Status.Operator.RenewTime = metav1.NewTime(time.Now().Add(due - renewClaim))
	if err := w.c.Status().Patch(t.Context(), fc, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	operator.settle(fc)
	s.on.Store(true)
	time.Sleep(due + time.Second)
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = nextImage })
	operator.reconcile(fc)
	natstest.Eventually(t, "the edit is applied", func() bool { return w.imageOf(fc) == nextImage })
}
