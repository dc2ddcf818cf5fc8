package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// openCache is a manager's cache that waits for what it watches, but not for what it may not watch, or could not watch for a minute. The library's
// own does: one kind that may not be listed, or one namespace of several, lets no controller begin, and ends the operator after two minutes.
//
// What cannot be watched and was never seen cannot be read: see notSeenError. A list of several namespaces is then of the others.
type openCache struct {
	cache.Cache
	watches    *Watches
	namespaces []string // that are watched one by one; none for all at once
	scheme     *runtime.Scheme
	mapper     meta.RESTMapper

	mu     sync.Mutex
	waited map[string]cache.Informer // by kind
}

// notSeenError is for objects that were never seen, since they cannot be watched.
type notSeenError struct {
	kind string
	why  judge.Unwatched
}

func (e *notSeenError) Error() string {
	return fmt.Sprintf("the operator %s watch %ss: %s", e.why.Cannot(), e.kind, e.why.Words)
}

// NewCache makes the cache whose troubles are noted. It is a cache.NewCacheFunc.
func (w *Watches) NewCache(config *rest.Config, o cache.Options) (cache.Cache, error) {
	o.DefaultWatchErrorHandler = w.Failed
	w.mu.Lock()
	w.several = len(o.DefaultNamespaces) > 1
	w.unreadable.scheme = o.Scheme
	w.mu.Unlock()
	inner, err := cache.New(config, o)
	if err != nil {
		return nil, err
	}
	return &openCache{Cache: inner, watches: w, namespaces: slices.Sorted(maps.Keys(o.DefaultNamespaces)), scheme: o.Scheme, mapper: o.Mapper,
		waited: make(map[string]cache.Informer)}, nil
}

// GetInformer implements cache.Informers. It does not wait.
func (c *openCache) GetInformer(ctx context.Context, o client.Object, options ...cache.InformerGetOption) (cache.Informer, error) {
	i, err := c.Cache.GetInformer(ctx, o, append(slices.Clone(options), cache.BlockUntilSynced(false))...)
	if err != nil {
		return nil, err
	}
	kind := kindOfObject(o)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waited[kind] == nil {
		c.waited[kind] = i
	}
	return openInformer{i, func() bool { return c.watches.troubled(kind) }}, nil
}

// WaitForCacheSync implements cache.Informers.
func (c *openCache) WaitForCacheSync(ctx context.Context) bool {
	c.mu.Lock()
	waited := maps.Clone(c.waited)
	c.mu.Unlock()
	if len(waited) == 0 {
		return c.Cache.WaitForCacheSync(ctx) // until it is started
	}
	return wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(context.Context) (bool, error) {
		for kind, i := range waited {
			if !i.HasSynced() && !c.watches.troubled(kind) {
				return false, nil
			}
		}
		return true, nil
	}) == nil
}

// Get implements client.Reader.
func (c *openCache) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	return c.read(ctx, kindOfObject(o), key.Namespace, func(ctx context.Context) error { return c.Cache.Get(ctx, key, o, options...) })
}

// List implements client.Reader.
func (c *openCache) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	namespaced, err := apiutil.IsObjectNamespaced(list, c.scheme, c.mapper)
	if err != nil {
		return err
	}
	o := (&client.ListOptions{}).ApplyOptions(options)
	if o.Namespace != "" || !namespaced || len(c.namespaces) == 0 {
		if err := c.neverRead(ctx, list, o.Namespace); err != nil {
			return err
		}
		return c.read(ctx, kindOfObject(list), o.Namespace, func(ctx context.Context) error { return c.Cache.List(ctx, list, options...) })
	}
	var items []runtime.Object
	for _, namespace := range c.namespaces {
		part, ok := list.DeepCopyObject().(client.ObjectList)
		if !ok {
			return fmt.Errorf("%T is no list", list)
		}
		var unseen *notSeenError
		if err := c.List(ctx, part, append(slices.Clone(options), client.InNamespace(namespace))...); errors.As(err, &unseen) {
			continue
		} else if err != nil {
			return err
		}
		found, err := meta.ExtractList(part)
		if err != nil {
			return err
		}
		items = append(items, found...)
	}
	return meta.SetList(list, items)
}

// neverRead is an error where an object of a namespace is needed that cannot be read, and could not before: a list would be one without it.
func (c *openCache) neverRead(ctx context.Context, list client.ObjectList, namespace string) error {
	kind := kindOfObject(list)
	if !needed[kind] {
		return nil
	}
	for _, name := range c.watches.unreadable.of(kind, namespace) {
		o, err := c.scheme.New(v1alpha1.SchemeGroupVersion.WithKind(kind))
		if err != nil {
			return err
		}
		if one, ok := o.(client.Object); ok && apierrors.IsNotFound(c.Get(ctx, name, one)) {
			why, _ := c.watches.unreadable.trouble(kind, namespace)
			return &notSeenError{kind, why}
		}
	}
	return nil
}

// readWait is how long a reading waits for a kind until it looks whether that can be watched at all.
const readWait = time.Second

// read waits for a kind that is on its way.
func (c *openCache) read(ctx context.Context, kind, namespace string, read func(context.Context) error) error {
	for {
		why, troubled := c.watches.Troubles(namespace, kind)[kind]
		attempt, cancel := context.WithTimeout(ctx, readWait)
		if troubled { // who has seen it before need not wait, and the others are not to
			cancel()
		}
		err := read(attempt)
		cancel()
		switch {
		case !apierrors.IsTimeout(err) || ctx.Err() != nil:
			return err
		case troubled:
			return &notSeenError{kind, why}
		}
	}
}

// openInformer counts as synced, too, where it cannot watch.
type openInformer struct {
	cache.Informer
	troubled func() bool
}

// AddEventHandlerWithOptions implements cache.Informer.
func (i openInformer) AddEventHandlerWithOptions(h toolscache.ResourceEventHandler, o toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	r, err := i.Informer.AddEventHandlerWithOptions(h, o)
	if err != nil {
		return nil, err
	}
	return openRegistration{r, i.troubled}, nil
}

type openRegistration struct {
	toolscache.ResourceEventHandlerRegistration
	troubled func() bool
}

// HasSynced implements cache.ResourceEventHandlerRegistration.
func (r openRegistration) HasSynced() bool {
	return r.ResourceEventHandlerRegistration.HasSynced() || r.troubled()
}

// kindOfObject is Pod for a Pod, and for a list of them.
func kindOfObject(o runtime.Object) string {
	return strings.TrimSuffix(kindOf(fmt.Sprintf("%T", o)), "List")
}
