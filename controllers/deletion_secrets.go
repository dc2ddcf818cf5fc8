package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// natsServers are those of the bucket and of the stream, with what Secrets say.
type natsServers struct {
	templates, output *jetstream.Server
}

// recallSecrets takes the servers as they were known last where Secrets are gone, or the right to read them: a namespace that is
// deleted loses them in any order. It reports whether nothing is known and nothing can come back, because the namespace is
// being deleted: waiting would keep the namespace.
func (p *pass) recallSecrets(ctx context.Context) (hopeless bool, err error) {
	if !p.secrets.forbidden && len(p.secrets.missing) == 0 {
		return false, nil
	}
	if known := p.view.servers; known != nil {
		p.secrets.templates, p.secrets.output, p.secrets.forbidden, p.secrets.missing = known.templates, known.output, false, nil
		return false, nil
	}
	return p.namespaceEnds(ctx)
}

// namespaceEnds asks whether something could still be made in the namespace: that needs no right to read namespaces.
func (p *pass) namespaceEnds(ctx context.Context) (bool, error) {
	probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.fc.Namespace, Name: fleet.ObjectName(p.fc) + "-probe"}}
	err := p.Client.Create(ctx, probe, client.DryRunAll, client.FieldOwner(fieldOwner))
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		return false, nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err):
		return true, nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err): // a quota, or another policy
		return false, nil
	}
	return false, fmt.Errorf("asking whether namespace %s is being deleted: %w", p.fc.Namespace, err)
}
