package controllers

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/exporters"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// Of several namespaces, one that the operator may not see keeps it from no other. Which that is, its FlowCollectors say, where these may be
// seen, and a metric.
func TestANamespaceThatMayNotBeSeenKeepsTheOperatorFromNoOther(t *testing.T) {
	w := newWorld(t)
	rights := operatorRights(t)
	const user = "few-namespaces"
	w.allow(user, []right{{"", "nodes", "list"}, {"", "nodes", "watch"}})
	in := func(rights []right) (*world, *rbacv1.Role) {
		of := w.elsewhere()
		return of, of.allowHere(user, rights)
	}
	pods := func(r right) bool { return r.resource == "pods" && r.watches() }
	served, _ := in(rights)
	podless, podlessRole := in(without(rights, pods))
	dark, darkRole := in([]right{{"flowfleet.io", "flowexporters", "list"}, {"flowfleet.io", "flowexporters", "watch"}, {"flowfleet.io", "flowexporters/status", "patch"}})
	device := func(w *world, collector string) *v1alpha1.FlowExporter {
		e := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "device"}}
		e.Spec.Collector, e.Spec.Addresses = collector, []v1alpha1.ExporterAddress{"192.0.2.1"}
		w.make(e)
		return e
	}
	ofDark := device(dark, "edge")
	served.knows(user, right{"", "pods", "list"}, true)
	clock := &laterClock{}
	o := startOperator(t, w.s, served.namespace, operatorOptions{user: w.s.User(t, user), namespaces: []string{podless.namespace, dark.namespace}, clock: clock, sinks: true, exporters: 100 * time.Millisecond})
	fc, without, unseen := served.create("edge"), podless.create("edge"), dark.create("edge")
	s := served.sinkOf("edge", "warehouse")
	served.run(fc, 0)
	served.expectReady(fc)
	served.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	served.expectSink(s, metav1.ConditionFalse, "Rolling")
	served.runSink(s)
	podless.expect(without, v1alpha1.ConditionReady, metav1.ConditionUnknown, judge.ReasonOperatorForbidden, `cannot list resource "pods"`, podless.namespace)
	if strings.Contains(conditionsOf(without), dark.namespace) {
		t.Errorf("it tells of another namespace: %s", conditionsOf(without))
	}
	alone := device(served, "none")
	orphan := func(w *world, e *v1alpha1.FlowExporter) bool {
		w.read(e)
		return slices.ContainsFunc(e.Status.Conditions, func(c metav1.Condition) bool { return c.Reason == exporters.ReasonNoCollector })
	}
	natstest.Eventually(t, "a FlowExporter without a FlowCollector says so", func() bool { return orphan(served, alone) })
	if orphan(dark, ofDark) {
		t.Error("a FlowExporter says that it has no FlowCollector, which the operator cannot know")
	}
	if dark.read(unseen); unseen.Status.Operator != nil || len(unseen.Finalizers) > 0 {
		t.Errorf("the operator has rights that it was not given: %s", conditionsOf(unseen))
	}
	refused := refusedWatches(t, o)
	if !refused[watched{"Pod", podless.namespace}] || !refused[watched{"FlowCollector", dark.namespace}] || slices.ContainsFunc(slices.Collect(maps.Keys(refused)),
		func(what watched) bool { return what.namespace == served.namespace || what.namespace == "*" }) {
		t.Errorf("%v", refused)
	}
	change(w, podlessRole, func(role *rbacv1.Role) { role.Rules = rules(rights) })
	change(w, darkRole, func(role *rbacv1.Role) { role.Rules = rules(rights) })
	for of, fc := range map[*world]*v1alpha1.FlowCollector{podless: without, dark: unseen} {
		of.daemonSet(fc)
	}
	clock.by.Store(int64(troubleHolds + time.Second))
	for of, fc := range map[*world]*v1alpha1.FlowCollector{podless: without, dark: unseen} {
		of.run(fc, 0)
		of.expectReady(fc)
	}
}

// refusedWatches are what the metric of that name shows.
func refusedWatches(t *testing.T, o *operator) map[watched]bool {
	t.Helper()
	families, err := o.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[watched]bool)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "flowfleet_operator_refused_watches" {
				out[watched{m.GetLabel()[0].GetValue(), m.GetLabel()[1].GetValue()}] = true
			}
		}
	}
	return out
}
