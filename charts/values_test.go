package charts_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestBadValuesAreRefusedWithWordsThatHelp(t *testing.T) {
	for _, test := range []struct {
		name   string
		values string
		want   []string
	}{
		{"unknown value", "replica: 1", []string{"replica"}},
		{"unknown value within", "image: {tagg: x}", []string{"/image", "tagg"}},
		{"replicas as text", "replicas: two", []string{"/replicas"}},
		{"negative replicas", "replicas: -1", []string{"/replicas"}},
		{"tag with a space", "image: {tag: 'a b'}", []string{"/image/tag"}},
		{"digest cut short", "image: {digest: 'sha256:abc'}", []string{"/image/digest"}},
		{"repository with a tag", "image: {repository: 'example.com/a:v1'}", []string{"/image/repository"}},
		{"pull policy", "image: {pullPolicy: Sometimes}", []string{"/image/pullPolicy"}},
		{"namespace as text", "watchNamespaces: flows", []string{"/watchNamespaces"}},
		{"namespace that is no name", "watchNamespaces: [Flows]", []string{"/watchNamespaces/0"}},
		{"namespaces as a pattern", "secretNamespaces: ['*']", []string{"/secretNamespaces/0"}},
		{"image with a tag for everybody", "tenants: {images: ['example.com/a:v1']}", []string{"/tenants/images/0"}},
		{"server with a scheme", "tenants: {nats: ['nats://nats:4222']}", []string{"/tenants/nats/0"}},
		{"server as a pattern", "allowedNATS: ['nats*']", []string{"/allowedNATS/0"}},
		{"nobody to ask", "tenants: {contact: ''}", []string{"/tenants/contact"}},
		{"log level", "log: {level: trace}", []string{"/log/level"}},
		{"log format", "log: {format: xml}", []string{"/log/format"}},
		{"privileged port", "metrics: {port: 443}", []string{"/metrics/port"}},
		{"reader without namespace", "metrics: {readers: [{name: a}]}", []string{"/metrics/readers/0", "namespace"}},
		{"interval without unit", "metrics: {serviceMonitor: {interval: '30'}}", []string{"/metrics/serviceMonitor/interval"}},
		{"label that is a number", "commonLabels: {a: 1}", []string{"/commonLabels/a"}},
		{"label with a space", "podLabels: {a: 'b c'}", []string{"/podLabels/a"}},
		{"annotation that is a boolean", "podAnnotations: {a: true}", []string{"/podAnnotations/a"}},
		{"name too long", "fullnameOverride: " + strings.Repeat("a", 39), []string{"/fullnameOverride"}},
		{"resources misspelt", "resources: {limit: {cpu: 1}}", []string{"/resources", "limit"}},
		{"flag without dashes", "extraArgs: [log-level=debug]", []string{"/extraArgs/0"}},
		{"variable without name", "extraEnv: [{value: a}]", []string{"/extraEnv/0", "name"}},
		{"disruption budget", "podDisruptionBudget: {maxUnavailable: half}", []string{"/podDisruptionBudget/maxUnavailable"}},

		{"several without election", "{replicas: 2, leaderElection: false}", []string{"set leaderElection, or replicas to 1"}},
		{"Secrets in other namespaces", "{watchNamespaces: [a], secretNamespaces: [b]}", []string{"leave secretNamespaces empty"}},
		{"monitor without metrics", "metrics: {enabled: false, serviceMonitor: {enabled: true}}", []string{"it needs metrics.enabled"}},
		{"alerts without metrics", "metrics: {enabled: false, prometheusRule: {enabled: true}}", []string{"metrics.prometheusRule", "it needs metrics.enabled"}},
		{"certificate without metrics", "metrics: {enabled: false, certificate: {secretName: a}}", []string{"metrics.certificate", "it needs metrics.enabled"}},
		{"certificate that nobody signs", "metrics: {certificate: {certManager: {enabled: true}}}", []string{"metrics.certificate.certManager.issuerRef.name"}},
		{"rollouts below none", "rollouts: {atOnce: -1}", []string{"/rollouts/atOnce"}},
		{"delay without a unit", "rollouts: {delay: '30'}", []string{"/rollouts/delay"}},
		{"variable that is none", "tenants: {environment: ['A=b']}", []string{"/tenants/environment/0"}},
		{"monitor of sinks without sinks", "sinks: {podMonitor: {enabled: true}}", []string{"sinks.podMonitor", "it needs sinks.enabled"}},
		{"one port for two", "{metrics: {port: 9000}, health: {port: 9000}}", []string{"choose another port"}},
		{"budget for one", "podDisruptionBudget: {enabled: true}", []string{"set replicas to 2 or more"}},
		{"budget of both kinds", "{replicas: 3, podDisruptionBudget: {enabled: true, minAvailable: 1, maxUnavailable: 0}}",
			[]string{"exclude each other"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "values.yaml")
			if err := os.WriteFile(path, []byte(test.values), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := template(t, "--values", path)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the words lack %q:\n%v", want, err)
				}
			}
		})
	}
}

// A value that the schema has and values.yaml has not would be missing in the README, too.
func TestSchemaAndValuesHaveTheSameKeysAndEachIsDescribed(t *testing.T) {
	var schema node
	read(t, filepath.Join(chart, "values.schema.json"), func(text []byte) error { return json.Unmarshal(text, &schema) })
	var values map[string]any
	read(t, filepath.Join(chart, "values.yaml"), func(text []byte) error { return yaml.UnmarshalStrict(text, &values) })
	delete(schema.Properties, "global") // Helm's own
	delete(schema.Properties, "enabled")
	compare(t, "", schema, values)
}

type node struct {
	Description string
	Closed      *bool `json:"additionalProperties"`
	Properties  map[string]node
}

func compare(t *testing.T, path string, schema node, values map[string]any) {
	t.Helper()
	if schema.Closed == nil || *schema.Closed {
		t.Errorf("%s: the schema takes unknown keys", path)
	}
	for key, property := range schema.Properties {
		value, ok := values[key]
		if !ok {
			t.Errorf("%s/%s is in the schema, and not in values.yaml", path, key)
			continue
		}
		if inner, ok := value.(map[string]any); ok && len(property.Properties) > 0 && path+"/"+key != "/resources" {
			compare(t, path+"/"+key, property, inner)
		} else if property.Description == "" {
			t.Errorf("%s/%s has no description", path, key)
		}
	}
	for key := range values {
		if _, ok := schema.Properties[key]; !ok {
			t.Errorf("%s/%s is in values.yaml, and not in the schema", path, key)
		}
	}
}

func read(t *testing.T, path string, decode func([]byte) error) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := decode(text); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
