package v1alpha1_test

import (
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// flowSink is one with a spec in YAML.
func flowSink(t *testing.T, namespace, name, spec string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "flowfleet.io/v1alpha1", "kind": "FlowSink"}}
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(spec), &fields); err != nil {
		t.Fatal(err)
	}
	o.Object["spec"] = fields
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func TestFlowSinksThatCannotWorkAreRefusedWithWhatToDo(t *testing.T) {
	s := controllertest.Start(t)
	c, namespace := s.Client(t), s.Namespace(t)
	const from = "from: {flowCollector: edge}\n"
	const working = from + "clickHouse: {url: 'http://clickhouse:8123'}\n"
	for _, test := range []struct{ spec, says string }{
		{working, ""},
		{from + "clickHouse: {url: 'https://[2001:db8::1]:8443/path', tls: {}}", ""},
		{working + "replicas: 0", ""},
		{working + "replicas: 64\nworkers: 256\nackWait: 1h\nprotocols: [ipfix]", ""},
		{"clickHouse: {url: 'http://clickhouse:8123'}", "spec.from"},
		{from, "spec.clickHouse"},
		{from + "clickHouse: {}", "spec.clickHouse.url"},
		{from + "clickHouse: {url: 'tcp://clickhouse:9000'}", "an address such as"},
		{from + "clickHouse: {url: 'http://clickhouse:0'}", "an address such as"},
		{from + "clickHouse: {url: 'http://clickhouse:8123?user=a'}", "an address such as"},
		{from + "clickHouse: {url: 'http://u:p@clickhouse:8123'}", "name a Secret in clickHouse.user"},
		{from + "clickHouse: {url: 'http://clickhouse:8123', tls: {}}", "needs an https url"},
		{from + "clickHouse: {url: 'http://clickhouse:8123', database: 'a b'}", "database"},
		{from + "clickHouse: {url: 'http://clickhouse:8123', cluster: \"a'b\"}", "cluster"},
		{from + "clickHouse: {url: 'http://clickhouse:8123', timeout: 1ms}", "from 1s to 10m"},
		{from + "clickHouse: {url: 'http://clickhouse:8123', timeout: 11m}", "from 1s to 10m"},
		{working + "ackWait: 500ms", "from 1s to 1h"},
		{working + "replicas: 65", "spec.replicas"},
		{working + "workers: 257", "spec.workers"},
		{working + "blocks: {}", ""},
		{working + "blocks: {maxBytes: 8Mi, maxAge: 10s}", ""},
		{working + "blocks: {maxBytes: 65536, maxAge: 50ms}", ""},
		{working + "blocks: {maxBytes: 9Mi}", "blocks.maxBytes: from 64Ki to 8Mi"},
		{working + "blocks: {maxBytes: 63Ki}", "blocks.maxBytes: from 64Ki to 8Mi"},
		{working + "blocks: {maxAge: 11s}", "blocks.maxAge: from 50ms to 10s"},
		{working + "protocols: [netflow7]", "spec.protocols"},
		{working + "protocols: [ipfix, ipfix]", "spec.protocols"},
		{working + "image: 'a b'", "spec.image"},
		{working + "resources: {limits: {memory: '1e9'}}", "quantities such as"},
		{working + "resources: {requests: {cpu: '1e9'}}", "quantities such as"},
		{working + "resources: {claims: [{name: a}]}", "no resource claims"},
		{working + "resources: {limits: {example.com/nic: '1e1.5'}}", "no quantity may have an exponent"},
		{working + "resources: {limits: {example.com/nic: 1}}", ""},
		{working + "pod: {env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: '1e1.5'}}}]}", "resourceFieldRef.divisor"},
		{working + "logLevel: loud", "spec.logLevel"},
		{working + "commonLabels: {app.kubernetes.io/name: a}", "the operator sets the labels"},
		{working + "commonAnnotations: {flowfleet.io/applied: a}", "the operator sets annotations"},
		{working + "podDisruption: {maxUnavailable: 1}", ""},
		{working + "podDisruption: {maxUnavailable: 100%}", ""},
		{working + "podDisruption: {maxUnavailable: 0}", "with 0 no node could be drained"},
		{working + "podDisruption: {maxUnavailable: 0%}", "with 0 no node could be drained"},
		{working + "podDisruption: {maxUnavailable: 65}", "a number of sinks from 1 to 64"},
		{working + "podDisruption: {maxUnavailable: some}", "a number of sinks from 1 to 64"},
		{working + "pod: {labels: {app.kubernetes.io/component: a}}", "the operator sets the labels"},
		{working + "pod: {annotations: {flowfleet.io/configuration: a}}", "leave them out"},
		{working + "pod: {env: [{name: NODE_NAME, value: a}]}", "leave them out"},
		{working + "pod: {env: [{name: A, value: a, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]}", "choose one of value and valueFrom"},
		{working + "pod: {envFrom: [{}]}", "choose one of configMapRef and secretRef"},
		{working + "pod: {securityContext: {assignedByPlatform: true, runAsUser: 5}}", "ids that the platform assigns"},
		{working + "pod: {securityContext: {runAsUser: 0}}", "runAsUser"},
		{working + "pod: {volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /a}]}", ""},
		{working + "pod: {volumes: [{name: clickhouse, emptyDir: {}}]}", "the operator uses the volume name clickhouse itself"},
		{working + "pod: {volumes: [{name: nats, emptyDir: {}}]}", "uses this volume name itself"},
		{working + "pod: {volumes: [{name: a}]}", "choose one of configMap"},
		{working + "pod: {volumes: [{name: a, emptyDir: {sizeLimit: 0}}]}", "emptyDir.sizeLimit"},
		{working + "pod: {volumeMounts: [{name: a, mountPath: /a}]}", "each names one of the volumes"},
		{working + "pod: {volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /etc/flowfleet/a}]}", "choose another mountPath"},
		{working + "pod: {terminationGracePeriodSeconds: 1}", ""},
		{working + "pod: {terminationGracePeriodSeconds: 3601}", "terminationGracePeriodSeconds"},
		{working + "pod: {hostNetwork: true}", "unknown field"},
	} {
		err := client.WithFieldValidation(c, metav1.FieldValidationStrict).Create(t.Context(), flowSink(t, namespace, "sink", test.spec), client.DryRunAll)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s\nwant %q, got %v", test.spec, test.says, err)
		}
	}
	for _, name := range []string{"a.b", "1a", strings.Repeat("a", 41)} {
		if err := c.Create(t.Context(), flowSink(t, namespace, name, working), client.DryRunAll); err == nil {
			t.Errorf("the name %s is taken", name)
		}
	}
}

func TestTheSampleOfAFlowSinkIsAccepted(t *testing.T) {
	s := controllertest.Start(t)
	b, err := os.ReadFile("../../config/sinks/sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s.Kubectl(t, string(b), "apply", "--dry-run=server", "--namespace", s.Namespace(t), "-f", "-")
}

func TestWhatAConsumerKeepsCannotChangeInAFlowSink(t *testing.T) {
	s := controllertest.Start(t)
	c, namespace := s.Client(t), s.Namespace(t)
	const spec = "from: {flowCollector: edge}\nclickHouse: {url: 'http://clickhouse:8123'}\nprotocols: [ipfix]\nackWait: 1m"
	o := flowSink(t, namespace, "sink", spec)
	if err := c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for patch, says := range map[string]string{
		`{"spec":{"replicas":3,"workers":9,"image":"a:v1"}}`:  "",
		`{"spec":{"clickHouse":{"url":"http://other:8123"}}}`: "",
		`{"spec":{"from":{"flowCollector":"core"}}}`:          "from cannot change",
		`{"spec":{"protocols":["sflow"]}}`:                    "protocols cannot change",
		`{"spec":{"protocols":null}}`:                         "protocols cannot change",
		`{"spec":{"ackWait":"2m"}}`:                           "ackWait cannot change",
		`{"spec":{"ackWait":null}}`:                           "ackWait cannot change",
	} {
		err := c.Patch(t.Context(), o.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)), client.DryRunAll)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: want %q, got %v", patch, says, err)
		}
	}
}
