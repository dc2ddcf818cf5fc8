// Package boot holds when exporting processes were initialized, as their options records say (systemInitTimeMilliseconds, element
// 160): IPFIX flows count milliseconds from then (RFC 5102 section 5.9.8). It does no I/O, logs nothing and reads no clock: time is
// handed in.
package boot

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

const (
	// wander, in milliseconds, is how much two announcements may differ and mean the same: some exporters work it out anew each time.
	wander = 1000
	// maxPorts bounds the ports of one scope that are told apart.
	maxPorts = 256
	never    = int64(1<<63 - 1)
	// evictionSample is how many scopes are looked at to find one that was not heard for long.
	evictionSample = 32
)

// clock is what one port said.
type clock struct {
	port        uint16
	initialized uint64 // milliseconds since 1970
	// heard is when it was last said, since when it began, told when the bucket was last written.
	heard, since, told int64
	// stamp is that of the newest message that said it, first that of the one it began with.
	stamp, first template.Stamp
	// formers are what the port said before, returned: the time is one of these. disputed is until when no flow takes it, see inDispute.
	formers  []former
	returned bool
	disputed int64
	// toldAs is what the bucket has, and whether it has it as disputed.
	toldAs        uint64
	toldInDispute bool
}

// Store holds the times of all scopes. It is safe for concurrent use.
type Store struct {
	scopes   int
	ttl      int64
	ownPort  bool
	observer template.Observer
	// generation changes with every change.
	generation atomic.Uint64

	mu     sync.Mutex
	clocks map[template.Scope]*said
	// domains are those of each exporter.
	domains map[exporterKey]map[uint32]struct{}
	// forgotten is when what made room, and no other port says, was last heard.
	forgotten map[template.Scope]int64
}

// NewStore returns an empty Store for so many scopes, which forgets what was not heard for the ttl; 0 is for ever.
func NewStore(mode template.Mode, scopes int, ttl time.Duration) *Store {
	s := &Store{scopes: scopes, ttl: int64(ttl), ownPort: mode == template.ModeAddressPort, observer: template.Unobserved{},
		clocks: make(map[template.Scope]*said), domains: make(map[exporterKey]map[uint32]struct{}), forgotten: make(map[template.Scope]int64)}
	if ttl <= 0 {
		s.ttl = never
	}
	return s
}

// Observe replaces the observer. It must be called before the Store is used by others.
func (s *Store) Observe(o template.Observer) { s.observer = o }

// Generation changes with every change, but for those that the ttl brings.
func (s *Store) Generation() uint64 { return s.generation.Load() }

// Encode is the Record of a time: milliseconds since 1970 in 8 bytes, in network order.
func Encode(initialized uint64) []byte { return binary.BigEndian.AppendUint64(nil, initialized) }

// Decode is the reverse of Encode. It returns an error for another length and for 0, which is no time.
func Decode(record []byte) (uint64, error) {
	if len(record) != 8 || binary.BigEndian.Uint64(record) == 0 {
		return 0, fmt.Errorf("a time of initialization has 8 bytes and is not 0, this one is %x", record)
	}
	return binary.BigEndian.Uint64(record), nil
}

// Learn takes a time in milliseconds since 1970 that port said of a scope, in a message with an export time in seconds since 1970
// that was received at now (nanoseconds). It may have waited: what was heard later than it holds. 0 is ignored.
func (s *Store) Learn(scope template.Scope, port uint16, initialized, exported uint64, now int64) {
	if initialized == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp := template.StampOf(exported)
	c := s.find(scope, port)
	defer func() { s.clocks[scope].hears(now) }()
	if c != nil && same(initialized, c.initialized) && !s.clocks[scope].counts(c, now, s.ttl) {
		c.since = now // it is back
		s.generation.Add(1)
	}
	switch {
	case c == nil:
		c = &clock{port: port, initialized: initialized, heard: now, since: now, stamp: stamp, first: stamp}
		s.add(scope, c, now)
		s.generation.Add(1)
		s.publish(scope, c, now)
		return
	case same(initialized, c.initialized) && c.told == 0:
		c.heard, c.stamp = max(c.heard, now), max(c.stamp, stamp)
		s.publish(scope, c, now)
		return
	case same(initialized, c.initialized):
		c.heard, c.stamp = max(c.heard, now), max(c.stamp, stamp)
		s.again(scope, c, now)
		return
	case c.late(stamp, now), now < c.heard:
		return
	default:
		stamp = template.After(stamp, c.stamp, c.heard, now)
		begins := c.say(initialized, now)
		if c.inDispute(now) && !begins {
			c.heard, c.since, c.stamp, c.first = now, now, stamp, template.StampOf(exported)
			s.again(scope, c, now)
			return
		}
	}
	c.heard, c.since, c.stamp, c.first = now, now, stamp, template.StampOf(exported)
	s.generation.Add(1)
	s.tell(scope, c, now, false)
	s.tellOthers(scope, c, now)
}

// publish has the bucket know what a port says that has no key there: at once where no other port says so, or one says otherwise; else where
// it goes on to say it. A port that is another one each time leaves no keys: one that has a key stands for it.
func (s *Store) publish(scope template.Scope, c *clock, now int64) {
	all := s.clocks[scope]
	var keeper *clock
	for _, o := range all.clocks {
		if o.told != 0 && same(o.initialized, c.initialized) && (keeper == nil || o.told > keeper.told) {
			keeper = o
		}
	}
	told := int64(0)
	if keeper != nil {
		told = keeper.told
	}
	contested := slices.ContainsFunc(all.groups(now, s.ttl), func(g *group) bool {
		return !same(g.newest.initialized, c.initialized) && (g.since >= told || c.heard > c.since)
	})
	switch {
	case keeper == nil, s.ownPort && c.heard > c.since, contested, now-c.since >= retell, now-told > s.ttl/2:
		s.tell(scope, c, now, false)
		s.tellOthers(scope, c, now)
	case now-told > retell && s.differs(scope, keeper):
		keeper.heard = max(keeper.heard, now)
		s.tell(scope, keeper, now, true)
	}
}

// tellOthers has the bucket know which ports say otherwise than c, and that they still do: others would take c's time for theirs. A port that
// said it once may not be heard again: of these the newest stands for all.
func (s *Store) tellOthers(scope template.Scope, c *clock, now int64) {
	for other, all := range s.rivals(scope) {
		for _, g := range all.groups(now, s.ttl) {
			if same(g.newest.initialized, c.initialized) {
				continue
			}
			for _, o := range all.clocks {
				switch {
				case !same(o.initialized, g.newest.initialized):
				case o.told == 0 && other == scope && (o.heard > o.since || o == g.newest && g.keeper == nil):
					s.tell(other, o, now, false)
				case o == g.keeper && g.newest.heard-o.told > retell:
					o.heard = g.newest.heard
					s.tell(other, o, now, true)
				}
			}
		}
	}
}

// differs reports whether something else than c is said, as others see it, who know of c only what the bucket was told: they are to know that it
// is still said until the other one no longer counts for them.
func (s *Store) differs(scope template.Scope, c *clock) bool {
	for _, all := range s.rivals(scope) {
		if slices.ContainsFunc(all.clocks, func(o *clock) bool {
			return !same(o.initialized, c.initialized) && c.told-max(o.heard, all.run) <= silence+retell
		}) {
			return true
		}
	}
	return false
}

// again has the bucket know that a time is still said, or disputed, now and then; and at once that it is disputed no more.
func (s *Store) again(scope template.Scope, c *clock, now int64) {
	switch {
	case !c.inDispute(now) && (c.toldInDispute || !same(c.toldAs, c.initialized)):
		s.generation.Add(1)
		s.tell(scope, c, now, false)
	case now-c.told > s.ttl/2, now-c.told > retell && (c.inDispute(now) || s.differs(scope, c)):
		s.tell(scope, c, now, true)
	}
}

func (s *Store) find(scope template.Scope, port uint16) *clock {
	if all := s.clocks[scope]; all != nil {
		return all.of(port)
	}
	return nil
}

func (s *Store) tell(scope template.Scope, c *clock, now int64, refresh bool) {
	c.told, c.toldAs, c.toldInDispute = now, c.initialized, c.inDispute(now)
	d := describe(scope, c, now)
	d.Refresh = refresh
	s.observer.Learned(d)
}

// describe is what the bucket is to have of c at now. What is disputed was heard when one last came back: so all know until when it is.
func describe(scope template.Scope, c *clock, now int64) template.Definition {
	d := template.Definition{Key: template.Key{Scope: scope, Family: template.FamilyClock, Port: c.port}, Kind: template.KindClock,
		Stamp: c.stamp, Record: Encode(c.initialized), Heard: c.heard, Told: c.told, Silent: c.inDispute(now),
		Witnessed: c.heard > c.since}
	if d.Silent {
		d.Heard = c.disputed - silence
	}
	return d
}

// add keeps to the bounds by forgetting, in memory only, what was not heard for long.
func (s *Store) add(scope template.Scope, c *clock, now int64) {
	all := s.clocks[scope]
	if all != nil && len(all.clocks) >= maxPorts {
		oldest := 0
		for i := range all.clocks {
			if all.clocks[i].heard < all.clocks[oldest].heard {
				oldest = i
			}
		}
		gone := all.clocks[oldest]
		all.clocks[oldest] = c
		if !slices.ContainsFunc(all.clocks, func(o *clock) bool { return same(o.initialized, gone.initialized) }) {
			s.forgotten[scope] = gone.heard
		}
		return
	}
	if all == nil {
		if len(s.clocks) >= s.scopes {
			if oldest, ok := s.oldest(); ok {
				s.evict(oldest)
			}
		}
		if _, ok := s.forgotten[scope]; ok {
			s.forgotten[scope] = c.heard // what others of its ports said made room with it
		}
		all = &said{began: now}
		s.clocks[scope] = all
		key := exporterKey{scope.Version, scope.Exporter}
		if s.domains[key] == nil {
			s.domains[key] = make(map[uint32]struct{})
		}
		s.domains[key][scope.Domain] = struct{}{}
	}
	all.clocks = append(all.clocks, c)
}

// evict forgets a scope, and that its ports said different things where they did.
func (s *Store) evict(scope template.Scope) {
	all := s.clocks[scope]
	differ := slices.ContainsFunc(all.clocks, func(c *clock) bool { return !same(c.initialized, all.clocks[0].initialized) })
	if _, ok := s.forgotten[scope]; !ok && !differ {
		s.remove(scope)
		return
	}
	s.remove(scope)
	s.forgotten[scope] = all.newest
	for other := range s.forgotten {
		if len(s.forgotten) <= s.scopes {
			break
		}
		delete(s.forgotten, other)
	}
}

func (s *Store) remove(scope template.Scope) {
	delete(s.clocks, scope)
	delete(s.forgotten, scope)
	key := exporterKey{scope.Version, scope.Exporter}
	if delete(s.domains[key], scope.Domain); len(s.domains[key]) == 0 {
		delete(s.domains, key)
	}
}

func (s *Store) oldest() (oldest template.Scope, found bool) {
	at, n := never, 0
	for scope, all := range s.clocks {
		if all.newest < at {
			oldest, at, found = scope, all.newest, true
		}
		if n++; n == evictionSample {
			break
		}
	}
	return oldest, found
}

// Initialized is when the exporting process of a scope was initialized, for flows from port at now, in milliseconds since 1970: what
// the port itself said; else what began last, unless something else was heard since; else 0. So it is where devices that share the port dispute
// it, and for an hour after ports that said something else made room for others. What is an hour older than the newest that its scope said does
// not count. Where a scope said nothing, or nothing for an hour while domain 0 did, that holds, which is no domain's own but the whole
// exporting process's (RFC 7011 section 3.1).
func (s *Store) Initialized(scope template.Scope, port uint16, now int64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.clocks[scope]
	initialized, known := s.initialized(scope, port, now)
	if scope.Domain == 0 {
		return initialized
	}
	scope.Domain = 0
	process := s.clocks[scope]
	if process != nil && (!known || own.lapsed(process)) {
		if of, ok := s.initialized(scope, port, now); ok {
			return of
		}
	}
	return initialized
}

// initialized is what a scope itself says; known tells a time that nobody can know from none.
func (s *Store) initialized(scope template.Scope, port uint16, now int64) (initialized uint64, known bool) {
	all := s.clocks[scope]
	if all == nil {
		return 0, false
	}
	groups := all.groups(now, s.ttl)
	if c := all.of(port); c != nil {
		if all.counts(c, now, s.ttl) || slices.ContainsFunc(groups, func(g *group) bool { return same(g.newest.initialized, c.initialized) }) {
			return c.undisputed(now), true
		}
	}
	switch {
	case s.ownPort:
		return 0, false
	case now-s.forgotten[scope] <= silence, len(groups) > maxGroups:
		return 0, true // what made room may be the port's own
	case len(groups) == 0:
		return 0, false
	}
	last := groups[0]
	for _, g := range groups {
		if g.since > last.since {
			last = g
		}
	}
	for _, g := range groups {
		if g != last && g.newest.heard >= last.since {
			return 0, true
		}
	}
	return last.newest.undisputed(now), true
}

func (c *clock) undisputed(now int64) uint64 {
	if c.inDispute(now) {
		return 0
	}
	return c.initialized
}

// Differ reports whether ports of a scope say different times in turn: one was heard since another one, which says something else, began;
// or one port does.
func (s *Store) Differ(scope template.Scope, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.clocks[scope]
	if all == nil {
		return false
	}
	if slices.ContainsFunc(all.clocks, func(c *clock) bool { return c.inDispute(now) }) {
		return true
	}
	groups := all.groups(now, s.ttl)
	for _, a := range groups {
		for _, b := range groups {
			if a != b && a.since <= b.since && a.newest.heard >= b.since {
				return true
			}
		}
	}
	return false
}

// Restore takes a definition from the bucket at now and reports whether it changed anything.
func (s *Store) Restore(d template.Definition, now int64) bool {
	initialized, err := Decode(d.Record)
	d.Heard = min(d.Heard, now)
	if err != nil || now-d.Heard > s.ttl {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(d.Key.Scope, d.Key.Port)
	defer func() {
		if all := s.clocks[d.Key.Scope]; all != nil && all.hears(d.Heard) {
			s.generation.Add(1)
		}
	}()
	switch {
	case c == nil:
		if len(s.clocks) >= s.scopes {
			if scope, ok := s.oldest(); ok && s.clocks[scope].newest >= d.Heard {
				return false // what was heard later must not be pushed out
			}
		}
		c = &clock{port: d.Key.Port, initialized: initialized}
		s.add(d.Key.Scope, c, now)
	case d.Silent: // which of those that are disputed the bucket has says nothing
		before := c.inDispute(now)
		c.disputed = max(c.disputed, min(d.Heard, now)+silence) // its clock may be ahead
		c.told, c.toldAs, c.toldInDispute = d.Told, initialized, true
		if before || !c.inDispute(now) {
			return false
		}
		s.generation.Add(1)
		return true
	case c.initialized == initialized:
		switch all := s.clocks[d.Key.Scope]; {
		case d.Heard <= c.since:
			c.since = began(&d)
		case d.Heard > c.heard && !d.Witnessed && !all.counts(c, now, s.ttl):
			c.since = d.Heard // it is back
		}
		if d.Heard > c.heard {
			s.generation.Add(1)
		}
		c.stamp, c.heard, c.told, c.toldAs, c.toldInDispute = max(c.stamp, d.Stamp), max(c.heard, d.Heard), d.Told, initialized, false
		return false
	case newer(c, &d, initialized):
		c.stamp = max(c.stamp, d.Stamp+1) // the exporter's clock may have been set back
		s.tell(d.Key.Scope, c, now, false)
		return false
	}
	if c.initialized != initialized {
		c.say(initialized, now)
	}
	if d.Silent {
		c.disputed = min(d.Heard, now) + silence
	}
	c.stamp, c.first, c.heard, c.since, c.told = d.Stamp, d.Stamp, max(c.heard, d.Heard), began(&d), d.Told
	c.toldAs, c.toldInDispute = initialized, d.Silent
	s.generation.Add(1)
	s.tellOthers(d.Key.Scope, c, now)
	return true
}

// began is when what the bucket has was first said: when it was heard; 0, which is before all others, where it was said before.
func began(d *template.Definition) int64 {
	if d.Witnessed {
		return 0
	}
	return d.Heard
}

// newer reports whether what is known here counts, and not what the bucket has. Of two that collectors learned at the same moment all
// keep the later time.
func newer(c *clock, d *template.Definition, initialized uint64) bool {
	order := template.Compare(c.stamp, c.heard, d.Stamp, d.Heard)
	return order > 0 || order == 0 && c.initialized > initialized
}

// Forget drops what somebody deleted from the bucket.
func (s *Store) Forget(k template.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.clocks[k.Scope]
	if all == nil {
		return
	}
	for i, c := range all.clocks {
		if c.port == k.Port {
			if all.clocks = slices.Delete(all.clocks, i, i+1); len(all.clocks) == 0 {
				s.remove(k.Scope)
			}
			s.generation.Add(1)
			return
		}
	}
}

// Definitions iterates over a copy of what the bucket should have at now.
func (s *Store) Definitions(now int64) iter.Seq[template.Definition] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []template.Definition
	for scope, all := range s.clocks {
		for _, c := range all.clocks {
			if now-c.heard <= s.ttl && c.told != 0 {
				out = append(out, describe(scope, c, now))
			}
		}
	}
	return func(yield func(template.Definition) bool) {
		for _, d := range out {
			if !yield(d) {
				return
			}
		}
	}
}
