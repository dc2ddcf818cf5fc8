// Package sink says which objects a FlowSink stands for, and how it is. It is pure: functions from spec and facts to apply
// configurations and conditions, without a client, a clock or a context.
package sink

//go:generate go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0 rbac:roleName=sinks paths=. output:rbac:dir=../../config/sinks

// What the operator needs for FlowSinks beyond what FlowCollectors need.
//
// +kubebuilder:rbac:groups=flowfleet.io,resources=flowsinks,verbs=get;list;watch
// +kubebuilder:rbac:groups=flowfleet.io,resources=flowsinks/status,verbs=patch
// +kubebuilder:rbac:groups=flowfleet.io,resources=flowsinks/finalizers,verbs=update
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;patch
