package controllers

import (
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// An operator that may not get, create or update its lease is not ready, until it may. One that waits for another is.
func TestAnOperatorThatCannotBeElectedForLackOfRightsIsNotReady(t *testing.T) {
	w := newWorld(t)
	for _, verb := range []string{"get", "create", "update"} {
		t.Run(verb, func(t *testing.T) {
			of := *w
			of.TB, of.namespace = t, w.s.Namespace(t)
			const user = "electing"
			all := []right{{"coordination.k8s.io", "leases", "get"}, {"coordination.k8s.io", "leases", "create"}, {"coordination.k8s.io", "leases", "update"}}
			missing := right{"coordination.k8s.io", "leases", verb}
			role := of.allowHere(user, without(all, func(r right) bool { return r == missing }))
			if verb == "update" { // of an operator that was killed
				of.make(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: of.namespace, Name: "flowfleet.io"}, Spec: coordinationv1.LeaseSpec{
					HolderIdentity: new("gone"), LeaseDurationSeconds: new(int32(1)), RenewTime: &metav1.MicroTime{Time: time.Now().Add(-time.Hour)}}})
			}
			of.knows(user, right{"coordination.k8s.io", "leases", map[bool]string{true: "create", false: "get"}[verb == "get"]}, true)
			election := NewElection(of.namespace, "flowfleet.io", nil)
			elected := make(chan struct{})
			startOperator(t, w.s, of.namespace, operatorOptions{user: w.s.User(t, user), elect: of.namespace, between: election.Watch, elected: func() { close(elected) }})
			natstest.Eventually(t, "it says what it may not do", func() bool {
				err := election.Check(nil)
				return err != nil && strings.Contains(err.Error(), "does not let it "+verb+" its lease flowfleet.io: in the namespace "+of.namespace)
			})
			change(&of, role, func(role *rbacv1.Role) { role.Rules = rules(all) })
			natstest.Eventually(t, "it is elected", func() bool {
				select {
				case <-elected:
					return true
				default:
					return false
				}
			})
			if err := election.Check(nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnOperatorThatSeesAnotherOneLeadIsReadyAgain(t *testing.T) {
	clock := &laterClock{}
	e := NewElection("flows", "lease", clock)
	e.note("PUT", 403)
	e.note("GET", 200)
	if e.Check(nil) == nil {
		t.Error("that the lease may be read hides that it may not be written")
	}
	clock.by.Store(int64(leaseRefusalHolds + time.Second))
	if err := e.Check(nil); err != nil {
		t.Error(err)
	}
}

// Where FlowCollectors may be watched in no namespace, there is nothing that the operator could do, or say on objects.
func TestAnOperatorThatMayWatchNoFlowCollectorIsNotReady(t *testing.T) {
	w := NewWatches(nil)
	w.add("Pod", judge.Unwatched{Words: "x"})
	w.add("FlowCollector", judge.Unwatched{Words: `cannot list resource "flowcollectors" in API group "flowfleet.io" in the namespace "a"`})
	for _, test := range []struct {
		namespaces []string
		ready      bool
	}{{nil, true}, {[]string{"a", "b"}, true}, {[]string{"a"}, false}} {
		if err := w.Check(test.namespaces)(nil); (err == nil) != test.ready {
			t.Errorf("of %v: %v", test.namespaces, err)
		}
	}
	w.add("FlowCollector", judge.Unwatched{Words: `cannot list resource "flowcollectors" in API group "flowfleet.io" at the cluster scope`})
	if w.Check(nil)(nil) == nil {
		t.Error("it is ready")
	}
}
