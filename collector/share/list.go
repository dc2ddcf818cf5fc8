package share

import (
	"cmp"
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

// longestList is how long listing may take in all. Without a deadline the library would choose one itself.
const longestList = time.Hour

// List returns what a bucket holds under a pattern of keys, ">" for all. It gives up where the server is silent for patience, with
// context.DeadlineExceeded: what takes long but goes on is a large bucket.
func List(ctx context.Context, kv jetstream.KeyValue, pattern string, patience time.Duration) ([]Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, longestList)
	defer cancel()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	silent := time.AfterFunc(patience, func() { giveUp(fmt.Errorf("no answer for %s: %w", patience, context.DeadlineExceeded)) })
	defer silent.Stop()
	watcher, err := kv.Watch(ctx, pattern) // with what was deleted: it shows that the server answers
	if err != nil {
		return nil, fmt.Errorf("listing the bucket: %w", cmp.Or(context.Cause(ctx), err))
	}
	defer func() { _ = watcher.Stop() }() // it was only read
	var out []Entry
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("listing the bucket: %w", context.Cause(ctx))
		case found, ok := <-watcher.Updates():
			silent.Reset(patience)
			if !ok {
				if err := context.Cause(ctx); err != nil {
					return nil, fmt.Errorf("listing the bucket: %w", err)
				}
				return nil, errors.New("listing the bucket: the connection ended before its end")
			}
			if found == nil {
				return out, nil
			}
			if found.Operation() != jetstream.KeyValuePut {
				continue
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
