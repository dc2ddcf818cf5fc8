package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	controllers "github.com/flowfleet/flowfleet/controllers/fleet"
)

func TestMain(m *testing.M) { os.Exit(controllertest.Run(m)) }

// Whoever gets a report can read and apply its objects: each says what it is.
func TestEachObjectOfAReportSaysItsKind(t *testing.T) {
	s := controllertest.Start(t)
	namespace, c := s.Namespace(t), s.Client(t)
	about := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
	fleet := &v1alpha1.FlowCollector{ObjectMeta: about("edge")}
	of := about("edge-collector")
	of.Labels = controllers.Selector(fleet)
	pod := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: of.Labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "collector", Image: "flowfleet"}}}}
	for _, o := range []client.Object{fleet, &corev1.ConfigMap{ObjectMeta: of},
		&v1alpha1.FlowExporter{ObjectMeta: about("router-1"), Spec: v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: []v1alpha1.ExporterAddress{"192.0.2.1"}}},
		&v1alpha1.FlowExporter{ObjectMeta: about("another"), Spec: v1alpha1.FlowExporterSpec{Collector: "core", Addresses: []v1alpha1.ExporterAddress{"192.0.2.2"}}},
		&v1alpha1.FlowSink{ObjectMeta: about("rows"), Spec: v1alpha1.FlowSinkSpec{From: v1alpha1.FlowSinkSource{FlowCollector: "edge"},
			ClickHouse: v1alpha1.ClickHouse{URL: "http://clickhouse:8123"}}},
		&appsv1.DaemonSet{ObjectMeta: of, Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: of.Labels}, Template: pod}},
		&corev1.Service{ObjectMeta: of, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 2055}}}}} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, of := range []corev1.ObjectReference{{Kind: "FlowCollector", Name: "edge"}, {Kind: "Pod", Name: "edge-collector-x"}, {Kind: "FlowExporter", Name: "router-1"},
		{Kind: "FlowSink", Name: "rows"}, {Kind: "FlowExporter", Name: "another"}, {Kind: "FlowCollector", Name: "edge2"}} {
		of.Namespace = namespace
		if err := c.Create(t.Context(), &corev1.Event{ObjectMeta: about("of-" + strings.ToLower(of.Kind) + "-" + of.Name), InvolvedObject: of, Type: "Normal", Reason: "Told"}); err != nil {
			t.Fatal(err)
		}
	}
	for fleet, file := range map[string]string{"edge": "named.tar.gz", "": "only.tar.gz"} {
		file = filepath.Join(t.TempDir(), file)
		command := newCommand()
		command.SetOut(io.Discard)
		command.SetArgs(append([]string{"report", "--kubeconfig", s.Kubeconfig(), "-n", namespace, "-o", file}, strings.Fields(fleet)...))
		if err := command.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		kinds := kindsIn(t, file)
		for _, want := range []string{"flowcollector.yaml: flowfleet.io/v1alpha1 FlowCollector", "objects.yaml: apps/v1 DaemonSet", "objects.yaml: v1 ConfigMap",
			"objects.yaml: v1 Service", "flowexporters.yaml: flowfleet.io/v1alpha1 FlowExporter", "flowsinks.yaml: flowfleet.io/v1alpha1 FlowSink"} {
			if !kinds[want] {
				t.Errorf("the report on %q has no %q: %v", fleet, want, kinds)
			}
		}
		for of, want := range map[string]bool{"FlowCollector/edge": true, "Pod/edge-collector-x": true, "FlowExporter/router-1": true, "FlowSink/rows": true,
			"FlowExporter/another": false, "FlowCollector/edge2": false} {
			if has := kinds["event of "+of]; has != want {
				t.Errorf("the report on %q has the event of %s: %t", fleet, of, has)
			}
		}
	}
}

// kindsIn a report: the file, apiVersion and kind of each object, and of what its events are.
func kindsIn(t *testing.T, file string) map[string]bool {
	t.Helper()
	compressed, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = compressed.Close() }()
	files, err := gzip.NewReader(compressed)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for archive := tar.NewReader(files); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return kinds
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if path.Base(header.Name) == "events.txt" {
			for line := range strings.Lines(string(text)) {
				kinds["event of "+strings.Fields(line)[3]] = true
			}
		}
		if path.Ext(header.Name) != ".yaml" {
			continue
		}
		for document := range strings.SplitSeq(strings.TrimPrefix(string(text), "---\n"), "---\n") {
			var object metav1.TypeMeta
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				t.Fatal(err)
			}
			kinds[path.Base(header.Name)+": "+object.APIVersion+" "+object.Kind] = true
		}
	}
}

func TestAReportOfFewerThanNoCollectorsIsRefusedBeforeAnythingIsAsked(t *testing.T) {
	flags := reportFlags{collectors: -1}
	if err := flags.run(t.Context(), connection{}, "edge", io.Discard); err == nil || !strings.Contains(err.Error(), "--collectors -1") {
		t.Errorf("%v", err)
	}
}
