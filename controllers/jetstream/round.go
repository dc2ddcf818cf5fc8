package jetstream

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// impatience bounds a request about what was not answered last time: others wait for it.
const impatience = 2 * time.Second

// round looks at what is due through one connection.
func (p *Prober) round(ctx context.Context, g *pool) {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	c, err := Connect(ctx, g.server)
	if err != nil {
		p.fail(ctx, g, &connectError{err}, ServerFacts{})
		return
	}
	defer c.Close()
	facts := c.facts()
	account, err := c.account(ctx)
	switch ClassOf(err) {
	case ClassSilent, ClassNoJetStream, ClassNotNATS, ClassUnreachable:
		p.fail(ctx, g, err, facts) // nothing else would be answered
		return
	}
	p.mu.Lock()
	g.answered, g.failures, g.notBefore = time.Now(), 0, time.Time{}
	p.mu.Unlock()
	served := make(map[string]int)
	for ctx.Err() == nil {
		t := p.take(g, served)
		if t == nil {
			return
		}
		r := t.probe(ctx, c)
		if ctx.Err() != nil && r.err != nil {
			p.giveBack(t) // the time of the round is up: it is none of the task's faults
			return
		}
		r.server, r.account = facts, account
		p.note(t, r)
		if ClassOf(r.err) != ClassSilent {
			if c.isBroken() {
				return // what is left comes with the next round
			}
			continue
		}
		// Does it answer anything any more?
		if again, err := c.account(ctx); err == nil {
			account = again
		} else if class := ClassOf(err); ctx.Err() == nil && (class == ClassSilent || class == ClassUnreachable) {
			p.fail(ctx, g, err, facts)
			return
		}
	}
}

// result of a look.
type result struct {
	err     error
	bucket  *Bucket
	stream  *Stream
	deeds   []Deed
	deleted bool
	server  ServerFacts
	account *Account
}

// take takes the next task that is due.
func (p *Prober) take(g *pool, served map[string]int) *task {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := g.most(time.Now(), served)
	if t != nil {
		served[t.fleet.key.Namespace]++
		t.due = time.Time{}
	}
	return t
}

func (p *Prober) giveBack(t *task) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.due = time.Now()
}

// probe looks at one bucket or stream, makes it as it is wanted, or deletes it.
func (t *task) probe(ctx context.Context, c *Connection) (r result) {
	c.patience = requestTimeout
	if t.silent() {
		c.patience = impatience
	}
	if w := t.wantBucket; w != nil {
		if w.Delete {
			deleted, err := c.DeleteBucket(ctx, t.owner, w.Spec.Bucket)
			return deletion("bucket", w.Spec.Bucket, deleted, err)
		}
		b, err := c.EnsureBucket(ctx, t.owner, w.Spec, w.AllowReduction)
		b.Changed, b.Kept, b.Offline = plainLines(b.Changed), plainLines(b.Kept), plainLines(b.Offline)
		r.err, r.deeds = err, deeds("bucket", w.Spec.Bucket, b.Created, b.Changed)
		if b.Storage != "" {
			r.bucket = &b
		}
		return r
	}
	w := t.wantStream
	if w.Delete {
		deleted, err := c.DeleteStream(ctx, t.owner, w.Spec.Name)
		return deletion("stream", w.Spec.Name, deleted, err)
	}
	s, err := c.EnsureStream(ctx, t.owner, w.Spec, w.AllowReduction)
	s.Changed, s.Kept, s.Offline = plainLines(s.Changed), plainLines(s.Kept), plainLines(s.Offline)
	r.err, r.deeds = err, deeds("stream", w.Spec.Name, s.Created, s.Changed)
	if wanted := len(w.Consumers)+len(w.Removed) > 0; wanted && usable(err) {
		s.Consumers, err = c.EnsureConsumers(ctx, t.owner, w.Spec.Name, w.Consumers, w.Removed)
		switch {
		case ctx.Err() != nil && len(r.deeds) == 0:
			return result{err: ctx.Err()} // the next round does all of it
		case err != nil:
			s.ConsumersError = plain(err.Error(), maxError)
		default:
			r.deeds = append(r.deeds, consumerDeeds(s.Consumers)...)
			s.Kept = append(s.Kept, s.Consumers.Kept...)
		}
	}
	if s.Storage != "" {
		r.stream = &s
	}
	return r
}

// usable reports whether a stream is there and may be used.
func usable(err error) bool { return err == nil || ClassOf(err) == ClassReplicas }

func deeds(kind, name string, created bool, changed []string) []Deed {
	if !created && len(changed) == 0 {
		return nil
	}
	return []Deed{{Kind: kind, Name: name, Created: created, Changed: changed}}
}

// deletion of what is another's is done by leaving it.
func deletion(kind, name string, deleted bool, err error) result {
	var conflict *ConflictError
	var foreign *ForeignError
	switch {
	case errors.As(err, &conflict), errors.As(err, &foreign):
		return result{deleted: true, deeds: []Deed{{Kind: kind, Name: name, Left: plain(err.Error(), maxError)}}}
	case err != nil:
		return result{err: fmt.Errorf("%s %s: %w", kind, name, err)}
	case deleted:
		return result{deleted: true, deeds: []Deed{{Kind: kind, Name: name, Deleted: true}}}
	}
	return result{deleted: true}
}

// silent reports whether the last look was not answered in time.
func (t *task) silent() bool {
	return t.wantBucket != nil && t.bucket.Class == ClassSilent || t.wantStream != nil && t.stream.Class == ClassSilent
}

// note takes the result of a look into the finding.
func (p *Prober) note(t *task, r result) {
	p.mu.Lock()
	changed := p.noteLocked(t, r)
	p.mu.Unlock()
	if changed {
		p.notify(t.fleet.key)
	}
}

func (p *Prober) noteLocked(t *task, r result) (changed bool) {
	now := time.Now()
	f := t.fleet
	if len(r.deeds) > 0 && p.fleets[f.key] == f { // also of a task that was replaced meanwhile: it was done
		for _, d := range r.deeds {
			d.At = now
			f.deeds = append(f.deeds, d)
		}
		f.deeds = f.deeds[max(0, len(f.deeds)-maxDeeds):]
		changed = true
	}
	if !t.pool.tasks[t] {
		return changed // nobody wants it any more
	}
	beforeBucket, beforeStream, revision := t.bucket, t.stream, f.revision
	l := t.look()
	class := ClassOf(r.err)
	if l.At.IsZero() || class != l.Class || r.deleted != l.Deleted {
		l.Since = now
	}
	l.Current, l.At, l.Class, l.Deleted, l.Error, l.Conflict = true, now, class, r.deleted, "", Owner{}
	l.Server, l.Account = r.server, r.account
	if r.err != nil {
		l.Error = plain(r.err.Error(), maxError)
		l.Failures++
		t.due = now.Add(retry(l.Failures))
	} else {
		l.Failures = 0
		t.due = now.Add(stretched(p.interval))
	}
	if r.deleted {
		t.due = time.Time{} // once is enough
	}
	var conflict *ConflictError
	if errors.As(r.err, &conflict) {
		o := conflict.Owner
		l.Conflict = Owner{Namespace: plain(o.Namespace, maxName), Name: plain(o.Name, 2*maxName), UID: plain(o.UID, maxName)}
	}
	if r.bucket != nil {
		t.bucket.Found, t.bucket.FoundAt = *r.bucket, now
	}
	if r.stream != nil {
		t.stream.Found, t.stream.FoundAt = *r.stream, now
	}
	p.settle(f)
	return changed || f.revision != revision || !reflect.DeepEqual(shownBucket(beforeBucket), shownBucket(t.bucket)) ||
		!reflect.DeepEqual(shownStream(beforeStream), shownStream(t.stream))
}

// fail notes that nothing can be looked at through a connection.
func (p *Prober) fail(ctx context.Context, g *pool, err error, facts ServerFacts) {
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return // the operator ends
	}
	p.mu.Lock()
	g.failures++
	g.notBefore = time.Now().Add(retry(g.failures))
	changed := make(map[Key]bool)
	for t := range g.tasks {
		if t.look().Deleted && t.look().Current {
			continue
		}
		if p.noteLocked(t, result{err: err, server: facts}) {
			changed[t.fleet.key] = true
		}
		t.due = g.notBefore
	}
	p.mu.Unlock()
	for key := range changed {
		p.notify(key)
	}
}

// shownBucket and shownStream are findings without what changes all the time, and is no news.
func shownBucket(f BucketFinding) BucketFinding {
	f.Look, f.FoundAt = shown(f.Look), time.Time{}
	return f
}

func shownStream(f StreamFinding) StreamFinding {
	f.Look, f.FoundAt = shown(f.Look), time.Time{}
	f.Found.Messages, f.Found.Bytes = 0, 0
	return f
}

func shown(l Look) Look {
	l.At, l.Next, l.Since, l.Failures = time.Time{}, time.Time{}, time.Time{}, 0
	if l.Account != nil {
		limits := *l.Account
		limits.Memory, limits.Storage, limits.MemoryReserved, limits.StorageReserved, limits.Streams, limits.Consumers = 0, 0, 0, 0, 0, 0
		limits.Tiers = nil
		l.Account = &limits
	}
	return l
}
