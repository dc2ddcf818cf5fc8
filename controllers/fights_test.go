package controllers

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// writeAgain writes an object anew each time that it is not as another writer wants it, as a controller does, until stop, and counts that.
func (w *world) writeAgain(o client.Object, change func() bool) (wrote *atomic.Int32, stop func()) {
	wrote = &atomic.Int32{}
	ctx, cancel := context.WithCancel(w.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			if w.c.Get(ctx, client.ObjectKeyFromObject(o), o) != nil {
				continue
			}
			before := o.DeepCopyObject().(client.Object)
			var err error
			switch {
			case change == nil:
				err = w.c.Delete(ctx, o)
			case change():
				err = w.c.Patch(ctx, o, client.MergeFrom(before), client.FieldOwner("others-tool"))
			default:
				continue
			}
			if err == nil {
				wrote.Add(1)
			} else if ctx.Err() == nil && !apierrors.IsNotFound(err) {
				w.Errorf("the other writer: %v", err)
			}
		}
	})
	stop = func() { cancel(); ended.Wait() }
	w.Cleanup(stop)
	return wrote, stop
}

// Another controller, or somebody's script, writes what the operator writes. The two do not replace each other's work without end, the status says
// who that is, and it is over once the other one stops.
func TestAnotherWriterIsNotFoughtWithoutEnd(t *testing.T) {
	w := newWorld(t)
	clock := &aheadClock{}
	letKeepSinks(w)
	operator := startOperator(w, w.s, w.namespace, operatorOptions{clock: clock, sinks: true})
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: w.namespace, Name: name + "-collector"}
	}
	set, service, configMap, gone := &appsv1.DaemonSet{ObjectMeta: named("set")}, &corev1.Service{ObjectMeta: named("service")}, &corev1.ConfigMap{ObjectMeta: named("file")},
		&corev1.ServiceAccount{ObjectMeta: named("gone")}
	metrics := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "owner-collector-metrics"}}
	tests := []struct {
		name   string
		object client.Object
		change func() bool
		says   []string
	}{
		{"set", set, func() bool {
			c := &set.Spec.Template.Spec.Containers[0]
			changes := c.Image == testImage
			c.Image = "other.example.com/x:v1"
			return changes
		}, []string{"DaemonSet set-collector: others-tool changes"}},
		{"service", service, func() bool {
			changes := service.Spec.Type == corev1.ServiceTypeLoadBalancer
			service.Spec.Type = corev1.ServiceTypeNodePort
			return changes
		}, []string{"Service service-collector: others-tool changes"}},
		{"file", configMap, func() bool {
			changes := !strings.HasPrefix(configMap.Data["collector.yaml"], "x")
			configMap.Data["collector.yaml"] = "x"
			return changes
		}, []string{"ConfigMap file-collector: others-tool changes"}},
		{"owner", metrics, func() bool {
			changes := len(metrics.OwnerReferences) > 0
			metrics.OwnerReferences = nil
			return changes
		}, []string{"Service owner-collector-metrics: ", "changes what the operator applies"}},
		{"gone", gone, nil, []string{"ServiceAccount gone-collector: somebody who deletes it"}},
	}
	for _, test := range tests {
		fc := w.create(test.name)
		w.run(fc, 0)
		w.expectReady(fc)
		operator.settle(fc)
	}
	s, deployment := w.runningSink("set", "scaled")
	operator.settle(s)

	before := operator.writes.count()
	stops := make(map[string]func())
	for _, test := range tests {
		_, stops[test.name] = w.writeAgain(test.object, test.change)
	}
	_, stops["scaled"] = w.writeAgain(deployment, func() bool {
		changes := *deployment.Spec.Replicas == 1
		deployment.Spec.Replicas = new(int32(3))
		return changes
	})
	for _, test := range tests {
		fc := w.fleet(test.name)
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonContested, test.says...)
		if status := controllertest.Kstatus(t, fc); status != "InProgress" {
			t.Errorf("%s: kstatus says %s", test.name, status)
		}
	}
	w.expectSink(s, metav1.ConditionFalse, judge.ReasonContested)
	time.Sleep(5 * time.Second)
	counts := make(map[string]int)
	for _, wrote := range operator.writes.since(before) {
		counts[wrote]++
	}
	for wrote, n := range counts {
		if n > putBackAtOnce+3 && !strings.HasSuffix(wrote, "/events") { // which have one path for all
			t.Errorf("%d times within seconds: %s", n, wrote)
		}
	}

	for _, stop := range stops {
		stop()
	}
	clock.ahead.Add(int64(fightEnds))
	for _, test := range tests {
		fc := w.fleet(test.name)
		w.lookNow(operator, fc)
		natstest.Eventually(t, test.name+" is put back", func() bool { return w.exists(test.object) && (test.change == nil || test.change()) })
		w.run(fc, 0)
	}
	operator.reconcile(s)
	clock.ahead.Add(int64(fightEnds))
	for _, test := range tests {
		fc := w.fleet(test.name)
		w.lookNow(operator, fc)
		w.run(fc, 0)
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
		w.expectReady(fc)
	}
	operator.reconcile(s)
	natstest.Eventually(t, "the sink is put back", func() bool { w.read(deployment); return *deployment.Spec.Replicas == 1 })
	w.runSink(s)
	w.expectSink(s, metav1.ConditionTrue, sink.ReasonSinksReady)
}

// A webhook that says something else each time is not asked again and again.
func TestAWebhookThatSaysSomethingElseEachTimeIsNotAskedWithoutEnd(t *testing.T) {
	w := newWorld(t)
	var asked, said atomic.Int32
	webhook := w.mutate(func() string {
		return fmt.Sprintf(`[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "mirror.example.com/flowfleet:%d"}]`, said.Add(1))
	}, &asked)
	if err := w.c.Create(t.Context(), webhook); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.c.Delete(context.Background(), webhook) })
	natstest.Eventually(t, "the webhook is asked", func() bool {
		if err := w.tryDaemonSet(); err != nil {
			t.Fatal(err)
		}
		return asked.Load() > 0
	})
	w.start()
	fc := w.create("edge")
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonContested, "an admission webhook")
	before := asked.Load()
	time.Sleep(5 * time.Second)
	if n := asked.Load() - before; n > 2 {
		t.Errorf("it is asked %d times in 5 s", n)
	}
}

// Two operators of one identity, as without leader election, take each other for themselves.
func TestTwoOperatorsOfOneIdentityReplaceCollectorsAFewTimesOnly(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	second := startOperator(t, w.s, w.namespace, operatorOptions{image: nextImage})
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonContested, "another operator of the same identity")
	before := second.writes.count()
	time.Sleep(5 * time.Second)
	if wrote := second.writes.since(before); len(wrote) > 5 {
		t.Errorf("one of them writes %q within 5 s", wrote)
	}
}

// Only what others have changed since is a fight: neither an edit, nor a cache that is behind what was applied, nor changes that are rare.
func TestOnlyWhatOthersChangeAgainAndAgainIsContested(t *testing.T) {
	c := child{kind: "DaemonSet", name: "edge-collector", live: &appsv1.DaemonSet{}}
	for name, test := range map[string]struct {
		wanted, version func(i int) string
		every           time.Duration
		contested       bool
	}{
		"others change it":      {func(int) string { return "a" }, func(i int) string { return string(rune('a' + i)) }, time.Second, true},
		"the spec is edited":    {func(i int) string { return string(rune('a' + i)) }, func(i int) string { return string(rune('a' + i)) }, time.Second, false},
		"the cache is behind":   {func(int) string { return "a" }, func(int) string { return "1" }, time.Second, false},
		"others do so at times": {func(int) string { return "a" }, func(i int) string { return string(rune('a' + i)) }, fightEnds, false},
	} {
		v, now := make(fights), time.Unix(1e9, 0)
		for i := range 20 {
			if now = now.Add(test.every); !v.rests(c, test.wanted(i), now) {
				v.applied(c, true, test.wanted(i), test.version(i), now)
			}
		}
		if got := len(v.contested([]child{c}, now)) > 0; got != test.contested {
			t.Errorf("%s: %t", name, got)
		}
		if test.contested && (v.rests(c, "b", now) || !v.rests(c, "a", now) || v.rests(c, "a", now.Add(lookInterval)) || len(v.contested([]child{c}, now.Add(fightEnds))) > 0) {
			t.Errorf("%s: an edit waits, or it is not put back now and then, or does not end", name)
		}
	}
}
