package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// recallSecrets reads the Secrets, and takes the servers as they were known last where some are gone, or the right to read them: a
// namespace that is deleted loses them in any order. It reports whether nothing is known and nothing can come back, because the
// namespace is being deleted: waiting would keep the namespace.
func (r *Reconciler) recallSecrets(ctx context.Context, fc *v1alpha1.FlowCollector, m *memory) (found *servers, hopeless bool, err error) {
	found, err = r.secrets(ctx, fc, m)
	switch {
	case err != nil || !found.known.Forbidden && len(found.known.Missing) == 0:
		return found, false, err
	case m.complete != nil:
		return m.complete, false, nil
	}
	hopeless, err = r.namespaceEnds(ctx, fc)
	return found, hopeless, err
}

// namespaceEnds asks whether something could still be made in the namespace: that needs no right to read namespaces.
func (r *Reconciler) namespaceEnds(ctx context.Context, fc *v1alpha1.FlowCollector) (bool, error) {
	probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: fc.Namespace, Name: fleet.ObjectName(fc) + "-probe"}}
	err := r.Client.Create(ctx, probe, client.DryRunAll, client.FieldOwner(fieldOwner))
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		return false, nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err):
		return true, nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err): // a quota, or another policy
		return false, nil
	}
	return false, fmt.Errorf("asking whether namespace %s is being deleted: %w", fc.Namespace, err)
}
