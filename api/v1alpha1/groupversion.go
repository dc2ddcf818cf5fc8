package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// SchemeGroupVersion is the group and version of this package's kinds.
var SchemeGroupVersion = schema.GroupVersion{Group: "flowfleet.io", Version: "v1alpha1"}

// AddToScheme registers this package's kinds. It never fails.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion, &FlowCollector{}, &FlowCollectorList{}, &FlowExporter{}, &FlowExporterList{},
		&FlowSink{}, &FlowSinkList{})
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}
