package install_test

import (
	"fmt"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The API server gives up on a policy that computes for long, and refuses what it could not judge. A FlowCollector with as much of everything
// as the schema lets in is judged all the same.
func TestTheLargestFlowCollectorIsJudged(t *testing.T) {
	server, _, place, user := installed(t, "walter")
	list := func(n int, format string) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return strings.Join(out, ", ")
	}
	nats := "{urls: [" + list(16, "nats://server-%d."+strings.Repeat("x", 60)+".example:4222") + "], user: {name: a, password: {name: admin, key: a}}, tls: {ca: {name: admin, key: a}}}"
	spec := fmt.Sprintf(`
nats: %[1]s
templateStore: {nats: %[1]s}
output: {nats: %[1]s, subject: flows.%[2]s.a, stream: {subjects: ["flows.%[2]s.a.>", %[3]s]}, buffer: {spool: {hostPath: {path: /srv}}}}
listeners: [%[4]s]
commonLabels: {%[5]s}
commonAnnotations: {%[5]s}
collector:
  image: registry.example.com/%[6]s:v1
  hostNetwork: true
  priorityClassName: important
  imagePullSecrets: [%[7]s]
  env: [%[8]s]
  volumes: [%[9]s]
  volumeMounts: [%[10]s]
  labels: {%[5]s}
  annotations: {%[11]s}
  tolerations: [{operator: Exists}]
  affinity:
    podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [%[12]s], preferredDuringSchedulingIgnoredDuringExecution: [%[13]s]}
    podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [%[12]s], preferredDuringSchedulingIgnoredDuringExecution: [%[13]s]}
service: {labels: {%[5]s}, annotations: {%[11]s}}
`, nats, place, list(63, `"flows.`+place+`.a%d.>"`), list(16, "{name: l%[1]d, port: 2%03[1]d, receiveBuffer: 1Mi}"), list(64, "team/l%d: a"), strings.Repeat("a", 400),
		list(16, "{name: pull-%d}"), list(64, "{name: V%d, valueFrom: {secretKeyRef: {name: admin, key: a}}}"), list(32, "{name: v%d, hostPath: {path: /srv}}"),
		list(32, "{name: v%[1]d, mountPath: /mnt/a/b/c/v%[1]d}"), list(256, "team/a%d: a"),
		list(64, "{topologyKey: a%d, namespaces: [a, b, c], namespaceSelector: {}}"), list(64, "{weight: 1, podAffinityTerm: {topologyKey: a%d, namespaces: [a, b, c]}}"))
	privileged := tenant(t, server, place, "trusted", rbacv1.PolicyRule{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"}, Verbs: []string{"privilege"}})
	fc := collector(t, place, "large", spec)
	checkRefusal(t, user.Create(t.Context(), fc.DeepCopy(), client.DryRunAll), "spec.", "flowfleet-flowcollector-privileged")
	if err := privileged.Create(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	for about, patch := range map[string]string{
		"a level": `{"spec":{"collector":{"logLevel":"debug"}}}`,
		"a value": `{"spec":{"collector":{"env":[{"name":"TZ","value":"UTC"}]}}}`,
	} {
		if err := privileged.Patch(t.Context(), fc.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)), client.DryRunAll); err != nil {
			t.Errorf("changing %s: %v", about, err)
		}
	}
	// Everything is another than before: nothing is spared the comparisons of elements.
	changed := fc.DeepCopy()
	changed.Object["spec"] = collector(t, place, "large", strings.NewReplacer("server-", "serves-", "team/", "teams/", "admin", "admins", "name: v", "name: w", "a%d", "b%d",
		"receiveBuffer: 1Mi", "receiveBuffer: 2Mi").Replace(spec)).Object["spec"]
	checkRefusal(t, user.Update(t.Context(), changed.DeepCopy(), client.DryRunAll), "spec.", "flowfleet-flowcollector-privileged")
	if err := privileged.Update(t.Context(), changed, client.DryRunAll); err != nil {
		t.Errorf("changing everything: %v", err)
	}
	if err := user.Patch(t.Context(), fc.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"collector":{"logLevel":"debug"}}}`)), client.DryRunAll); err != nil {
		t.Errorf("the rest: %v", err)
	}
}
