package exporters

import (
	"context"
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// namespaces are a cache of two of them: the watch of the second cannot be made at first, and each takes an index once.
type namespaces struct {
	cache.Cache
	watched bool
	indexed [2]bool
}

func (n *namespaces) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	if !n.watched {
		return nil, errors.New("no answer")
	}
	return nil, nil
}

func (n *namespaces) IndexField(context.Context, client.Object, string, client.IndexerFunc) error {
	for i := range n.indexed {
		if n.indexed[i] {
			return errors.New("indexer conflict")
		}
		if i == 1 && !n.watched {
			return errors.New("no answer")
		}
		n.indexed[i] = true
	}
	return nil
}

func (n *namespaces) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

func TestAnIndexThatCannotBeAddedToAllNamespacesIsAddedLater(t *testing.T) {
	n := &namespaces{}
	l := NewLister(n, n)
	if _, err := l.List(t.Context(), types.NamespacedName{Namespace: "a", Name: "edge"}); err == nil {
		t.Error("no error while a watch cannot be made")
	}
	n.watched = true
	if _, err := l.List(t.Context(), types.NamespacedName{Namespace: "a", Name: "edge"}); err != nil {
		t.Error(err)
	}
}
