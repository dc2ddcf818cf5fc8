package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	collector "github.com/flowfleet/flowfleet/collector/connect"
)

// WantConsumer is a durable pull consumer of a stream.
type WantConsumer struct {
	Name string
	// Subjects that it delivers; none for all of the stream.
	Subjects []string
	// AckWait is the time to acknowledge a message, MaxAckPending how many may wait for that.
	AckWait       time.Duration
	MaxAckPending int
	// Replicas of its state; 0 for those of the stream.
	Replicas int
}

// Consumers are what is known of the consumers of a stream after a pass, and of the stream at that time.
type Consumers struct {
	// StreamMade is when the stream was made, by the server's clock: one of the same name that was made anew has another time.
	StreamMade time.Time
	// First and Last are sequences of the stream; Bytes are what it takes on each server.
	First, Last, Bytes uint64
	// Replicas of the stream, 0 where that is not known. ForReaders: it keeps only what is not acknowledged (retention WorkQueue or Interest).
	Replicas   int
	ForReaders bool
	// MaxAge of a message, 0 for ever; MaxBytes and MaxMessages of the stream, -1 for no limit.
	MaxAge                time.Duration
	MaxBytes, MaxMessages int64
	// Each is one that is wanted, in that order.
	Each []Consumer
	// Gone are those that were to be removed and are not there any more, or not the owner's. Deleted are those of them that were there until
	// this pass.
	Gone, Deleted []string
	// Kept says in words which could not be removed, and why.
	Kept []string
}

// Consumer is what is known of one.
type Consumer struct {
	Name string
	// Class and Error say why it is not as wanted, as those of a Look. What is known of it all the same stands in the rest.
	Class Class
	Error string
	// Found: it is there.
	Found bool
	// Managed, Created, Changed and Kept are as those of a Stream.
	Managed, Created bool
	Changed, Kept    []string
	// Paused says until when it delivers nothing, and what to type; empty where it does.
	Paused string
	// Filtered ones do not deliver all of the stream. Refiltered: this pass has changed what it delivers.
	Filtered, Refiltered bool
	// Made is when the consumer was made, by the server's clock.
	Made time.Time
	// Start is the message that it was made to begin with, 0 for the oldest.
	Start uint64
	// Pending messages were not delivered yet, AckPending ones not acknowledged, Redelivered of these delivered more than once.
	Pending, AckPending, Redelivered uint64
	// Delivered and AckFloor are sequences of the stream; Deliveries are counted with those that were repeated.
	Delivered, Deliveries, AckFloor uint64
	// AckWait that it has.
	AckWait time.Duration
	// LastRead is when a message was last delivered; zero where that was never, or before the server's last start.
	LastRead time.Time
	// Oldest is the sequence of the oldest message that is not acknowledged, and Lag its age by the server's clock. Oldest is 0 where there is
	// none, or where it is not known: LagKnown tells, and LagError why.
	Oldest   uint64
	Lag      time.Duration
	LagKnown bool
	LagError string
}

const consumerDescription = "Flowfleet: where a reader of flows stands"

func consumerTarget(stream, name string) target {
	return target{kind: "consumer", name: name, stream: stream + ", consumer " + name, section: "output.consumers"}
}

// EnsureConsumers creates and changes the consumers that are wanted, as far as they are the owner's, and removes those that are gone from the
// spec if they are. What goes wrong with one stands with it; the error is for what keeps all of them from being looked at.
func (c *Connection) EnsureConsumers(ctx context.Context, owner Owner, stream string, want []WantConsumer, gone []string) (*Consumers, error) {
	s, err := c.look(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("looking at stream %s: %w", stream, err)
	}
	info := s.CachedInfo()
	out := &Consumers{StreamMade: info.Created, First: info.State.FirstSeq, Last: info.State.LastSeq, Bytes: info.State.Bytes, Replicas: info.Config.Replicas,
		ForReaders: info.Config.Retention != jetstream.LimitsPolicy, MaxAge: info.Config.MaxAge, MaxBytes: limit(info.Config.MaxBytes), MaxMessages: limit(info.Config.MaxMsgs)}
	var silent error // it would keep others waiting for each of the rest
	found := make([]*jetstream.ConsumerInfo, len(want))
	out.Each = make([]Consumer, len(want))
	for i, w := range want {
		k := &out.Each[i]
		k.Name = w.Name
		err := silent
		if err == nil {
			found[i], err = c.ensureConsumer(ctx, owner, s, consumerTarget(stream, w.Name), w, k)
		}
		if k.Class = ClassOf(err); err != nil {
			k.Error = plain(err.Error(), maxError)
		}
		if k.Class == ClassSilent {
			silent = err
		}
	}
	for _, name := range gone {
		if silent != nil {
			break
		}
		deleted, err := c.removeConsumer(ctx, owner, s, consumerTarget(stream, name))
		if deleted {
			out.Deleted = append(out.Deleted, name)
		}
		if err == nil {
			out.Gone = append(out.Gone, name)
			continue
		}
		out.Kept = append(out.Kept, plain(fmt.Sprintf("output.consumers does not name consumer %s any more, and it stays: %v", name, err), maxLine))
		if ClassOf(err) == ClassSilent {
			silent = err
		}
	}
	// What is read of messages may be much, and from a stream of others more than is taken: hence last.
	for i := range out.Each {
		if found[i] == nil {
			continue
		}
		err := silent
		if err == nil {
			err = c.findOldest(ctx, s, found[i], &out.Each[i])
		}
		if err != nil {
			out.Each[i].LagError = plain(err.Error(), maxLine)
		}
		if ClassOf(err) == ClassSilent {
			silent = err
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return out, nil
}

// ensureConsumer creates what is missing and brings what is there to what is wanted.
func (c *Connection) ensureConsumer(ctx context.Context, owner Owner, s jetstream.Stream, t target, w WantConsumer, k *Consumer) (*jetstream.ConsumerInfo, error) {
	for range attempts {
		have, err := request(ctx, c, func(ctx context.Context) (jetstream.Consumer, error) { return s.Consumer(ctx, w.Name) })
		switch {
		case err == nil:
			return c.bringConsumer(ctx, owner, s, t, w, have.CachedInfo(), k)
		case errors.Is(err, jetstream.ErrNotPullConsumer):
			return nil, &ForeignError{Kind: t.kind, Name: t.name, Reason: "pushes to a subject and cannot be pulled from: name another consumer"}
		case !errors.Is(err, jetstream.ErrConsumerNotFound):
			return nil, fmt.Errorf("looking at %s: %w", t, err)
		}
		metadata := make(map[string]string)
		owner.sign(metadata)
		config := jetstream.ConsumerConfig{Durable: w.Name, Description: consumerDescription, DeliverPolicy: jetstream.DeliverAllPolicy,
			AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: -1, AckWait: w.AckWait, MaxAckPending: w.MaxAckPending, Replicas: w.Replicas, Metadata: metadata}
		setFilter(&config, w.Subjects)
		made, err := request(ctx, c, func(ctx context.Context) (jetstream.Consumer, error) { return s.CreateConsumer(ctx, config) })
		switch {
		case err == nil:
			k.Created = true
			k.take(made.CachedInfo(), s, true)
			return made.CachedInfo(), nil
		case !errors.Is(err, jetstream.ErrConsumerExists): // else somebody was faster: theirs is looked at
			return nil, fmt.Errorf("creating %s: %w", t, err)
		}
	}
	return nil, fmt.Errorf("%s is deleted and created by others all the time: find out by whom", t)
}

// bringConsumer changes what is there as far as it is ours to change.
func (c *Connection) bringConsumer(ctx context.Context, owner Owner, s jetstream.Stream, t target, w WantConsumer, info *jetstream.ConsumerInfo, k *Consumer) (*jetstream.ConsumerInfo, error) {
	have := info.Config
	r, err := owner.relationTo(t, have.Metadata, "", consumerDescription) // collectors make none
	if err != nil {
		return nil, err
	}
	switch {
	case have.Durable == "":
		return nil, &ForeignError{Kind: t.kind, Name: t.name, Reason: "is not durable and goes with its reader: name another consumer"}
	case have.AckPolicy == jetstream.AckNonePolicy:
		return nil, &ForeignError{Kind: t.kind, Name: t.name, Reason: "wants no acknowledgements, so nobody knows what was read: name another consumer"}
	}
	k.take(info, s, r != unowned)
	p := &plan{target: t, ours: r != unowned, allowReduction: true} // no setting of a consumer deletes flows
	config := have
	if r == inherited {
		p.change("taken over from the FlowCollector of the same name before (uid %s)", have.Metadata[metadataUID])
		config.Metadata = maps.Clone(have.Metadata)
		owner.sign(config.Metadata)
	}
	set := func(field string, have, want int64, show func(int64) string, to func()) {
		if words, ok := p.level(field, have, want, show); ok {
			to()
			p.change("%s", words)
		}
	}
	set("ackWait", int64(have.AckWait), int64(w.AckWait), age, func() { config.AckWait = w.AckWait })
	set("maxAckPending", int64(have.MaxAckPending), int64(w.MaxAckPending), number, func() { config.MaxAckPending = w.MaxAckPending })
	set("replicas", int64(have.Replicas), int64(w.Replicas), replicas, func() { config.Replicas = w.Replicas })
	refiltered := false
	if filter := collector.FilterOf(&have); !same(filter, w.Subjects) {
		if p.ours {
			p.change("it delivers %s, and not %s any more", collector.FilterText(w.Subjects), collector.FilterText(filter))
			config.FilterSubject, config.FilterSubjects = "", nil
			setFilter(&config, w.Subjects)
			refiltered = true
		} else {
			p.keep("it delivers %s, and the spec says %s: the consumer was not made by Flowfleet and is never changed", collector.FilterText(filter), collector.FilterText(w.Subjects))
		}
	}
	bringBack(p, &config)
	if have.DeliverPolicy != jetstream.DeliverAllPolicy {
		p.keep("it did not begin with the oldest message: that cannot change")
	}
	k.Kept = plainLines(p.kept)
	if len(p.changed) == 0 {
		return info, nil
	}
	changed, err := request(ctx, c, func(ctx context.Context) (jetstream.Consumer, error) { return s.UpdateConsumer(ctx, config) })
	if err != nil {
		return info, fmt.Errorf("changing %s: %w", t, err)
	}
	k.take(changed.CachedInfo(), s, true)
	k.Changed, k.Refiltered = plainLines(p.changed), refiltered
	return changed.CachedInfo(), nil
}

// removeConsumer deletes what the owner owns, whatever is unread in it. What is missing, or another's, is left and fine.
func (c *Connection) removeConsumer(ctx context.Context, owner Owner, s jetstream.Stream, t target) (bool, error) {
	have, err := request(ctx, c, func(ctx context.Context) (jetstream.Consumer, error) { return s.Consumer(ctx, t.name) })
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrNotPullConsumer) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at %s: %w", t, err)
	}
	if found, _, ok := ownerIn(have.CachedInfo().Config.Metadata); !ok || found != owner {
		return false, nil
	}
	_, err = request(ctx, c, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.DeleteConsumer(ctx, t.name) })
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, fmt.Errorf("deleting %s: %w", t, err)
	}
	return true, nil
}

// take notes what a server says of a consumer.
func (k *Consumer) take(info *jetstream.ConsumerInfo, s jetstream.Stream, managed bool) {
	k.Found, k.Managed, k.Made = true, managed, info.Created
	k.Start = info.Config.OptStartSeq
	k.Filtered = collector.LeavesOut(&info.Config, &s.CachedInfo().Config)
	k.Pending, k.AckPending, k.Redelivered = info.NumPending, uint64(max(info.NumAckPending, 0)), uint64(max(info.NumRedelivered, 0))
	k.Delivered, k.Deliveries, k.AckFloor = info.Delivered.Stream, info.Delivered.Consumer, info.AckFloor.Stream
	k.AckWait, k.Paused = info.Config.AckWait, plain(paused(info), maxLine)
	if info.Delivered.Last != nil {
		k.LastRead = *info.Delivered.Last
	}
}

func setFilter(c *jetstream.ConsumerConfig, subjects []string) {
	if len(subjects) == 1 {
		c.FilterSubject = subjects[0]
		return
	}
	c.FilterSubjects = slices.Clone(subjects)
}

func replicas(n int64) string {
	if n == 0 {
		return "that of the stream"
	}
	return number(n)
}

// consumerDeeds are what was done with consumers, in as few deeds as can be: events of one kind are one to Kubernetes.
func consumerDeeds(all *Consumers) (out []Deed) {
	var created, changed, names []string
	for i := range all.Each {
		k := &all.Each[i]
		if k.Created {
			created = append(created, k.Name)
		}
		if len(k.Changed) > 0 {
			names = append(names, k.Name)
		}
		for _, line := range k.Changed {
			changed = append(changed, k.Name+": "+line)
		}
	}
	for _, name := range all.Deleted {
		names = append(names, name)
		changed = append(changed, name+": deleted, because output.consumers does not name it any more")
	}
	if len(created) > 0 {
		out = append(out, Deed{Kind: "consumer", Name: strings.Join(created, ", "), Created: true})
	}
	if len(changed) > 0 {
		out = append(out, Deed{Kind: "consumer", Name: strings.Join(names, ", "), Changed: plainLines(changed)})
	}
	return out
}
