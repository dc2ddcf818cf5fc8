package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/capacity"
)

// attempts is how often something is looked at that others create or delete at the same time.
const attempts = 3

// ReplicasError says that the NATS cluster cannot give as many replicas as are asked for. What is there goes on.
type ReplicasError struct {
	// Kind is "bucket" or "stream".
	Kind, Name string
	// Have is 0 where nothing is there yet.
	Have, Want int
	// Err is the server's answer.
	Err error
}

// Error says what is there, and what to do.
func (e *ReplicasError) Error() string {
	state := "it is not created"
	if e.Have > 0 {
		state = fmt.Sprintf("it goes on with %d", e.Have)
	}
	return fmt.Sprintf("%s %s cannot have %d replicas: %v; %s: run a NATS cluster of at least %d servers with JetStream, or ask for fewer replicas",
		e.Kind, e.Name, e.Want, e.Err, state, e.Want)
}

// Unwrap returns the server's answer.
func (e *ReplicasError) Unwrap() error { return e.Err }

// outcome is what there is after a pass.
type outcome struct {
	info             *jetstream.StreamInfo
	managed, created bool
	changed, kept    []string
}

// desired is what a pass works towards.
type desired struct {
	target
	owner       Owner
	description string // of what collectors make
	// create makes it, with the owner's metadata.
	create   func(ctx context.Context, metadata map[string]string) error
	replicas int
	// usable returns a *ForeignError where what is there can be nothing of ours.
	usable func(ctx context.Context, s jetstream.Stream, r relation) error
	// settle brings settings to what is asked for.
	settle func(p *plan)
	// allowReduction lets settings be lowered too.
	allowReduction bool
}

// ensure creates what is missing and brings what is there to what is desired. With an error, the outcome holds what is
// known of what is there.
func (c *Connection) ensure(ctx context.Context, d desired) (outcome, error) {
	var o outcome
	for range attempts {
		stream, err := c.look(ctx, d.stream)
		switch {
		case err == nil:
			o.info = stream.CachedInfo()
			if o, err = c.bring(ctx, d, stream, o); err == nil {
				o = c.widen(ctx, d, o)
			}
			return o, err
		case !errors.Is(err, jetstream.ErrStreamNotFound):
			return o, fmt.Errorf("looking at %s: %w", d, err)
		}
		metadata := make(map[string]string)
		d.owner.sign(metadata)
		_, err = request(ctx, c, func(ctx context.Context) (struct{}, error) { return struct{}{}, d.create(ctx, metadata) })
		switch {
		case err == nil:
			o.created = true
		case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
			// Somebody was faster: theirs is looked at.
		case tooFewServers(err):
			return o, &ReplicasError{Kind: d.kind, Name: d.name, Want: d.replicas, Err: err}
		default:
			return o, fmt.Errorf("creating %s: %w", d, err)
		}
	}
	return o, fmt.Errorf("%s is deleted and created by others all the time: find out by whom", d)
}

// look returns a stream as it is. A server that answers with another one, such as a proxy that mixes up requests, tells nothing of it.
func (c *Connection) look(ctx context.Context, name string) (jetstream.Stream, error) {
	stream, err := request(ctx, c, func(ctx context.Context) (jetstream.Stream, error) { return c.js.Stream(ctx, name) })
	if err == nil && stream.CachedInfo().Config.Name != name {
		return nil, fmt.Errorf("the server answers with another stream, %q: is nats.urls right, and the server one of NATS?", stream.CachedInfo().Config.Name)
	}
	return stream, err
}

// bring changes what is there as far as it is ours to change.
func (c *Connection) bring(ctx context.Context, d desired, stream jetstream.Stream, o outcome) (outcome, error) {
	have := o.info.Config
	r, err := d.owner.relationTo(d.target, have.Metadata, have.Description, d.description)
	if err != nil {
		return o, err
	}
	if err := d.usable(ctx, stream, r); err != nil {
		return o, err
	}
	p := &plan{target: d.target, config: have, ours: r != unowned, allowReduction: d.allowReduction}
	switch r {
	case claimable:
		p.change("claimed: a collector had created it")
	case inherited:
		p.change("taken over from the FlowCollector of the same name before (uid %s)", have.Metadata[metadataUID])
	}
	if r == claimable || r == inherited {
		p.config.Metadata = maps.Clone(have.Metadata)
		if p.config.Metadata == nil {
			p.config.Metadata = make(map[string]string)
		}
		d.owner.sign(p.config.Metadata)
	}
	signatures := len(p.changed)
	d.settle(p)
	o.managed = r != unowned
	o.kept = p.kept
	if len(p.changed) == 0 && p.replicas == nil {
		return o, nil
	}
	// Replicas are what a cluster may not be able to give: the rest must not wait for them.
	if p.replicas != nil {
		all := p.config
		all.Replicas = p.replicas.to
		info, err := c.update(ctx, d, all)
		if err == nil {
			o.info, o.changed = info, append(p.changed, p.replicas.words)
			return o, nil
		}
		if !tooFewServers(err) {
			return o, err
		}
		refused := &ReplicasError{Kind: d.kind, Name: d.name, Have: have.Replicas, Want: p.replicas.to, Err: err}
		if len(p.changed) == 0 {
			return o, refused
		}
		if info, err = c.update(ctx, d, p.config); err != nil {
			return o, joined([]error{refused, err})
		}
		o.info, o.changed = info, p.changed
		return o, refused
	}
	info, err := c.update(ctx, d, p.config)
	if capacity.Exceeded(err) && len(p.changed) == signatures {
		// A server that has reserved more than it has refuses any change. What is there is as it is to be but for who owns it, which
		// collectors tell by namespace and name.
		o.kept = append(o.kept, "it does not say yet that it is this FlowCollector's: the server refuses any change while more is reserved than it "+
			"has room for; remove what earlier fleets left, or give JetStream more room")
		return o, nil
	}
	if err != nil {
		return o, err
	}
	o.info, o.changed = info, p.changed
	return o, nil
}

// Consumers of a stream. Each collector has one of the bucket's, and servers since NATS 2.15 allow 1,000 of a stream where neither it nor the
// account has a number of its own, which "unlimited" is not (default_max_consumers): a larger fleet would not learn from the bucket.
const (
	// manyConsumers is from when on a stream is to have a number of its own: with half as many as the server allows.
	manyConsumers = 500
	// MostConsumers is that number: more than any fleet has.
	MostConsumers = 100_000
)

// widen lets the stream of a large fleet have as many consumers as that needs. Where the account allows fewer than MostConsumers, the server
// refuses, and the account's number stays in force; collectors that find no room then say so.
func (c *Connection) widen(ctx context.Context, d desired, o outcome) outcome {
	next := o.info.Config
	if !o.managed || o.info.State.Consumers < manyConsumers || next.MaxConsumers > 0 {
		return o
	}
	next.MaxConsumers = MostConsumers
	if info, err := c.update(ctx, d, next); err == nil {
		o.info = info
		o.changed = append(o.changed, fmt.Sprintf("consumers allowed: %d, since the %s has %d already", MostConsumers, d.kind, info.State.Consumers))
	}
	return o
}

func (c *Connection) update(ctx context.Context, d desired, config jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	stream, err := request(ctx, c, func(ctx context.Context) (jetstream.Stream, error) { return c.js.UpdateStream(ctx, config) })
	if err != nil {
		return nil, fmt.Errorf("changing %s: %w", d, err)
	}
	return stream.CachedInfo(), nil
}

// remove deletes what the owner owns: this very object, not one of the same name. What is missing is fine.
func (c *Connection) remove(ctx context.Context, owner Owner, t target) (bool, error) {
	stream, err := c.look(ctx, t.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at %s: %w", t, err)
	}
	found, _, ok := ownerIn(stream.CachedInfo().Config.Metadata)
	switch {
	case !ok:
		return false, &ForeignError{Kind: t.kind, Name: t.name, Reason: "was not made by Flowfleet's operator and is left as it is"}
	case found.Namespace != owner.Namespace || found.Name != owner.Name:
		return false, &ConflictError{Kind: t.kind, Name: t.name, Owner: found,
			reason: fmt.Sprintf("belongs to FlowCollector %s and is left to it", found)}
	case found.UID != owner.UID:
		return false, &ConflictError{Kind: t.kind, Name: t.name, Owner: found,
			reason: fmt.Sprintf("belongs to another FlowCollector %s (uid %s) and is left to it", found, found.UID)}
	}
	_, err = request(ctx, c, func(ctx context.Context) (struct{}, error) { return struct{}{}, c.js.DeleteStream(ctx, t.stream) })
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("deleting %s: %w", t, err)
	}
	return true, nil
}
