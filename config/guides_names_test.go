package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/sink/service"
	"github.com/flowfleet/flowfleet/hack/guides"
)

func content(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Who begins with README finds every page.
func TestEachPageIsReachedFromTheREADME(t *testing.T) {
	pages, reached := guides.Pages(t), map[string]bool{}
	for next := []string{"README.md"}; len(next) > 0; next = next[1:] {
		page := next[0]
		if _, is := pages[page]; !is || reached[page] {
			continue
		}
		reached[page] = true
		for _, link := range linked.FindAllStringSubmatch(pages[page], -1) {
			next = append(next, filepath.Join(filepath.Dir(page), link[1]))
		}
	}
	for page := range pages {
		if !reached[page] && strings.HasPrefix(page, "docs/") {
			t.Errorf("no link leads from README to %s", page)
		}
	}
}

var (
	metric    = regexp.MustCompile(`\bflowfleet_[a-z0-9_]*[a-z0-9]`)
	metricRow = regexp.MustCompile("(?m)^\\| `(flowfleet_[a-z0-9_]+)`")
	shortName = regexp.MustCompile("`([a-z]+(?:_[a-z0-9]+)+)[`{]")
	summedUp  = regexp.MustCompile(`_(bucket|sum|count)$`)
	alert     = regexp.MustCompile(`\bFlowfleet[A-Z][A-Za-z]+`)
	path      = regexp.MustCompile("`([a-z][A-Za-z0-9]*(?:\\[\\])?(?:\\.[a-z][A-Za-z0-9]*(?:\\[\\])?)+)`")
	flagName  = regexp.MustCompile(`--[a-z][-a-z0-9]*[a-z0-9]`)
)

// What is written in the code that is not tests' is there.
func sources(t *testing.T, patterns ...string) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", pattern, err, len(files))
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				all.WriteString(content(t, file))
			}
		}
	}
	return all.String()
}

// Metrics are named in full, so that they can be looked for as they stand. (Tests beside the code compare metrics.md and clickhouse-metrics.md with
// what programs expose.)
func TestMetricsAndAlertsThatTheGuidesNameExist(t *testing.T) {
	code := sources(t, "../controllers/*.go", "../controllers/*/*.go", "../charts/flowfleet/files/alerts/*.yaml")
	metrics := metric.FindAllString(code, -1)
	for _, reference := range []string{"../docs/metrics.md", "../docs/clickhouse-metrics.md"} {
		for _, row := range metricRow.FindAllStringSubmatch(content(t, reference), -1) {
			metrics = append(metrics, row[1])
		}
	}
	alerts, looked := alert.FindAllString(code, -1), 0
	for page, text := range guides.Pages(t) {
		for _, name := range metric.FindAllString(text, -1) {
			looked++
			if !slices.Contains(metrics, name) && !slices.Contains(metrics, summedUp.ReplaceAllString(name, "")) && name != "flowfleet_collector" {
				t.Errorf("%s names the metric %s, which nothing exposes", page, name)
			}
		}
		for _, name := range shortName.FindAllStringSubmatch(text, -1) {
			field := page == "docs/ledger.md" && name[1] == "sequence_next" // of the ledger's minutes, too
			if slices.Contains(metrics, "flowfleet_collector_"+name[1]) && page != "docs/metrics.md" && !field {
				t.Errorf("%s names flowfleet_collector_%s without what it begins with", page, name[1])
			}
		}
		for _, name := range alert.FindAllString(text, -1) {
			looked++
			if !slices.Contains(alerts, name) {
				t.Errorf("%s names the alert %s, which nothing makes", page, name)
			}
		}
	}
	if looked < 100 {
		t.Errorf("only %d were looked at", looked)
	}
}

// others are words with a dot that are no fields of ours: they, or what they begin with, and what that is.
var others = map[string]string{"flowcollectors": "a resource", "flowsinks": "a resource", "flowfleet": "a group, a subject", "jetstream": "Vector's", "sample": "sFlow's",
	"storage": "Kubernetes'", "number": "an element", "status.storedVersions": "a definition's", "securityContext.sysctls": "a pod's",
	"tls.crt": "a Secret's", "tls.key": "a Secret's", "ca.crt": "a Secret's"}

// Fields are named by the whole path: below spec or status of a kind, in the chart's values, in the file of the collector or of the sink.
func TestFieldsThatTheGuidesNameExist(t *testing.T) {
	fields := map[string]bool{}
	var values map[string]any
	if err := yaml.Unmarshal([]byte(content(t, "../charts/flowfleet/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	ofValues(fields, "", values)
	ofType(fields, "", reflect.TypeFor[config.Config]())
	ofType(fields, "", reflect.TypeFor[service.Config]())
	definitions, err := filepath.Glob("crd/bases/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range definitions {
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal([]byte(content(t, file)), &definition); err != nil {
			t.Fatal(err)
		}
		root := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
		ofSchema(fields, "", root)
		spec := root.Properties["spec"]
		ofSchema(fields, "", &spec) // most pages leave "spec" out
	}
	looked := 0
	for page, text := range guides.Pages(t) {
		for _, named := range path.FindAllStringSubmatch(text, -1) {
			name := strings.ReplaceAll(named[1], "[]", "")
			first, _, _ := strings.Cut(name, ".")
			if others[first] != "" || others[name] != "" || strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".yaml") {
				continue
			}
			looked++
			if !fields[name] {
				t.Errorf("%s names the field %s, which no kind, values or file has", page, name)
			}
		}
	}
	if looked < 100 {
		t.Errorf("only %d were looked at", looked)
	}
}

func ofValues(fields map[string]bool, prefix string, values map[string]any) {
	for name, value := range values {
		fields[prefix+name] = true
		if below, ok := value.(map[string]any); ok {
			ofValues(fields, prefix+name+".", below)
		}
	}
}

func ofSchema(fields map[string]bool, prefix string, schema *apiextensionsv1.JSONSchemaProps) {
	for schema.Items != nil {
		schema = schema.Items.Schema
	}
	for name, property := range schema.Properties {
		fields[prefix+name] = true
		ofSchema(fields, prefix+name+".", &property)
	}
}

func ofType(fields map[string]bool, prefix string, t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for field := range t.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			fields[prefix+name] = true
			ofType(fields, prefix+name+".", field.Type)
		}
	}
}

// others' flags: of kubectl, helm, docker, clickhouse-client, nats and the programs of hack/.
var othersFlags = strings.Fields(`--all --as --cascade --context --dry-run --entrypoint --env --flag --for --force --force-conflicts --from-file --from-literal
	--grace-period --group --kubeconfig --multiquery --name --namespace --create-namespace --raw --server-side --set --set-json --tag --timeout --values --version
	--clusterrole --wait --watch --build-arg --push --system --type --patch --field-manager --subresource --ignore-not-found --reuse-values --reset-then-reuse-values
	--replicas --overwrite --current --field-selector --file --load`)

// Flags stand in the references, which are generated from the commands, or belong to the operator or to somebody else's program.
func TestFlagsThatTheGuidesNameExist(t *testing.T) {
	flags := slices.Concat(othersFlags, flagName.FindAllString(content(t, "../docs/collector-commands.md"), -1),
		flagName.FindAllString(content(t, "../docs/kubectl-flowfleet-commands.md"), -1))
	for _, name := range regexp.MustCompile(`(?:flag\.\w+Var\([^,]+, |Flags\(\)\.\w+\([^"]*)"([-a-z0-9]+)"`).FindAllStringSubmatch(sources(t, "../main.go", "../hack/*/*.go"), -1) {
		flags = append(flags, "--"+name[1])
	}
	looked := 0
	for page, text := range guides.Pages(t) {
		for _, span := range code.FindAllString(text, -1) {
			for _, name := range flagName.FindAllString(span, -1) {
				looked++
				if !slices.Contains(flags, name) {
					t.Errorf("%s names the flag %s in %s, which nothing has", page, name, span)
				}
			}
		}
	}
	if looked < 80 {
		t.Errorf("only %d were looked at", looked)
	}
}

var (
	heading     = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	toHeading   = regexp.MustCompile(`\]\(([^)#:]*)(#[^)]+)\)`)
)

// anchors are those of a page's headings, as GitHub makes them.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(text, -1) {
		slug := notInAnchor.ReplaceAllString(strings.ToLower(found[1]), "")
		out["#"+strings.ReplaceAll(slug, " ", "-")] = true
	}
	return out
}

// A link to a part of a page leads to a heading.
func TestLinksToHeadingsLeadThere(t *testing.T) {
	pages, of := guides.Pages(t), map[string]map[string]bool{}
	for page, text := range pages {
		of[page] = anchors(text)
	}
	looked := 0
	for page, text := range pages {
		for _, link := range toHeading.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			to := page
			if link[1] != "" {
				to = filepath.Join(filepath.Dir(page), link[1])
			}
			looked++
			if !of[to][link[2]] {
				t.Errorf("%s links to %s%s, which has no such heading", page, to, link[2])
			}
		}
	}
	if looked < 20 {
		t.Errorf("only %d were looked at", looked)
	}
}
