package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

const (
	// annotationConnection, of the DaemonSet, is the hash of the connection to NATS that its collectors have.
	annotationConnection = "flowfleet.io/connection"
	// annotationUnchecked, on a FlowCollector, names the connection to which collectors are rolled though the operator cannot use it. It
	// is for that one only: what is forgotten there lets no later rollout pass.
	annotationUnchecked = "flowfleet.io/roll-out-unchecked"
)

func hashOf(values ...any) string {
	b, err := json.Marshal(values)
	if err != nil { // they are made of texts and numbers
		return err.Error()
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// connectionOf is the hash of where collectors connect to, and with which Secrets; what these contain stands in no annotation.
func connectionOf(d *fleet.Fleet) string {
	s := &d.Collector.Spec
	return hashOf(s.NATS, s.TemplateStore.NATS, s.Output.NATS, d.SecretVersions)
}

// wantOfNATS hands over what the spec wants of NATS: the prober looks at it, and keeps it so.
func (r *Reconciler) wantOfNATS(f *judge.Facts, d *fleet.Fleet, m *memory, servers *servers, connection string) {
	fc := f.Collector
	if fc.Spec.Suspend || f.Unusable() || f.Secrets.Forbidden {
		r.prober.Forget(jetstream.Key(key(fc)))
		return
	}
	c := d.Filled()
	want := jetstream.Want{Owner: ownerOf(fc)}
	if !c.Templates.Disabled && servers.templates != nil {
		want.Bucket = &jetstream.WantBucket{Server: servers.templates, Spec: c.Templates, AllowReduction: fc.Spec.TemplateStore.AllowReduction}
	}
	if servers.output != nil {
		want.Stream = &jetstream.WantStream{Server: servers.output, Spec: c.Output.Stream, AllowReduction: fc.Spec.Output.Stream.AllowReduction,
			Consumers: wantedConsumers(fc, c.Output.Stream.Subjects), Removed: m.removedConsumers(fc)}
	}
	want.Revision = hashOf(connection, servers.versions, c.Templates, c.Output.Stream, fc.Spec.TemplateStore.AllowReduction, fc.Spec.Output.Stream.AllowReduction,
		fc.Spec.Output.Consumers)
	r.prober.Want(jetstream.Key(key(fc)), want)
	f.NATS = r.prober.Finding(jetstream.Key(key(fc)))
	if s := f.NATS.Stream; s != nil && s.Current && s.Found.Consumers != nil {
		m.consumersGone(s.Found.Consumers.Gone)
	}
}

func ownerOf(fc *v1alpha1.FlowCollector) jetstream.Owner {
	return jetstream.Owner{Namespace: fc.Namespace, Name: fc.Name, UID: string(fc.UID)}
}

// hold keeps a fleet that is well from being rolled to a connection that does not work, or was not tried yet.
func hold(f *judge.Facts, connection string) {
	set, fc := f.DaemonSet, f.Collector
	if set == nil || f.Secrets.Forbidden || f.Unusable() || fc.Spec.Suspend || fc.Annotations[annotationUnchecked] == connection {
		return
	}
	has := set.Annotations[annotationConnection]
	if has == "" || has == connection || set.Status.NumberAvailable == 0 || !f.WasWell() {
		return
	}
	override := fmt.Sprintf("; to roll it out nevertheless: kubectl annotate flowcollectors.flowfleet.io %s -n %s --overwrite %s=%s",
		fc.Name, fc.Namespace, annotationUnchecked, connection)
	var looks []*jetstream.Look
	if f.NATS.Bucket != nil {
		looks = append(looks, &f.NATS.Bucket.Look)
	}
	if f.NATS.Stream != nil {
		looks = append(looks, &f.NATS.Stream.Look)
	}
	switch s := &f.Secrets; {
	case len(s.Missing)+len(s.Problems) > 0:
		f.Held = strings.Join(append(s.Missing[:len(s.Missing):len(s.Missing)], s.Problems...), "; ") + override
	default:
		for _, l := range looks {
			switch {
			case l.Overdue() != "" && f.Held == "": // it is not known to work, and may not be soon
				f.Held = l.Overdue() + override
			case !l.Current:
				f.Trying = true
			case l.Class.Unusable() && f.Held == "":
				f.Held = l.Error + override
			}
		}
	}
}

// tellDeeds makes events of what was done in NATS.
//
// Events of one reason and action are one to the recorder, whatever they say: hence an action of its own for each of the two, and one
// event for all changes.
func (r *Reconciler) tellDeeds(ctx context.Context, fc *v1alpha1.FlowCollector) []jetstream.Deed {
	deeds := r.prober.Deeds(jetstream.Key(key(fc)))
	for _, d := range deeds {
		kind := strings.ToUpper(d.Kind[:1]) + d.Kind[1:]
		if d.Created {
			ctrl.LoggerFrom(ctx).Info("created", d.Kind, d.Name)
			r.event(fc, corev1.EventTypeNormal, "Created", "Create"+kind, fmt.Sprintf("created the %s %s", d.Kind, d.Name))
		}
		if len(d.Changed) > 0 {
			ctrl.LoggerFrom(ctx).Info("changed", d.Kind, d.Name, "changes", d.Changed)
			r.event(fc, corev1.EventTypeNormal, "Changed", "Change"+kind, fmt.Sprintf("%s %s: %s", d.Kind, d.Name, strings.Join(d.Changed, "; ")))
		}
	}
	return deeds
}
