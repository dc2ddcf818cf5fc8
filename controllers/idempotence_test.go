package controllers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

func TestSecondLookWritesNothing(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	fleets := []*v1alpha1.FlowCollector{
		w.create("usual"),
		w.create("full", everything),
		w.create("host", func(fc *v1alpha1.FlowCollector) {
			fc.Spec.Collector.HostNetwork = true
			fc.Spec.Service.Type = v1alpha1.ServiceNone
		}),
		w.create("deletes", func(fc *v1alpha1.FlowCollector) { fc.Spec.TemplateStore.DeletionPolicy = v1alpha1.DeletionDelete }),
		w.create("reader", named("sink")),
		w.create("refused", func(fc *v1alpha1.FlowCollector) {
			fc.Spec.Collector.Tolerations = []corev1.Toleration{{Key: "edge", Operator: "Sometimes"}}
		}),
		w.create("suspended", func(fc *v1alpha1.FlowCollector) { fc.Spec.Suspend = true }),
	}
	for _, fc := range fleets[:5] {
		w.run(fc, 0)
		w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionTrue, judge.ReasonAvailable)
	}
	for _, fc := range fleets {
		operator.settle(fc)
	}
	for _, fc := range fleets {
		for range 2 {
			before := operator.writes.count()
			operator.reconcile(fc)
			wrote := operator.writes.since(before)
			if fc.Name == "refused" { // it is tried again, which changes nothing
				wrote = slices.DeleteFunc(wrote, func(s string) bool {
					return strings.Contains(s, "/daemonsets/refused-collector")
				})
			}
			if len(wrote) > 0 {
				t.Errorf("%s: another look writes %q", fc.Name, wrote)
			}
		}
	}

	// An operator that starts anew writes nothing but its claim, which the one before gave up: once in each status.
	operator.stop()
	versions := make(map[string]string)
	for _, fc := range fleets {
		for _, o := range w.children(fc) {
			w.read(o)
			versions[typeName(o)+"/"+o.GetName()] = o.GetResourceVersion()
		}
	}
	second := w.start()
	for _, fc := range fleets {
		second.settle(fc)
	}
	claims := make(map[string]int)
	for _, wrote := range second.writes.since(0) {
		switch {
		case strings.Contains(wrote, "/flowcollectors/") && strings.HasSuffix(wrote, "/status"):
			claims[wrote]++
		case !strings.Contains(wrote, "/daemonsets/refused-collector"):
			t.Errorf("an operator that starts anew writes %q", wrote)
		}
	}
	for wrote, times := range claims {
		if times > 1 {
			t.Errorf("an operator that starts anew writes %q %d times", wrote, times)
		}
	}
	for _, fc := range fleets {
		for _, o := range w.children(fc) {
			w.read(o)
			if was := versions[typeName(o)+"/"+o.GetName()]; was != o.GetResourceVersion() {
				t.Errorf("%s %s was at version %s and is at %s", typeName(o), o.GetName(), was, o.GetResourceVersion())
			}
		}
	}
}

func TestEventsTellOfTransitionsOnly(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	operator.settle(fc)
	count := func() (n int, notes string) {
		for _, e := range w.events(fc) {
			n++
			if e.Series != nil {
				n += int(e.Series.Count)
			}
			notes += fmt.Sprintf("\n%s %s: %s", e.Type, e.Reason, e.Note)
		}
		return n, notes
	}
	for _, want := range []string{"created the bucket", "created the stream", "Ready: 3/3 collectors are ready"} {
		natstest.Eventually(t, "an event says "+want, func() bool {
			_, notes := count()
			return strings.Contains(notes, want)
		})
	}
	operator.settle(fc)
	before, _ := count()
	for range 5 {
		operator.reconcile(fc)
	}
	operator.settle(fc)
	if after, notes := count(); after != before {
		t.Errorf("%d events became %d though nothing happened:%s", before, after, notes)
	}
	w.run(fc, 1)
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonPartlyUnavailable)
	natstest.Eventually(t, "an event tells that a collector is away", func() bool {
		return slices.ContainsFunc(w.events(fc), func(e eventsv1.Event) bool {
			return e.Type == corev1.EventTypeWarning && e.Reason == judge.ReasonPartlyUnavailable && strings.Contains(e.Note, "1 of 3 nodes")
		})
	})
}

// The lease sees to it that one of two works, and that the other takes over.
func TestOneOfTwoOperatorsWorksAndTheOtherTakesOver(t *testing.T) {
	w := newWorld(t)
	var leaders atomic.Int32
	elected := func() { leaders.Add(1) }
	first := startOperator(t, w.s, w.namespace, operatorOptions{elect: operatorNamespace, elected: elected})
	natstest.Eventually(t, "the first is elected", func() bool { return leaders.Load() == 1 })
	second := startOperator(t, w.s, w.namespace, operatorOptions{elect: operatorNamespace, elected: elected})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	first.settle(fc)
	if n := second.writes.count(); n > 0 || leaders.Load() != 1 {
		t.Errorf("the second, which was not elected, wrote %q", second.writes.since(0))
	}
	first.stop()
	natstest.Eventually(t, "the second is elected", func() bool { return leaders.Load() == 2 })
	second.settle(fc)
	claims := 0
	for _, wrote := range second.writes.since(0) {
		switch {
		case strings.Contains(wrote, "/namespaces/"+operatorNamespace+"/events"): // of its election
		case strings.HasSuffix(wrote, "/flowcollectors/edge/status"):
			claims++ // which the first gave up
		default:
			t.Errorf("taking over writes %q", wrote)
		}
	}
	if claims != 1 {
		t.Errorf("taking over writes the status %d times", claims)
	}
	set := w.daemonSet(fc)
	if err := w.c.Delete(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the second makes the DaemonSet again", func() bool { return w.exists(set) && set.DeletionTimestamp.IsZero() })
}

func TestTwoHundredFleetsAtOnce(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	const count = 200
	fleets := make([]*v1alpha1.FlowCollector, count)
	for i := range fleets {
		fleets[i] = w.create(fmt.Sprintf("fleet-%d", i), func(fc *v1alpha1.FlowCollector) {
			fc.Spec.TemplateStore.Storage, fc.Spec.Output.Stream.Storage = v1alpha1.StorageMemory, v1alpha1.StorageMemory
		})
	}
	list := &v1alpha1.FlowCollectorList{}
	for done, deadline := 0, time.Now().Add(10*time.Minute); done < count; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d have bucket and stream", done, count)
		}
		if err := w.c.List(t.Context(), list, client.InNamespace(w.namespace)); err != nil {
			t.Fatal(err)
		}
		done = 0
		for _, fc := range list.Items {
			if fc.Status.Bucket != nil && fc.Status.Stream != nil {
				done++
			}
		}
	}
	for _, fc := range fleets {
		if n := len(w.children(fc)); n != 5 {
			t.Errorf("%s has %d objects, not 5", fc.Name, n)
		}
	}
	operator.settle(fleets[0])
	before := operator.writes.count()
	for _, fc := range fleets {
		operator.reconcile(fc)
	}
	if wrote := operator.writes.since(before); len(wrote) > 0 {
		t.Errorf("another look at all of them writes %d times, such as %q", len(wrote), wrote[:min(len(wrote), 5)])
	}
	names := make(map[string]bool)
	for _, o := range list.Items {
		names[o.Status.Bucket.Name] = true
		names[o.Status.Stream.Name] = true
	}
	if len(names) != 2*count {
		t.Errorf("%d buckets and streams, not %d", len(names), 2*count)
	}
}

func TestSuspendedFleetIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	fc := w.create("edge")
	set := w.daemonSet(fc)
	w.run(fc, 0)
	w.expectReady(fc)
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Suspend = true })
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSuspended, "no change of its objects waits")
	if fc.Status.ObservedGeneration != fc.Generation {
		t.Error("a spec with nothing that waits passes for one that was not applied")
	}
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = "example.com/flowfleet:v2" })
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSuspended, "changes wait")
	operator.settle(fc)
	before := operator.writes.count()
	service := w.service(fc)
	if err := w.c.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	operator.reconcile(fc)
	operator.settle(fc)
	for _, wrote := range operator.writes.since(before) { // that the Service is gone is told, and not mended
		if !strings.HasSuffix(wrote, "/flowcollectors/edge/status") && !strings.HasSuffix(wrote, "/events") {
			t.Errorf("it writes %q", wrote)
		}
	}
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSuspended, "DaemonSet edge-collector", "Service edge-collector")
	if fc.Status.ObservedGeneration == fc.Generation {
		t.Error("a spec that waits passes for one that was applied")
	}
	if w.read(set); set.Spec.Template.Spec.Containers[0].Image != testImage {
		t.Errorf("the image became %s", set.Spec.Template.Spec.Containers[0].Image)
	}
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Suspend = false })
	natstest.Eventually(t, "what waited is done", func() bool {
		w.read(set)
		return set.Spec.Template.Spec.Containers[0].Image == "example.com/flowfleet:v2" && w.exists(service)
	})
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRolling)
}

// requests are all that are made of the API server, but for watches that are opened anew and leases.
type requests struct {
	mu  sync.Mutex
	all []string
}

func (r *requests) between(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.URL.Query().Get("watch") == "" && !strings.Contains(request.URL.Path, "/leases") {
			r.mu.Lock()
			r.all = append(r.all, request.Method+" "+request.URL.Path)
			r.mu.Unlock()
		}
		return next.RoundTrip(request)
	})
}

func (r *requests) since(n int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all[n:])
}

// With hundreds of fleets each look would else be a load on the API server, also while nothing happens.
func TestLookThatFindsNoChangeAsksTheAPIServerNothing(t *testing.T) {
	w := newWorld(t)
	made := &requests{}
	operator := startOperator(w, w.s, w.namespace, operatorOptions{between: made.between})
	fleets := []*v1alpha1.FlowCollector{w.create("usual"), w.create("full", everything)}
	for _, fc := range fleets {
		w.run(fc, 0)
		w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionTrue, judge.ReasonAvailable)
	}
	for _, fc := range fleets {
		operator.settle(fc)
	}
	// What is looked at when that is due, such as Secrets, may be due in the midst of five looks; not each time.
	for _, fc := range fleets {
		natstest.Eventually(t, "five looks at "+fc.Name+" ask nothing", func() bool {
			before := len(made.since(0))
			for range 5 {
				operator.reconcile(fc)
			}
			asked := made.since(before)
			if len(asked) > 0 {
				t.Logf("%s: five looks ask %q", fc.Name, asked)
			}
			return len(asked) == 0
		})
	}
}
