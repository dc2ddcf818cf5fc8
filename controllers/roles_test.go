package controllers

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// right is to do one thing to one kind of objects.
type right struct{ group, resource, verb string }

func (r right) String() string { return r.verb + " " + strings.TrimSuffix(r.resource+"."+r.group, ".") }

func (r right) watches() bool { return r.verb == "list" || r.verb == "watch" }

// operatorRights are those of the operator's roles, which the chart has from the same files.
func operatorRights(t *testing.T) (out []right) {
	t.Helper()
	for _, file := range []string{"rbac/role.yaml", "rbac/secret_reader_role.yaml", "sinks/role.yaml"} {
		b, err := os.ReadFile("../config/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq("\n"+string(b), "\n---") {
			role := &rbacv1.ClusterRole{}
			if err := yaml.Unmarshal([]byte(document), role); err != nil {
				t.Fatal(err)
			}
			if role.Kind != "ClusterRole" { // for the lease
				continue
			}
			for _, rule := range role.Rules {
				for _, group := range rule.APIGroups {
					for _, resource := range rule.Resources {
						for _, verb := range rule.Verbs {
							out = append(out, right{group, resource, verb})
						}
					}
				}
			}
		}
	}
	return out
}

func rules(rights []right) (out []rbacv1.PolicyRule) {
	for _, r := range rights {
		out = append(out, rbacv1.PolicyRule{APIGroups: []string{r.group}, Resources: []string{r.resource}, Verbs: []string{r.verb}})
	}
	return out
}

func without(rights []right, drop func(right) bool) []right {
	return slices.DeleteFunc(slices.Clone(rights), drop)
}

// allow gives a user rights in the whole cluster.
func (w *world) allow(user string, rights []right) *rbacv1.ClusterRole {
	w.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules(rights)}
	w.make(role, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}})
	return role
}

// allowHere gives a user rights in the namespace.
func (w *world) allowHere(user string, rights []right) *rbacv1.Role {
	w.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: user}, Rules: rules(rights)}
	w.make(role, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}})
	return role
}

// elsewhere is the same world with a namespace of its own.
func (w *world) elsewhere() *world {
	w.Helper()
	of := *w
	of.namespace = w.s.Namespace(w)
	return &of
}

func (w *world) make(objects ...client.Object) {
	w.Helper()
	for _, o := range objects {
		if err := w.c.Create(w.Context(), o); err != nil {
			w.Fatal(err)
		}
	}
}

// knows waits until the API server knows whether a user has a right.
func (w *world) knows(user string, r right, has bool) {
	w.Helper()
	resource, part, _ := strings.Cut(r.resource, "/")
	natstest.Eventually(w, fmt.Sprintf("the API server knows whether %s may %s", user, r), func() bool {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: w.namespace, Group: r.group, Resource: resource, Subresource: part, Verb: r.verb}}}
		w.make(review)
		return review.Status.Allowed == has
	})
}

// lacking is a namespace in which the operator is to lose one right.
type lacking struct {
	*world
	right right
	role  *rbacv1.Role
	// changes and shrinks change once the right is missing, leaves is deleted then, and after is made.
	changes, shrinks, leaves, after *v1alpha1.FlowCollector
}

// touched are the fleets that need the right.
func (l *lacking) touched() (out []*v1alpha1.FlowCollector) {
	for _, fc := range []*v1alpha1.FlowCollector{l.changes, l.shrinks, l.leaves, l.after} {
		if fc != nil {
			out = append(out, fc)
		}
	}
	return out
}

// done reports whether a fleet is as its spec says, as an administrator sees it.
func (l *lacking) done(fc *v1alpha1.FlowCollector) bool {
	name := metav1.ObjectMeta{Namespace: l.namespace, Name: fleet.ObjectName(fc)}
	monitor := &unstructured.Unstructured{}
	monitor.SetGroupVersionKind(fleet.PodMonitorKind)
	monitor.SetNamespace(name.Namespace)
	monitor.SetName(name.Name)
	children := len(l.children(fc))
	switch fc {
	case l.changes:
		policy, service := &networkingv1.NetworkPolicy{ObjectMeta: name}, &corev1.Service{ObjectMeta: name}
		return children == 8 && l.imageOf(fc) == nextImage && l.exists(policy) && strings.Contains(policy.String(), "192.0.2.0") && l.exists(service) &&
			service.Annotations["example.com/pool"] == "core" && l.exists(monitor)
	case l.shrinks:
		return children == 4 && !l.exists(monitor)
	case l.leaves:
		return false // it is gone then
	}
	return children == 8 && l.exists(monitor) && len(fc.Finalizers) == 1
}

// says reports whether a fleet names the right: in its conditions, or in an event where these cannot be written.
func (l *lacking) says(fc *v1alpha1.FlowCollector) bool {
	text := conditionsOf(fc)
	if l.right.resource == "flowcollectors/status" {
		for _, e := range l.events(fc) {
			text += e.Note
		}
	}
	return strings.Contains(text, fmt.Sprintf("cannot %s resource %q", l.right.verb, l.right.resource)) ||
		l.right.resource == "secrets" && strings.Contains(text, "may not read the Secrets")
}

// honest waits until each fleet is as its spec says, or says which right is missing. None is called observed meanwhile that is not.
func honest(t *testing.T, rows []*lacking, when string) {
	t.Helper()
	for _, l := range rows {
		for _, fc := range l.touched() {
			saysSo{when, l.right, fc.Name, &fc.Status.Conditions,
				func() bool { return !l.exists(fc) && fc == l.leaves || l.done(fc) },
				func() bool { return l.says(fc) },
				func() bool {
					c := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionProgressing)
					return fc != l.leaves && fc.Status.ObservedGeneration == fc.Generation ||
						c != nil && c.Reason == judge.ReasonSettled && c.ObservedGeneration == fc.Generation
				}}.expect(t)
		}
	}
}

// Each right of the operator's roles is taken away by itself, from an operator that runs and from one that starts: what it keeps from being
// done is said, and done once the right is back.
func TestEachRightOfTheRolesThatIsTakenAwayIsNamedAndHealsOnceItIsBack(t *testing.T) {
	w := newWorld(t)
	w.installPrometheusKinds(t)
	rights := operatorRights(t)
	const user = "lacking"
	w.allow(user, without(rights, func(r right) bool { return !r.watches() })) // what may not be watched is another test's
	own := without(rights, right.watches)
	var rows []*lacking
	var namespaces []string
	for _, r := range own {
		if r.resource == "tokenreviews" || r.resource == "subjectaccessreviews" || strings.HasPrefix(r.resource, "flowsinks") || r.resource == "deployments" ||
			r.verb == "operate" {
			continue // of the operator's own metrics; of FlowSinks; of the chart's policies
		}
		of := w.elsewhere()
		namespaces = append(namespaces, of.namespace)
		l := &lacking{world: of, right: r, role: of.allowHere(user, own)}
		w.make(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: of.namespace, Name: "token"}, StringData: map[string]string{"token": "x"}})
		rows = append(rows, l)
	}
	configuration, clock := w.s.User(t, user), &laterClock{}
	start := func() *operator {
		return startOperator(t, w.s, w.namespace, operatorOptions{user: configuration, namespaces: namespaces, clock: clock})
	}
	o := start()
	t.Logf("%d rights", len(rows))
	monitored := func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Monitoring.PodMonitor.Enabled, fc.Spec.Monitoring.PrometheusRule.Enabled = true, true
	}
	token := func(fc *v1alpha1.FlowCollector) {
		fc.Spec.NATS.Token = &v1alpha1.SecretKey{Name: "token", Key: "token"}
	}
	for _, l := range rows {
		switch l.right.verb {
		case "patch", "update":
			l.changes = l.create("changes", everything, monitored)
		case "delete", "get":
			l.shrinks = l.create("shrinks", everything, monitored)
		}
		if l.right.resource == "daemonsets" || strings.HasPrefix(l.right.resource, "flowcollectors") { // all that a deletion needs
			l.leaves = l.create("leaves", deletesBoth)
		}
	}
	for _, l := range rows {
		for _, fc := range l.touched() {
			l.run(fc, 0)
		}
	}
	for _, l := range rows {
		for _, fc := range l.touched() {
			l.expectReady(fc)
		}
	}
	for _, l := range rows {
		change(l.world, l.role, func(role *rbacv1.Role) { role.Rules = rules(without(own, func(r right) bool { return r == l.right })) })
	}
	for _, l := range rows {
		l.knows(user, l.right, false)
		if l.changes != nil {
			change(l.world, l.changes, changesEverything)
		}
		if l.shrinks != nil {
			change(l.world, l.shrinks, func(fc *v1alpha1.FlowCollector) {
				fc.Spec.NetworkPolicy.Enabled, fc.Spec.PodDisruption, fc.Spec.Monitoring = false, nil, v1alpha1.Monitoring{}
				fc.Spec.Service = v1alpha1.Service{Type: v1alpha1.ServiceNone}
			})
		}
		if l.leaves != nil {
			if err := w.c.Delete(t.Context(), l.leaves); err != nil {
				t.Fatal(err)
			}
		}
		if l.right.verb != "delete" {
			l.after = l.create("after", everything, monitored, token, deletesBoth)
		}
	}
	honest(t, rows, "while it runs")
	o.stop()
	start()
	honest(t, rows, "after a restart")
	for _, l := range rows {
		change(l.world, l.role, func(role *rbacv1.Role) { role.Rules = rules(own) })
	}
	for _, l := range rows {
		l.knows(user, l.right, true)
		for _, fc := range l.touched() {
			if l.exists(fc) {
				change(l.world, fc, func(fc *v1alpha1.FlowCollector) { fc.Annotations = map[string]string{annotationReconcileAt: "1"} })
			}
			natstest.Eventually(t, fc.Name+" heals once the operator may again "+l.right.String(), func() bool {
				if !l.exists(fc) {
					return fc == l.leaves
				}
				return l.done(fc) && fc.Status.ObservedGeneration == fc.Generation && !strings.Contains(conditionsOf(fc), judge.ReasonOperatorForbidden)
			})
		}
	}
}

// An operator that may not even list a kind does not begin its work. Its objects say so, though they were well before, until it may.
func TestAnOperatorThatStartsAndMayNotWatchAKindSaysSoOnItsObjects(t *testing.T) {
	w := newWorld(t)
	rights := operatorRights(t)
	type row struct {
		*world
		right right
		role  *rbacv1.ClusterRole
		clock *laterClock
		fc    *v1alpha1.FlowCollector
	}
	var rows []*row
	for _, r := range rights {
		if r.verb != "watch" || r.resource == "flowcollectors" || r.resource == "flowsinks" || r.resource == "deployments" {
			continue // without the first, nobody knows of what to say it; the others are of FlowSinks
		}
		of := w.elsewhere()
		l := &row{world: of, right: r, clock: &laterClock{}}
		user := "blind-" + r.resource
		l.role = w.allow(user, without(rights, func(o right) bool { return o.watches() && o.resource == r.resource && o.group == r.group }))
		l.fc = l.create("edge")
		l.fc.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: judge.ReasonReady, LastTransitionTime: metav1.Now()},
			{Type: v1alpha1.ConditionDegraded, Status: metav1.ConditionFalse, Reason: judge.ReasonAsWanted, LastTransitionTime: metav1.Now()}}
		if err := w.c.Status().Update(t.Context(), l.fc); err != nil {
			t.Fatal(err)
		}
		l.knows(user, r, false)
		startOperator(t, w.s, of.namespace, operatorOptions{user: w.s.User(t, user), clock: l.clock})
		rows = append(rows, l)
	}
	for _, l := range rows {
		says := fmt.Sprintf("resource %q", l.right.resource)
		l.expect(l.fc, v1alpha1.ConditionReady, metav1.ConditionUnknown, judge.ReasonOperatorForbidden, "cannot begin its work", says)
		l.expect(l.fc, v1alpha1.ConditionDegraded, metav1.ConditionTrue, judge.ReasonOperatorForbidden, says)
		change(w, l.role, func(role *rbacv1.ClusterRole) { role.Rules = rules(rights) })
	}
	for _, l := range rows {
		l.daemonSet(l.fc)
		l.clock.by.Store(int64(troubleHolds + time.Second))
		l.run(l.fc, 0)
		l.expectReady(l.fc)
	}
}
