// Package controllers keeps fleets as their FlowCollectors say.
//
// A reconciliation gathers facts, applies what the spec says, has package judge say what the facts come to, and writes that. It waits
// for the API server only: package jetstream keeps and looks at what lives in NATS, package observation asks the collectors, both
// outside of reconciliations, which read what was found. The objects come from package fleet, which is pure like judge.
package controllers

//go:generate go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0 rbac:roleName=manager paths=. output:rbac:dir=../config/rbac

// +kubebuilder:rbac:groups=flowfleet.io,resources=flowcollectors,verbs=get;list;watch;patch;operate
// +kubebuilder:rbac:groups=flowfleet.io,resources=flowcollectors/status,verbs=patch
// +kubebuilder:rbac:groups=flowfleet.io,resources=flowcollectors/finalizers,verbs=update
// +kubebuilder:rbac:groups=flowfleet.io,resources=flowexporters,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=flowfleet.io,resources=flowexporters/status,verbs=patch
// +kubebuilder:rbac:groups=apps,resources=daemonsets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps;services;serviceaccounts,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=monitoring.coreos.com,resources=podmonitors;prometheusrules,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups="";events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=system,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups="";events.k8s.io,namespace=system,resources=events,verbs=create;patch

// Secrets are not among them: the operator reads those that a FlowCollector names one by one, where a namespace's Role lets it.
