// Package fleet reads what is known of a fleet through the API server: the FlowCollector, its pods, and what each collector says of
// itself, which the API server fetches from the pod.
package fleet

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Client asks one API server.
type Client struct {
	// Namespace that is meant where a command names none.
	Namespace string
	objects   client.Client
	pods      kubernetes.Interface
	config    *rest.Config
}

// NewClient returns a Client. It asks nothing yet.
func NewClient(config *rest.Config, namespace string) (*Client, error) {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	// A fleet has up to thousands of collectors, each asked once.
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 50, 100
	objects, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	pods, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Client{Namespace: namespace, objects: objects, pods: pods, config: config}, nil
}

// FlowCollectors returns those of the namespace, or of all namespaces where it is empty.
func (c *Client) FlowCollectors(ctx context.Context, namespace string) ([]v1alpha1.FlowCollector, error) {
	var list v1alpha1.FlowCollectorList
	if err := c.objects.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, explained(fmt.Errorf("listing FlowCollectors: %w", err), namespace)
	}
	return list.Items, nil
}

// noneOfThatName says which there are instead.
func (c *Client) noneOfThatName(ctx context.Context, name string) error {
	all, err := c.FlowCollectors(ctx, c.Namespace)
	if err != nil || len(all) == 0 {
		return fmt.Errorf("namespace %s has no FlowCollector %s: name another namespace with --namespace; \"kubectl get fcol -A\" lists all", c.Namespace, name)
	}
	names := make([]string, 0, len(all))
	for i := range all {
		names = append(names, all[i].Name)
	}
	return fmt.Errorf("namespace %s has no FlowCollector %s, but %s: name one of them, or another namespace with --namespace", c.Namespace, name, strings.Join(names, ", "))
}

// FlowCollector returns the one of that name, or the only one of the namespace where the name is empty. It says its kind.
func (c *Client) FlowCollector(ctx context.Context, name string) (*v1alpha1.FlowCollector, error) {
	if name != "" {
		var one v1alpha1.FlowCollector
		if err := c.objects.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, &one); err != nil {
			if apierrors.IsNotFound(err) {
				return nil, c.noneOfThatName(ctx, name)
			}
			return nil, explained(fmt.Errorf("reading the FlowCollector %s of namespace %s: %w", name, c.Namespace, err), c.Namespace)
		}
		return &one, c.sayKind(&one)
	}
	all, err := c.FlowCollectors(ctx, c.Namespace)
	if err != nil {
		return nil, err
	}
	switch len(all) {
	case 0:
		return nil, fmt.Errorf("namespace %s has no FlowCollector: name another with --namespace; \"kubectl get fcol -A\" lists them", c.Namespace)
	case 1:
		return &all[0], c.sayKind(&all[0])
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return nil, fmt.Errorf("namespace %s has several FlowCollectors, name one of them: %s", c.Namespace, strings.Join(names, ", "))
}
