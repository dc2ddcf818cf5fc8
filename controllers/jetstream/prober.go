package jetstream

import (
	"context"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"
)

// Times of the Prober. Each is stretched at random by up to a quarter, so that looks do not come in step.
const (
	// interval is between two looks that went well. It bounds how often counts in the status change.
	interval = 30 * time.Second
	// shortestRetry and longestRetry bound the time after a look that failed, which doubles.
	shortestRetry = 2 * time.Second
	longestRetry  = time.Minute
	// roundTime bounds one connection, over all FlowCollectors that are looked at through it.
	roundTime = 20 * time.Second
	// soonest is between two looks that are asked for.
	soonest = time.Second
)

// maxDeeds is how many deeds wait to be reported, of one FlowCollector.
const maxDeeds = 32

// Prober looks at NATS for all FlowCollectors, outside of their reconciliations: these hand over what they want, and read what was
// found. No method waits for a server.
//
// FlowCollectors that reach the same servers as the same user share a connection, which lasts for one round of looks. Servers that
// answered last time have a lane of their own, so that those that keep everybody waiting wait for each other only; in either lane,
// namespaces take turns.
type Prober struct {
	notify   func(Key)
	interval time.Duration // a shorter one in tests
	since    func(time.Time) time.Duration

	mu     sync.Mutex
	fleets map[Key]*fleet
	pools  map[identity]*pool
	wake   chan struct{}
	lanes  [numLanes]lane
}

// ProberOptions of a Prober.
type ProberOptions struct {
	// Notify is called, from one of the Prober's goroutines and without a lock held, when the Finding of a FlowCollector has changed in
	// anything but its times and the use of stream and account, or there is a Deed to report. It may call the Prober.
	Notify func(Key)
	// Interval between two looks that went well; 30 s where it is 0.
	Interval time.Duration
	// Since is how long ago a look was; time.Since where it is nil.
	Since func(time.Time) time.Duration
}

// fleet is what is wanted for one FlowCollector, and what was found.
type fleet struct {
	key      Key
	want     Want
	revision string // of the last Want that was looked at in full
	bucket   *task
	stream   *task
	deeds    []Deed
}

// task is one bucket or stream.
type task struct {
	fleet *fleet
	owner Owner
	pool  *pool
	made  time.Time // when the first look was due
	due   time.Time
	asked time.Time // when LookNow was heeded last
	// one of both
	wantBucket *WantBucket
	wantStream *WantStream
	bucket     BucketFinding
	stream     StreamFinding
}

// NewProber returns a Prober that does nothing before Run.
func NewProber(o ProberOptions) *Prober {
	p := &Prober{notify: o.Notify, interval: o.Interval, since: o.Since, fleets: make(map[Key]*fleet), pools: make(map[identity]*pool),
		wake: make(chan struct{}, 1)}
	if p.notify == nil {
		p.notify = func(Key) {}
	}
	if p.interval == 0 {
		p.interval = interval
	}
	if p.since == nil {
		p.since = time.Since
	}
	for i := range p.lanes {
		p.lanes[i] = lane{slots: laneSlots[i], running: make(map[string]int)}
	}
	return p
}

// Want hands over what a FlowCollector wants; it is looked at soon where it differs from what was wanted before, and from time to
// time. What is wanted stays so until the next call, or Forget.
func (p *Prober) Want(key Key, w Want) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fleets[key]
	if f == nil {
		f = &fleet{key: key}
		p.fleets[key] = f
	}
	other := f.want.Owner != w.Owner
	if other || !sameBucket(f.want.Bucket, w.Bucket) {
		f.bucket = p.replace(f, w.Owner, f.bucket, w.Bucket != nil, func(t *task) *Server { t.wantBucket = w.Bucket; return w.Bucket.Server })
	}
	if other || !sameStream(f.want.Stream, w.Stream) {
		f.stream = p.replace(f, w.Owner, f.stream, w.Stream != nil, func(t *task) *Server { t.wantStream = w.Stream; return w.Stream.Server })
	}
	f.want = w
	p.settle(f)
	p.wakeUp()
}

// replace puts a new task in the place of the one before, whose finding stays until there is another.
func (p *Prober) replace(f *fleet, owner Owner, before *task, wanted bool, set func(*task) *Server) *task {
	if before != nil {
		defer p.leave(before) // after the new one has come to its pool, so that what is known of the server stays
	}
	if !wanted {
		return nil
	}
	t := &task{fleet: f, owner: owner, made: time.Now(), due: time.Now()}
	if before != nil {
		t.made = before.made
		t.bucket, t.stream = before.bucket, before.stream
		t.bucket.Current, t.stream.Current = false, false
		t.bucket.Failures, t.stream.Failures = 0, 0
	}
	p.join(t, set(t))
	return t
}

func sameBucket(a, b *WantBucket) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Server, y.Server = nil, nil
	return reflect.DeepEqual(x, y) && a.Server.identity() == b.Server.identity()
}

func sameStream(a, b *WantStream) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Server, y.Server = nil, nil
	return reflect.DeepEqual(x, y) && a.Server.identity() == b.Server.identity()
}

// settle notes the revision that all that is wanted was looked at for.
func (p *Prober) settle(f *fleet) {
	for _, t := range []*task{f.bucket, f.stream} {
		if t != nil && !t.look().Current {
			return
		}
	}
	f.revision = f.want.Revision
}

// Forget ends looking for a FlowCollector that is gone, suspended, or wants nothing.
func (p *Prober) Forget(key Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fleets[key]
	if f == nil {
		return
	}
	for _, t := range []*task{f.bucket, f.stream} {
		if t != nil {
			p.leave(t)
		}
	}
	delete(p.fleets, key)
}

// Finding is what is known at this moment.
func (p *Prober) Finding(key Key) Finding {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fleets[key]
	if f == nil {
		return Finding{}
	}
	out := Finding{Revision: f.revision}
	if f.bucket != nil {
		b := f.bucket.bucket
		b.Next, b.Age = f.bucket.next(), p.age(f.bucket)
		out.Bucket = &b
	}
	if f.stream != nil {
		s := f.stream.stream
		s.Next, s.Age = f.stream.next(), p.age(f.stream)
		out.Stream = &s
	}
	return out
}

// LookNow makes what a FlowCollector wants due at once, such as for the annotation flowfleet.io/reconcile-at. It is heeded once a
// second.
func (p *Prober) LookNow(key Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fleets[key]
	if f == nil {
		return
	}
	now := time.Now()
	for _, t := range []*task{f.bucket, f.stream} {
		if t == nil || now.Sub(t.asked) < soonest {
			continue
		}
		t.asked, t.due, t.pool.notBefore = now, now, now
	}
	p.wakeUp()
}

// Deeds returns what was done for a FlowCollector since the last call, oldest first, at most 32: each is to be reported once.
func (p *Prober) Deeds(key Key) []Deed {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fleets[key]
	if f == nil {
		return nil
	}
	deeds := f.deeds
	f.deeds = nil
	return deeds
}

// Run looks until ctx ends.
func (p *Prober) Run(ctx context.Context) {
	var rounds sync.WaitGroup
	defer rounds.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(p.start(ctx, &rounds))
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-timer.C:
		}
	}
}

func (p *Prober) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// look is the part that bucket and stream have in common.
func (t *task) look() *Look {
	if t.wantBucket != nil {
		return &t.bucket.Look
	}
	return &t.stream.Look
}

// next is when the next look is due, at about; zero for never again.
func (t *task) next() time.Time {
	if !t.due.IsZero() && t.pool.notBefore.After(t.due) {
		return t.pool.notBefore
	}
	return t.due
}

// age is that of the last look, or of the task, where there was none.
func (p *Prober) age(t *task) time.Duration {
	if at := t.look().At; !at.IsZero() {
		return p.since(at)
	}
	return p.since(t.made)
}

// stretched is a time with up to a quarter more.
func stretched(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// retry is the time after so many failures in a row.
func retry(failures int) time.Duration {
	return stretched(min(shortestRetry<<min(max(failures-1, 0), 10), longestRetry))
}
