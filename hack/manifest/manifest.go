// Package manifest reads Kubernetes manifests as strictly as the API server does with fieldValidation=Strict, without one:
// each object is decoded into the Go type of its kind, and a field that the type does not have, or that stands twice, is an
// error. (kubeconform would need JSON schemas from the internet; they are made from these same types.)
package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kubernetesscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Scheme knows the kinds that the project's manifests have.
var Scheme = func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		kubernetesscheme.AddToScheme, apiextensionsv1.AddToScheme, monitoringv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}()

var strict = json.NewSerializerWithOptions(json.DefaultMetaFactory, Scheme, Scheme, json.SerializerOptions{Yaml: true, Strict: true})

// Object is one object of a manifest: as its type has it, and as it was written.
type Object struct {
	runtime.Object
	Written *unstructured.Unstructured
}

// ID names the object: kind, namespace and name.
func (o Object) ID() string {
	if namespace := o.Written.GetNamespace(); namespace != "" {
		return o.Written.GetKind() + " " + namespace + "/" + o.Written.GetName()
	}
	return o.Written.GetKind() + " " + o.Written.GetName()
}

// Read returns the objects of a text of YAML documents; empty documents are passed over.
func Read(text []byte) ([]Object, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var objects []Object
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		var written map[string]any
		if err := yaml.UnmarshalStrict(document, &written); err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, document)
		}
		if len(written) == 0 {
			continue
		}
		object := Object{Written: &unstructured.Unstructured{Object: written}}
		if object.Object, _, err = strict.Decode(document, nil, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", object.ID(), err)
		}
		objects = append(objects, object)
	}
}
