package controllers

import (
	"net/http"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// NewMapper returns a mapper of kinds to resources that knows those without which there is no operator, and asks the API server for others. An
// operator can be set up with it while the API server is away. It is a manager.Options.MapperProvider.
func NewMapper(config *rest.Config, client *http.Client) (meta.RESTMapper, error) {
	asks, err := apiutil.NewDynamicRESTMapper(config, client)
	if err != nil {
		return nil, err
	}
	known := meta.NewDefaultRESTMapper(nil)
	known.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	for group, kinds := range map[schema.GroupVersion][]string{
		corev1.SchemeGroupVersion:       {"ConfigMap", "Pod", "Secret", "Service", "ServiceAccount"},
		appsv1.SchemeGroupVersion:       {"DaemonSet", "Deployment"},
		networkingv1.SchemeGroupVersion: {"NetworkPolicy"},
		policyv1.SchemeGroupVersion:     {"PodDisruptionBudget"},
		v1alpha1.SchemeGroupVersion:     {"FlowCollector"},
	} {
		for _, kind := range kinds {
			known.Add(group.WithKind(kind), meta.RESTScopeNamespace)
		}
	}
	return mapper{asks, known}, nil
}

// mapper asks only for what it does not know.
type mapper struct {
	meta.RESTMapper
	known meta.RESTMapper
}

// RESTMapping implements meta.RESTMapper.
func (m mapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if known, err := m.known.RESTMapping(kind, versions...); err == nil {
		return known, nil
	}
	return m.RESTMapper.RESTMapping(kind, versions...)
}
