package install_test

import (
	"fmt"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Texts that look like what is allowed, or that a program could read as something else than the policy does.
var spellings = []attempt{
	{"a registry with a letter of another alphabet", `collector: {image: "ghcr.io/flоwfleet/flowfleet:v1"}`, "spec.collector.image"},
	{"a registry in capitals", `collector: {image: "GHCR.IO/flowfleet/flowfleet:v1"}`, "spec.collector.image"},
	{"a registry with a port", `collector: {image: "ghcr.io:443/flowfleet/flowfleet:v1"}`, "spec.collector.image"},
	{"a repository above ours", `collector: {image: "ghcr.io/flowfleet"}`, "spec.collector.image"},
	{"a path behind a tag", `collector: {image: "ghcr.io/flowfleet/flowfleet:v1/../evil"}`, "spec.collector.image"},
	{"a second registry behind a digest", `collector: {image: "ghcr.io/flowfleet/flowfleet@sha256:0/evil"}`, "spec.collector.image"},
	{"two digests", `collector: {image: "ghcr.io/flowfleet/flowfleet@sha256:0@evil"}`, "spec.collector.image"},
	{"two tags", `collector: {image: "ghcr.io/flowfleet/flowfleet:5000:v1"}`, "spec.collector.image"},
	{"an allowed server's name with a letter of another alphabet, by its code", `nats: {urls: ["nats://xn--nts-6cd:4222"]}`, "spec.nats.urls"},
	{"an allowed server's name with an end", `nats: {urls: ["nats://nats.nats.:4222"]}`, "spec.nats.urls"},
	{"an allowed server's port with a zero", `nats: {urls: ["nats://nats.nats:04222"]}`, "spec.nats.urls"},
	{"an allowed server with another kind's port", `nats: {urls: ["wss://nats.nats"]}`, "spec.nats.urls"},
	{"an allowed name in a domain", `nats: {urls: ["nats://nats.nats.evil.example:4222"]}`, "spec.nats.urls"},
	{"a variable in other letters", `collector: {env: [{name: gogc, value: "1"}]}`, "spec.collector.env"},
	{"a variable with a blank", `collector: {env: [{name: "TZ ", value: "1"}]}`, "spec.collector.env"},
	{"a prefix in other letters", `collector: {annotations: {Prometheus.io/scrape: "true"}}`, "spec.collector.annotations"},
	{"a name that begins as a prefix", `collector: {annotations: {prometheus.iox/scrape: "true"}}`, "spec.collector.annotations"},
	{"another namespace's subject that begins as ours", `output: {subject: flows.%[1]sx.edge}`, "spec.output.subject"},
	{"subjects that begin with a star", `output: {stream: {subjects: ["flows.*.>"]}}`, "spec.output.subject"},
	{"a subject in capitals", `output: {subject: FLOWS.%[1]s.edge}`, "spec.output.subject"},
	{"a mount below nothing", `collector: {volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: mnt/a}]}`, "spec.collector.volumeMounts"},
	{"a mount over all others", `collector: {volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /mnt}]}`, "spec.collector.volumeMounts"},
	{"an empty volume beside a directory of the nodes", `collector: {volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /}}]}`, "spec.collector.volumes"},
}

func TestATenantFindsNoOtherSpelling(t *testing.T) {
	_, _, place, user := installed(t, "peggy")
	for _, a := range spellings {
		spec := a.spec
		if strings.Contains(spec, "%[1]s") {
			spec = fmt.Sprintf(spec, place)
		}
		t.Run(a.about, func(t *testing.T) {
			checkRefusal(t, user.Create(t.Context(), collector(t, place, "spelled", spec), client.DryRunAll), a.names, "flowfleet-flowcollector-privileged")
		})
	}
}

// What is refused to create is refused however it is written.
func TestATenantFindsNoOtherWayToWriteAFlowCollector(t *testing.T) {
	server, _, place, user := installed(t, "wendy")
	// Who may get some Secrets by their names may not name others, and is not asked about each.
	some := tenant(t, server, place, "walter", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"},
		ResourceNames: []string{"own"}}, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list", "watch"}})
	harmless := collector(t, place, "here", `{}`)
	if err := user.Create(t.Context(), harmless); err != nil {
		t.Fatal(err)
	}
	for _, a := range attempts[:len(attempts)-len(inEachSection())] { // the three sections are alike
		t.Run(a.about, func(t *testing.T) {
			nameless := collector(t, place, "", a.spec)
			nameless.SetGenerateName("here-")
			changed := collector(t, place, "here", a.spec)
			changed.SetResourceVersion(harmless.GetResourceVersion())
			body, err := changed.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			for about, err := range map[string]error{
				"created without a name": user.Create(t.Context(), nameless, client.DryRunAll),
				"applied":                user.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(collector(t, place, "new", a.spec)), client.FieldOwner("kubectl"), client.DryRunAll),
				"applied to one":         user.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(collector(t, place, "here", a.spec)), client.FieldOwner("kubectl"), client.ForceOwnership, client.DryRunAll),
				"patched":                user.Patch(t.Context(), harmless.DeepCopy(), client.RawPatch("application/merge-patch+json", body), client.DryRunAll),
				"by some Secrets' names": some.Create(t.Context(), collector(t, place, "some", a.spec), client.DryRunAll),
			} {
				if err != nil && strings.Contains(err.Error(), "cannot change") {
					continue // the schema lets nobody change it
				}
				t.Run(about, func(t *testing.T) { checkRefusal(t, err, a.names, "flowfleet-flowcollector-privileged") })
			}
			if err := user.Update(t.Context(), changed, client.DryRunAll); err == nil {
				t.Error("updated: allowed")
			}
		})
	}

	// Status and scale are nobody's but the operator's.
	status := harmless.DeepCopy()
	if err := unstructured.SetNestedField(status.Object, "evil", "status", "stream", "name"); err != nil {
		t.Fatal(err)
	}
	if err := user.Status().Update(t.Context(), status); !apierrors.IsForbidden(err) {
		t.Errorf("a status of the tenant's: %v", err)
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"stream":{"name":"evil"}}}`))
	if err := user.Status().Patch(t.Context(), harmless.DeepCopy(), patch); !apierrors.IsForbidden(err) {
		t.Errorf("a status that the tenant patches: %v", err)
	}
	after := harmless.DeepCopy()
	if err := user.Patch(t.Context(), after, patch); err != nil {
		t.Error(err)
	}
	if name, _, _ := unstructured.NestedString(after.Object, "status", "stream", "name"); name != "" {
		t.Errorf("a status came in with the rest: stream %q", name)
	}
	scale := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": map[string]any{"replicas": int64(0)}}}
	if err := user.SubResource("scale").Update(t.Context(), harmless.DeepCopy(), client.WithSubResourceBody(scale)); err == nil {
		t.Error("a fleet was scaled")
	}
}
