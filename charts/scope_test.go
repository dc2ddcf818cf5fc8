package charts_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// The chart reads selectors as the operator does, which has them read by Kubernetes' own library.
func TestTheChartSelectsWhatTheOperatorSelects(t *testing.T) {
	selectors := []string{
		"", "team=network", "team==network", "team = network", "team!=network", "team", "!team", " ! team ", "team=", "team!=",
		"team in (network,data)", "team in(network)", "team notin (network, data)", "team in (a,)", "team in ( )", "inside in (in,notin)",
		"example.com/team=network,tier in (gold,silver),!old", "team,tier", "team!=network,tier notin (gold)", "size>10", "size<10", "size > 9,size<12",
		"notin=in", "in", "!in", "team=network,", "team.of-one_two=x.y-z_1",
	}
	sets := []labels.Set{
		nil, {"team": "network"}, {"team": "data"}, {"team": ""}, {"tier": "gold"}, {"team": "network", "tier": "gold"}, {"team": "a"},
		{"example.com/team": "network", "tier": "silver"}, {"example.com/team": "network", "tier": "silver", "old": ""}, {"inside": "notin"},
		{"size": "11"}, {"size": "9"}, {"size": "many"}, {"notin": "in"}, {"in": ""}, {"team.of-one_two": "x.y-z_1"},
	}
	directory := filepath.Join(t.TempDir(), "scope")
	scope, err := os.ReadFile(filepath.Join(chart, "templates", "_scope.tpl"))
	if err != nil {
		t.Fatal(err)
	}
	values, err := json.Marshal(map[string]any{"selectors": selectors, "sets": sets})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"Chart.yaml":           "apiVersion: v2\nname: scope\nversion: 0.1.0\n",
		"values.yaml":          string(values),
		"templates/_scope.tpl": string(scope),
		"templates/scope.yaml": `answers:{{- range $s := .Values.selectors }}{{- range $l := $.Values.sets }}
- {{ printf "%t" (eq "true" (include "flowfleet.selects" (list $l $s))) }}{{- end }}{{- end }}`,
	} {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, errs, err := run(t, helm, "template", "scope", directory)
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	var got []string
	for line := range strings.Lines(out) {
		if answer, found := strings.CutPrefix(line, "- "); found {
			got = append(got, strings.TrimSpace(answer))
		}
	}
	if len(got) != len(selectors)*len(sets) {
		t.Fatalf("%d answers:\n%s", len(got), out)
	}
	for i, selector := range selectors {
		parsed, err := labels.Parse(selector)
		if err != nil {
			t.Logf("the operator would not start with %q: %v", selector, err)
			continue
		}
		for j, set := range sets {
			if want := parsed.Matches(set); (got[i*len(sets)+j] == "true") != want {
				t.Errorf("%q selects %v: the operator says %v, the chart %s", selector, set, want, got[i*len(sets)+j])
			}
		}
	}
}
