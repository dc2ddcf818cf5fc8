package install_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Fields of pods and Services that a FlowCollector does not have: no policy is about them, since the API server keeps none of them.
var unknown = map[string][]string{
	"service":                   {"externalIPs", "loadBalancerIP", "clusterIP", "externalName", "selector", "ports", "publishNotReadyAddresses"},
	"collector":                 {"hostPID", "hostIPC", "hostUsers", "hostAliases", "command", "args", "nodeName", "schedulerName", "shareProcessNamespace", "automountServiceAccountToken", "lifecycle", "livenessProbe", "resourceClaims", "subdomain", "preemptionPolicy", "overhead", "containers", "ephemeralContainers"},
	"collector.securityContext": {"privileged", "capabilities", "runAsNonRoot", "allowPrivilegeEscalation", "procMount", "seccompProfile", "appArmorProfile", "supplementalGroups", "sysctls", "windowsOptions"},
	"monitoring.prometheusRule": {"rules", "groups", "namespace"},
	"monitoring.podMonitor":     {"path", "relabelings", "metricRelabelings", "namespaceSelector", "bearerTokenSecret", "jobLabel"},
}

func TestATenantFindsNoFieldThatNobodyGuards(t *testing.T) {
	_, _, place, user := installed(t, "sam")
	for section, fields := range unknown {
		for _, field := range fields {
			path := append([]string{"spec"}, strings.Split(section+"."+field, ".")...)
			for _, value := range []any{true, "192.0.2.1", int64(0), []any{"192.0.2.1"}, map[string]any{"a": "b"}} {
				o := collector(t, place, "unknown", "{}")
				if err := unstructured.SetNestedField(o.Object, value, path...); err != nil {
					t.Fatal(err)
				}
				if err := user.Create(t.Context(), o, client.DryRunAll); err != nil {
					if !apierrors.IsInvalid(err) {
						t.Errorf("%s: %v", strings.Join(path, "."), err)
					}
					continue
				}
				if kept, found, _ := unstructured.NestedFieldNoCopy(o.Object, path...); found {
					t.Errorf("%s is kept: %v", strings.Join(path, "."), kept)
				}
			}
		}
	}
}

// Volumes of kinds that Kubernetes has and a FlowCollector does not, and servers that a program could read otherwise than the policy.
func TestTheSchemaRefusesWhatNoPolicyIsAbout(t *testing.T) {
	_, _, place, user := installed(t, "rupert")
	for about, spec := range map[string]string{
		"a token of an account":           `collector: {volumes: [{name: a, projected: {sources: [{serviceAccountToken: {path: t}}]}}]}`,
		"an image's files":                `collector: {volumes: [{name: a, image: {reference: evil}}]}`,
		"a server of one's own":           `collector: {volumes: [{name: a, nfs: {server: evil, path: /}}]}`,
		"the pod's own record":            `collector: {volumes: [{name: a, downwardAPI: {}}]}`,
		"a volume of two kinds":           `collector: {volumes: [{name: a, emptyDir: {}, hostPath: {path: /}}]}`,
		"a name of the operator's own":    `collector: {volumes: [{name: configuration, emptyDir: {}}]}`,
		"a claim on a device":             `collector: {resources: {claims: [{name: gpu}]}}`,
		"two servers in one":              `nats: {urls: ["nats://nats.nats:4222,nats://evil:4222"]}`,
		"a user in a server":              `nats: {urls: ["nats://nats.nats:4222@evil:4222"]}`,
		"a path behind a server":          `nats: {urls: ["nats://nats.nats:4222/../evil"]}`,
		"a server's name in other signs":  `nats: {urls: ["nats://nats.nats%2eevil:4222"]}`,
		"all subjects of the server":      `output: {stream: {subjects: [">"]}}`,
		"requests of JetStream as flows":  `output: {stream: {subjects: ["$JS.API.>"]}}`,
		"a consumer that is many":         `output: {consumers: [{name: "a.>"}]}`,
		"lines of configuration":          `exporters: {names: [{network: 10.0.0.0/8, name: "a\nb: c"}]}`,
		"a ConfigMap elsewhere":           `exporters: {namesFrom: {name: ../x, key: ../../y}}`,
		"a scrape each millisecond":       `monitoring: {podMonitor: {enabled: true, interval: 1ms}}`,
		"a scrape that breaks Prometheus": `monitoring: {podMonitor: {enabled: true, interval: 99999999999h}}`,
	} {
		if err := user.Create(t.Context(), collector(t, place, "unknown", spec), client.DryRunAll); !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", about, err)
		}
	}
}
