package install_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// certificates is cert-manager's own definition of the kind Certificate, from the module that hack/modules pins.
func certificates(t *testing.T) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/cert-manager/cert-manager")
	command.Dir, command.Env = "../../hack/modules/cert-manager", append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := command.Output()
	if err != nil {
		t.Fatalf("getting cert-manager's module: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, "deploy", "crds", "cert-manager.io_certificates.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(text, definition); err != nil {
		t.Fatal(err)
	}
	return definition
}

// A field that cert-manager does not know would be dropped, and a value that it does not take would refuse the whole chart.
func TestTheCertificateIsOneThatCertManagerTakes(t *testing.T) {
	server := controllertest.Start(t)
	admin := server.Client(t)
	ensureNamespace(t, admin)
	kinds, definition := definitions(t, server), certificates(t)
	if err := kinds.Create(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kinds.Delete(context.Background(), definition); err != nil {
			t.Error(err)
		}
	})
	kind := schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: "Certificate"}
	eventually(t, func() error {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind("CertificateList"))
		return admin.List(t.Context(), list)
	})
	const issuer = `metrics.certificate.certManager={"enabled":true,"issuerRef":{"name":"internal","kind":"ClusterIssuer","group":"cert-manager.io"},"duration":"2160h","annotations":{"a":"b"}}`
	helm(t, server, "install", release, chart, "--take-ownership", "--force-conflicts", "--set-json", issuer)
	t.Cleanup(func() { helm(t, server, "uninstall", release) })
	certificate := &unstructured.Unstructured{}
	certificate.SetGroupVersionKind(kind)
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "flowfleet-manager-metrics"}, certificate); err != nil {
		t.Fatal(err)
	}
	spec, _, err := unstructured.NestedMap(certificate.Object, "spec")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"secretName", "dnsNames", "issuerRef", "duration", "usages"} {
		if _, ok := spec[field]; !ok {
			t.Errorf("the server did not keep spec.%s: %v", field, spec)
		}
	}
	if usages, _, _ := unstructured.NestedStringSlice(spec, "usages"); !slices.Contains(usages, "server auth") {
		t.Errorf("usages are %v", usages)
	}
	if fmt.Sprint(spec["dnsNames"]) != "[flowfleet-manager-metrics.flowfleet-system.svc flowfleet-manager-metrics.flowfleet-system.svc.cluster.local]" {
		t.Errorf("names are %v", spec["dnsNames"])
	}
}
