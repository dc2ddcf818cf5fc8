package v1alpha1

import corev1 "k8s.io/api/core/v1"

// Resources of a container, as Kubernetes has them. The API server checks all quantities: of Kubernetes' own type it lets some pass that nothing can
// decode, such as 1e1.5, and one object that cannot be decoded would stop the operator for all.
//
// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="resources.claims: pods have no resource claims; leave them out"
type Resources struct {
	// limits are the most of each resource that the container may use.
	// +optional
	// +kubebuilder:validation:MaxProperties=12
	// +kubebuilder:validation:XValidation:rule="['cpu', 'memory', 'ephemeral-storage'].all(k, !(k in self) || string(self[k]).matches('^[0-9.]{1,16}[mkMGTPi]{0,2}$'))",message="resources.limits: quantities such as 500m, 2 or 1Gi are needed"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !string(self[k]).matches('[eE]'))",message="resources.limits: no quantity may have an exponent; write 1M, or 1Mi"
	Limits corev1.ResourceList `json:"limits,omitempty"`

	// requests are what a node must have left for the container. Default: the limits, where there are some.
	// +optional
	// +kubebuilder:validation:MaxProperties=12
	// +kubebuilder:validation:XValidation:rule="['cpu', 'memory', 'ephemeral-storage'].all(k, !(k in self) || string(self[k]).matches('^[0-9.]{1,16}[mkMGTPi]{0,2}$'))",message="resources.requests: quantities such as 500m, 2 or 1Gi are needed"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !string(self[k]).matches('[eE]'))",message="resources.requests: no quantity may have an exponent; write 1M, or 1Mi"
	Requests corev1.ResourceList `json:"requests,omitempty"`

	// claims cannot be set.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Claims []corev1.ResourceClaim `json:"claims,omitempty"`
}

// Requirements are r as Kubernetes' own type; nil for nil.
func (r *Resources) Requirements() *corev1.ResourceRequirements {
	if r == nil {
		return nil
	}
	return &corev1.ResourceRequirements{Limits: r.Limits, Requests: r.Requests}
}
