package v1alpha1

// EnvFrom takes environment variables from all keys of a ConfigMap or a Secret, as Kubernetes does.
//
// +kubebuilder:validation:XValidation:rule="has(self.configMapRef) != has(self.secretRef)",message="envFrom: choose one of configMapRef and secretRef"
type EnvFrom struct {
	// prefix of the variables' names.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Prefix string `json:"prefix,omitempty"`

	// configMapRef is the ConfigMap to take them from.
	// +optional
	ConfigMapRef *EnvFromReference `json:"configMapRef,omitempty"`

	// secretRef is the Secret to take them from.
	// +optional
	SecretRef *EnvFromReference `json:"secretRef,omitempty"`
}

// EnvFromReference names a ConfigMap or a Secret of the same namespace.
type EnvFromReference struct {
	// name of the object.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// optional lets pods start without it.
	// +optional
	Optional *bool `json:"optional,omitempty"`
}

// DNSConfig adds to what dnsPolicy gives, as Kubernetes' does.
type DNSConfig struct {
	// nameservers are IP addresses, three at most.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=45
	Nameservers []string `json:"nameservers,omitempty"`

	// searches are domains in which names without dots are looked for, 32 at most.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Searches []string `json:"searches,omitempty"`

	// options of the resolver, such as ndots.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Options []DNSOption `json:"options,omitempty"`
}

// DNSOption is one of the resolver.
type DNSOption struct {
	// name of the option.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// value of the option, if it has one.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Value *string `json:"value,omitempty"`
}

// SELinuxOptions are the label of the pods.
type SELinuxOptions struct {
	// user of the label.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	User string `json:"user,omitempty"`

	// role of the label.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Role string `json:"role,omitempty"`

	// type of the label.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Type string `json:"type,omitempty"`

	// level of the label.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Level string `json:"level,omitempty"`
}
