package fleet

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	controllers "github.com/flowfleet/flowfleet/controllers/fleet"
)

// Configuration is the collectors' configuration file, YAML, as the operator last wrote it.
func (c *Client) Configuration(ctx context.Context, f *v1alpha1.FlowCollector) (string, error) {
	m := &corev1.ConfigMap{}
	name := client.ObjectKey{Namespace: f.Namespace, Name: controllers.ObjectName(f)}
	err := c.objects.Get(ctx, name, m)
	if apierrors.IsNotFound(err) {
		return "", fmt.Errorf("FlowCollector %s has no configuration yet: see kubectl flowfleet status %s -n %s", f.Name, f.Name, f.Namespace)
	}
	if apierrors.IsForbidden(err) {
		return "", fmt.Errorf("reading the configuration of FlowCollector %s: %w; the cluster's own ClusterRole view has the right to get configmaps: who grants rights in "+
			"namespace %s can bind it", f.Name, err, f.Namespace)
	}
	if err != nil {
		return "", fmt.Errorf("reading the configuration of FlowCollector %s: %w", f.Name, err)
	}
	return m.Data[controllers.ConfigurationFile], nil
}
