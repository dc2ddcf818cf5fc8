package v1alpha1

// Labels that a user adds to objects beside the operator's own.
//
// +kubebuilder:validation:MaxProperties=64
// +kubebuilder:validation:XValidation:rule="!('app.kubernetes.io/name' in self || 'app.kubernetes.io/instance' in self || 'app.kubernetes.io/component' in self || 'app.kubernetes.io/managed-by' in self)",message="the operator sets the labels app.kubernetes.io/name, instance, component and managed-by itself; choose others"
type Labels map[string]string

// Common is what all objects of a FlowCollector or a FlowSink carry.
type Common struct {
	// commonLabels are added to every object that the operator makes, pods too, beside the operator's own labels.
	// +optional
	CommonLabels Labels `json:"commonLabels,omitempty"`

	// commonAnnotations are added to every object that the operator makes, except pods. For pods, use the annotations of the section
	// about pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="!self.exists(k, k.startsWith('flowfleet.io/'))",message="the operator sets annotations that begin with flowfleet.io/ itself; leave them out"
	CommonAnnotations map[string]string `json:"commonAnnotations,omitempty"`
}
