// Package boot holds when exporting processes were initialized, as their options records say (systemInitTimeMilliseconds, element
// 160): IPFIX flows count milliseconds from then (RFC 5102 section 5.9.8). It does no I/O, logs nothing and reads no clock: time is
// handed in.
package boot

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

const (
	// wander, in milliseconds, is how much two announcements may differ and mean the same: some exporters work it out anew each time.
	wander = 1000
	// maxPorts bounds the ports of one scope that are told apart.
	maxPorts = 256
	// timesEach and leastTimes bound the times of all scopes together: so many for each that may be remembered, and no fewer.
	timesEach, leastTimes = 4, 1 << 16
	// compared is how many scopes are looked at to find one of many ports.
	compared = 32
	never    = int64(1<<63 - 1)
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
	scopes   atomic.Int64
	ttl      int64
	ownPort  bool
	observer template.Observer
	totals   *ledger.Totals
	// generation changes with every change.
	generation atomic.Uint64

	mu     sync.Mutex
	clocks map[template.Scope]*said
	// count is how many times all of them have.
	count int
	// domains are those of each exporter.
	domains map[exporterKey]map[uint32]struct{}
	// forgotten is when what made room, and no other port says, was last heard.
	forgotten map[template.Scope]int64
	// refused are scopes that the bucket has and that found no room: each counts once, however often it is listed.
	refused map[template.Scope]struct{}
}

// maxRefused bounds the scopes of which that is known.
const maxRefused = 1 << 14

// refuse counts a scope that finds no room.
func (s *Store) refuse(scope template.Scope) {
	if _, known := s.refused[scope]; known {
		return
	}
	if len(s.refused) >= maxRefused {
		clear(s.refused)
	}
	s.refused[scope] = struct{}{}
	s.totals.Add(ledger.BootTimesEvicted, 1)
}

// NewStore returns an empty Store for so many scopes, which forgets what was not heard for the ttl; 0 is for ever.
func NewStore(mode template.Mode, scopes int, ttl time.Duration) *Store {
	s := &Store{ttl: int64(ttl), ownPort: mode == template.ModeAddressPort, observer: template.Unobserved{}, totals: &ledger.Totals{},
		clocks: make(map[template.Scope]*said), domains: make(map[exporterKey]map[uint32]struct{}), forgotten: make(map[template.Scope]int64),
		refused: make(map[template.Scope]struct{})}
	s.SetLimit(scopes)
	if ttl <= 0 {
		s.ttl = never
	}
	return s
}

// SetLimit replaces the number of scopes; what exceeds it goes with the next addition.
func (s *Store) SetLimit(scopes int) { s.scopes.Store(int64(scopes)) }

// Count has what is ignored or forgotten counted in totals. It must be called before the Store is used by others.
func (s *Store) Count(totals *ledger.Totals) { s.totals = totals }

// Observe replaces the observer. It must be called before the Store is used by others.
func (s *Store) Observe(o template.Observer) { s.observer = o }

// Generation changes with every change, but for those that the ttl brings.
func (s *Store) Generation() uint64 { return s.generation.Load() }

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
		s.add(scope, c, false, now)
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
		s.totals.Add(ledger.BootTimesStale, 1)
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

// add keeps to the bounds by forgetting, in memory only, what was not heard for long: c itself only where it is restored.
func (s *Store) add(scope template.Scope, c *clock, restored bool, now int64) {
	all := s.clocks[scope]
	if all == nil {
		for len(s.clocks) > 0 && len(s.clocks) >= int(s.scopes.Load()) {
			oldest, _ := template.Oldest(s.clocks, lastHeard, never)
			s.evict(oldest)
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
	s.count++
	if len(all.clocks) > maxPorts {
		s.forgetOldest(scope, c, restored)
	}
	s.trim(scope, c, restored)
	if s.clocks[scope] != nil {
		delete(s.refused, scope)
	}
}

// trim keeps to the bound on the times of all scopes after one of them has one more: that one has fewer, or who has more of those looked at.
func (s *Store) trim(scope template.Scope, c *clock, restored bool) {
	for s.count > max(timesEach*int(s.scopes.Load()), leastTimes) {
		most, looked := scope, 0
		for other, all := range s.clocks {
			if len(all.clocks) > len(s.clocks[most].clocks) {
				most = other
			}
			if looked++; looked == compared {
				break
			}
		}
		if len(s.clocks[most].clocks) < 2 {
			return
		}
		if restored && most != scope && !slices.ContainsFunc(s.clocks[most].clocks, func(o *clock) bool { return o.heard < c.heard }) {
			s.leaveOut(scope, c)
			return
		}
		s.forgetOldest(most, c, restored)
	}
}

// leaveOut takes back a restored time that was heard before all that would make room for it: each listing brings it again.
func (s *Store) leaveOut(scope template.Scope, c *clock) {
	all := s.clocks[scope]
	if len(all.clocks) == 1 {
		missed, ok := s.forgotten[scope]
		s.remove(scope)
		if ok {
			s.forgotten[scope] = missed
		}
		s.refuse(scope)
		return
	}
	all.clocks = slices.DeleteFunc(all.clocks, func(o *clock) bool { return o == c })
	s.count--
}

// forgetOldest forgets what was not heard for longest of a scope that has several ports, c, which is new, only where it is restored: that is not
// counted, since each listing brings it again. What no other port says is missed for an hour.
func (s *Store) forgetOldest(scope template.Scope, c *clock, restored bool) {
	all := s.clocks[scope]
	var gone *clock
	for _, o := range all.clocks {
		if (o != c || restored) && (gone == nil || o.heard < gone.heard) {
			gone = o
		}
	}
	all.clocks = slices.DeleteFunc(all.clocks, func(o *clock) bool { return o == gone })
	s.count--
	if gone != c {
		s.totals.Add(ledger.BootTimesEvicted, 1)
	}
	s.generation.Add(1)
	if !slices.ContainsFunc(all.clocks, func(o *clock) bool { return same(o.initialized, gone.initialized) }) {
		s.forgotten[scope] = max(s.forgotten[scope], gone.heard)
	}
}

// evict forgets a scope, and that its ports said different things where they did.
func (s *Store) evict(scope template.Scope) {
	all := s.clocks[scope]
	s.totals.Add(ledger.BootTimesEvicted, uint64(len(all.clocks)))
	differ := slices.ContainsFunc(all.clocks, func(c *clock) bool { return !same(c.initialized, all.clocks[0].initialized) })
	if _, ok := s.forgotten[scope]; !ok && !differ {
		s.remove(scope)
		return
	}
	s.remove(scope)
	s.forgotten[scope] = all.newest
	for other := range s.forgotten {
		if len(s.forgotten) <= int(s.scopes.Load()) {
			break
		}
		delete(s.forgotten, other)
	}
}

func (s *Store) remove(scope template.Scope) {
	s.count -= len(s.clocks[scope].clocks)
	delete(s.clocks, scope)
	delete(s.forgotten, scope)
	key := exporterKey{scope.Version, scope.Exporter}
	if delete(s.domains[key], scope.Domain); len(s.domains[key]) == 0 {
		delete(s.domains, key)
	}
}

// lastHeard is for template.Oldest.
func lastHeard(all *said) int64 { return all.newest }
