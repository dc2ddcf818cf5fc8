package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// The ConfigMap is one that collectors read, and names each exporter of the load and the interfaces of its flows.
func TestEachExporterOfTheDemoHasItsNames(t *testing.T) {
	var object corev1.ConfigMap
	if err := yaml.UnmarshalStrict([]byte(namesManifest("flows")), &object); err != nil {
		t.Fatal(err)
	}
	lines, err := names.ReadLines(strings.NewReader(object.Data["names.csv"]))
	if err != nil {
		t.Fatal(err)
	}
	said := names.NewSaid(lines)
	exporter := plan.MoreExporters.Addr()
	find := func(table names.Table, number uint64) string {
		row := said.Find(names.Key{Scope: names.Scope{Exporter: exporter}, Table: table, Number: number}, netip.Addr{})
		if row == nil {
			return ""
		}
		return row.Name
	}
	for number := 1; number <= numberOfLoaded; number++ {
		exporter = exporter.Next()
		router, interfaceName := find(names.Exporters, 0), find(names.Interfaces, uint64(number))
		if router != fmt.Sprintf("branch-%02d", number) || interfaceName != fmt.Sprintf("ge-0/0/%d", number) {
			t.Errorf("%s is %q, its interface %d is %q", exporter, router, number, interfaceName)
		}
		if first, last := find(names.Interfaces, 200), find(names.Interfaces, 249); first != "xe-0/1/0" || last != "xe-0/1/49" {
			t.Errorf("the uplinks of %s are %q to %q", exporter, first, last)
		}
	}
	if exporter = exporter.Next(); find(names.Exporters, 0) != "" {
		t.Errorf("%s sends no load, and has a name", exporter)
	}
	if exporter = plan.Exporter; find(names.Exporters, 0) != "office" {
		t.Errorf("%s has no name", exporter)
	}
}
