package controllers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// lack answers as the API server does where one right is missing, for the objects of the fleets that say which in their names:
// daemonsets-patch lacks the right to patch DaemonSets.
func lack(next http.RoundTripper) http.RoundTripper {
	verbs := map[string]string{http.MethodGet: "get", http.MethodPatch: "patch", http.MethodDelete: "delete"}
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		path := strings.Split(request.URL.Path, "/") // ... resource name [subresource]
		for i := 1; i < len(path); i++ {
			right := path[i-1] + "-" + verbs[request.Method]
			if !strings.HasPrefix(path[i], right) || path[len(path)-1] == "status" {
				continue
			}
			body, err := json.Marshal(&metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
				Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden, Message: fmt.Sprintf("%s %q is forbidden: User %q cannot %s resource %q "+
					"in the namespace %q", path[i-1], path[i], "operator", verbs[request.Method], path[i-1], "flows")})
			if err != nil {
				return nil, err
			}
			if request.Body != nil {
				_ = request.Body.Close()
			}
			return &http.Response{Status: "403 Forbidden", StatusCode: http.StatusForbidden, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
				Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: request}, nil
		}
		return next.RoundTrip(request)
	})
}

// One right at a time is missing. What it keeps from being done is named, whatever else goes on, and nothing is called applied in full.
func TestEachRightThatIsMissingIsNamedOnTheObject(t *testing.T) {
	w := newWorld(t)
	startOperator(t, w.s, w.namespace, operatorOptions{between: lack})
	var lacking []*v1alpha1.FlowCollector
	for _, resource := range []string{"serviceaccounts", "configmaps", "networkpolicies", "daemonsets", "poddisruptionbudgets", "services"} {
		for _, verb := range []string{"get", "patch"} {
			lacking = append(lacking, w.create(resource+"-"+verb, everything))
		}
	}
	lacking = append(lacking, w.create("flowcollectors-patch", everything, deletesBoth)) // of the finalizer
	unwanted := []*v1alpha1.FlowCollector{}
	for _, resource := range []string{"networkpolicies", "poddisruptionbudgets", "services", "configmaps"} {
		unwanted = append(unwanted, w.create(resource+"-delete", everything))
	}
	deleted := w.create("daemonsets-delete", everything, deletesBoth)
	for _, fc := range append(unwanted, deleted) {
		natstest.Eventually(t, fc.Name+" has its objects", func() bool { return len(w.children(fc)) == 8 })
	}
	for _, fc := range unwanted {
		change(w, fc, func(fc *v1alpha1.FlowCollector) {
			fc.Spec.NetworkPolicy.Enabled, fc.Spec.PodDisruption, fc.Spec.Monitoring.Dashboards.Enabled = false, nil, false
			fc.Spec.Service = v1alpha1.Service{Type: v1alpha1.ServiceNone}
		})
	}
	if err := w.c.Delete(t.Context(), deleted); err != nil {
		t.Fatal(err)
	}
	for _, fc := range append(append(lacking, unwanted...), deleted) {
		resource, verb, _ := strings.Cut(fc.Name, "-")
		says := fmt.Sprintf("cannot %s resource %q", verb, resource)
		natstest.Eventually(t, fc.Name+" says "+says, func() bool {
			w.read(fc)
			return strings.Contains(conditionsOf(fc), says)
		})
		if fc.Status.ObservedGeneration == fc.Generation && fc != deleted {
			t.Errorf("%s is called observed: %s", fc.Name, conditionsOf(fc))
		}
		for _, c := range fc.Status.Conditions {
			if strings.Contains(strings.ToLower(c.Message), "forbidden") {
				t.Errorf("%s: %s says %s", fc.Name, c.Type, c.Message)
			}
		}
	}
}
