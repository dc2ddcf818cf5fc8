package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// settleNames fills in the names of bucket and stream that the spec leaves to the operator. The spec of a pass is never written.
//
// What collectors run with counts most, the status stands in where their ConfigMap is gone.
func (p *pass) settleNames(ctx context.Context) error {
	known := fleet.Known{
		BucketTaken: p.ofAnother(p.view.bucketErr),
		StreamTaken: p.ofAnother(p.view.streamErr),
	}
	running := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: p.fc.Namespace, Name: fleet.ObjectName(p.fc)}
	if err := p.Client.Get(ctx, key, running); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", key, err)
	}
	for _, file := range running.Data {
		if c, problems := config.Parse([]byte(file)); len(problems) == 0 {
			known.Used = append(known.Used, fleet.Names{Bucket: c.Templates.Bucket, Stream: c.Output.Stream.Name})
		}
	}
	known.Used = append(known.Used, namesInStatus(&p.fc.Status))
	names := fleet.NamesOf(p.fc, known)
	p.fc.Spec.TemplateStore.Bucket, p.fc.Spec.Output.Stream.Name = names.Bucket, names.Stream
	return nil
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
func (p *pass) ofAnother(err error) bool {
	var conflict *jetstream.ConflictError
	return errors.As(err, &conflict) && (conflict.Owner.Namespace != p.fc.Namespace || conflict.Owner.Name != p.fc.Name)
}
