package controllers

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// rolling is a cluster that replaces the three pods of a DaemonSet one by one, and knows which images it has rolled out in full.
type rolling struct {
	mu   sync.Mutex
	done map[string]bool
}

func (r *rolling) run(ctx context.Context, c client.Client, fc *v1alpha1.FlowCollector) {
	set := &appsv1.DaemonSet{}
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if err := c.Get(ctx, client.ObjectKey{Namespace: fc.Namespace, Name: fleet.ObjectName(fc)}, set); err != nil {
			continue
		}
		s := &set.Status
		before := *s
		if s.ObservedGeneration < set.Generation {
			s.UpdatedNumberScheduled = 0
		}
		s.ObservedGeneration, s.DesiredNumberScheduled, s.CurrentNumberScheduled, s.NumberReady, s.NumberAvailable = set.Generation, 3, 3, 3, 3
		s.UpdatedNumberScheduled = min(s.UpdatedNumberScheduled+1, 3)
		if s.UpdatedNumberScheduled == 3 { // known here before anybody else can know
			r.mu.Lock()
			r.done[set.Spec.Template.Spec.Containers[0].Image] = true
			r.mu.Unlock()
		}
		if before.ObservedGeneration != s.ObservedGeneration || before.UpdatedNumberScheduled != s.UpdatedNumberScheduled {
			_ = c.Status().Update(ctx, set) // a conflict is of an edit, which the next round sees
		}
	}
}

func (r *rolling) has(image string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done[image]
}

// A spec is edited 20 times in a row while the one before is being rolled out. At no time does the status call settled what is not.
func TestAFleetThatIsEditedAllTheTimeIsSettledOnlyOnceItIs(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Service.Type = v1alpha1.ServiceNodePort })
	ctx, cancel := context.WithCancel(t.Context())
	cluster := &rolling{done: make(map[string]bool)}
	var running sync.WaitGroup
	of := fc.DeepCopy()
	running.Go(func() { cluster.run(ctx, w.c, of) })
	t.Cleanup(func() { cancel(); running.Wait() })
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)

	images := map[int64]string{fc.Generation: testImage} // of each generation
	before := make(map[string]metav1.Condition)
	look := func() {
		t.Helper()
		w.read(fc)
		if fc.Status.ObservedGeneration > fc.Generation {
			t.Errorf("generation %d is observed of %d", fc.Status.ObservedGeneration, fc.Generation)
		}
		p := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionProgressing)
		if p.Reason == judge.ReasonSettled && !cluster.has(images[p.ObservedGeneration]) {
			t.Errorf("generation %d, with %s, is called settled: %s", p.ObservedGeneration, images[p.ObservedGeneration], conditionsOf(fc))
		}
		if r := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionReady); r.Status == metav1.ConditionTrue && !cluster.has(images[r.ObservedGeneration]) {
			t.Errorf("generation %d, with %s, is called ready: %s", r.ObservedGeneration, images[r.ObservedGeneration], conditionsOf(fc))
		}
		for _, c := range fc.Status.Conditions {
			was, known := before[c.Type]
			switch {
			case !known:
			case c.ObservedGeneration < was.ObservedGeneration:
				t.Errorf("%s was of generation %d, and is of %d", c.Type, was.ObservedGeneration, c.ObservedGeneration)
			case c.LastTransitionTime.Before(&was.LastTransitionTime):
				t.Errorf("%s has changed at %s, and later on at %s", c.Type, was.LastTransitionTime, c.LastTransitionTime)
			}
			before[c.Type] = c
		}
		for kind := range before {
			if meta.FindStatusCondition(fc.Status.Conditions, kind) == nil {
				delete(before, kind)
			}
		}
	}
	last := ""
	for i := range 20 {
		last = fmt.Sprintf("example.com/flowfleet:edit-%d", i)
		change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = last })
		images[fc.Generation] = last
		for range 1 + i%7 {
			look()
			time.Sleep(15 * time.Millisecond)
		}
	}
	natstest.Eventually(t, "the last edit is settled", func() bool {
		look()
		p := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionProgressing)
		return p.Reason == judge.ReasonSettled && p.ObservedGeneration == fc.Generation
	})
	if w.imageOf(fc) != last || fc.Status.ObservedGeneration != fc.Generation {
		t.Errorf("%s runs, and generation %d is observed of %d", w.imageOf(fc), fc.Status.ObservedGeneration, fc.Generation)
	}
}
