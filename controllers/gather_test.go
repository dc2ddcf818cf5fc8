package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// A pod serves its status on the port that it was made with, also while an edit of collector.metricsPort waits, or is rolled out.
func TestCollectorsAreAskedOnThePortThatTheyHave(t *testing.T) {
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge"}}
	fc.Spec.Suspend = true
	fc.Spec.Collector.MetricsPort = 9090 // edited, and not rolled out
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge-collector-a"}, Spec: corev1.PodSpec{NodeName: "a",
		Containers: []corev1.Container{{Name: "collector", Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8080}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "127.0.0.1"}}
	r := &Reconciler{observer: observation.NewObserver(observation.ObserverOptions{})}
	r.watchCollectors(&judge.Facts{Collector: fc, Pods: []corev1.Pod{pod}})
	reports := r.observer.Finding(observation.Key(key(fc))).Reports
	if len(reports) != 1 || reports[0].Pod.Port != 8080 {
		t.Errorf("the pod has its metrics on port 8080, and is asked so: %+v", reports)
	}
}
