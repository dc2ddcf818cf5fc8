package controllers

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// store makes an object with a field of the spec that its kind cannot have, as one that was stored under another definition.
func (w *world) store(definition, kind, namespace, name string, spec map[string]any, field string) *unstructured.Unstructured {
	w.Helper()
	admin := w.definitions()
	relax := func(to apiextensionsv1.JSONSchemaProps) (was apiextensionsv1.JSONSchemaProps) {
		natstest.Eventually(w, "the definition is changed", func() bool {
			d := &apiextensionsv1.CustomResourceDefinition{}
			if admin.Get(context.Background(), client.ObjectKey{Name: definition}, d) != nil {
				return false
			}
			properties := d.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties
			was = properties[field]
			properties[field] = to
			return admin.Update(context.Background(), d) == nil
		})
		return was
	}
	was := relax(apiextensionsv1.JSONSchemaProps{Type: "string"})
	spec[field] = "fast"
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": v1alpha1.SchemeGroupVersion.String(), "kind": kind,
		"metadata": map[string]any{"namespace": namespace, "name": name}, "spec": spec}}
	defer func() { // whatever comes of it: other tests need the definition
		relax(was)
		strict := o.DeepCopy()
		natstest.Eventually(w, "the definition is as it was", func() bool {
			strict.SetName("never")
			strict.SetResourceVersion("")
			return w.c.Create(context.Background(), strict, client.DryRunAll) != nil
		})
	}()
	natstest.Eventually(w, "an object is stored that is none", func() bool { return w.c.Create(context.Background(), o) == nil })
	w.Cleanup(func() { _ = w.c.Delete(context.Background(), o) })
	return o
}

// One stored object that cannot be read is named, and keeps nobody from work who does not need it: not the other namespaces, and not those that know
// of it from before. Once it is gone, all is as it was.
func TestAStoredObjectThatCannotBeReadIsNamedAndKeepsOthersFromNothing(t *testing.T) {
	w := newWorld(t)
	elsewhere := w.s.Namespace(t)
	bad := w.store("flowexporters.flowfleet.io", "FlowExporter", elsewhere, "odd", map[string]any{"collector": "other", "addresses": []any{"192.0.2.9"}}, "samplingRate")
	badFleet := w.store("flowcollectors.flowfleet.io", "FlowCollector", w.namespace, "broken", map[string]any{}, "suspend")
	o := startOperator(t, w.s, w.namespace, operatorOptions{namespaces: []string{elsewhere}})
	fc, other := w.create("edge"), w.fleet("other")
	other.Namespace = elsewhere
	if err := w.c.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.run(fc, 0)
	w.expectReady(fc)
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	e := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "device"}}
	e.Spec.Collector, e.Spec.Addresses, e.Spec.SamplingRate = "edge", []v1alpha1.ExporterAddress{"192.0.2.77"}, 1234
	w.make(e)
	natstest.Eventually(t, "collectors are told of a device", func() bool {
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
		return w.exists(m) && strings.Contains(m.Data[fleet.ConfigurationFile], "192.0.2.77")
	})
	w.expect(other, v1alpha1.ConditionReady, metav1.ConditionUnknown, judge.ReasonWatchFails, "FlowExporter odd is stored and cannot be read", "samplingRate", "mend it, or delete it")
	if set := (&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere, Name: fleet.ObjectName(other)}}); w.exists(set) {
		t.Error("collectors are made without what one of their devices is")
	}
	natstest.Eventually(t, "an event says it on the fleet that cannot be read", func() bool {
		for _, e := range w.events(badFleet) {
			if e.Reason == reasonNotReadable && strings.Contains(e.Note, "suspend") {
				return true
			}
		}
		return false
	})

	if err := w.c.Delete(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	w.daemonSet(other)
	w.run(other, 0)
	w.expectReady(other)
	w.expect(other, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)

	// So it is with one that comes while the operator runs.
	again := w.store("flowexporters.flowfleet.io", "FlowExporter", w.namespace, "late", map[string]any{"collector": "edge", "addresses": []any{"192.0.2.9"}}, "samplingRate")
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonWatchFails, "FlowExporter late is stored and cannot be read")
	w.expectReady(other)
	if err := w.c.Delete(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	w.expectReady(fc)
	o.settle(fc)
}

// What is passed on can be read; what goes is told, even where it could not be read; and answers about other kinds are as they were.
func TestAnswersAreWithoutWhatCannotBeRead(t *testing.T) {
	scheme, err := NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	const (
		good    = `{"metadata":{"namespace":"flows","name":"a"},"spec":{"samplingRate":7}}`
		bad     = `{"metadata":{"namespace":"flows","name":"b","annotations":{"x":"y"}},"spec":{"samplingRate":"fast"}}`
		another = `{"metadata":{"namespace":"flows","name":"c"},"spec":{"samplingRate":[]}}`
		path    = "/apis/flowfleet.io/v1alpha1/flowexporters"
		inner   = "/apis/flowfleet.io/v1alpha1/namespaces/flows/flowexporters"
	)
	event := func(kind, o string) string { return `{"type":"` + kind + `","object":` + o + "}\n" }
	for name, test := range map[string]struct {
		path, text string
		begun      bool
		want       []string // that is in the answer
		not        []string // that is not
		known      int      // that cannot be read
	}{
		"a list":               {path, `{"kind":"FlowExporterList","metadata":{"resourceVersion":"9"},"items":[` + good + "," + another + `]}`, true, []string{`"a"`, `"resourceVersion":"9"`}, []string{`"c"`}, 1},
		"of a namespace":       {inner, `{"items":[` + another + `]}`, true, []string{`"items":[]`}, []string{`"c"`}, 1},
		"nothing was wrong":    {path, `{"items":[` + bad + `]}`, false, []string{`"fast"`}, nil, 0},
		"another kind":         {"/api/v1/pods", `{"items":[` + bad + `]}`, true, []string{`"fast"`}, nil, 0},
		"one object":           {inner + "/b", bad, true, []string{`"fast"`}, nil, 0},
		"no list":              {path, `{"items":7}`, true, []string{`{"items":7}`}, nil, 0},
		"it is changed":        {path + "?watch=true", event("MODIFIED", another) + event("ADDED", good), true, []string{`"a"`}, []string{`"c"`}, 1},
		"it goes":              {path + "?watch=true", event("DELETED", another), true, []string{`"DELETED"`, `"c"`}, []string{"samplingRate"}, 0},
		"a bookmark, an error": {path + "?watch=true", event("BOOKMARK", `{"metadata":{"resourceVersion":"9"}}`) + event("ERROR", `{"code":410}`), true, []string{"BOOKMARK", "410"}, nil, 0},
	} {
		u := &unreadable{scheme: scheme}
		u.begin("Pod", io.ErrShortBuffer)
		u.begin("FlowExporter", apierrors.NewInternalError(io.ErrShortBuffer)) // it is the API server that cannot
		if test.begun {
			u.begin("FlowExporter", io.ErrShortBuffer)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api"+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response := u.readable(request, &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(test.text))})
		text, err := io.ReadAll(iotest.OneByteReader(response.Body))
		_ = response.Body.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range test.want {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: %s has no %s", name, text, want)
			}
		}
		for _, not := range test.not {
			if strings.Contains(string(text), not) {
				t.Errorf("%s: %s has %s", name, text, not)
			}
		}
		if got := len(u.of("FlowExporter", "flows")); got != test.known {
			t.Errorf("%s: %d are known that cannot be read, not %d", name, got, test.known)
		}
		if trouble, ok := u.trouble("FlowExporter", "flows"); ok != (test.known > 0) || ok && !strings.Contains(trouble.Words, "FlowExporter c is stored and cannot be read") {
			t.Errorf("%s: %+v", name, trouble)
		}
	}
}
