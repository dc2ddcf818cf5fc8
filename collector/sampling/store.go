package sampling

import (
	"iter"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Limits bound a Store.
type Limits struct {
	// Exporters is how many addresses are remembered, Rates how many announcements each may have, Total how many all together.
	Exporters, Rates, Total int
	// TTL is how long what is not announced is remembered, 0 for ever.
	TTL time.Duration
}

// LimitsFor are the limits that go with one on exporters.
func LimitsFor(exporters int, ttl time.Duration) Limits {
	return Limits{Exporters: exporters, Rates: 4096, Total: max(4*exporters, 1<<16), TTL: ttl}
}

type exporterKey struct {
	version template.Version
	address netip.Addr
}

// Store holds the rates of all exporters. It is safe for concurrent use.
type Store struct {
	addressOnly, ownPortOnly bool
	limits                   atomic.Pointer[Limits]
	observer                 template.Observer
	totals                   *ledger.Totals
	known                    atomic.Uint64
	count                    atomic.Int64

	mu        sync.RWMutex
	exporters map[exporterKey]*Exporter
	// parted are exporters that made room for others while ports of theirs said different things.
	parted map[exporterKey]struct{}
	absent template.Absent[exporterKey]
}

// maxParted bounds the exporters that made room of which that is known.
const maxParted = 1 << 14

// NewStore returns an empty Store whose look-ups take part of the exporter's port as mode says. What happens is counted in totals.
func NewStore(mode template.Mode, limits Limits, totals *ledger.Totals) *Store {
	s := &Store{addressOnly: mode == template.ModeAddress, ownPortOnly: mode == template.ModeAddressPort, observer: template.Unobserved{},
		totals: totals, exporters: make(map[exporterKey]*Exporter), parted: make(map[exporterKey]struct{})}
	s.limits.Store(&limits)
	return s
}

// Observe replaces the observer. It must be called before the Store is used by others.
func (s *Store) Observe(o template.Observer) { s.observer = o }

// SetLimits replaces the limits; what exceeds them goes with the next addition.
func (s *Store) SetLimits(l Limits) { s.limits.Store(&l) }

// Known changes whenever an exporter is added, and when one finds no room of which the bucket has something: if it sends already, it is missed.
func (s *Store) Known() uint64 { return s.known.Load() }

// TTL in nanoseconds, the largest number where there is none.
func (s *Store) TTL() int64 {
	if ttl := int64(s.limits.Load().TTL); ttl > 0 {
		return ttl
	}
	return never
}

// Find returns what the exporter of a scope announced, in all its domains, or nil.
func (s *Store) Find(scope template.Scope) *Exporter {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.exporters[exporterKey{scope.Version, scope.Exporter}]
}

// evictionSample is how many are looked at to find one that was not heard of for long.
const evictionSample = 32

// longestLook is at how many it is looked where none of these was heard before what the bucket has.
const longestLook = 1024

// Exporter returns the exporter of a scope, adding it if need be; another one is then forgotten where the limit is reached.
func (s *Store) Exporter(scope template.Scope, now int64) *Exporter {
	if e := s.Find(scope); e != nil {
		return e
	}
	return s.add(scope, now, never)
}

// add is a new exporter that was heard at a time, nil where there is no room but that of those which were not heard before than.
func (s *Store) add(scope template.Scope, heard, than int64) *Exporter {
	key := exporterKey{scope.Version, scope.Exporter}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.exporters[key]; e != nil {
		return e
	}
	for limits := s.limits.Load(); len(s.exporters) >= limits.Exporters || s.count.Load() >= int64(limits.Total); {
		oldest, found := template.Oldest(s.exporters, lastHeard, than)
		if !found && than == never {
			break
		}
		if !found {
			if s.absent.Refuse(key) { // it is asked for once it is heard, and counts once, though each listing brings it again
				s.known.Add(1)
				s.totals.Add(ledger.SamplingEvicted, 1)
			}
			return nil
		}
		s.evict(s.exporters[oldest])
	}
	e := &Exporter{store: s, key: key, subjects: make(map[uint64][]*announcement), samplers: make(map[uint64]struct{}),
		cards: make(map[uint64]struct{}), numbered: make(map[uint32]int), speakers: make(map[uint16]*speaker)}
	e.heard.Store(heard)
	if _, ok := s.parted[key]; ok {
		delete(s.parted, key)
		e.parted = heard
	}
	s.exporters[key] = e
	s.known.Add(1)
	s.absent.Heard(key)
	return e
}

// Miss notes that data came from an exporter of which the Store knows nothing.
func (s *Store) Miss(scope template.Scope) {
	s.absent.Heard(exporterKey{scope.Version, scope.Exporter})
}

// Missed takes up to so many exporters that made room for others and were heard again since, with domain 0: the bucket may have their rates.
func (s *Store) Missed(most int) (out []template.Scope) {
	for _, key := range s.absent.Missed(most) {
		out = append(out, template.Scope{Version: key.version, Exporter: key.address})
	}
	return out
}

// Found says that all that the bucket has of an address was read: what is known of it by now is not missed.
func (s *Store) Found(a netip.Addr) {
	s.absent.Found(func(key exporterKey) bool {
		return key.address == a && s.Find(template.Scope{Version: key.version, Exporter: a}) != nil
	})
}

// Welcome has a place for what the bucket has of an exporter that was missed, as of now, nanoseconds since 1970.
func (s *Store) Welcome(scope template.Scope, now int64) { s.Exporter(scope, now) }

// evict forgets an exporter, in memory only. s.mu is held.
func (s *Store) evict(oldest *Exporter) {
	delete(s.exporters, oldest.key)
	s.absent.Leave(oldest.key)
	oldest.mu.Lock()
	defer oldest.mu.Unlock()
	if oldest.differs() {
		if len(s.parted) >= maxParted {
			for other := range s.parted {
				delete(s.parted, other)
				break
			}
		}
		s.parted[oldest.key] = struct{}{}
	}
	oldest.gone.Store(true)
	s.count.Add(-int64(oldest.count))
	s.totals.Add(ledger.SamplingEvicted, uint64(oldest.count))
	oldest.subjects, oldest.count = make(map[uint64][]*announcement), 0
	oldest.samplers, oldest.cards, oldest.numbered = make(map[uint64]struct{}), make(map[uint64]struct{}), make(map[uint32]int)
	oldest.speakers, oldest.byKind = make(map[uint16]*speaker), [kinds]int{}
	oldest.generation.Add(1)
}

// lastHeard is for template.Oldest.
func lastHeard(e *Exporter) int64 { return e.heard.Load() }

// trim keeps to the bound on all announcements after e had one more: e has fewer, or who has more than e of those looked at. No exporter may be
// locked.
func (s *Store) trim(e *Exporter) {
	for limit := int64(s.limits.Load().Total); s.count.Load() > limit; {
		most, count, looked := e, e.size(), 0
		s.mu.RLock()
		for _, other := range s.exporters {
			if n := other.size(); n > count {
				most, count = other, n
			}
			if looked++; looked == evictionSample {
				break
			}
		}
		s.mu.RUnlock()
		if count <= 1 || !most.makeRoom() {
			return
		}
	}
}

// Restore takes a definition from the bucket at now, nanoseconds since 1970, and reports whether it changed anything.
func (s *Store) Restore(d template.Definition, now int64) bool {
	d.Heard = min(d.Heard, now)
	rate, err := Decode(d.Record)
	if kind, _ := Split(d.Key.ID); err != nil || d.Kind != template.KindSampling || kind >= kinds || now-d.Heard > s.TTL() || d.Key.Layout != 0 && d.Key.Layout != rate+1 {
		return false
	}
	if s.addressOnly {
		if d.Key.Layout != 0 {
			return false // nobody disputes where all ports are one: the last that was said counts
		}
		d.Key.Port = template.AnyPort // also from when the mode was another one
	}
	e := s.Find(d.Key.Scope)
	if e == nil {
		if e = s.add(d.Key.Scope, d.Heard, d.Heard); e == nil {
			return false // what is announced later than this must not be pushed out by it
		}
	} else if heard := e.heard.Load(); d.Heard > heard {
		e.heard.CompareAndSwap(heard, d.Heard)
	}
	if !e.restore(d, rate, now) {
		return false
	}
	s.totals.Add(ledger.SamplingRestored, 1)
	return true
}

// Forget drops what somebody deleted from the bucket.
func (s *Store) Forget(k template.Key) {
	e := s.Find(k.Scope)
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	// What has no key there was not deleted: the bucket lists what once was for as long as the ttl.
	if a := e.find(k.ID, k.Scope.Domain, k.Port, k.Layout-1, k.Layout != 0); a != nil && a.told != 0 {
		e.remove(k.ID, a)
	}
}

// Definitions iterates over a copy of what the bucket should have at now, nanoseconds since 1970.
func (s *Store) Definitions(now int64) iter.Seq[template.Definition] {
	return func(yield func(template.Definition) bool) {
		s.mu.RLock()
		exporters := make([]*Exporter, 0, len(s.exporters))
		for _, e := range s.exporters {
			exporters = append(exporters, e)
		}
		s.mu.RUnlock()
		for _, e := range exporters {
			for _, d := range e.snapshot(now) {
				if !yield(d) {
					return
				}
			}
		}
	}
}

// Size is how many announcements are known.
func (s *Store) Size() int { return int(s.count.Load()) }
