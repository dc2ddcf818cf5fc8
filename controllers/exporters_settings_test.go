package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/exporters"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

func TestSettingsOfAFlowExporterGoToTheCollectorsWithoutReplacingThem(t *testing.T) {
	w := newWorld(t)
	fc := w.create("edge")
	o := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "r1"}}
	o.Spec = v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: []v1alpha1.ExporterAddress{"192.0.2.1"}, SamplingRate: 77}
	if err := w.c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.start()
	devices := func() []config.Device {
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
		if !w.exists(m) {
			return nil
		}
		c, problems := config.Parse([]byte(m.Data[fleet.ConfigurationFile]))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return c.Exporters.Devices
	}
	natstest.Eventually(t, "the configuration has the rate", func() bool { d := devices(); return len(d) == 1 && d[0].SamplingRate == 77 })
	before := w.daemonSet(fc)
	change(w, o, func(o *v1alpha1.FlowExporter) {
		o.Spec.SamplingRate = 78
		o.Spec.Interfaces = []v1alpha1.ExporterInterface{{Index: 3, Name: "xe-0/0/3"}}
	})
	natstest.Eventually(t, "the configuration has the change", func() bool {
		d := devices()
		return len(d) == 1 && d[0].SamplingRate == 78 && len(d[0].Interfaces) == 1
	})
	if after := w.daemonSet(fc); after.Generation != before.Generation {
		t.Errorf("the DaemonSet has changed: %+v", after.Spec.Template)
	}
	if err := w.c.Delete(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the settings went with the object", func() bool { return len(devices()) == 0 })
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
	if w.read(m); strings.Contains(m.Data[fleet.ConfigurationFile], "devices") {
		t.Errorf("where nothing is asked for, collectors of former versions would refuse the file:\n%s", m.Data[fleet.ConfigurationFile])
	}
}

func TestNamesOfInterfacesInAConfigMapGoToTheCollectors(t *testing.T) {
	w := newWorld(t)
	fc := w.create("edge")
	names := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "zurich"}, Data: map[string]string{"names.csv": "192.0.2.1,interfaces,3,xe-0/0/3\n"}}
	if err := w.c.Create(t.Context(), names); err != nil {
		t.Fatal(err)
	}
	o := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "r1"}}
	o.Spec = v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: []v1alpha1.ExporterAddress{"192.0.2.1"}, InterfacesFrom: &v1alpha1.ConfigMapKey{Name: "zurich"}}
	if err := w.c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.start()
	natstest.Eventually(t, "the configuration has the names", func() bool {
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
		return w.exists(m) && strings.Contains(m.Data[fleet.ConfigurationFile], "xe-0/0/3")
	})
}

func TestNoSettingsHoldWhereNobodyLooksAtExporters(t *testing.T) {
	w := newWorld(t)
	o := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "r1"}}
	o.Spec = v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: []v1alpha1.ExporterAddress{"192.0.2.1"}, SamplingRate: 77}
	if err := w.c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	d := &devices{exporters: exporters.NewLister(w.c, nil)}
	for objects, want := range map[v1alpha1.ExporterObjects]int{v1alpha1.ObjectsOff: 0, v1alpha1.ObjectsDeclared: 1, v1alpha1.ObjectsAll: 1} {
		fc := w.fleet("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Exporters.Objects = objects })
		if w := d.of(t.Context(), fc); w.err != nil || len(w.devices) != want {
			t.Errorf("with %s: %d devices, %v", objects, len(w.devices), w.err)
		}
	}
}

// A fleet with more ConfigMaps than one pass reads comes to all of them, and is not made before: its collectors would begin without names.
func TestAFleetWithManyConfigMapsHasTheNamesOfAll(t *testing.T) {
	w := newWorld(t)
	const all = 30
	for i := range all {
		name := fmt.Sprintf("r%d", i)
		o := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace}}
		o.Spec = v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: []v1alpha1.ExporterAddress{v1alpha1.ExporterAddress(fmt.Sprintf("192.0.2.%d", i))},
			InterfacesFrom: &v1alpha1.ConfigMapKey{Name: name, Key: "k"}}
		w.make(o, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace},
			Data: map[string]string{"k": fmt.Sprintf("0.0.0.0/0,interfaces,1,interface-%d\n", i)}})
	}
	startOperator(w, w.s, w.namespace, operatorOptions{exporters: time.Hour})
	fc := w.create("edge")
	configuration := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
	natstest.Eventually(t, "it has a configuration", func() bool { return w.exists(configuration) })
	if n := strings.Count(configuration.Data[fleet.ConfigurationFile], "interface-"); n != all {
		t.Errorf("the first configuration has the names of %d devices, not of %d", n, all)
	}
}
