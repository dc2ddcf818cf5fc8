package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// Only pods of the fleet's DaemonSet are asked. A pod serves its status on the port that it was made with, also while an edit of collector.metricsPort waits, or is rolled out.
func TestCollectorsAreAskedOnThePortThatTheyHave(t *testing.T) {
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge"}}
	fc.Spec.Suspend = true
	fc.Spec.Collector.MetricsPort = 9090 // edited, and not rolled out
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge-collector-a",
		OwnerReferences: []metav1.OwnerReference{ownedBy("DaemonSet", "edge-collector")}}, Spec: corev1.PodSpec{NodeName: "a",
		Containers: []corev1.Container{{Name: "proxy", Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 15090}}}, {Name: "collector", Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8080}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "127.0.0.1"}}
	other := *pod.DeepCopy() // has the labels, and may answer whatever it wants
	other.Name, other.OwnerReferences = "other", nil
	r := &Reconciler{observer: observation.NewObserver(observation.ObserverOptions{})}
	r.watchCollectors(&judge.Facts{Collector: fc, Pods: []corev1.Pod{other, pod}})
	reports := r.observer.Finding(observation.Key(key(fc))).Reports
	if len(reports) != 1 || reports[0].Pod.Name != pod.Name || reports[0].Pod.Port != 8080 {
		t.Errorf("the fleet's own pod has its metrics on port 8080, and is to be asked so, and no other: %+v", reports)
	}
}
