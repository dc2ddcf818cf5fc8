package sink

import (
	"cmp"
	"fmt"
	"maps"

	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// Component is the value of fleet.LabelComponent on the objects of FlowSinks.
const Component = "sink"

// Sink is what the objects are made of.
type Sink struct {
	// Sink and the FlowCollector that it reads from, with the API server's defaults filled in.
	Sink      *v1alpha1.FlowSink
	Collector *v1alpha1.FlowCollector
	// Stream that they read: the FlowCollector's, or the one that the FlowSink names.
	Stream string
	// Image that sinks run.
	Image string
}

// New returns the sinks of a FlowSink. Image is the one where its spec names none.
func New(s *v1alpha1.FlowSink, c *v1alpha1.FlowCollector, stream, image string) *Sink {
	return &Sink{Sink: s, Collector: c, Stream: stream, Image: cmp.Or(s.Spec.Image, image)}
}

// ObjectName is the name of each object of a FlowSink.
func ObjectName(s *v1alpha1.FlowSink) string { return s.Name + "-sink" }

// ConsumerName of a FlowSink in the stream. Neither a namespace nor a name has "_", and nor has one of output.consumers, so that no two
// have the same.
func ConsumerName(s *v1alpha1.FlowSink) string { return s.Namespace + "_" + s.Name }

// StreamOf is the stream that a FlowSink reads: the one that it names, or that of its FlowCollector. It is empty while that has none.
func StreamOf(s *v1alpha1.FlowSink, c *v1alpha1.FlowCollector) string {
	if s.Spec.From.Stream == "" && c.Status.Stream != nil {
		return c.Status.Stream.Name
	}
	return s.Spec.From.Stream
}

// Selector selects the pods of a FlowSink.
func Selector(s *v1alpha1.FlowSink) map[string]string {
	return map[string]string{fleet.LabelName: fleet.Product, fleet.LabelComponent: Component, fleet.LabelInstance: s.Name}
}

// Replicas that are wanted.
func Replicas(s *v1alpha1.FlowSink) int32 {
	if s.Spec.Replicas == nil {
		return 1
	}
	return *s.Spec.Replicas
}

// Problems are those of a FlowSink and its FlowCollector that only another spec solves.
func (s *Sink) Problems() []string {
	var out []string
	if s.Collector.Spec.Output.Encoding == v1alpha1.EncodingJSON && s.Sink.Spec.From.Stream == "" {
		out = append(out, fmt.Sprintf("FlowCollector %s: spec.output.encoding is JSON, which ClickHouse's tables do not take: choose Protobuf",
			s.Collector.Name))
	}
	for _, p := range fleet.PodProblems("pod", &s.Sink.Spec.Pod, map[string]string{Component: "the sink's own"}) {
		out = append(out, "spec."+p)
	}
	filled := s.Configuration()
	filled.SetDefaults()
	for _, p := range filled.Check() {
		out = append(out, p.String())
	}
	return out
}

// labels are those of an object: what the user asks for, and the operator's own, which win.
func (s *Sink) labels(users ...map[string]string) map[string]string {
	out := make(map[string]string)
	for _, m := range append([]map[string]string{s.Sink.Spec.CommonLabels}, users...) {
		maps.Copy(out, m)
	}
	maps.Copy(out, Selector(s.Sink))
	out[fleet.LabelManagedBy] = fleet.Product
	return out
}

func (s *Sink) owner() *metaac.OwnerReferenceApplyConfiguration {
	return fleet.Owner("FlowSink", s.Sink)
}
