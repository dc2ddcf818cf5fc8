package observation

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
)

// Bounds of asking. A collector's answer takes up to about a MiB while it is read.
const (
	// answering and others are how many collectors are asked at a time that answered last time, and that did not or were never asked.
	answering = 16
	others    = 32
	// ofNamespace is how many of others one namespace may have.
	ofNamespace = 8
	// ofFleet is how many collectors of one fleet are asked at a time, and timeAll bounds one look at all of them: whose turn does not
	// come is asked first in the next.
	ofFleet = 8
	timeAll = 15 * time.Second
)

// Times of the Observer, each stretched at random by up to a quarter.
const (
	interval      = 30 * time.Second
	shortestRetry = 5 * time.Second
	longestRetry  = time.Minute
	// soonest is between two looks that are asked for.
	soonest = time.Second
)

// Observer asks the collectors of all fleets how they are, outside of reconciliations: these hand over the pods, and read what was
// found. No method waits for a collector.
type Observer struct {
	notify   func(Key)
	interval time.Duration
	client   *http.Client

	mu     sync.Mutex
	ctx    context.Context // nil before Run
	fleets map[Key]*fleet
	loops  sync.WaitGroup

	answering, others chan struct{}
	namespaces        map[string]*share
}

// share of a namespace in the others; it goes with the last of its fleets.
type share struct {
	slots  chan struct{}
	fleets int
}

// ObserverOptions of an Observer.
type ObserverOptions struct {
	// Notify is called, from one of the Observer's goroutines and without a lock held, when the Finding of a fleet has changed in what
	// conditions are made of: who answers, how each says that it is, and what was lost; not for figures that only traffic moves.
	Notify func(Key)
	// Interval between two looks at a collector that answers; 30 s where it is 0.
	Interval time.Duration
}

// NewObserver returns an Observer that does nothing before Run.
func NewObserver(o ObserverOptions) *Observer {
	n := &Observer{notify: o.Notify, interval: cmp.Or(o.Interval, interval), client: NewClient(), fleets: make(map[Key]*fleet),
		answering: make(chan struct{}, answering), others: make(chan struct{}, others), namespaces: make(map[string]*share)}
	if n.notify == nil {
		n.notify = func(Key) {}
	}
	return n
}

// fleet is one that is looked at, by a goroutine of its own.
type fleet struct {
	key   Key
	share *share
	gone  chan struct{}
	wake  chan struct{}

	// The rest is guarded by the Observer's lock.
	collectors []*collector // in the order of the pods
	at         time.Time
	asked      time.Time // when LookNow was heeded last
	shown      string
}

// collector is one pod.
type collector struct {
	report     Report
	due        time.Time
	failures   int
	beginnings int // answers in a row that it had not begun yet
}

// Watch hands over the pods of a fleet that run and have an address. A pod that is new among them is asked soon, all of them from
// time to time.
func (o *Observer) Watch(key Key, pods []Pod) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.fleets[key]
	if f == nil {
		s := o.namespaces[key.Namespace]
		if s == nil {
			s = &share{slots: make(chan struct{}, ofNamespace)}
			o.namespaces[key.Namespace] = s
		}
		s.fleets++
		f = &fleet{key: key, share: s, gone: make(chan struct{}), wake: make(chan struct{}, 1)}
		o.fleets[key] = f
		o.begin(f)
	}
	before := make(map[Pod]*collector, len(f.collectors))
	for _, c := range f.collectors {
		before[c.report.Pod] = c
	}
	collectors := make([]*collector, 0, len(pods))
	for _, pod := range pods {
		c := before[pod]
		if c == nil {
			now := time.Now()
			c = &collector{report: Report{Pod: pod, Wanted: now}, due: now}
		}
		collectors = append(collectors, c)
	}
	f.collectors = collectors
	f.wakeUp()
}

func (f *fleet) wakeUp() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// begin starts looking at a fleet. The lock is held.
func (o *Observer) begin(f *fleet) {
	if o.ctx != nil && o.ctx.Err() == nil {
		ctx := o.ctx
		o.loops.Go(func() { o.follow(ctx, f) })
	}
}

// Forget ends asking the collectors of a fleet.
func (o *Observer) Forget(key Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.fleets[key]
	if f == nil {
		return
	}
	close(f.gone)
	delete(o.fleets, key)
	if f.share.fleets--; f.share.fleets == 0 {
		delete(o.namespaces, key.Namespace)
	}
}

// LookNow makes the collectors of a fleet due at once. It is heeded once a second.
func (o *Observer) LookNow(key Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.fleets[key]
	now := time.Now()
	if f == nil || now.Sub(f.asked) < soonest {
		return
	}
	f.asked = now
	for _, c := range f.collectors {
		c.due = now
	}
	f.wakeUp()
}

// Finding is what is known at this moment. The caller does not change it.
func (o *Observer) Finding(key Key) Finding {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.fleets[key]
	if f == nil {
		return Finding{}
	}
	return f.finding()
}

func (f *fleet) finding() Finding {
	out := Finding{At: f.at, Reports: make([]Report, len(f.collectors))}
	for i, c := range f.collectors {
		out.Reports[i] = c.report
	}
	out.Distribution = Distribute(out.Reports)
	return out
}

// Run asks until ctx ends.
func (o *Observer) Run(ctx context.Context) {
	o.mu.Lock()
	o.ctx = ctx
	for _, f := range o.fleets {
		o.begin(f)
	}
	o.mu.Unlock()
	<-ctx.Done()
	o.mu.Lock()   // who is about to begin a loop does so, or sees the end
	o.mu.Unlock() //nolint:staticcheck // what comes before matters, not what is within
	o.loops.Wait()
}

// follow looks at one fleet until it is gone.
func (o *Observer) follow(ctx context.Context, f *fleet) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-f.gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-timer.C:
		}
		timer.Reset(o.look(ctx, f))
	}
}

// look asks the collectors that are due, and returns when to look again.
func (o *Observer) look(ctx context.Context, f *fleet) time.Duration {
	all, cancel := context.WithTimeout(ctx, timeAll)
	defer cancel()
	slots := make(chan struct{}, ofFleet)
	var asking sync.WaitGroup
	for _, c := range o.due(f) {
		if all.Err() != nil {
			break
		}
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			o.ask(all, f, c)
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		return o.interval
	}
	o.mu.Lock()
	now := time.Now()
	f.at = now
	next := now.Add(o.interval)
	for _, c := range f.collectors {
		if c.due.Before(next) {
			next = c.due
		}
	}
	shown := digest(f.finding())
	news := shown != f.shown
	f.shown = shown
	o.mu.Unlock()
	if news {
		o.notify(f.key)
	}
	return max(next.Sub(now), 10*time.Millisecond)
}

// due are the collectors to ask: those that answer before those that do not, and those that waited longest first.
func (o *Observer) due(f *fleet) []*collector {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	var out []*collector
	for _, c := range f.collectors {
		if !c.due.After(now) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *collector) int {
		return cmp.Or(cmp.Compare(min(a.failures, 1), min(b.failures, 1)), a.report.Asked.Compare(b.report.Asked))
	})
	return out
}

// ask asks one collector when it is its turn.
func (o *Observer) ask(ctx context.Context, f *fleet, c *collector) {
	o.mu.Lock()
	pod, answers := c.report.Pod, c.failures == 0 && c.report.Now != nil
	o.mu.Unlock()
	turns := []chan struct{}{f.share.slots, o.others}
	if answers {
		turns = []chan struct{}{o.answering}
	}
	for _, turn := range turns {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return // it stays due
		}
	}
	d, err := ask(ctx, o.client, pod)
	if err != nil && ctx.Err() != nil {
		return // the time for all is up: that is not the collector's fault
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	c.take(d, err, time.Now(), o.interval)
}

// take notes an answer, or that there was none.
func (c *collector) take(d *status.Document, err error, now time.Time, interval time.Duration) {
	r := &c.report
	r.Asked = now
	if err != nil {
		r.Error = status.Text(err.Error())
		if c.failures == 0 {
			r.FailedSince = now
		}
		c.failures++
		c.due = now.Add(stretched(min(shortestRetry<<min(c.failures-1, 10), longestRetry)))
		return
	}
	c.failures, r.Error, r.FailedSince = 0, "", time.Time{}
	if d.Begun {
		c.beginnings = 0
		c.due = now.Add(stretched(interval))
	} else {
		// It knows nothing of itself yet, and mostly will in a moment: its fleet would be told as unknown until then.
		c.due = now.Add(stretched(min(shortestRetry<<min(c.beginnings, 10), interval)))
		c.beginnings++
	}
	var senders []status.Sender
	if r.Now != nil && r.Now.Started.Equal(d.Started) {
		before := *r.Now
		senders = before.Senders
		before.Senders = nil
		r.Before = &before
	} else {
		r.Before = nil
	}
	r.Now = d
	r.grow(now, senders)
	r.Answered = now
}
