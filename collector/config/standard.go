package config

// Where the configuration is in a collector's pod.
const (
	StandardDirectory = "/etc/flowfleet"
	StandardFile      = StandardDirectory + "/collector.yaml"
)

// FleetBucket is the bucket of the FlowCollector of a namespace and name, unless that names another one.
func FleetBucket(namespace, name string) string { return "flowfleet-" + namespace + "-" + name }

// FleetStream is the stream of the FlowCollector of a namespace and name, unless that names another one.
func FleetStream(namespace, name string) string { return "flows-" + namespace + "-" + name }
