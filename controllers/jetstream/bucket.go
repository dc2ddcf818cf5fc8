package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/capacity"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/share"
)

// Bucket is what is known of a bucket after a pass.
type Bucket struct {
	// Keys in it, and the Bytes they take on each server. A key that was deleted counts until its marker is gone.
	Keys, Bytes int64
	// History of each key, Replicas among the servers.
	History, Replicas int
	// TTL of a value, 0 for none.
	TTL time.Duration
	// MaxBytes of all of it on a server, -1 for no limit; Storage is File or Memory.
	MaxBytes int64
	Storage  string
	// Managed ones belong to the FlowCollector; others are used as they are.
	Managed bool
	// Created in this pass.
	Created bool
	// Changed says, in words, what was claimed, raised or lowered in this pass.
	Changed []string
	// Kept says in words how the bucket differs from the spec, why that stays, and what to do.
	Kept []string
	// Offline are the servers with a replica that are away.
	Offline []string
}

func bucketTarget(name string) target {
	return target{kind: "bucket", name: name, stream: "KV_" + name, section: "templateStore"}
}

// EnsureBucket creates, claims or changes the bucket, as far as it is the owner's. want has its defaults filled in. The
// error is a *ConflictError, *ForeignError or *ReplicasError, or explains what went wrong with the request; Bucket then
// holds what is known all the same.
func (c *Connection) EnsureBucket(ctx context.Context, owner Owner, want config.TemplateStore, allowReduction bool) (Bucket, error) {
	desiredBucket := share.BucketConfig(want)
	t := bucketTarget(want.Bucket)
	o, err := c.ensure(ctx, desired{
		target: t, owner: owner, description: desiredBucket.Description, replicas: want.Replicas, allowReduction: allowReduction,
		create: func(ctx context.Context, metadata map[string]string) error {
			b := desiredBucket
			b.Metadata = metadata
			_, err := capacity.Create(want.MaxBytes, config.StandardBucketBytes, func(maxBytes config.Size) error {
				b.MaxBytes = int64(maxBytes)
				_, err := c.js.CreateKeyValue(ctx, b)
				return err
			})
			return err
		},
		usable: func(ctx context.Context, s jetstream.Stream, r relation) error {
			return c.checkBucket(ctx, t, s, r == owned || r == inherited)
		},
		settle: func(p *plan) {
			p.setReplicas(desiredBucket.Replicas)
			p.setHistory(int(desiredBucket.History))
			p.setMaxAge("ttl", desiredBucket.TTL)
			if want.MaxBytes != 0 { // else it is what there was room for
				p.setMaxBytes(desiredBucket.MaxBytes)
			}
			p.keepStorage(desiredBucket.Storage)
		},
	})
	b := Bucket{Managed: o.managed, Created: o.created, Changed: o.changed, Kept: o.kept}
	if o.info != nil {
		b.Keys, b.Bytes = int64(o.info.State.NumSubjects), int64(o.info.State.Bytes)
		b.History, b.Replicas, b.TTL = int(o.info.Config.MaxMsgsPerSubject), o.info.Config.Replicas, o.info.Config.MaxAge
		b.MaxBytes, b.Storage = limit(o.info.Config.MaxBytes), o.info.Config.Storage.String()
		b.Offline = offline(o.info)
	}
	return b, err
}

// DeleteBucket deletes a bucket that the owner owns. One that is missing is fine; one that is another's is left, and the
// error (*ConflictError, *ForeignError) says so. Collectors that still run create it again: stop them first.
func (c *Connection) DeleteBucket(ctx context.Context, owner Owner, name string) (deleted bool, err error) {
	return c.remove(ctx, owner, bucketTarget(name))
}

// keysLooked is how many keys of a bucket are looked at to tell whether it is of our layout.
const keysLooked = 3

// checkBucket returns a *ForeignError where a stream is no bucket, or, if it is not known to be ours, where it has keys of
// another layout.
func (c *Connection) checkBucket(ctx context.Context, t target, s jetstream.Stream, known bool) error {
	info := s.CachedInfo()
	foreign := func(format string, values ...any) error {
		return &ForeignError{Kind: t.kind, Name: t.name, Reason: fmt.Sprintf(format, values...)}
	}
	subject := "$KV." + t.name + ".>"
	have := info.Config
	isBucket := len(have.Subjects) == 1 && have.Subjects[0] == subject || have.Mirror != nil && strings.HasPrefix(have.Mirror.Name, "KV_")
	if !isBucket || have.MaxMsgsPerSubject < 1 {
		return foreign("cannot be made: a stream %s exists that is no key-value bucket; name another bucket, or delete that stream", t.stream)
	}
	if known {
		return nil
	}
	next := info.State.FirstSeq
	for range min(keysLooked, info.State.Msgs) {
		message, err := request(ctx, c, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
			return s.GetMsg(ctx, next, jetstream.WithGetMsgSubject("$KV.>"))
		})
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil // they went away meanwhile
		}
		// The server has just described the bucket, so it is one. No value of ours is nearly as large.
		var excess *excessError
		if errors.As(err, &excess) {
			return foreign("is in use by something else (a value is larger than any of Flowfleet's): name another bucket")
		}
		if err != nil {
			return fmt.Errorf("looking at the keys of %s: %w", t, err)
		}
		parts := strings.SplitN(message.Subject, ".", 3)
		if _, err := share.DecodeKey(parts[len(parts)-1]); err != nil {
			return foreign("is in use by something else (key %q is none of Flowfleet's): name another bucket", parts[len(parts)-1])
		}
		next = message.Sequence + 1
	}
	return nil
}
