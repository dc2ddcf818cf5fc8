// Package v1alpha1 is the Kubernetes API of Flowfleet: the kinds FlowCollector and FlowExporter of the group flowfleet.io.
//
// It imports types of Kubernetes only: what a field means for the collector's configuration, and which objects come of it,
// is the business of package controllers.
//
// +kubebuilder:object:generate=true
// +groupName=flowfleet.io
package v1alpha1

//go:generate go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0 object crd:crdVersions=v1 paths=. output:crd:artifacts:config=../../config/crd/bases
//go:generate go run github.com/elastic/crd-ref-docs@v0.3.0 --source-path=. --config=../../hack/reference/config.yaml --renderer=markdown --output-path=../../docs/api.md --log-level=ERROR
