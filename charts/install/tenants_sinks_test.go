package install_test

import (
	"fmt"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// Attempts to get more of a FlowSink than flows where the administrator lets them go, each with the field that the refusal names.
var sinkAttempts = []attempt{
	{"another image", `{image: "evil.example.com/shell:v1", clickHouse: {url: "http://clickhouse:8123"}}`, "spec.image"},
	{"an image whose name only begins as ours", `{image: "ghcr.io/flowfleet/flowfleet-evil:v1", clickHouse: {url: "http://clickhouse:8123"}}`, "spec.image"},
	{"another server", `{clickHouse: {url: "https://evil.example.com:8443"}}`, "spec.clickHouse.url"},
	{"another port of an allowed server", `{clickHouse: {url: "http://clickhouse:80"}}`, "spec.clickHouse.url"},
	{"another port by default", `{clickHouse: {url: "http://clickhouse"}}`, "spec.clickHouse.url"},
	{"the API server", `{clickHouse: {url: "https://kubernetes.default:443"}}`, "spec.clickHouse.url"},
	{"a Secret as a password", `{clickHouse: {url: "http://clickhouse:8123", user: {name: a, password: {name: admin, key: token}}}}`, "spec.clickHouse"},
	{"a Secret as a CA", `{clickHouse: {url: "https://clickhouse:8443", tls: {ca: {name: admin, key: token}}}}`, "spec.clickHouse"},
	{"a Secret as a certificate", `{clickHouse: {url: "https://clickhouse:8443", tls: {clientCertificate: {name: admin}}}}`, "spec.clickHouse"},
	{"an own program with the FlowCollector's Secrets", `{image: "registry.example.com/team/shell:v1", clickHouse: {url: "http://clickhouse:8123"}}`, "spec.image"},
	{"a registry in capitals", `{image: "GHCR.io/flowfleet/flowfleet:v1", clickHouse: {url: "http://clickhouse:8123"}}`, "spec.image"},
	{"a path behind a digest", `{image: "ghcr.io/flowfleet/flowfleet@sha256:0/evil", clickHouse: {url: "http://clickhouse:8123"}}`, "spec.image"},
	{"an allowed server's name with an end", `{clickHouse: {url: "http://clickhouse.:8123"}}`, "spec.clickHouse.url"},
	{"an allowed server's port with a zero", `{clickHouse: {url: "http://clickhouse:08123"}}`, "spec.clickHouse.url"},
	{"an allowed server's name in a domain", `{clickHouse: {url: "http://clickhouse.evil.example:8123"}}`, "spec.clickHouse.url"},
	{"somebody's flows", `{from: {stream: flows-others-core}, clickHouse: {url: "http://clickhouse:8123"}}`, "spec.from.stream"},
}

// podAttempts are those of FlowCollectors that are about pods, with a FlowSink: both have the same fields there.
func podAttempts(t *testing.T) (out []attempt) {
	t.Helper()
	for _, a := range attempts {
		var spec map[string]any
		if err := yaml.Unmarshal([]byte(a.spec), &spec); err != nil {
			t.Fatal(err)
		}
		if pod, ok := spec["collector"].(map[string]any); ok && pod["image"] == nil && pod["hostNetwork"] == nil && pod["nodeTuning"] == nil {
			spec["pod"] = pod
			delete(spec, "collector")
		} else if spec["commonLabels"] == nil && spec["commonAnnotations"] == nil {
			continue
		}
		spec["clickHouse"] = map[string]any{"url": "http://clickhouse:8123"}
		text, err := yaml.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, attempt{a.about, string(text), strings.Replace(a.names, "spec.collector", "spec.pod", 1)})
	}
	if len(out) < 30 {
		t.Errorf("only %d attempts are about pods", len(out))
	}
	return out
}

func TestATenantsFlowSinkStoresWhereItIsAllowedToAndNothingMore(t *testing.T) {
	server := controllertest.Start(t)
	admin, place := server.Client(t), server.Namespace(t)
	ensureNamespace(t, admin)
	helm(t, server, "install", release, chart, "--set", "sinks.enabled=true", "--set", "tenants.images={registry.example.com/team/}", "--take-ownership", "--force-conflicts")
	t.Cleanup(func() { helm(t, server, "uninstall", release) })
	verbs := rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowsinks"}, Verbs: []string{"get", "create", "update", "patch"}}
	user := tenant(t, server, place, "malloc", verbs)
	reader := tenant(t, server, place, "reader", verbs, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}})
	create := func(c client.Client, name, spec string, options ...client.CreateOption) (*unstructured.Unstructured, error) {
		o := collector(t, place, name, spec)
		o.SetKind("FlowSink")
		if err := unstructured.SetNestedField(o.Object, "edge", "spec", "from", "flowCollector"); err != nil {
			t.Fatal(err)
		}
		return o, c.Create(t.Context(), o, options...)
	}
	eventually(t, func() error {
		if _, err := create(user, "early", sinkAttempts[0].spec, client.DryRunAll); err == nil {
			return fmt.Errorf("the policy does not refuse yet")
		}
		return nil
	})
	for _, a := range append(sinkAttempts, podAttempts(t)...) {
		_, err := create(user, "attempt", a.spec, client.DryRunAll)
		if err == nil {
			t.Errorf("%s: allowed", a.about)
			continue
		}
		for _, want := range []string{a.names, "privilege", "flowfleet-flowsink-privileged"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the refusal lacks %q: %v", a.about, want, err)
			}
		}
		if _, err := create(admin, "attempt", a.spec, client.DryRunAll); err != nil {
			t.Errorf("%s: an administrator is refused: %v", a.about, err)
		}
	}
	for _, more := range []string{
		`image: "ghcr.io/flowfleet/flowfleet:v1", replicas: 3`,
		`pod: {volumes: [{name: a, emptyDir: {}}, {name: b, configMap: {name: x}}], volumeMounts: [{name: a, mountPath: /mnt/a}]}`,
		`pod: {env: [{name: GOMAXPROCS, value: "2"}], annotations: {prometheus.io/scrape: "true"}}`,
		`pod: {nodeSelector: {disk: ssd}, tolerations: [{key: a, operator: Exists}], securityContext: {runAsUser: 1001}}, podDisruption: {maxUnavailable: 2}`,
	} {
		if _, err := create(user, "plain", `{clickHouse: {url: "http://clickhouse:8123"}, `+more+`}`, client.DryRunAll); err != nil {
			t.Errorf("%s: %v", more, err)
		}
	}
	for _, i := range []int{6, 9} {
		if _, err := create(reader, "secret", sinkAttempts[i].spec, client.DryRunAll); err != nil {
			t.Errorf("%s: who may read Secrets is refused: %v", sinkAttempts[i].about, err)
		}
	}
	// What an administrator set stays, and does not keep others from the rest; its Secret does not go elsewhere.
	o, err := create(admin, "kept", sinkAttempts[6].spec)
	if err != nil {
		t.Fatal(err)
	}
	patch := func(body string) error {
		return user.Patch(t.Context(), o.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(body)), client.DryRunAll)
	}
	if err := patch(`{"spec":{"replicas":2}}`); err != nil {
		t.Error(err)
	}
	if err := patch(`{"spec":{"clickHouse":{"url":"http://clickhouse:8123/elsewhere"}}}`); err == nil {
		t.Error("an administrator's Secret was sent elsewhere")
	}
	for _, a := range []struct{ about, spec, patch, names string }{
		{"an own program with the nodes' files", `pod: {volumes: [{name: v, hostPath: {path: /srv}}]}`, `{"image":"` + teamImage + `"}`, "spec.image"},
		{"an own program with another account", `pod: {serviceAccountName: cloud}`, `{"image":"` + teamImage + `"}`, "spec.image"},
		{"an own program with another network", `pod: {annotations: {k8s.v1.cni.cncf.io/networks: core}}`, `{"image":"` + teamImage + `"}`, "spec.image"},
		{"an own program with another runtime", `pod: {runtimeClassName: privileged}`, `{"image":"` + teamImage + `"}`, "spec.image"},
		{"other nodes with their files", `pod: {volumes: [{name: v, hostPath: {path: /srv}}]}`, `{"pod":{"tolerations":[{"operator":"Exists"}]}}`, "spec.pod.nodeSelector"},
		{"other nodes for a container beside a sink", `pod: {sidecars: [{name: b, image: "b:v1", securityContext: {privileged: true}}]}`,
			`{"pod":{"tolerations":[{"operator":"Exists"}]}}`, "spec.pod.nodeSelector"},
		{"other nodes before other pods", `pod: {priorityClassName: important}`, `{"pod":{"nodeSelector":{"a":"b"}}}`, "spec.pod.nodeSelector"},
		{"all room of a node before other pods", `pod: {priorityClassName: important}`, `{"resources":{"requests":{"cpu":"64"}}}`, "spec.resources"},
		{"a node's room many times before other pods", `pod: {priorityClassName: important}`, `{"replicas":50}`, "spec.resources"},
		{"more room of a node before other pods, for blocks", `pod: {priorityClassName: important}`, `{"blocks":{}}`, "spec.resources"},
		{"more room of a node before other pods, for larger blocks", `pod: {priorityClassName: important}, blocks: {maxBytes: 1Mi}`, `{"blocks":{"maxBytes":"8Mi"}}`, "spec.resources"},
		{"more room of a node before other pods, for more blocks", `pod: {priorityClassName: important}, blocks: {}`, `{"workers":256}`, "spec.resources"},
		{"more blocks in the room that is given", `pod: {priorityClassName: important}, resources: {requests: {memory: 1Gi}}, blocks: {}`, `{"workers":256,"blocks":{"maxBytes":"8Mi"}}`, ""},
		{"more messages at a time before other pods", `pod: {priorityClassName: important}`, `{"workers":256}`, ""},
		{"another's files by their user", `pod: {volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}`, `{"pod":{"securityContext":{"runAsUser":1000}}}`, "spec.pod.securityContext"},
		{"more room behind other pods", `replicas: 1`, `{"replicas":5,"resources":{"requests":{"cpu":"64"}},"pod":{"tolerations":[{"operator":"Exists"}]}}`, ""},
	} {
		given, err := create(admin, "lever", `{clickHouse: {url: "http://clickhouse:8123"}, `+a.spec+`}`)
		if err != nil {
			t.Fatal(err)
		}
		p := client.RawPatch("application/merge-patch+json", []byte(`{"spec":`+a.patch+`}`))
		t.Run(a.about, func(t *testing.T) {
			// Who may get Secrets may use the images of tenants.images where sinks have nothing else.
			checkRefusal(t, reader.Patch(t.Context(), given.DeepCopy(), p, client.DryRunAll), a.names, "flowfleet-flowsink-privileged")
			checkRefusal(t, user.Patch(t.Context(), given.DeepCopy(), p, client.DryRunAll), a.names, "flowfleet-flowsink-privileged")
		})
		if err := admin.Delete(t.Context(), given); err != nil {
			t.Fatal(err)
		}
	}
	// What an administrator has put beside the sinks is no lever for others.
	o, err = create(admin, "given", `{clickHouse: {url: "http://clickhouse:8123"}, image: "other.example.com/a:v1",
		pod: {sidecars: [{name: b, image: "b:v1"}], volumes: [{name: v, configMap: {name: ours}}]}}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := patch(`{"spec":{"replicas":2,"logLevel":"debug"}}`); err != nil {
		t.Error(err)
	}
	for about, body := range map[string]string{
		"another image":                   `{"spec":{"image":"other.example.com/b:v1"}}`,
		"files of a container beside one": `{"spec":{"pod":{"volumes":[{"name":"v","configMap":{"name":"own"}}]}}}`,
	} {
		if err := patch(body); err == nil || !strings.Contains(err.Error(), "flowfleet-flowsink-privileged") {
			t.Errorf("%s: %v", about, err)
		}
	}
}

// A FlowSink reads a stream with its FlowCollector's Secrets, and its consumer may keep or take what other readers wait for.
func TestAFlowSinkReadsOnlyFromFlowCollectorsThatItsCreatorMayUpdate(t *testing.T) {
	server := controllertest.Start(t)
	admin, place := server.Client(t), server.Namespace(t)
	ensureNamespace(t, admin)
	helm(t, server, "install", release, chart, "--set", "sinks.enabled=true", "--take-ownership", "--force-conflicts")
	t.Cleanup(func() { helm(t, server, "uninstall", release) })
	sinks := func(verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowsinks"}, Verbs: append(verbs, "get", "create", "update", "patch")}
	}
	collectors := func(name []string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"}, ResourceNames: name, Verbs: verbs}
	}
	create := func(c client.Client, name string, options ...client.CreateOption) (*unstructured.Unstructured, error) {
		o := collector(t, place, name, `{clickHouse: {url: "http://clickhouse:8123"}, from: {flowCollector: edge}}`)
		o.SetKind("FlowSink")
		return o, c.Create(t.Context(), o, options...)
	}
	alone := bound(t, server, place, "alone", sinks())
	eventually(t, func() error {
		if _, err := create(alone, "early", client.DryRunAll); err == nil {
			return fmt.Errorf("the policy does not refuse yet")
		}
		return nil
	})
	for about, test := range map[string]struct {
		user  client.Client
		names string // empty where it is allowed
	}{
		"no right on FlowCollectors":        {alone, "spec.from"},
		"a right to read them":              {bound(t, server, place, "viewer", sinks(), collectors(nil, "get", "list", "create")), "spec.from"},
		"a right to update another":         {bound(t, server, place, "other", sinks(), collectors([]string{"core"}, "update")), "spec.from"},
		"a right to update this one":        {bound(t, server, place, "this", sinks(), collectors([]string{"edge"}, "update")), ""},
		"a right to update all":             {bound(t, server, place, "all", sinks(), collectors(nil, "update")), ""},
		"the verb privilege":                {bound(t, server, place, "privileged", sinks("privilege")), ""},
		"privilege on FlowCollectors alone": {bound(t, server, place, "wrong", sinks(), collectors(nil, "privilege")), "spec.from"},
	} {
		t.Run(about, func(t *testing.T) {
			_, err := create(test.user, "reads", client.DryRunAll)
			checkRefusal(t, err, test.names, "flowfleet-flowsink-privileged")
		})
	}
	// What is there already may be changed otherwise by who may change FlowSinks.
	o, err := create(admin, "there")
	if err != nil {
		t.Fatal(err)
	}
	if err := alone.Patch(t.Context(), o, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":2}}`)), client.DryRunAll); err != nil {
		t.Error(err)
	}
}
