package share

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Entry is one key of a bucket as it is found there.
type Entry struct {
	// Name is the key's text.
	Name string
	Key  template.Key
	Value
	Revision uint64
	// Written to the bucket at.
	Written time.Time
	// Err says why Key or Value could not be read.
	Err error
}

// List returns what a bucket holds under a pattern of keys, ">" for all.
func List(ctx context.Context, kv jetstream.KeyValue, pattern string) ([]Entry, error) {
	watcher, err := kv.Watch(ctx, pattern, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("listing the bucket: %w", err)
	}
	defer func() { _ = watcher.Stop() }() // it was only read
	var out []Entry
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("listing the bucket: %w", ctx.Err())
		case found, ok := <-watcher.Updates():
			if !ok {
				return nil, errors.New("listing the bucket: the connection ended before its end")
			}
			if found == nil {
				return out, nil
			}
			e := Entry{Name: found.Key(), Revision: found.Revision(), Written: found.Created()}
			var keyErr, valueErr error
			e.Key, keyErr = DecodeKey(found.Key())
			e.Value, valueErr = DecodeValue(found.Value())
			e.Err = errors.Join(keyErr, valueErr)
			out = append(out, e)
		}
	}
}
