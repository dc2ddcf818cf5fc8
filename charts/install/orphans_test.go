package install_test

import (
	"context"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// An upgrade that takes from the operator what it looks after is refused before it changes anything. One that takes nothing is not.
func TestAnUpgradeLooksBeforeItTakesRightsAway(t *testing.T) {
	server := controllertest.Start(t)
	c := definitions(t, server)
	ensureNamespace(t, c)
	here, there, empty := server.Namespace(t), server.Namespace(t), server.Namespace(t)
	collector := func(place, name, operator string) {
		fc := &v1alpha1.FlowCollector{}
		fc.Name, fc.Namespace, fc.Labels = name, place, map[string]string{"team": "network"}
		create(t, c, fc)
		if operator != "" {
			fc.Status.Operator = &v1alpha1.OperatorClaim{Identity: operator, RenewTime: metav1.Now()}
			if err := c.Status().Update(t.Context(), fc); err != nil {
				t.Fatal(err)
			}
		}
	}
	sink := func(place, name, from string) {
		s := &v1alpha1.FlowSink{}
		s.Name, s.Namespace, s.Spec.From.FlowCollector, s.Spec.ClickHouse.URL = name, place, from, "http://clickhouse:8123"
		create(t, c, s)
	}
	const own, other = namespace + "/flowfleet-manager", "elsewhere/flowfleet-manager"
	collector(here, "edge", own)
	collector(there, "new", "") // the operator has not seen it yet
	collector(there, "theirs", other)
	sink(here, "store", "edge")
	sink(there, "theirs", "theirs")

	list := func(namespaces ...string) string { return "watchNamespaces={" + strings.Join(namespaces, ",") + "}" }
	edge, recent, store := "FlowCollector "+here+"/edge", "FlowCollector "+there+"/new", "FlowSink "+here+"/store"
	set := func(values ...string) (flags []string) {
		for _, v := range append(values, "crds.enabled=false") {
			flags = append(flags, "--set", v)
		}
		return flags
	}
	type upgrade struct {
		name    string
		values  []string
		refused []string // words of the refusal; none: it goes through
		without []string // words that are not in it
	}
	// Other tests leave objects in namespaces of their own: they may be among those that are named.
	for _, test := range []struct {
		name     string
		before   []string // values of the release that stands
		upgrades []upgrade
	}{
		{"all namespaces", nil, []upgrade{
			{"one that is empty", []string{list(empty)}, []string{"FlowCollector "}, []string{there + "/theirs"}},
			{"one that is not there", []string{list(here, there, "typo")}, []string{"typo", "make them first"}, []string{here}},
			{"Secrets of one that is not there", []string{"secretNamespaces={typo}"}, []string{"typo"}, nil},
		}},
		{"two namespaces", []string{list(here, there)}, []upgrade{
			{"nothing changes", []string{list(here, there)}, nil, nil},
			{"one more", []string{list(empty, here, there)}, nil, nil},
			{"all", nil, nil, nil},
			{"one less", []string{list(there)}, []string{edge, "allowOrphans=true", "Nothing was changed"}, []string{recent, "theirs", "store"}},
			{"one less, with one that nobody has seen", []string{list(here)}, []string{recent}, []string{edge, "theirs"}},
			{"others, because somebody says so", []string{list(empty), "allowOrphans=true"}, nil, nil},
			{"labels that fit", []string{list(here, there), "watchLabelSelector=team=network"}, nil, nil},
			{"labels that do not", []string{list(here, there), `watchLabelSelector=team in (data\,voice)`}, []string{edge, recent}, []string{"theirs"}},
		}},
		{"one namespace, and labels", []string{list(here), "watchLabelSelector=team=data"}, []upgrade{
			{"another one", []string{list(empty), "watchLabelSelector=team=data"}, nil, nil},
		}},
		{"sinks", []string{list(here, there), "sinks.enabled=true"}, []upgrade{
			{"none", []string{list(here, there)}, []string{store}, []string{edge, "theirs"}},
			{"a namespace less", []string{list(there), "sinks.enabled=true"}, []string{edge, store}, []string{"theirs"}},
			{"as before", []string{list(here, there), "sinks.enabled=true"}, nil, nil},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			helm(t, server, append([]string{"install", release, chart, "--take-ownership", "--force-conflicts"}, set(test.before...)...)...)
			defer helm(t, server, "uninstall", release)
			for _, u := range test.upgrades {
				before := rights(t, c)
				arguments := append([]string{"upgrade", release, chart, "--reset-values"}, set(u.values...)...)
				if len(u.refused) == 0 {
					arguments = append(arguments, "--dry-run=server") // the next one begins with the same release
				}
				out, err := tryHelm(t, server, arguments...)
				if (err != nil) != (len(u.refused) > 0) {
					t.Fatalf("%s: %v\n%s", u.name, err, out)
				}
				for _, word := range u.refused {
					if !strings.Contains(out, word) {
						t.Errorf("%s: the refusal lacks %q:\n%s", u.name, word, out)
					}
				}
				for _, word := range u.without {
					if err != nil && strings.Contains(out, word) {
						t.Errorf("%s: the refusal has %q:\n%s", u.name, word, out)
					}
				}
				if after := rights(t, c); after != before {
					t.Errorf("%s: the upgrade was refused, and the operator's rights changed:\n%s\n%s", u.name, before, after)
				}
			}
		})
	}
}

// create makes an object that goes with the test.
func create(t *testing.T, c client.Client, o client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Delete(context.WithoutCancel(t.Context()), o); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
}

// rights are the roles and bindings of the chart, each with its version.
func rights(t *testing.T, c client.Client) (out string) {
	t.Helper()
	for _, list := range []client.ObjectList{&rbacv1.ClusterRoleList{}, &rbacv1.ClusterRoleBindingList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{}} {
		if err := c.List(t.Context(), list, client.MatchingLabels{"app.kubernetes.io/instance": release}); err != nil {
			t.Fatal(err)
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			o := item.(client.Object)
			out += o.GetNamespace() + "/" + o.GetName() + " " + o.GetResourceVersion() + "\n"
		}
	}
	return out
}
