package controllers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/sink"
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

// The same of sinks, whose golden files turn every knob, too.
func TestEveryKnobOfTheSinksGoldenFilesSettles(t *testing.T) {
	files, err := filepath.Glob("sink/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	letKeepSinks(w)
	operator := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	fc := w.create("edge")
	w.daemonSet(fc)
	tried := 0
	for _, file := range files {
		name, golden := strings.TrimSuffix(filepath.Base(file), ".yaml"), v1alpha1.FlowSink{}
		if strings.HasSuffix(name, ".golden") || name == "fleet" {
			continue
		}
		tried++
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.UnmarshalStrict(text, &golden); err != nil {
				t.Fatal(err)
			}
			s := &v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace}, Spec: golden.Spec}
			if err := w.c.Create(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
			operator.settle(s)
			objects := []client.Object{&appsv1.Deployment{}, &corev1.ConfigMap{}}
			if sink.Replicas(s) > 1 {
				objects = append(objects, &policyv1.PodDisruptionBudget{})
			}
			for _, o := range objects {
				o.SetNamespace(w.namespace)
				o.SetName(sink.ObjectName(s))
				if !w.exists(o) {
					t.Errorf("there is no %T", o)
				}
			}
			before := operator.writes.count()
			for range 3 {
				operator.reconcile(s)
			}
			if wrote := operator.writes.since(before); len(wrote) > 0 {
				t.Errorf("another look writes %q", wrote)
			}
			// The next one has the same tables, and would wait for it.
			if err := w.c.Delete(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		})
	}
	if tried < 4 {
		t.Errorf("only %d files", tried)
	}
}

func namesSecrets(n *v1alpha1.NATS) bool {
	return n != nil && (n.Credentials != nil || n.NKey != nil || n.Token != nil || n.User != nil ||
		n.TLS != nil && (n.TLS.CA != nil || n.TLS.ClientCertificate != nil))
}
