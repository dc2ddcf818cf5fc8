package controllers

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// passWrites is more than the writes that a pass makes, the claim of the object included.
const passWrites = 12

// cuts lets an operator's n-th write for an object come to nothing, and all later ones, as if it were killed there. The object's name says so:
// before-3 is killed before the fourth write, after-3 after it, without having heard of the answer.
type cuts struct {
	mu   sync.Mutex
	made map[string]int
}

var cutName = regexp.MustCompile(`/((before|after)-(\d+))(?:$|[-/])`)

func (c *cuts) between(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		match := cutName.FindStringSubmatch(request.URL.Path)
		if match == nil || request.Method == http.MethodGet {
			return next.RoundTrip(request)
		}
		last, _ := strconv.Atoi(match[3])
		c.mu.Lock()
		n := c.made[match[1]]
		c.made[match[1]]++
		c.mu.Unlock()
		if n > last || n == last && match[2] == "before" {
			return nil, errors.New("it was killed")
		}
		response, err := next.RoundTrip(request)
		if n == last && err == nil {
			_ = response.Body.Close()
			return nil, errors.New("it was killed")
		}
		return response, err
	})
}

// killed runs an operator that is killed at another write of each fleet, for which it has at least so many to make.
func (w *world) killed(fleets []*v1alpha1.FlowCollector, writes int, change func(*v1alpha1.FlowCollector)) {
	w.Helper()
	c := &cuts{made: make(map[string]int)}
	o := startOperator(w, w.s, w.namespace, operatorOptions{between: c.between})
	for _, fc := range fleets {
		change(fc)
	}
	for _, fc := range fleets {
		o.reconcile(fc)
	}
	natstest.Eventually(w, fmt.Sprintf("it was killed at the first %d writes", writes), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for n := range writes {
			if c.made[fmt.Sprintf("before-%d", n)] <= n || c.made[fmt.Sprintf("after-%d", n)] <= n {
				return false
			}
		}
		return true
	})
	o.stop()
}

// The leader is killed between two writes of a pass, at each in turn. Whoever goes on brings the fleet to its end, makes nothing twice, and no
// status says meanwhile what is not so.
func TestAnOperatorThatIsKilledBetweenTwoWritesLeavesNothingUndoneOrSaidWrongly(t *testing.T) {
	w := newWorld(t)
	var fleets []*v1alpha1.FlowCollector
	for n := range passWrites {
		for _, kind := range []string{"before", "after"} {
			fleets = append(fleets, w.fleet(fmt.Sprintf("%s-%d", kind, n), everything, deletesBoth))
		}
	}
	inNATS := func() (names []string) {
		for name := range w.jetStream(w.nats).StreamNames(t.Context()).Name() {
			names = append(names, name)
		}
		return names
	}
	goesOn := func(image string) {
		t.Helper()
		o := w.start()
		for _, fc := range fleets {
			w.run(fc, 0)
		}
		for _, fc := range fleets {
			natstest.Eventually(t, fc.Name+" has the image "+image, func() bool { return w.imageOf(fc) == image })
			w.run(fc, 0)
		}
		for _, fc := range fleets {
			w.expectReady(fc)
			w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
			if fc.Status.ObservedGeneration != fc.Generation {
				t.Errorf("%s: generation %d is called observed, and %d is applied", fc.Name, fc.Status.ObservedGeneration, fc.Generation)
			}
			var children []string
			for _, o := range w.children(fc) {
				children = append(children, typeName(o))
				if len(o.GetOwnerReferences()) != 1 || !controlled(o, fc) {
					t.Errorf("%s %s is owned by %v", typeName(o), o.GetName(), o.GetOwnerReferences())
				}
			}
			slices.Sort(children)
			if want := "ConfigMap ConfigMap DaemonSet NetworkPolicy PodDisruptionBudget Service Service ServiceAccount"; strings.Join(children, " ") != want {
				t.Errorf("%s has %q", fc.Name, children)
			}
		}
		if names := inNATS(); len(names) != 2*len(fleets) {
			t.Errorf("%d buckets and streams, not %d: %q", len(names), 2*len(fleets), names)
		}
		o.stop()
	}
	// What a status calls applied, is.
	honest := func(image string) {
		t.Helper()
		for _, fc := range fleets {
			w.read(fc)
			settled := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionProgressing)
			if settled != nil && settled.Reason == judge.ReasonSettled && settled.ObservedGeneration == fc.Generation || fc.Status.ObservedGeneration == fc.Generation {
				if len(w.children(fc)) != 8 || w.imageOf(fc) != image {
					t.Errorf("%s is called applied: %s", fc.Name, conditionsOf(fc))
				}
			}
		}
	}

	w.killed(fleets, 6, func(fc *v1alpha1.FlowCollector) {
		if err := w.c.Create(t.Context(), fc); err != nil {
			t.Fatal(err)
		}
	})
	honest(testImage)
	goesOn(testImage)

	w.killed(fleets, 6, func(fc *v1alpha1.FlowCollector) { change(w, fc, changesEverything) })
	honest(nextImage)
	goesOn(nextImage)

	w.killed(fleets, 2, func(fc *v1alpha1.FlowCollector) {
		if err := w.c.Delete(t.Context(), fc); err != nil {
			t.Fatal(err)
		}
	})
	w.start()
	for _, fc := range fleets {
		natstest.Eventually(t, fc.Name+" is gone", func() bool { return !w.exists(fc) && !hasDaemonSet(w, fc) })
	}
	if names := inNATS(); len(names) > 0 {
		t.Errorf("%q are left", names)
	}
}

// changesEverything that the operator makes, so that all of it is written.
func changesEverything(fc *v1alpha1.FlowCollector) {
	fc.Spec.Collector.Image = nextImage
	fc.Spec.Exporters.AllowedNetworks = []v1alpha1.Network{"10.0.0.0/8", "192.0.2.0/24"}
	fc.Spec.PodDisruption = &v1alpha1.PodDisruption{MinAvailable: 2}
	fc.Spec.Service.Annotations = map[string]string{"example.com/pool": "core"}
}

// mischief deletes an object of a fleet before the operator's n-th write for it since it was armed. The fleet's name says which: service-3.
type mischief struct {
	*world
	mu   sync.Mutex
	made map[string]int // by fleet that it is armed for
}

var mischiefName = regexp.MustCompile(`/((service|daemonset|configmap|budget|account|flowcollector)-(\d+))(?:$|[-/])`)

func (m *mischief) between(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if match := mischiefName.FindStringSubmatch(request.URL.Path); match != nil && request.Method != http.MethodGet {
			at, _ := strconv.Atoi(match[3])
			m.mu.Lock()
			n, armed := m.made[match[1]]
			if armed {
				m.made[match[1]]++
			}
			m.mu.Unlock()
			if armed && n == at {
				m.delete(match[1], match[2])
			}
		}
		return next.RoundTrip(request)
	})
}

func (m *mischief) delete(name, kind string) {
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: m.namespace, Name: name}}
	if kind == "flowcollector" {
		if err := m.c.Delete(m.Context(), fc); err != nil {
			m.Error(err)
		}
		return
	}
	is := map[string]string{"service": "Service", "daemonset": "DaemonSet", "configmap": "ConfigMap", "budget": "PodDisruptionBudget", "account": "ServiceAccount"}
	for _, o := range m.children(fc) {
		if typeName(o) == is[kind] {
			if err := m.c.Delete(m.Context(), o); err != nil {
				m.Error(err)
			}
		}
	}
}

// Somebody deletes an object of a fleet, or the fleet, in the midst of a pass, before each of its writes in turn.
func TestWhatIsDeletedInTheMidstOfAPassIsMadeAgainAndNotCalledThere(t *testing.T) {
	w := newWorld(t)
	m := &mischief{world: w, made: make(map[string]int)}
	o := startOperator(w, w.s, w.namespace, operatorOptions{between: m.between})
	var fleets []*v1alpha1.FlowCollector
	for _, kind := range []string{"service", "daemonset", "configmap", "budget", "account", "flowcollector"} {
		for n := range 5 {
			change := []func(*v1alpha1.FlowCollector){everything}
			if kind == "flowcollector" && n%2 == 0 {
				change = append(change, deletesBoth)
			}
			fleets = append(fleets, w.create(fmt.Sprintf("%s-%d", kind, n), change...))
		}
	}
	for _, fc := range fleets {
		w.run(fc, 0)
	}
	for _, fc := range fleets {
		w.expectReady(fc)
	}
	o.settle(fleets[0])
	for _, fc := range fleets {
		w.read(fc)
		before := fc.DeepCopy()
		changesEverything(fc)
		m.mu.Lock()
		m.made[fc.Name] = 0
		m.mu.Unlock()
		if err := w.c.Patch(t.Context(), fc, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
	for _, fc := range fleets {
		if strings.HasPrefix(fc.Name, "flowcollector") {
			natstest.Eventually(t, fc.Name+" is gone", func() bool { return !w.exists(fc) })
			continue
		}
		natstest.Eventually(t, fc.Name+" is as it should be", func() bool { return len(w.children(fc)) == 8 && w.imageOf(fc) == nextImage })
		w.run(fc, 0)
	}
	left := w.jetStream(w.nats)
	for _, fc := range fleets {
		if !strings.HasPrefix(fc.Name, "flowcollector") {
			w.expectReady(fc)
			w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
			if len(w.children(fc)) != 8 {
				t.Errorf("%s is called settled with %d objects", fc.Name, len(w.children(fc)))
			}
			continue
		}
		for _, o := range w.children(fc) { // which go with their owner
			if !controlled(o, fc) {
				t.Errorf("%s %s would stay", typeName(o), o.GetName())
			}
		}
		if deletes(fc) && (w.streamThere(left, fleet.StreamName(fc)) || w.streamThere(left, "KV_"+fleet.BucketName(fc))) {
			t.Errorf("%s has left bucket or stream behind", fc.Name)
		}
	}
}
