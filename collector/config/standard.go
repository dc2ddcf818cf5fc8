package config

import (
	"slices"
	"strings"
)

// Where the configuration is in a collector's pod.
const (
	StandardDirectory = "/etc/flowfleet"
	StandardFile      = StandardDirectory + "/collector.yaml"
)

// FleetStream is the stream of the FlowCollector of a namespace and name, unless that names another one, or has one of an earlier
// version's name.
func FleetStream(namespace, name string) string { return "flows-" + Fleet(namespace, name) }

// FleetBucketNames and FleetStreamNames are the names that bucket and stream of a FlowCollector may have where it names none: the usual
// one first, then those of earlier versions, and of a fleet whose usual one was taken.
func FleetBucketNames(namespace, name string) []string {
	return fleetNames("flowfleet-", namespace, name)
}

// FleetStreamNames are those of the stream.
func FleetStreamNames(namespace, name string) []string { return fleetNames("flows-", namespace, name) }

func fleetNames(prefix, namespace, name string) []string {
	out := []string{prefix + Fleet(namespace, name)}
	for _, other := range []string{prefix + namespace + "-" + name, prefix + namespace + "_" + name, prefix + OwnFleet(namespace, name)} {
		if !slices.Contains(out, other) {
			out = append(out, other)
		}
	}
	return out
}

// Fleet is a text of a namespace and a name that no other two give: <namespace>-<name> where the name has no "-", so that the last
// "-" is where it begins, and OwnFleet otherwise. Neither part can have a "_".
func Fleet(namespace, name string) string {
	if strings.Contains(name, "-") {
		return OwnFleet(namespace, name)
	}
	return namespace + "-" + name
}

// OwnFleet is a text of a namespace and a name that no other two give in any form that Fleet had: <namespace>_<name>. The stream of what a
// FlowSink was refused has one of its namespace and name, too, behind that of the stream that it reads and RefusedInfix: such a namespace
// has two "_" behind it.
func OwnFleet(namespace, name string) string {
	if strings.Contains(namespace, RefusedInfix) {
		return namespace + "__" + name
	}
	return namespace + "_" + name
}

// RefusedInfix is what the name of a FlowSink's stream for refused messages has between that of the stream that it reads and its own.
const RefusedInfix = "-refused-"
