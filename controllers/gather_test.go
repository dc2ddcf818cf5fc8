package controllers

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/controllers/judge"
)

// cachedNodes lists nodes as the operator's cache has them.
type cachedNodes struct {
	client.Client
	nodes []*corev1.Node
}

func (c cachedNodes) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	for _, n := range c.nodes {
		slim, err := slimNode(n)
		if err != nil {
			return err
		}
		list.(*corev1.NodeList).Items = append(list.(*corev1.NodeList).Items, *slim.(*corev1.Node))
	}
	return nil
}

// What judgements are made of gets through the cache, which leaves out most of a node.
func TestJudgementsSeeOfANodeWhetherCollectorsAreAskedForThere(t *testing.T) {
	taints := []corev1.Taint{{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule}}
	r := &Reconciler{Client: cachedNodes{nodes: []*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "node-a"},
		Spec:   corev1.NodeSpec{Unschedulable: true, Taints: taints},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}}}}
	f := &judge.Facts{}
	if err := r.gatherNodes(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if n := f.Nodes["node-a"]; !n.Ready || !n.Cordoned || !slices.Equal(n.Taints, taints) {
		t.Errorf("%+v", n)
	}
}
