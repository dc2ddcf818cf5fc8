package fleet

import (
	"slices"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

// Names are those of a fleet's bucket and stream.
type Names struct {
	Bucket, Stream string
}

// Known is what tells which of two default names a fleet uses.
type Known struct {
	// Used are names that the fleet is known to use, such as those in the collectors' configuration and in the status.
	Used []Names
	// BucketTaken and StreamTaken: what has the name that is used belongs to another fleet.
	BucketTaken, StreamTaken bool
}

// BucketName of a FlowCollector: the one that its spec names, or the default.
func BucketName(c *v1alpha1.FlowCollector) string { return NamesOf(c, Known{}).Bucket }

// StreamName of a FlowCollector: the one that its spec names, or the default.
func StreamName(c *v1alpha1.FlowCollector) string { return NamesOf(c, Known{}).Stream }

// NamesOf are the names that a fleet's bucket and stream have. No two fleets have the same ones by default: see defaultName. A
// fleet that uses a name of an earlier version keeps it, unless that belongs to another fleet.
func NamesOf(c *v1alpha1.FlowCollector, known Known) Names {
	var buckets, streams []string
	for _, n := range known.Used {
		buckets, streams = append(buckets, n.Bucket), append(streams, n.Stream)
	}
	out := Names{Bucket: c.Spec.TemplateStore.Bucket, Stream: c.Spec.Output.Stream.Name}
	if out.Bucket == "" {
		out.Bucket = defaultName("flowfleet-", c, buckets, known.BucketTaken)
	}
	if out.Stream == "" {
		out.Stream = defaultName("flows-", c, streams, known.StreamTaken)
	}
	return out
}

// defaultName is that of config.Fleet, which tells namespace and name, so that no two fleets have the same one.
//
// Earlier versions had "-" between them always, for which team/prod-edge and team-prod/edge were one: who has such a name keeps
// it, because flows and templates are there; who finds that it belongs to another fleet takes the form with "_", which cannot.
func defaultName(prefix string, c *v1alpha1.FlowCollector, used []string, taken bool) string {
	usual, own := prefix+config.Fleet(c.Namespace, c.Name), prefix+config.OwnFleet(c.Namespace, c.Name)
	if taken {
		return own
	}
	for _, name := range []string{own, prefix + c.Namespace + "_" + c.Name, prefix + c.Namespace + "-" + c.Name} {
		if slices.Contains(used, name) {
			return name
		}
	}
	return usual
}
