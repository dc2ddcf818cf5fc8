package template

import (
	"iter"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Mode says how the exporter's port takes part in a lookup.
type Mode uint8

// The modes, see Exporter.Template.
const (
	ModeAuto Mode = iota
	ModeAddress
	ModeAddressPort
)

// Limits bound a Store.
type Limits struct {
	// Exporters is how many scopes are remembered.
	Exporters int
	// Templates is how many definitions one of them may have.
	Templates int
	// Fields is how many fields one template may have.
	Fields int
	// Bytes is how much memory all definitions may take, about; 0 is no bound. Exporters times Templates would be far more than any
	// machine has, and one datagram teaches 170 templates.
	Bytes int64
	// TTL is how long what nobody says or uses is remembered, 0 for ever.
	TTL time.Duration
}

// BytesFor is the bound on bytes that goes with one on exporters: 4 KiB for each, as seven templates of twenty fields take, and no
// less than 64 MiB.
func BytesFor(exporters int) int64 { return max(int64(exporters)<<12, 64<<20) }

// Store holds the definitions of all exporters. It is safe for concurrent use; workers keep their own caches, which an
// Exporter's Generation invalidates, so that the packet path takes no lock.
type Store struct {
	mode     Mode
	limits   atomic.Pointer[Limits]
	observer Observer
	totals   *ledger.Totals

	// known counts the exporters ever added, so that a worker knows when a look-up that failed is worth another try.
	known atomic.Uint64
	// bytes that all definitions take.
	bytes atomic.Int64
	// step is when the bucket was last in step, 0 where there is none, and steady since when it was without a break.
	step, steady atomic.Int64

	// awaited is until when the bucket is waited for, 0 where it is not.
	awaited atomic.Int64

	mu        sync.RWMutex
	exporters map[Scope]*Exporter
	// parted are exporters that made room for others while ports of theirs said different things: whoever of them is heard first is not
	// the only one.
	parted map[Scope]struct{}
	absent Absent[Scope]
}

// maxParted bounds the exporters that made room of which that is known.
const maxParted = 1 << 14

// NewStore returns an empty Store. What happens to definitions is counted in totals. The observer may be nil.
func NewStore(mode Mode, limits Limits, totals *ledger.Totals, observer Observer) *Store {
	if observer == nil {
		observer = Unobserved{}
	}
	s := &Store{mode: mode, observer: observer, totals: totals, exporters: make(map[Scope]*Exporter),
		parted: make(map[Scope]struct{})}
	s.limits.Store(&limits)
	return s
}

// Unobserved is the Observer of a Store that nobody observes.
type Unobserved struct{}

// Learned implements Observer.
func (Unobserved) Learned(Definition) {}

// Observe replaces the observer. It must be called before the Store is used by others.
func (s *Store) Observe(o Observer) { s.observer = o }

// SetLimits replaces the limits; what exceeds them goes with the next addition.
func (s *Store) SetLimits(l Limits) { s.limits.Store(&l) }

// Limits in force.
func (s *Store) Limits() Limits { return *s.limits.Load() }

// ttl in nanoseconds, never where there is none.
func (s *Store) ttl() int64 {
	if ttl := int64(s.limits.Load().TTL); ttl > 0 {
		return ttl
	}
	return never
}

// Known changes whenever an exporter is added, and when one finds no room of which the bucket has something: if it sends already, it is missed.
func (s *Store) Known() uint64 { return s.known.Load() }

// Find returns the exporter of a scope, or nil.
func (s *Store) Find(scope Scope) *Exporter {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.exporters[scope]
}

// Exporter returns the exporter of a scope, adding it if need be; another one is then forgotten where the limit is
// reached. now is nanoseconds since 1970.
func (s *Store) Exporter(scope Scope, now int64) *Exporter {
	if e := s.Find(scope); e != nil {
		return e
	}
	return s.add(scope, now, never)
}

// add is a new exporter that was heard at a time, nil where there is no room but that of those which were not heard before than.
func (s *Store) add(scope Scope, heard, than int64) *Exporter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.exporters[scope]; e != nil {
		return e
	}
	for limit := s.limits.Load().Exporters; len(s.exporters) >= limit; {
		oldest, found := Oldest(s.exporters, lastHeard, than)
		if !found && than == never {
			break
		}
		if !found {
			if s.absent.Refuse(scope) { // it is asked for once it is heard, and counts once, though each listing brings it again
				s.known.Add(1)
				s.totals.Add(ledger.ExportersEvicted, 1)
			}
			return nil
		}
		s.evict(s.exporters[oldest])
	}
	e := &Exporter{store: s, scope: scope, ids: make(map[uint16]*meanings)}
	e.heard.Store(heard)
	e.bytes.Store(exporterBytes)
	s.bytes.Add(exporterBytes)
	if _, ok := s.parted[scope]; ok {
		delete(s.parted, scope)
		e.forgotten = heard
	}
	s.exporters[scope] = e
	s.known.Add(1)
	s.absent.Heard(scope)
	return e
}

// Miss notes that data came from a scope of which the Store knows nothing.
func (s *Store) Miss(scope Scope) { s.absent.Heard(scope) }

// Missed takes up to so many scopes that made room for others and were heard again since: the bucket may have what they taught.
func (s *Store) Missed(most int) []Scope { return s.absent.Missed(most) }

// Found says that all that the bucket has of an address was read: what is known of it by now is not missed.
func (s *Store) Found(a netip.Addr) {
	s.absent.Found(func(scope Scope) bool { return scope.Exporter == a && s.Find(scope) != nil })
}

// Welcome has a place for what the bucket has of a scope that was missed, though it was written long ago. now is nanoseconds since 1970.
func (s *Store) Welcome(scope Scope, now int64) { s.Exporter(scope, now) }

// lastHeard is for Oldest.
func lastHeard(e *Exporter) int64 { return e.heard.Load() }

// evict forgets an exporter, in memory only. s.mu is held.
func (s *Store) evict(worst *Exporter) {
	delete(s.exporters, worst.scope)
	s.absent.Leave(worst.scope)
	if worst.leave() {
		if len(s.parted) >= maxParted {
			for other := range s.parted {
				delete(s.parted, other)
				break
			}
		}
		s.parted[worst.scope] = struct{}{}
	}
	s.totals.Add(ledger.ExportersEvicted, 1)
}

// trim keeps to the bound on bytes: who takes much, and was not heard of for long, goes first. now is nanoseconds since 1970. No
// exporter may be locked.
func (s *Store) trim(now int64) {
	limit := s.limits.Load().Bytes
	if limit <= 0 || s.bytes.Load() <= limit {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bytes.Load() > limit && len(s.exporters) > 1 {
		var worst *Exporter
		most, looked := int64(0), 0
		for _, e := range s.exporters {
			silent := max(1, (now-e.heard.Load())/int64(time.Millisecond))
			if w := e.bytes.Load() * min(silent, longestSilence); worst == nil || w > most {
				worst, most = e, w
			}
			if looked++; looked == evictionSample {
				break
			}
		}
		s.evict(worst)
	}
}

// longestSilence, in milliseconds, is from when on silence counts no more: a day. Its product with any bytes fits.
const longestSilence = int64(24 * time.Hour / time.Millisecond)

// lapse is how long the bucket may be out of step without a break, in nanoseconds: others tell it more often of what they hear, see
// retell, than by as much as the hour of silence is longer.
const lapse = int64(10 * time.Minute)

// InStep notes that the Store had all of the bucket at now, nanoseconds since 1970. Whoever keeps them in step calls it every few seconds
// while they are. After a break, the hour of silence begins anew for what only others hear.
func (s *Store) InStep(now int64) {
	if now-s.step.Load() > lapse {
		s.steady.Store(now)
	}
	s.step.Store(now)
	s.awaited.Store(0)
}

// Await has data of ports that have said nothing wait until the Store has all of the bucket, see InStep, or until a time in nanoseconds since
// 1970: what is not loaded yet may be theirs.
func (s *Store) Await(until int64) { s.awaited.Store(until) }

// Awaited reports whether the bucket is waited for at now: what else it has, such as a sampling rate, may be missing as well. It takes no lock.
func (s *Store) Awaited(now int64) bool { return now < s.awaited.Load() }

// untold is until when others may have heard what the Store was not told: now, while the bucket is out of step; else the end of that.
func (s *Store) untold(now int64) int64 {
	step := s.step.Load()
	if step != 0 && now-step > lapse {
		return now
	}
	return s.steady.Load()
}

// Restore takes a definition from the bucket at now, nanoseconds since 1970, and reports whether it changed anything. The newer
// stamp wins; where memory has a newer one with another content, the observer is told to write it again. What nobody said for
// the ttl is left where it is.
func (s *Store) Restore(d Definition, now int64) bool {
	d.Heard = min(d.Heard, now)
	if s.ttl() != never && now-d.Heard > s.ttl() {
		return false
	}
	if d.Kind != KindData && d.Kind != KindOptions {
		return false
	}
	t, length, err := Parse(d.Key.Scope.Version, d.Kind, d.Record, s.limits.Load().Fields)
	if err != nil || length != len(d.Record) || uint64(t.ID) != d.Key.ID || d.Key.Layout != 0 && d.Key.Layout != t.Fingerprint() {
		return false
	}
	if s.mode == ModeAddress && d.Key.Port != AnyPort {
		d.Key.Port, d.Key.Layout = AnyPort, 0 // from when the mode was another one: the port is ignored, as of what is heard here
	}
	e := s.Find(d.Key.Scope)
	if e == nil {
		if e = s.add(d.Key.Scope, d.Heard, d.Heard); e == nil {
			return false
		}
	} else if heard := e.heard.Load(); d.Heard > heard {
		e.heard.CompareAndSwap(heard, d.Heard)
	}
	restored := e.restore(t, d, now)
	s.trim(now)
	if restored {
		s.totals.Add(ledger.TemplatesRestored, 1)
	}
	return restored
}

// Forget drops a definition that somebody deleted from the bucket.
func (s *Store) Forget(k Key) {
	if e := s.Find(k.Scope); e != nil {
		e.forget(k)
	}
}

// Definitions iterates over a copy of what the bucket should have at now, nanoseconds since 1970.
func (s *Store) Definitions(now int64) iter.Seq[Definition] {
	return func(yield func(Definition) bool) {
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

// Size counts what is known: exporters, and layouts of all of them.
func (s *Store) Size() (exporters, templates int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.exporters {
		templates += e.size()
	}
	return len(s.exporters), templates
}
