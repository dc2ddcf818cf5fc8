package main

import (
	"fmt"
	"strings"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// Of the exporters' names: the ConfigMap that has them, and how many exporters send the load.
const (
	namesName      = "exporter-names"
	numberOfLoaded = 60
)

// The interfaces that the load goes out by, of every router.
const firstUplink, uplinks = 200, 50

// exporterNames is what somebody would write who knows the network: the load comes from routers of branches, each of which has one interface
// inside and the same uplinks, and all else from the office.
func exporterNames() string {
	var lines strings.Builder
	lines.WriteString("exporter,table,key,name,description\n")
	_, _ = fmt.Fprintf(&lines, "%s,exporters,0,office,\n%[1]s,interfaces,1,lan,\n", plan.Exporter)
	for number := firstUplink; number < firstUplink+uplinks; number++ {
		_, _ = fmt.Fprintf(&lines, "%s,interfaces,%d,xe-0/1/%d,\n", plan.MoreExporters, number, number-firstUplink)
	}
	router := firstRouter
	for number := 1; number <= numberOfLoaded; number++ {
		_, _ = fmt.Fprintf(&lines, "%s,exporters,0,branch-%02d,\n%[1]s,interfaces,%[2]d,ge-0/0/%[2]d,\n", router, number)
		router = router.Next()
	}
	return lines.String()
}

// firstRouter is the address of the first exporter of the load; the others follow.
var firstRouter = plan.MoreExporters.Addr().Next()

// namesManifest is the ConfigMap with the names.
func namesManifest(namespace string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata:\n  names.csv: |\n    %s\n", namesName, namespace,
		strings.ReplaceAll(strings.TrimSpace(exporterNames()), "\n", "\n    "))
}
