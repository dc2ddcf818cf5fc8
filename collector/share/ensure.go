package share

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/capacity"
	"github.com/flowfleet/flowfleet/collector/config"
)

// ensure returns the bucket, creating it where it is missing, and how its stream is. What exists is never changed: differences are
// reported.
func (b *Bucket) ensure(ctx context.Context) (jetstream.KeyValue, *jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	kv, err := b.js.KeyValue(ctx, b.config.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		want := BucketConfig(b.config)
		var size config.Size
		size, err = capacity.Create(b.config.MaxBytes, config.StandardBucketBytes, func(maxBytes config.Size) (err error) {
			want.MaxBytes = int64(maxBytes)
			kv, err = b.js.CreateKeyValue(ctx, want)
			return err
		})
		if err == nil {
			b.log.Info("created the template bucket", "maxBytes", size.String())
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("opening the bucket: %w", err)
	}
	stream, err := b.js.Stream(ctx, "KV_"+b.config.Bucket)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the bucket: %w", err)
	}
	info := stream.CachedInfo()
	want := BucketConfig(b.config)
	if b.config.MaxBytes == 0 {
		want.MaxBytes = info.Config.MaxBytes // what there was room for
	}
	differences := compare(info.Config, want)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(differences, b.status.Differences) {
		for _, d := range differences {
			b.log.Warn("the template bucket differs from the configuration and is left as it is", "difference", d)
		}
	}
	b.status.Differences = differences
	return kv, info, nil
}

// BucketConfig is the bucket that a configuration asks for, of the standard size where it leaves that open.
func BucketConfig(c config.TemplateStore) jetstream.KeyValueConfig {
	storage := jetstream.FileStorage
	if c.Storage == config.StorageMemory {
		storage = jetstream.MemoryStorage
	}
	return jetstream.KeyValueConfig{
		Bucket:      c.Bucket,
		Description: "Flowfleet: templates and sampling rates of exporters",
		History:     uint8(c.History),
		TTL:         c.TTL.Std(),
		MaxBytes:    int64(cmp.Or(c.MaxBytes, config.StandardBucketBytes)),
		Storage:     storage,
		Replicas:    c.Replicas,
	}
}

// compare says in what an existing bucket's stream is other than wanted.
func compare(have jetstream.StreamConfig, want jetstream.KeyValueConfig) []string {
	var out []string
	note := func(name string, have, want any) {
		if have != want {
			out = append(out, fmt.Sprintf("%s is %v, configured %v", name, have, want))
		}
	}
	note("history", have.MaxMsgsPerSubject, int64(want.History))
	note("ttl", have.MaxAge, want.TTL)
	note("maxBytes", have.MaxBytes, want.MaxBytes)
	note("storage", have.Storage, want.Storage)
	note("replicas", have.Replicas, want.Replicas)
	return out
}
