package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/capacity"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/publish"
)

// Stream is what is known of a stream after a pass.
type Stream struct {
	// Messages in it, and the Bytes they take on each server.
	Messages, Bytes uint64
	// Replicas among the servers.
	Replicas int
	// MaxBytes of all of it on a server, -1 for no limit; MaxAge of a message, 0 for ever.
	MaxBytes int64
	MaxAge   time.Duration
	// Storage is File or Memory; Retention is Limits, Interest or WorkQueue.
	Storage, Retention string
	// Subjects that it takes in, the first 16.
	Subjects []string
	// Managed ones belong to the FlowCollector; others are used as they are.
	Managed bool
	// Created in this pass.
	Created bool
	// Changed says, in words, what was claimed, raised or lowered in this pass.
	Changed []string
	// Kept says in words how the stream differs from the spec, why that stays, and what to do.
	Kept []string
	// Offline are the servers with a replica that are away.
	Offline []string
	// Consumers are nil where none are wanted, or where they could not be looked at: ConsumersError then says why.
	Consumers      *Consumers
	ConsumersError string
}

func streamTarget(name string) target {
	return target{kind: "stream", name: name, stream: name, section: "output.stream"}
}

// EnsureStream creates, claims or changes the stream, as far as it is the owner's. want has its defaults filled in; one
// that is Unmanaged is only looked at. Errors are as those of EnsureBucket; an unmanaged stream that is missing is a
// jetstream.ErrStreamNotFound.
func (c *Connection) EnsureStream(ctx context.Context, owner Owner, want config.Stream, allowReduction bool) (Stream, error) {
	t := streamTarget(want.Name)
	if want.Unmanaged {
		return c.lookAtStream(ctx, t, want)
	}
	desiredStream := publish.StreamConfig(want)
	o, err := c.ensure(ctx, desired{
		target: t, owner: owner, description: desiredStream.Description, replicas: want.Replicas, allowReduction: allowReduction,
		create: func(ctx context.Context, metadata map[string]string) error {
			s := desiredStream
			s.Metadata = metadata
			_, err := capacity.Create(want.MaxBytes, config.StandardStreamBytes, func(maxBytes config.Size) error {
				s.MaxBytes = int64(maxBytes)
				_, err := c.js.CreateStream(ctx, s)
				return err
			})
			return err
		},
		usable: func(_ context.Context, s jetstream.Stream, r relation) error {
			return checkStream(t, s.CachedInfo().Config, want.Subjects, r != unowned)
		},
		settle: func(p *plan) {
			p.setReplicas(desiredStream.Replicas)
			p.setSubjects(desiredStream.Subjects)
			// What the spec does not say is somebody else's to say, such as with the nats program.
			if want.MaxAge != 0 {
				p.setMaxAge("maxAge", desiredStream.MaxAge)
			}
			if want.MaxBytes != 0 {
				p.setMaxBytes(desiredStream.MaxBytes)
			}
			p.keepStorage(desiredStream.Storage)
			p.keepRetention(desiredStream.Retention)
			p.setPolicies(want, desiredStream)
		},
	})
	if hasCode(err, codeSubjectsOverlap) {
		err = c.subjectsTaken(ctx, t, want.Subjects, err)
	}
	return streamOf(o), err
}

// DeleteStream deletes a stream that the owner owns, as DeleteBucket does.
func (c *Connection) DeleteStream(ctx context.Context, owner Owner, name string) (deleted bool, err error) {
	return c.remove(ctx, owner, streamTarget(name))
}

func streamOf(o outcome) Stream {
	s := Stream{Managed: o.managed, Created: o.created, Changed: o.changed, Kept: o.kept}
	if o.info != nil {
		have := &o.info.Config
		s.Messages, s.Bytes = o.info.State.Msgs, o.info.State.Bytes
		s.Replicas, s.MaxBytes, s.MaxAge = have.Replicas, limit(have.MaxBytes), have.MaxAge
		s.Storage, s.Retention, s.Subjects = have.Storage.String(), have.Retention.String(), plainLines(have.Subjects)
		s.Offline = offline(o.info)
	}
	return s
}

// lookAtStream reports on a stream that others look after: only what keeps flows out of it is of interest.
func (c *Connection) lookAtStream(ctx context.Context, t target, want config.Stream) (Stream, error) {
	stream, err := c.look(ctx, t.stream)
	if err != nil {
		return Stream{}, fmt.Errorf("looking at %s, which output.stream.managed leaves to others: %w", t, err)
	}
	o := outcome{info: stream.CachedInfo()}
	if err := checkStream(t, o.info.Config, want.Subjects, false); err != nil {
		return streamOf(o), err
	}
	p := &plan{target: t, config: o.info.Config}
	p.setSubjects(want.Subjects)
	o.kept = p.kept
	return streamOf(o), nil
}

// checkStream returns a *ForeignError where a stream takes no flows in.
func checkStream(t target, have jetstream.StreamConfig, subjects []string, ours bool) error {
	foreign := func(format string, values ...any) error {
		return &ForeignError{Kind: t.kind, Name: t.name, Reason: fmt.Sprintf(format, values...)}
	}
	switch {
	case have.Mirror != nil:
		return foreign("mirrors stream %s and takes no flows in: name another stream", have.Mirror.Name)
	case have.Sealed:
		return foreign("is sealed and takes no flows in: name another stream")
	case ours:
		return nil
	}
	collide := func(s string) bool {
		return slices.ContainsFunc(subjects, func(w string) bool { return config.SubjectsCollide(s, w) })
	}
	if !slices.ContainsFunc(have.Subjects, collide) {
		return foreign("was not made by Flowfleet and takes in %s, nothing of %s: name another stream, or add the subjects to it",
			list(have.Subjects), list(subjects))
	}
	return nil
}

// subjectsTaken says which other stream has subjects that are wanted.
func (c *Connection) subjectsTaken(ctx context.Context, t target, subjects []string, refusal error) error {
	for _, subject := range subjects {
		name, err := request(ctx, c, func(ctx context.Context) (string, error) { return c.js.StreamNameBySubject(ctx, subject) })
		switch {
		case errors.Is(err, nats.ErrPermissionViolation):
			return joined([]error{refusal, fmt.Errorf("asking which stream it is: %w", err)})
		case err == nil && name != t.stream:
			return &ForeignError{Kind: t.kind, Name: t.name, Reason: fmt.Sprintf(
				"cannot take in %s: stream %s does already; choose other subjects, or name that stream", subject, name)}
		}
	}
	return refusal
}
