package controllers

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// prometheusKinds are those of the Prometheus operator, by their names only: its schemas are not ours to test.
func prometheusKinds() []*apiextensionsv1.CustomResourceDefinition {
	anything := true
	var out []*apiextensionsv1.CustomResourceDefinition
	for _, kind := range []schema.GroupVersionKind{fleet.PodMonitorKind, fleet.PrometheusRuleKind} {
		singular := strings.ToLower(kind.Kind)
		out = append(out, &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: singular + "s." + kind.Group},
			Spec: apiextensionsv1.CustomResourceDefinitionSpec{
				Group: kind.Group,
				Scope: apiextensionsv1.NamespaceScoped,
				Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: kind.Kind, Plural: singular + "s", Singular: singular},
				Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
					Name: kind.Version, Served: true, Storage: true,
					Schema: &apiextensionsv1.CustomResourceValidation{
						OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &anything},
					},
				}},
			},
		})
	}
	return out
}

// installPrometheusKinds makes the kinds, for the time of a test at most: no later one meets them. remove takes them away before.
func (w *world) installPrometheusKinds(t *testing.T) (remove func()) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(w.s.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	d, err := discovery.NewDiscoveryClientForConfig(w.s.Config)
	if err != nil {
		t.Fatal(err)
	}
	served := func(n int) func() bool {
		return func() bool {
			list, err := d.ServerResourcesForGroupVersion(fleet.PodMonitorKind.GroupVersion().String())
			if client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			}
			return apierrors.IsNotFound(err) && n == 0 || err == nil && len(list.APIResources) == n
		}
	}
	kinds := prometheusKinds()
	remove = sync.OnceFunc(func() {
		for _, kind := range kinds {
			if err := c.Delete(context.Background(), kind); err != nil {
				t.Error(err)
			}
			natstest.Eventually(t, "the kind is gone", func() bool {
				return apierrors.IsNotFound(c.Get(context.Background(), client.ObjectKeyFromObject(kind), kind.DeepCopy()))
			})
		}
		natstest.Eventually(t, "the kinds are not served any more", served(0))
	})
	t.Cleanup(remove)
	for _, kind := range kinds {
		if err := c.Create(t.Context(), kind); err != nil {
			t.Fatal(err)
		}
	}
	natstest.Eventually(t, "the kinds are served", served(len(kinds)))
	return remove
}

func TestKindsThatAreRemovedAreMissedAndComeBack(t *testing.T) {
	w := newWorld(t)
	remove := w.installPrometheusKinds(t)
	operator := w.start()
	fc := w.create("watched", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Monitoring.PodMonitor.Enabled, fc.Spec.Monitoring.PrometheusRule.Enabled = true, true
	})
	w.run(fc, 0)
	w.expectReady(fc)
	w.expect(fc, v1alpha1.ConditionMonitoringReady, metav1.ConditionTrue, judge.ReasonMonitored)

	remove()
	w.lookNow(operator, fc)
	w.expect(fc, v1alpha1.ConditionMonitoringReady, metav1.ConditionFalse, judge.ReasonKindMissing, "the kinds PodMonitor, PrometheusRule of")
	natstest.Eventually(t, "an event says so", func() bool {
		return slices.ContainsFunc(w.events(fc), func(e eventsv1.Event) bool {
			return e.Type == corev1.EventTypeWarning && e.Reason == judge.ReasonKindMissing
		})
	})
	w.expectReady(fc) // flows do not hang on it
	operator.settle(fc)

	w.installPrometheusKinds(t)
	w.lookNow(operator, fc)
	w.expect(fc, v1alpha1.ConditionMonitoringReady, metav1.ConditionTrue, judge.ReasonMonitored)
	monitor := &unstructured.Unstructured{}
	monitor.SetGroupVersionKind(fleet.PodMonitorKind)
	monitor.SetNamespace(fc.Namespace)
	monitor.SetName(fleet.ObjectName(fc))
	if !w.exists(monitor) {
		t.Error("the PodMonitor was not made again")
	}
}

// A suspended fleet's PodMonitor is an object of it, too.
func TestMonitoringThatIsAskedForWhileSuspendedWaits(t *testing.T) {
	w := newWorld(t)
	w.installPrometheusKinds(t)
	w.start()
	fc := w.create("watched")
	w.run(fc, 0)
	w.expectReady(fc)
	monitor := &unstructured.Unstructured{}
	monitor.SetGroupVersionKind(fleet.PodMonitorKind)
	monitor.SetNamespace(fc.Namespace)
	monitor.SetName(fleet.ObjectName(fc))
	for _, wanted := range []bool{true, false} {
		change(w, fc, func(fc *v1alpha1.FlowCollector) {
			fc.Spec.Suspend, fc.Spec.Monitoring.PodMonitor.Enabled = true, wanted
		})
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSuspended, "changes wait", "PodMonitor watched-collector")
		if fc.Status.ObservedGeneration == fc.Generation {
			t.Errorf("wanted %t: a spec that waits passes for one that was applied", wanted)
		}
		if wanted {
			w.expect(fc, v1alpha1.ConditionMonitoringReady, metav1.ConditionUnknown, judge.ReasonPending)
		}
		if w.exists(monitor) == wanted {
			t.Errorf("wanted %t: the PodMonitor of a suspended fleet was changed", wanted)
		}
		change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Suspend = false })
		natstest.Eventually(t, "what waited is done", func() bool { return w.exists(monitor) == wanted })
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	}
	// One that is as asked for waits for nothing.
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Suspend = true })
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSuspended, "no change of its objects waits")
}

func TestMonitoringObjectsAreKeptWhereTheirKindsAre(t *testing.T) {
	w := newWorld(t)
	w.installPrometheusKinds(t)
	operator := w.start()
	fc := w.create("watched", func(fc *v1alpha1.FlowCollector) {
		m := &fc.Spec.Monitoring
		m.PodMonitor = v1alpha1.PodMonitor{Enabled: true, Interval: "30s", Labels: map[string]string{"release": "prometheus"}}
		m.PrometheusRule = v1alpha1.PrometheusRule{Enabled: true}
	})
	w.run(fc, 0)
	w.expect(fc, v1alpha1.ConditionMonitoringReady, metav1.ConditionTrue, judge.ReasonMonitored)
	operator.settle(fc)

	untyped := func(kind schema.GroupVersionKind) *unstructured.Unstructured {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(kind)
		o.SetNamespace(fc.Namespace)
		o.SetName(fleet.ObjectName(fc))
		return o
	}
	monitor, rule := untyped(fleet.PodMonitorKind), untyped(fleet.PrometheusRuleKind)
	w.read(monitor)
	w.read(rule)
	if monitor.GetLabels()["release"] != "prometheus" || !metav1.IsControlledBy(monitor, fc) || !metav1.IsControlledBy(rule, fc) {
		t.Errorf("not as asked for: %v", monitor.Object)
	}
	before := operator.writes.count()
	operator.reconcile(fc)
	if wrote := operator.writes.since(before); len(wrote) > 0 {
		t.Errorf("another look writes %q", wrote)
	}

	// What somebody changed is put back, what somebody added stays.
	change(w, monitor, func(o *unstructured.Unstructured) {
		o.SetLabels(map[string]string{"release": "other", "mine": "yes"})
	})
	w.lookNow(operator, fc)
	w.read(monitor)
	if labels := monitor.GetLabels(); labels["release"] != "prometheus" || labels["mine"] != "yes" {
		t.Errorf("the labels are %v", labels)
	}

	change(w, fc, func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Monitoring.PodMonitor.Interval = ""
		fc.Spec.Monitoring.PrometheusRule.Enabled = false
	})
	natstest.Eventually(t, "the rule that is not wanted any more is gone", func() bool { return !w.exists(rule) })
	operator.settle(fc)
	w.read(monitor)
	endpoints, _, err := unstructured.NestedSlice(monitor.Object, "spec", "podMetricsEndpoints")
	if err != nil || len(endpoints) != 1 || endpoints[0].(map[string]any)["interval"] != nil {
		t.Errorf("the interval that is not wanted any more is there: %v, %v", endpoints, err)
	}
}
