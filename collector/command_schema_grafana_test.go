package main

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/collector/sink/clickhouse/dashboards"
)

func TestDashboardsArePrintedOneByOneAndAsAConfigMap(t *testing.T) {
	out, err := execute(t, "", "schema", "grafana", "--config-map", "flows", "--database", "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	var object struct {
		Kind     string
		Metadata struct{ Name string }
		Data     map[string]string
	}
	if err := yaml.Unmarshal([]byte(out), &object); err != nil {
		t.Fatal(err)
	}
	if object.Kind != "ConfigMap" || object.Metadata.Name != "flows" || len(object.Data) != len(dashboards.Names()) || len(out) > 1<<20 {
		t.Errorf("%s %s of %d bytes with %d dashboards", object.Kind, object.Metadata.Name, len(out), len(object.Data))
	}
	for _, name := range dashboards.Names() {
		one, err := execute(t, "", "schema", "grafana", name, "--database", "elsewhere")
		if err != nil {
			t.Fatal(err)
		}
		if object.Data["flowfleet-"+name+".json"] != one || !json.Valid([]byte(one)) || strings.Contains(one, " flowfleet.") {
			t.Errorf("%s: the ConfigMap has another, or it is none:\n%s", name, one)
		}
	}
	list, err := execute(t, "", "schema", "grafana")
	if err != nil || strings.Count(list, "\n") != len(dashboards.Names()) {
		t.Errorf("%v: %s", err, list)
	}
	for _, wrong := range [][]string{{"nothing"}, {"overview", "--config-map", "x"}, {"--database", "a b"}} {
		if _, err := execute(t, "", append([]string{"schema", "grafana"}, wrong...)...); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
