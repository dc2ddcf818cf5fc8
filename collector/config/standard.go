package config

import "strings"

// Where the configuration is in a collector's pod.
const (
	StandardDirectory = "/etc/flowfleet"
	StandardFile      = StandardDirectory + "/collector.yaml"
)

// FleetBucket is the bucket of the FlowCollector of a namespace and name, unless that names another one, or has one of an earlier
// version's name.
func FleetBucket(namespace, name string) string { return "flowfleet-" + Fleet(namespace, name) }

// FleetStream is the stream of the FlowCollector of a namespace and name, as FleetBucket is its bucket.
func FleetStream(namespace, name string) string { return "flows-" + Fleet(namespace, name) }

// Fleet is a text of a namespace and a name that no other two give: <namespace>-<name> where the name has no "-", so that the last
// "-" is where it begins, and <namespace>_<name> otherwise. Neither part can have a "_".
func Fleet(namespace, name string) string {
	if strings.Contains(name, "-") {
		return namespace + "_" + name
	}
	return namespace + "-" + name
}
