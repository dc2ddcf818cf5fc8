package netflow

import (
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// sessionKey tells streams apart: each UDP port of an exporter counts its own sequence and may have templates of its own.
type sessionKey struct {
	scope template.Scope
	port  uint16
}

// session is one stream and what the Decoder has cached of its exporter.
type session struct {
	key     sessionKey
	address flow.Address
	// exporter is nil as long as the Store knows nothing of the scope.
	exporter *template.Exporter
	// generation of the exporter that plans were made for.
	generation uint64
	// known is the Store's count when the exporter was last looked for in vain.
	known uint64
	// fresh: plans are those of generation and settings.
	fresh bool
	// changed: they were made anew since held sets were last tried; retry is when time alone may bring a plan for one of these.
	changed  bool
	retry    int64
	plans    map[uint16]cachedPlan
	rates    rates
	clock    cachedClock
	cached   int // bytes that plans and rates take
	sequence ledger.Sequence
	// latest is the message with the highest sequence number so far.
	latest   header
	lastSeen int64
	held     []*heldSet
	// inVain is the template of a list that was waited for in vain.
	inVain    uint16
	heldBytes int
	// former is the last message from before a restart for which held sets were dropped; turns: it was none, see dropFormer.
	former *header
	turns  bool
	// sequences of selectors that it said.
	sequences sequences
	// skew is the time of export less that of receipt of the latest datagram, in nanoseconds.
	skew    int64
	sampled Rates
	// book is the exporter's; its other sessions count there too.
	book *ledger.Holder
	// own is what was counted of this one since it was taken, and taken where its sequence was then; see Take.
	own   ledger.Book
	taken ledger.Span
}

// cachedPlan is what a look-up gave, nil for nothing, and until when that holds.
type cachedPlan struct {
	plan  *plan
	until int64
}

// maxCachedPlans bounds a session's plans against an exporter that uses up the ids; a look-up then costs a lock. maxCached bounds what
// all sessions of a Decoder have cached, in bytes: beyond it all of them begin anew, which costs each a look-up or two.
const (
	maxCachedPlans = 4096
	maxCached      = 16 << 20
	cacheEntry     = 64 // what an entry takes beside a plan's steps
)

// stale makes the session look everything up again.
func (s *session) stale() { s.fresh, s.rates.fresh = false, false }

// sessionEvictionSample is how many sessions are looked at to find one that was silent for long.
const sessionEvictionSample = 16

// session finds or begins the stream of a datagram.
func (d *Decoder) session(version template.Version, source netip.AddrPort, domain uint32) *session {
	key := sessionKey{template.Scope{Version: version, Exporter: source.Addr(), Domain: domain}, source.Port()}
	s := d.last
	if s == nil || s.key != key {
		if s = d.sessions[key]; s == nil {
			for len(d.sessions) >= max(d.settings.Sessions, 1) {
				d.evictSession()
			}
			s = &session{key: key, retry: never, address: flow.AddressFrom(key.scope.Exporter), book: d.book(key.scope.Exporter, version)}
			d.sessions[key] = s
		}
		d.last = s
	}
	if s.book.Shared && len(s.held) == 0 { // what is held is in the book that it waits in
		s.book = d.book(key.scope.Exporter, version) // there may be room by now
	}
	s.lastSeen = d.now
	d.refresh(s)
	d.refreshRates(s)
	if s.exporter != nil {
		s.exporter.Heard(d.now)
	}
	return s
}

// refresh drops the session's plans where the exporter's templates, or the settings, changed.
func (d *Decoder) refresh(s *session) {
	if s.exporter != nil && s.exporter.Gone() {
		s.exporter, s.fresh = nil, false
	}
	if s.exporter == nil {
		known := d.store.Known()
		if s.fresh && s.known == known {
			return
		}
		s.known, s.fresh = known, false
		if s.exporter = d.store.Find(s.key.scope); s.exporter == nil {
			d.store.Miss(s.key.scope)
		}
	}
	if s.exporter != nil {
		generation := s.exporter.Generation()
		if s.fresh && s.generation == generation {
			return
		}
		s.generation = generation
	}
	d.dropCached(s)
	s.fresh, s.changed = true, true
}

// exporterOf returns the session's exporter, adding it to the Store.
func (d *Decoder) exporterOf(s *session) *template.Exporter {
	if s.exporter == nil || s.exporter.Gone() {
		s.exporter = d.store.Exporter(s.key.scope, d.now)
		s.stale()
	}
	return s.exporter
}

// plan looks up the compiled template of id, nil where it is unknown.
func (d *Decoder) plan(s *session, id uint16) *plan {
	known, ok := s.plans[id]
	if ok && d.now < known.until || s.exporter == nil {
		if ok && known.plan == nil {
			s.retry = min(s.retry, known.until)
		}
		return known.plan
	}
	t, until := s.exporter.Template(s.key.port, id, d.now)
	switch {
	case t == nil:
		s.retry = min(s.retry, until)
		known.plan = nil
	case known.plan == nil || known.plan.template != t:
		known.plan = compile(t, d.settings)
	}
	if ok || len(s.plans) < maxCachedPlans {
		if !ok {
			d.cache(s, known.plan.size())
		}
		if s.plans == nil {
			s.plans = make(map[uint16]cachedPlan)
		}
		s.plans[id] = cachedPlan{known.plan, until}
	}
	return known.plan
}

// cache counts what a session is about to cache, and makes room.
func (d *Decoder) cache(s *session, size int) {
	if d.cached+size > maxCached {
		for _, other := range d.sessions {
			d.dropCached(other)
		}
	}
	s.cached += size
	d.cached += size
}

// dropCached lets go of what a session has cached of its exporter's definitions.
func (d *Decoder) dropCached(s *session) {
	if len(s.plans) > 8 {
		s.plans = nil // cleared, it would keep its room
	}
	clear(s.plans)
	s.rates.bySubject = nil
	d.cached -= s.cached
	s.cached = 0
}

// evictSession forgets the longest silent of a few sessions, with what it holds.
func (d *Decoder) evictSession() {
	var oldest *session
	n := 0
	for _, s := range d.sessions {
		if oldest == nil || s.lastSeen < oldest.lastSeen {
			oldest = s
		}
		if n++; n == sessionEvictionSample {
			break
		}
	}
	d.held.dropAll(d, oldest, ledger.SetsExpiredOverflow)
	d.dropCached(oldest)
	if d.last == oldest {
		d.last = nil
	}
	delete(d.sessions, oldest.key)
}

// Stream is one exporter's port and observation domain, and what its sequence numbers tell.
type Stream struct {
	Exporter netip.Addr
	// Port is 0 where it tells nothing apart.
	Port   uint16
	Domain uint32
	// LastSeen is nanoseconds since 1970.
	LastSeen int64
	Span     ledger.Span
	Said     Said
}

// Taken is what was counted of a stream since it was taken before. What a stream that is forgotten had not handed out stands in its
// exporter's book only.
type Taken struct {
	// Source is the exporter's address as its book has it; of sFlow the Stream's may be another one, the agent's.
	Source netip.Addr
	Stream Stream
	// Book has what was counted; it knows of nothing that waits.
	Book ledger.Book
	// Advance is what the stream's sequence says, where it has one.
	Advance ledger.Advance
}

// Take moves what own counted, and what the stream's sequence has beyond before, into t.
func (t *Taken) Take(own *ledger.Book, before *ledger.Span) {
	t.Book, t.Advance = *own, t.Stream.Span.Since(before)
	*own, *before = ledger.Book{}, t.Stream.Span
}

// Take calls yield for each stream of which something was counted since the last call. t is valid during the call only.
func (d *Decoder) Take(yield func(version template.Version, t *Taken)) {
	var t Taken
	for key, s := range d.sessions {
		if s.own == (ledger.Book{}) && s.taken == s.sequence.Span {
			continue
		}
		t = Taken{Source: key.scope.Exporter, Stream: Stream{Exporter: key.scope.Exporter, Port: key.port, Domain: key.scope.Domain,
			LastSeen: s.lastSeen, Span: s.sequence.Span}}
		t.Take(&s.own, &s.taken)
		yield(key.scope.Version, &t)
	}
}

// Streams calls yield for each stream that was heard of after a time in nanoseconds and has sequence numbers.
func (d *Decoder) Streams(after int64, yield func(version template.Version, s Stream)) {
	for key, s := range d.sessions {
		if s.lastSeen > after && s.sequence.Started() {
			yield(key.scope.Version, Stream{Exporter: key.scope.Exporter, Port: key.port, Domain: key.scope.Domain,
				LastSeen: s.lastSeen, Span: s.sequence.Span, Said: s.said()})
		}
	}
}
