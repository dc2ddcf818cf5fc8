package controllers

import (
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

func TestWhatReplacesCollectorsIsTold(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	told := func() (notes []string) {
		for _, e := range w.events(fc) {
			if e.Action == "ReplaceCollectors" {
				notes = append(notes, e.Note)
			}
		}
		return notes
	}
	if notes := told(); len(notes) > 0 {
		t.Errorf("before anything was changed: %q", notes)
	}
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Service.Annotations = map[string]string{"a": "b"} })
	for i, test := range []struct {
		change func(*v1alpha1.FlowCollector)
		want   string
	}{
		{func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = "example.com/other:1" },
			"image example.com/other:1 instead of " + testImage},
		{func(fc *v1alpha1.FlowCollector) { fc.Spec.Exporters.TemplateScope = v1alpha1.ScopeAddress },
			"what collectors read at their start only has changed"},
		{func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.PriorityClassName = "high" }, "the pods' own settings have changed"},
	} {
		change(w, fc, test.change)
		natstest.Eventually(t, test.want, func() bool { return len(told()) > i })
		found := 0
		for _, note := range told() {
			if strings.Contains(note, test.want) {
				found++
			}
		}
		if found != 1 || len(told()) != i+1 {
			t.Errorf("%q is not told once: %q", test.want, told())
		}
	}
}
