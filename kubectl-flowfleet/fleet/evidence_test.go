package fleet

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	controllers "github.com/flowfleet/flowfleet/controllers/fleet"
)

// Without an operator all that it said before stands there as if it were so now. Who may not list its pods is not told that it is away.
func TestThatNoOperatorRunsIsToldWhereItIsKnown(t *testing.T) {
	of := func(program, namespace, component string, ready corev1.ConditionStatus) *corev1.Pod {
		labels := map[string]string{controllers.LabelName: program, controllers.LabelComponent: component}
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: component, Labels: labels},
			Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}}}
	}
	pod := func(namespace, component string, ready corev1.ConditionStatus) *corev1.Pod {
		return of("flowfleet", namespace, component, ready)
	}
	for name, test := range map[string]struct {
		pods        []runtime.Object
		forbidden   bool
		runs, known bool
	}{
		"one is ready":           {[]runtime.Object{pod("a", "operator", "False"), pod("b", "operator", "True")}, false, true, true},
		"none is ready":          {[]runtime.Object{pod("a", "operator", "False"), pod("a", "collector", "True")}, false, false, true},
		"there is none":          {nil, false, false, true},
		"only another program's": {[]runtime.Object{of("postgres", "a", "operator", "True")}, false, false, false},
		"another program's too":  {[]runtime.Object{of("postgres", "a", "operator", "True"), pod("b", "operator", "False")}, false, false, true},
		"pods may not be listed": {[]runtime.Object{pod("a", "operator", "True")}, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			pods := fake.NewClientset(test.pods...)
			if test.forbidden {
				pods.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("forbidden") })
			}
			if runs, known := (&Client{pods: pods}).OperatorRuns(t.Context()); runs != test.runs || known != test.known {
				t.Errorf("runs %t, known %t", runs, known)
			}
		})
	}
}

// Events come in the order of their names: those of a fleet may stand behind thousands of others, which are none of a report's business.
func TestEventsOfAFleetAreFoundBehindThoseOfOthers(t *testing.T) {
	const pages = 9
	served := 0
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		served++
		page, _ := strconv.Atoi(r.URL.Query().Get("continue"))
		list := corev1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}}
		for i := range eventsAtATime {
			list.Items = append(list.Items, corev1.Event{InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "a-" + strconv.Itoa(i)}, Reason: "Others"})
		}
		list.Items[7].InvolvedObject.Name, list.Items[7].Reason = "zone-collector-x", "OfPage"+strconv.Itoa(page)
		if page+1 < pages {
			list.Continue = strconv.Itoa(page + 1)
		}
		out.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(out).Encode(list); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	c, err := NewClient(&rest.Config{Host: server.URL}, "flows")
	if err != nil {
		t.Fatal(err)
	}
	f := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "zone"}}
	text, err := c.Events(t.Context(), f)
	if err != nil || strings.Count(string(text), "\n") != pages || !strings.Contains(string(text), "OfPage8") || served != pages {
		t.Errorf("%v, of %d pages:\n%s", err, served, text)
	}
}

func TestOfMoreExportersThanAReportHasThoseThatAreNotReadyStay(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "/flowexporters") {
			_ = json.NewEncoder(out).Encode(metav1.APIResourceList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"}, GroupVersion: "flowfleet.io/v1alpha1",
				APIResources: []metav1.APIResource{{Name: "flowexporters", Kind: "FlowExporter", Namespaced: true, Verbs: metav1.Verbs{"list"}}}})
			return
		}
		list := v1alpha1.FlowExporterList{TypeMeta: metav1.TypeMeta{APIVersion: "flowfleet.io/v1alpha1", Kind: "FlowExporterList"}}
		for i := range maxExporters + 5 {
			e := v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Name: "e-" + strconv.Itoa(i)}, Spec: v1alpha1.FlowExporterSpec{Collector: "edge"}}
			status := metav1.ConditionTrue
			if i >= maxExporters {
				status = metav1.ConditionFalse
			}
			e.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status}}
			list.Items = append(list.Items, e)
		}
		if err := json.NewEncoder(out).Encode(list); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	c, err := NewClient(&rest.Config{Host: server.URL}, "flows")
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Exporters(t.Context(), &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge"}})
	if err == nil || !strings.Contains(err.Error(), "5 more") || len(all) != maxExporters {
		t.Fatalf("%d, %v", len(all), err)
	}
	for i, o := range all[:6] {
		if want := "e-" + strconv.Itoa([]int{maxExporters, maxExporters + 1, maxExporters + 2, maxExporters + 3, maxExporters + 4, 0}[i]); o.(*v1alpha1.FlowExporter).Name != want {
			t.Errorf("%d is %s, not %s", i, o.(*v1alpha1.FlowExporter).Name, want)
		}
	}
}
