package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// settleNames fills in the names of bucket and stream that the spec leaves to the operator. The spec of a pass is never written.
//
// What collectors run with counts most, the status stands in where their ConfigMap is gone.
func (r *Reconciler) settleNames(ctx context.Context, fc *v1alpha1.FlowCollector, m *memory) error {
	if fc.Spec.TemplateStore.Bucket != "" && fc.Spec.Output.Stream.Name != "" {
		return nil
	}
	found := r.prober.Finding(jetstream.Key(key(fc)))
	known := fleet.Known{
		BucketTaken: found.Bucket != nil && ofAnother(fc, &found.Bucket.Look),
		StreamTaken: found.Stream != nil && ofAnother(fc, &found.Stream.Look),
	}
	running := &corev1.ConfigMap{}
	name := client.ObjectKey{Namespace: fc.Namespace, Name: fleet.ObjectName(fc)}
	if err := r.Client.Get(ctx, name, running); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", name, err)
	}
	known.Used = append(known.Used, m.namesIn(running)...)
	known.Used = append(known.Used, namesInStatus(&fc.Status))
	names := fleet.NamesOf(fc, known)
	fc.Spec.TemplateStore.Bucket, fc.Spec.Output.Stream.Name = names.Bucket, names.Stream
	return nil
}

// readNames are those of a version of the collectors' ConfigMap.
type readNames struct {
	uid     types.UID
	version string
	names   []fleet.Names
}

// namesIn are those that collectors run with. A version of their ConfigMap is read once: with all that FlowExporters may say, that takes a
// second or so, which each pass of a fleet would take of all others.
func (m *memory) namesIn(running *corev1.ConfigMap) []fleet.Names {
	if running.ResourceVersion == "" { // there is none
		return nil
	}
	if m.running.uid == running.UID && m.running.version == running.ResourceVersion {
		return m.running.names
	}
	m.running = readNames{uid: running.UID, version: running.ResourceVersion}
	if c, problems := config.Parse([]byte(running.Data[fleet.ConfigurationFile])); len(problems) == 0 {
		m.running.names = []fleet.Names{{Bucket: c.Templates.Bucket, Stream: c.Output.Stream.Name}}
	}
	return m.running.names
}

func namesInStatus(s *v1alpha1.FlowCollectorStatus) (out fleet.Names) {
	if s.Bucket != nil {
		out.Bucket = s.Bucket.Name
	}
	if s.Stream != nil {
		out.Stream = s.Stream.Name
	}
	return out
}

// ofAnother reports whether what was found in NATS belongs to a FlowCollector of another name. One of the same name, such as in
// another cluster, has the same default names: those two need names in their specs.
func ofAnother(fc *v1alpha1.FlowCollector, look *jetstream.Look) bool {
	return look.Class == jetstream.ClassConflict && (look.Conflict.Namespace != fc.Namespace || look.Conflict.Name != fc.Name)
}
