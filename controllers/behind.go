package controllers

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// behind are versions of objects that are of the past, and watched all the same: the API server has refused a write beside them, or has no
// such object any more. Most often the cache lags for a moment. A watch may also be silent for minutes, and neither show what has changed nor end: until
// it goes on, the API server is asked for the object. It is safe for concurrent use; its zero value is empty.
type behind struct {
	mu       sync.Mutex
	versions map[client.ObjectKey]string
}

// refused notes that the version of an object that was read is of the past, where the answer to a write beside it says so, and returns that answer.
func (b *behind) refused(o client.Object, err error) error {
	if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.versions == nil {
		b.versions = make(map[client.ObjectKey]string)
	}
	if name := client.ObjectKeyFromObject(o); b.versions[name] == "" { // else this one was read since the watched one is of the past
		b.versions[name] = o.GetResourceVersion()
	}
	return err
}

// forget an object that is not watched any more.
func (b *behind) forget(name client.ObjectKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.versions, name)
}

// is reports whether the version that is watched is known to be of the past. It is until another one comes.
func (b *behind) is(name client.ObjectKey, watched string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	version, known := b.versions[name]
	if known && version != watched {
		delete(b.versions, name)
	}
	return known && version == watched
}

// readThrough reads an object: as it is watched, or, where that is of the past, as it is. One that is gone, or cannot be read, is of the past for as long
// as it is watched.
func readThrough[T any, O interface {
	*T
	client.Object
}](ctx context.Context, b *behind, watched, reader client.Reader, name client.ObjectKey, o O) error {
	err := watched.Get(ctx, name, o)
	if apierrors.IsNotFound(err) {
		b.forget(name)
	}
	if err == nil && b.is(name, o.GetResourceVersion()) {
		*o = *new(T) // what an answer does not have stays as it was
		err = reader.Get(ctx, name, o)
	}
	return err
}
