package install_test

import (
	"fmt"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// stored are objects of a kind with one field of the spec each that the kind cannot have, and one without any, as objects that were stored under
// another definition.
func stored(t *testing.T, server *controllertest.Server, place, kind, definition string, spec map[string]any) (out []*unstructured.Unstructured) {
	t.Helper()
	admin, scheme := server.Client(t), runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	definitions, err := client.New(server.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	define := func(change func(*apiextensionsv1.CustomResourceDefinition)) {
		eventually(t, func() error {
			d := &apiextensionsv1.CustomResourceDefinition{}
			if err := definitions.Get(t.Context(), client.ObjectKey{Name: definition}, d); err != nil {
				return err
			}
			change(d)
			return definitions.Update(t.Context(), d)
		})
	}
	var was apiextensionsv1.JSONSchemaProps
	define(func(d *apiextensionsv1.CustomResourceDefinition) {
		of := &d.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties
		spec := (*of)["spec"]
		was = *spec.DeepCopy()
		(*of)["spec"] = apiextensionsv1.JSONSchemaProps{XPreserveUnknownFields: new(true)}
	})
	defer define(func(d *apiextensionsv1.CustomResourceDefinition) {
		d.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"] = was
	})
	add := func(name string, spec map[string]any) {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "flowfleet.io/v1alpha1", "kind": kind, "spec": spec}}
		o.SetNamespace(place)
		o.SetName(name)
		o.SetFinalizers([]string{"flowfleet.io/nats"})
		eventually(t, func() error { return admin.Create(t.Context(), o) })
		out = append(out, o)
	}
	i := 0
	for field := range was.Properties {
		i++
		odd := runtime.DeepCopyJSON(spec)
		odd[field] = "fast"
		add(fmt.Sprintf("odd-%s-%d", strings.ToLower(field), i), odd)
	}
	add("empty", map[string]any{})
	return out
}

// Objects that are older than the policies, or than a definition, may be anything. Whoever changes nothing of what they ask for is refused nothing:
// not the operator, which takes its finalizer away, nor the tenant who deletes them.
func TestWhatIsStoredSinceBeforeThePoliciesIsNotHeldByThem(t *testing.T) {
	server, admin, place, _ := installed(t, "peggy", "--set", "sinks.enabled=true")
	user := bound(t, server, place, "victor", rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors", "flowsinks"},
		Verbs: []string{"get", "update", "patch", "delete"}})
	operator := account(t, server, "system:serviceaccount:"+namespace+":flowfleet-manager", "system:serviceaccounts", "system:authenticated")
	all := stored(t, server, place, "FlowCollector", "flowcollectors.flowfleet.io", map[string]any{})
	sinks := stored(t, server, place, "FlowSink", "flowsinks.flowfleet.io",
		map[string]any{"from": map[string]any{"flowCollector": "edge"}, "clickHouse": map[string]any{"url": "http://clickhouse:8123"}})
	for i, a := range attempts { // what the policies refuse, and was there before them
		all = append(all, collector(t, place, fmt.Sprintf("before-%d", i), a.spec))
	}
	for i, a := range leverAttempts {
		all = append(all, collector(t, place, fmt.Sprintf("given-%d", i), a.spec))
	}
	patch := func(body string) client.Patch { return client.RawPatch("application/merge-patch+json", []byte(body)) }
	label, release := patch(`{"metadata":{"labels":{"a":"b"}}}`), patch(`{"metadata":{"finalizers":null}}`)
	tried := 0
	for _, o := range append(all, sinks...) {
		name := o.GetKind() + " " + o.GetName()
		if o.GetUID() == "" {
			o.SetFinalizers([]string{"flowfleet.io/nats"})
			if err := admin.Create(t.Context(), o); err != nil {
				t.Fatal(name, err)
			}
		}
		if admin.Patch(t.Context(), o.DeepCopy(), label) != nil {
			continue // the definition itself holds it, whoever asks
		}
		tried++
		if err := user.Patch(t.Context(), o.DeepCopy(), patch(`{"metadata":{"labels":{"a":"c"}}}`)); err != nil {
			t.Errorf("a label of %s: %v", name, err)
		}
		if err := user.Delete(t.Context(), o.DeepCopy()); err != nil {
			t.Errorf("deleting %s: %v", name, err)
		}
		if o.GetKind() == "FlowSink" { // which has no finalizer of the operator's
			operator = user
		}
		if err := operator.Patch(t.Context(), o.DeepCopy(), release); err != nil {
			t.Errorf("the finalizer of %s: %v", name, err)
		}
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(o), o.DeepCopy()); !apierrors.IsNotFound(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	if tried < len(attempts)+len(leverAttempts)+10 {
		t.Errorf("only %d objects could be tried", tried)
	}
}
