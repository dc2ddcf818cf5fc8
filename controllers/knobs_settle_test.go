package controllers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// What servers fill in, such as the apiVersion of a fieldRef and the defaults of a sidecar, is no reason to apply again. That the golden files turn
// every knob is the test's in config/.
func TestEveryKnobOfTheGoldenFilesSettles(t *testing.T) {
	files, err := filepath.Glob("fleet/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, golden := strings.TrimSuffix(filepath.Base(file), ".yaml"), v1alpha1.FlowCollector{}
		if strings.HasSuffix(name, ".golden") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			operator := w.start()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.UnmarshalStrict(text, &golden); err != nil {
				t.Fatal(err)
			}
			fc := w.create(name, func(fc *v1alpha1.FlowCollector) {
				fc.Spec = golden.Spec
				fc.Spec.Suspend = false // nothing would be made
				// The operator may read no Secrets here, and does not look at a server that needs some.
				if !namesSecrets(&fc.Spec.NATS) && !namesSecrets(fc.Spec.TemplateStore.NATS) && !namesSecrets(fc.Spec.Output.NATS) {
					fc.Spec.NATS, fc.Spec.TemplateStore.NATS, fc.Spec.Output.NATS = v1alpha1.NATS{URLs: []string{w.nats.URL()}}, nil, nil
					fc.Spec.Output.Stream.Placement = nil // the test's server has no tags
				}
			})
			w.daemonSet(fc)
			operator.settle(fc)
			before := operator.writes.count()
			for range 3 {
				operator.reconcile(fc)
			}
			if wrote := operator.writes.since(before); len(wrote) > 0 {
				t.Errorf("another look writes %q\n%s", wrote, conditionsOf(fc))
			}
		})
	}
}

func namesSecrets(n *v1alpha1.NATS) bool {
	return n != nil && (n.Credentials != nil || n.NKey != nil || n.Token != nil || n.User != nil ||
		n.TLS != nil && (n.TLS.CA != nil || n.TLS.ClientCertificate != nil))
}
