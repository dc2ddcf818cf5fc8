package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// Without a right on FlowExporters, an event of the FlowCollector names it, and they are kept once it is back.
func TestEachRightOnFlowExportersThatIsMissingIsNamedInAnEventOfTheFlowCollector(t *testing.T) {
	w := newWorld(t)
	rights := operatorRights(t)
	const user = "lacking-exporters"
	w.allow(user, without(rights, func(r right) bool { return !r.watches() }))
	own := without(rights, right.watches)
	server := senderHeard(t)
	type row struct {
		*world
		right    right
		role     *rbacv1.Role
		fc       *v1alpha1.FlowCollector
		exporter *v1alpha1.FlowExporter
	}
	var rows []*row
	var namespaces []string
	for _, r := range []right{{"flowfleet.io", "flowexporters", "create"}, {"flowfleet.io", "flowexporters", "delete"}, {"flowfleet.io", "flowexporters/status", "patch"}} {
		of := w.elsewhere()
		namespaces = append(namespaces, of.namespace)
		l := &row{world: of, right: r, role: of.allowHere(user, without(own, func(o right) bool { return o == r }))}
		l.exporter = &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: of.namespace, Name: "edge-192.0.2.1"}}
		rows = append(rows, l)
	}
	startOperator(t, w.s, w.namespace, operatorOptions{user: w.s.User(t, user), namespaces: namespaces, exporters: time.Second})
	for _, l := range rows {
		l.fc = l.create("edge")
		l.collectorPod(l.fc, server)
	}
	for _, l := range rows {
		if l.right.verb == "delete" {
			natstest.Eventually(t, "there is a FlowExporter", func() bool { return l.exists(l.exporter) })
			change(l.world, l.fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Exporters.Objects = v1alpha1.ObjectsOff })
		}
	}
	done := func(l *row) bool {
		if l.right.verb == "delete" {
			return !l.exists(l.exporter)
		}
		return l.exists(l.exporter) && meta.IsStatusConditionTrue(l.exporter.Status.Conditions, v1alpha1.ConditionSending)
	}
	for _, l := range rows {
		says := fmt.Sprintf("cannot %s resource %q", l.right.verb, l.right.resource)
		natstest.Eventually(t, "an event says "+says, func() bool {
			return slices.ContainsFunc(l.events(l.fc), func(e eventsv1.Event) bool {
				return e.Reason == judge.ReasonOperatorForbidden && strings.Contains(e.Note, says) && !strings.Contains(e.Note, "forbidden")
			})
		})
		if done(l) {
			t.Errorf("it has the right to %s", l.right)
		}
		change(l.world, l.role, func(role *rbacv1.Role) { role.Rules = rules(own) })
	}
	for _, l := range rows {
		natstest.Eventually(t, "FlowExporters are kept once the operator may again "+l.right.String(), func() bool { return done(l) })
	}
}
