package v1alpha1

import "time"

// Duration is a time span as Go writes it, such as 200ms, 30s or 1h30m.
//
// It is a string of its own rather than a metav1.Duration, because the API server checks that one's form as little as any
// text, and an object that was stored and cannot be decoded would stop the operator.
//
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:Pattern=`^([0-9]{1,8}(\.[0-9]{1,9})?(ms|s|m|h)){1,4}$`
type Duration string

// Std is d as the standard library's type; 0 for a text that the schema refuses.
func (d Duration) Std() time.Duration {
	v, err := time.ParseDuration(string(d))
	if err != nil {
		return 0
	}
	return v
}
