package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// lackingSinks is a namespace in which the operator is to lose one right that it needs for FlowSinks.
type lackingSinks struct {
	*world
	right right
	role  *rbacv1.Role
	// changes and shrinks change once the right is missing, and after is made then.
	changes, shrinks, after *v1alpha1.FlowSink
}

func (l *lackingSinks) touched() (out []*v1alpha1.FlowSink) {
	for _, s := range []*v1alpha1.FlowSink{l.changes, l.shrinks, l.after} {
		if s != nil {
			out = append(out, s)
		}
	}
	return out
}

// done reports whether a FlowSink's objects and status are as its spec says, as an administrator sees it.
func (l *lackingSinks) done(s *v1alpha1.FlowSink) bool {
	name := metav1.ObjectMeta{Namespace: l.namespace, Name: sink.ObjectName(s)}
	d, c := &appsv1.Deployment{ObjectMeta: name}, &corev1.ConfigMap{ObjectMeta: *name.DeepCopy()}
	budget, dashboards := &policyv1.PodDisruptionBudget{ObjectMeta: *name.DeepCopy()}, &corev1.ConfigMap{ObjectMeta: *name.DeepCopy()}
	dashboards.Name = sink.DashboardsName(s)
	if l.read(s); !l.exists(d) || !l.exists(c) || s.Status.ObservedGeneration != s.Generation {
		return false
	}
	return l.exists(dashboards) == s.Spec.Dashboards.Enabled && l.exists(budget) == (*s.Spec.Replicas > 1) && *d.Spec.Replicas == *s.Spec.Replicas &&
		d.Spec.Template.Spec.Containers[0].Image == s.Spec.Image && strings.Contains(c.Data[sink.ConfigurationFile], "database: "+s.Spec.ClickHouse.Database+"\n")
}

func (l *lackingSinks) says(s *v1alpha1.FlowSink) bool {
	text := ""
	for _, c := range s.Status.Conditions {
		text += c.Message + "\n"
	}
	if l.right.resource == "flowsinks/status" {
		for _, e := range l.events(s) {
			text += e.Note
		}
	}
	return strings.Contains(text, fmt.Sprintf("cannot %s resource %q", l.right.verb, l.right.resource))
}

// Each right that FlowSinks need is taken away by itself, from an operator that runs and from one that starts: what it keeps from being done
// is said on the FlowSink, and done once the right is back.
func TestEachRightThatFlowSinksNeedIsNamedWhereItIsTakenAwayAndHealsOnceItIsBack(t *testing.T) {
	w := newWorld(t)
	rights := operatorRights(t)
	const user = "lacking-sinks"
	w.allow(user, without(rights, func(r right) bool { return !r.watches() }))
	own := without(rights, right.watches)
	var rows []*lackingSinks
	var namespaces []string
	for _, r := range own {
		if !slices.Contains([]string{"deployments", "configmaps", "poddisruptionbudgets", "flowcollectors", "flowsinks", "flowsinks/finalizers", "flowsinks/status"}, r.resource) {
			continue
		}
		of := w.elsewhere()
		namespaces = append(namespaces, of.namespace)
		rows = append(rows, &lackingSinks{world: of, right: r, role: of.allowHere(user, own)})
	}
	configuration, clock := w.s.User(t, user), &laterClock{}
	start := func() *operator {
		return startOperator(t, w.s, w.namespace, operatorOptions{user: configuration, namespaces: namespaces, clock: clock, sinks: true, sinksInterval: time.Second})
	}
	o := start()
	t.Logf("%d rights", len(rows))
	of := func(database string) func(*v1alpha1.FlowSink) {
		return func(s *v1alpha1.FlowSink) {
			s.Spec.ClickHouse.Database, s.Spec.Dashboards.Enabled, s.Spec.Replicas, s.Spec.Image = database, true, new(int32(2)), testImage
		}
	}
	for _, l := range rows {
		l.create("edge")
		switch l.right.verb {
		case "patch", "update":
			l.changes = l.sinkOf("edge", "changes", of("changes"))
		case "delete", "get":
			l.shrinks = l.sinkOf("edge", "shrinks", of("shrinks"))
		}
	}
	for _, l := range rows {
		for _, s := range l.touched() {
			natstest.Eventually(t, s.Name+" is made", func() bool { return l.done(s) })
		}
	}
	for _, l := range rows {
		change(l.world, l.role, func(role *rbacv1.Role) { role.Rules = rules(without(own, func(r right) bool { return r == l.right })) })
	}
	for _, l := range rows {
		l.knows(user, l.right, false)
		if l.changes != nil {
			change(l.world, l.changes, func(s *v1alpha1.FlowSink) {
				s.Spec.Image, s.Spec.Replicas, s.Spec.ClickHouse.Database = nextImage, new(int32(3)), "changed"
			})
		}
		if l.shrinks != nil {
			change(l.world, l.shrinks, func(s *v1alpha1.FlowSink) { s.Spec.Replicas, s.Spec.Dashboards.Enabled = new(int32(1)), false })
		}
		if l.right.verb != "delete" {
			l.after = l.sinkOf("edge", "after", of("after"))
		}
	}
	honestSinks(t, rows, "while it runs")
	o.stop()
	start()
	honestSinks(t, rows, "after a restart")
	for _, l := range rows {
		change(l.world, l.role, func(role *rbacv1.Role) { role.Rules = rules(own) })
	}
	for _, l := range rows {
		l.knows(user, l.right, true)
		for _, s := range l.touched() {
			change(l.world, s, func(s *v1alpha1.FlowSink) { s.Annotations = map[string]string{annotationReconcileAt: "1"} })
			natstest.Eventually(t, s.Name+" heals once the operator may again "+l.right.String(), func() bool { return l.done(s) && !l.says(s) || l.done(s) && l.right.resource == "flowsinks/status" })
		}
	}
}

// honestSinks does for FlowSinks what honest does for fleets.
func honestSinks(t *testing.T, rows []*lackingSinks, when string) {
	t.Helper()
	for _, l := range rows {
		for _, s := range l.touched() {
			saysSo{when, l.right, s.Name, &s.Status.Conditions,
				func() bool { return l.done(s) },
				func() bool { return l.says(s) },
				func() bool {
					return s.Status.ObservedGeneration == s.Generation || meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady)
				}}.expect(t)
		}
	}
}

// A kind of FlowSinks that the operator may not list is no matter of FlowCollectors. FlowSinks say so, and heal.
func TestAFlowSinkSaysWhichKindMayNotBeWatchedAndFlowCollectorsDoNotSuffer(t *testing.T) {
	w := newWorld(t)
	rights := operatorRights(t)
	type row struct {
		*world
		resource string
		role     *rbacv1.ClusterRole
		o        *operator
		clock    *laterClock
		fc       *v1alpha1.FlowCollector
		s        *v1alpha1.FlowSink
	}
	var rows []*row
	for _, resource := range []string{"deployments", "flowsinks", "pods", "configmaps", "poddisruptionbudgets"} {
		of := w.elsewhere()
		l := &row{world: of, resource: resource, clock: &laterClock{}}
		user := "sinks-blind-" + resource
		l.role = w.allow(user, without(rights, func(o right) bool { return o.watches() && o.resource == resource }))
		l.fc, l.s = l.create("edge"), l.sinkOf("edge", "warehouse")
		l.s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: sink.ReasonSinksReady, LastTransitionTime: metav1.Now(),
			ObservedGeneration: 1}}
		if err := w.c.Status().Update(t.Context(), l.s); err != nil {
			t.Fatal(err)
		}
		index := slices.IndexFunc(rights, func(r right) bool { return r.resource == resource && r.verb == "list" })
		l.knows(user, rights[index], false)
		l.o = startOperator(t, w.s, of.namespace, operatorOptions{user: w.s.User(t, user), clock: l.clock, sinks: true, sinksInterval: time.Second})
		rows = append(rows, l)
	}
	for _, l := range rows {
		if own := l.resource == "deployments" || l.resource == "flowsinks"; own {
			l.run(l.fc, 0)
			l.expectReady(l.fc)
		} else {
			l.expect(l.fc, v1alpha1.ConditionReady, metav1.ConditionUnknown, judge.ReasonOperatorForbidden, "cannot begin its work")
		}
		if l.resource != "flowsinks" { // of which nobody then knows
			l.expectSink(l.s, metav1.ConditionUnknown, judge.ReasonOperatorForbidden)
			if c := meta.FindStatusCondition(l.s.Status.Conditions, v1alpha1.ConditionReady); !strings.Contains(c.Message, fmt.Sprintf("cannot list resource %q", l.resource)) {
				t.Errorf("without %s it says %s", l.resource, c.Message)
			}
		}
		change(w, l.role, func(role *rbacv1.ClusterRole) { role.Rules = rules(rights) })
	}
	for _, l := range rows {
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: sink.ObjectName(l.s)}}
		natstest.Eventually(t, "with "+l.resource+" the sinks are made", func() bool { return l.exists(deployment) })
		l.clock.by.Store(int64(troubleHolds + time.Second))
		l.expectSink(l.s, metav1.ConditionFalse, sink.ReasonRolling)
		l.runSink(l.s)
	}
}
