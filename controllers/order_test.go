package controllers

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// listing gives pods in an order of its own, as a cache does each time.
type listing struct {
	client.Client
	pods []string
}

func (l listing) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	for _, name := range l.pods {
		pods := list.(*corev1.PodList)
		pods.Items = append(pods.Items, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return nil
}

// Else each pass would be news of the collectors, which leads to the next pass, and a message that names some of many would name others each time.
func TestPodsHaveOneOrderHoweverTheyAreListed(t *testing.T) {
	for _, order := range [][]string{{"a", "b", "c"}, {"b", "c", "a"}, {"c", "b", "a"}} {
		r := &Reconciler{Client: listing{pods: order}}
		pods, err := r.pods(t.Context(), &v1alpha1.FlowCollector{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range pods {
			got = append(got, pods[i].Name)
		}
		if !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("listed as %q, they are %q", order, got)
		}
	}
}
