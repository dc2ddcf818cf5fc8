package controllers

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/wave"
)

const nextImage = "example.com/flowfleet:v2"

// upgraded is an operator of a next version, which lets so many fleets take it up at a time.
func (w *world) upgraded(rules wave.Rules) *operator {
	w.Helper()
	return startOperator(w, w.s, w.namespace, operatorOptions{image: nextImage, rollouts: rules})
}

// running are fleets that run what an operator of the version before made, which is stopped. Their rollouts may take so long.
func (w *world) running(deadline string, names ...string) (fleets []*v1alpha1.FlowCollector) {
	w.Helper()
	operator := w.start()
	for _, name := range names {
		fc := w.create(name, func(fc *v1alpha1.FlowCollector) {
			fc.Spec.Collector.ProgressDeadline = new(v1alpha1.Duration(deadline))
		})
		w.run(fc, 0)
		fleets = append(fleets, fc)
	}
	for _, fc := range fleets {
		w.expectReady(fc)
		operator.settle(fc)
	}
	operator.stop()
	return fleets
}

// takesUp waits until a fleet is to run the next version, and reports its DaemonSet as Kubernetes would in between.
func (w *world) takesUp(fc *v1alpha1.FlowCollector) *appsv1.DaemonSet {
	w.Helper()
	natstest.Eventually(w, fc.Name+" takes up the next version", func() bool { return w.imageOf(fc) == nextImage })
	return w.daemonSet(fc)
}

func (w *world) waits(says string, fleets ...*v1alpha1.FlowCollector) {
	w.Helper()
	for _, fc := range fleets {
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRolloutWaiting, says)
		w.expect(fc, v1alpha1.ConditionReconciling, metav1.ConditionTrue, judge.ReasonRolloutWaiting)
		if image := w.imageOf(fc); image != testImage || fc.Status.Image != testImage {
			w.Errorf("%s is to run %s, and says %s, though it waits", fc.Name, image, fc.Status.Image)
		}
		w.expectReady(fc)
	}
}

// aheadClock is that of the machine, put forward.
type aheadClock struct{ ahead atomic.Int64 }

func (c *aheadClock) Now() time.Time                  { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *aheadClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Each fleet runs, and is Ready, before the next one takes up what an upgrade brings; another operator goes on where one was stopped.
func TestAnUpgradeReachesFleetsOneAfterAnother(t *testing.T) {
	w := newWorld(t)
	fleets := w.running("1h", "a", "b", "c")
	operator := w.upgraded(wave.Rules{AtOnce: 1})
	a, b, c := fleets[0], fleets[1], fleets[2]
	w.takesUp(a)
	w.waits(w.namespace+"/a takes it up", b, c)

	// A restart neither forgets that a rolls, nor begins anew with another one.
	operator.stop()
	operator = w.upgraded(wave.Rules{AtOnce: 1})
	for _, fc := range fleets {
		operator.settle(fc)
	}
	w.waits(w.namespace+"/a takes it up", b, c)

	w.run(a, 0)
	w.takesUp(b)
	w.waits(w.namespace+"/b takes it up", c)
	w.run(b, 0)
	w.takesUp(c)
	w.run(c, 0)
	for _, fc := range fleets {
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
		w.expectReady(fc)
		natstest.Eventually(t, fc.Name+"'s turn is over", func() bool { return w.daemonSet(fc).Annotations[annotationTurn] == "" })
		operator.settle(fc)
		before := operator.writes.count()
		operator.reconcile(fc)
		if wrote := operator.writes.since(before); len(wrote) > 0 {
			t.Errorf("another look at %s writes %q", fc.Name, wrote)
		}
	}
}

// What a version breaks shows only once it has run for a while.
func TestTheNextFleetWaitsUntilTheOneBeforeHasRunForAWhile(t *testing.T) {
	w := newWorld(t)
	fleets := w.running("1h", "a", "b")
	a, b := fleets[0], fleets[1]
	now := &aheadClock{}
	operator := startOperator(w, w.s, w.namespace, operatorOptions{image: nextImage, rollouts: wave.Rules{AtOnce: 1}, delay: 30 * time.Minute, clock: now})
	w.takesUp(a)
	w.run(a, 0)
	w.expect(a, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	operator.settle(a)
	operator.reconcile(b)
	w.waits(w.namespace+"/a takes it up (--rollout-delay of 30m0s)", b)
	now.ahead.Store(int64(31 * time.Minute))
	operator.reconcile(a)
	w.takesUp(b)
}

// Users do not wait for the operator's upgrade.
func TestWhatAUserChangesIsNotHeldByAnUpgrade(t *testing.T) {
	w := newWorld(t)
	fleets := w.running("1h", "a", "b", "c")
	w.upgraded(wave.Rules{AtOnce: 1})
	w.takesUp(fleets[0])
	w.waits(w.namespace+"/a takes it up", fleets[1:]...)
	change(w, fleets[1], func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.LogLevel = "debug" })
	w.takesUp(fleets[1]) // its pods are made by the operator that there is
	d := w.create("d")
	if image := w.imageOf(d); image != nextImage {
		t.Errorf("a new fleet runs %s", image)
	}
	w.waits(w.namespace+"/a takes it up", fleets[2])
}

// What of a user's change fails at first is no less the user's when it is tried again.
func TestAUserDoesNotWaitForTheRestOfAChangeEither(t *testing.T) {
	w := newWorld(t)
	fleets := w.running("1h", "a", "b")
	a, b := fleets[0], fleets[1]
	var fails atomic.Bool
	service := "/services/" + fleet.ObjectName(b)
	startOperator(w, w.s, w.namespace, operatorOptions{image: nextImage, rollouts: wave.Rules{AtOnce: 1}, between: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if fails.Load() && request.Method == http.MethodPatch && strings.HasSuffix(request.URL.Path, service) {
				return nil, errors.New("the API server is away")
			}
			return next.RoundTrip(request)
		})
	}})
	w.takesUp(a)
	w.waits(w.namespace+"/a takes it up", b)
	fails.Store(true)
	change(w, b, func(fc *v1alpha1.FlowCollector) { fc.Spec.CommonLabels = map[string]string{"team": "network"} })
	w.takesUp(b)
	w.expect(b, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRetrying)
	fails.Store(false)
	natstest.Eventually(t, "the Service changes too", func() bool { return w.service(b).Labels["team"] == "network" })
}

// A fleet that is worse off with the next version keeps it from the others, until it is mended, or somebody lets them pass.
func TestAFleetThatFailsItsRollStopsTheWave(t *testing.T) {
	for about, test := range map[string]struct {
		rules wave.Rules
		then  func(w *world, a *v1alpha1.FlowCollector)
	}{
		"until its turn is taken from it": {wave.Rules{AtOnce: 1}, func(w *world, a *v1alpha1.FlowCollector) {
			set := w.daemonSet(a)
			change(w, set, func(set *appsv1.DaemonSet) { delete(set.Annotations, annotationTurn) })
		}},
		"until it is suspended": {wave.Rules{AtOnce: 1}, func(w *world, a *v1alpha1.FlowCollector) {
			change(w, a, func(fc *v1alpha1.FlowCollector) { fc.Spec.Suspend = true })
		}},
		"until it is deleted": {wave.Rules{AtOnce: 1}, func(w *world, a *v1alpha1.FlowCollector) {
			if err := w.c.Delete(w.Context(), a); err != nil {
				w.Fatal(err)
			}
		}},
		"unless the operator was told otherwise": {wave.Rules{AtOnce: 1, PastFailures: true}, nil},
	} {
		t.Run(about, func(t *testing.T) {
			w := newWorld(t)
			fleets := w.running("1m", "a", "b")
			a, b := fleets[0], fleets[1]
			now := &aheadClock{}
			operator := startOperator(w, w.s, w.namespace, operatorOptions{image: nextImage, rollouts: test.rules, clock: now})
			w.takesUp(a)
			w.waits(w.namespace+"/a takes it up", b)
			operator.settle(a)
			now.ahead.Store(int64(2 * time.Minute)) // none of its collectors has come up
			operator.reconcile(a)
			operator.reconcile(b)
			if test.then != nil {
				w.waits(w.namespace+"/a has it and is not well since", b)
				w.expect(a, v1alpha1.ConditionStalled, metav1.ConditionTrue, judge.ReasonProgressDeadlineExceeded)
				test.then(w, a)
			}
			w.takesUp(b)
		})
	}
}

// How long a rollout may take is the tenant's to say, but not how long the others wait for it.
func TestALongDeadlineDoesNotHoldTheOthersAsLong(t *testing.T) {
	w := newWorld(t)
	fleets := w.running("24h", "a", "b")
	a, b := fleets[0], fleets[1]
	now := &aheadClock{}
	operator := startOperator(w, w.s, w.namespace, operatorOptions{image: nextImage, rollouts: wave.Rules{AtOnce: 1}, clock: now})
	w.takesUp(a)
	w.waits(w.namespace+"/a takes it up", b)
	operator.settle(a)
	now.ahead.Store(int64(2*longestDeadline + time.Minute))
	operator.reconcile(a)
	operator.reconcile(b)
	w.waits(w.namespace+"/a has it and is not well since: no more of its pods are replaced", b)
	w.run(a, 0) // it came up after all
	w.takesUp(b)
}

// What an operator of another version noted of a fleet in its own way is no change of a user.
func TestAnotherFormOfWhatWasNotedDoesNotPassTheWave(t *testing.T) {
	w := newWorld(t)
	fleets := w.running("1h", "a", "b")
	a, b := fleets[0], fleets[1]
	change(w, w.daemonSet(b), func(set *appsv1.DaemonSet) { set.Annotations[annotationAsked] = "v1-0123456789abcdef" })
	w.upgraded(wave.Rules{AtOnce: 1})
	w.takesUp(a)
	w.waits(w.namespace+"/a takes it up", b)
}

// Who may write Services, or make objects with a fleet's labels, does not make the operator believe that it changes the fleet: the others would
// wait for that fleet, again and again.
func TestWhatOthersWriteBesideTheDaemonSetTakesNoTurn(t *testing.T) {
	for about, attempt := range map[string]func(w *world, a *v1alpha1.FlowCollector){
		"a Service that was applied as another one": func(w *world, a *v1alpha1.FlowCollector) {
			change(w, w.service(a), func(o *corev1.Service) { o.Annotations[annotationApplied] = "another" })
		},
		"and is another one": func(w *world, a *v1alpha1.FlowCollector) {
			change(w, w.service(a), func(o *corev1.Service) { o.Annotations[annotationApplied], o.Spec.Ports[0].Port = "another", 9 })
		},
		"a ConfigMap that is not wanted": func(w *world, a *v1alpha1.FlowCollector) {
			m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: fleet.DashboardName(a), Labels: w.service(a).Labels}}
			if err := w.c.Create(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		},
		"a DaemonSet that the operator did not apply": func(w *world, a *v1alpha1.FlowCollector) {
			change(w, w.daemonSet(a), func(o *appsv1.DaemonSet) { delete(o.Annotations, annotationApplied) })
		},
	} {
		t.Run(about, func(t *testing.T) {
			w := newWorld(t)
			a := w.running("1h", "a")[0]
			attempt(w, a)
			operator := startOperator(w, w.s, w.namespace, operatorOptions{rollouts: wave.Rules{AtOnce: 1}, delay: time.Hour})
			operator.settle(a)
			if turn, there := w.daemonSet(a).Annotations[annotationTurn]; there {
				t.Errorf("it has the turn: %s", turn)
			}
		})
	}
}

// A version that changes nothing but what is beside the DaemonSet reaches one fleet after another too.
func TestAChangeBesideTheDaemonSetWaitsForItsTurn(t *testing.T) {
	w := newWorld(t)
	fleets := w.running("1h", "a", "b")
	for _, fc := range fleets {
		change(w, w.daemonSet(fc), func(set *appsv1.DaemonSet) {
			set.Annotations[annotationApplied], set.Annotations[annotationBeside] = "another", "another"
		})
		change(w, w.service(fc), func(o *corev1.Service) { o.Annotations[annotationApplied], o.Labels["of"] = "another", "before" })
	}
	operator := startOperator(w, w.s, w.namespace, operatorOptions{rollouts: wave.Rules{AtOnce: 1}, delay: time.Hour})
	natstest.Eventually(t, "the first has its Service", func() bool { return w.service(fleets[0]).Annotations[annotationApplied] != "another" })
	operator.settle(fleets[1])
	if w.service(fleets[1]).Annotations[annotationApplied] != "another" {
		t.Error("the next one does not wait")
	}
}
