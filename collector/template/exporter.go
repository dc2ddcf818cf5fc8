package template

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Exporter is what one scope taught. It is safe for concurrent use.
type Exporter struct {
	store *Store
	scope Scope
	// generation changes with every change of what a look-up gives, but for those that time alone brings.
	generation atomic.Uint64
	gone       atomic.Bool
	heard      atomic.Int64

	// changed is when a template was last learned, or became another one, by what was heard here; 0 for never.
	changed atomic.Int64

	mu      sync.Mutex
	ids     map[uint16]*meanings
	layouts int
	// forgotten is when what made room for others was last alive.
	forgotten int64
	// returns are when ports last went back to what they had said before, the latest first.
	returns [2]int64
	// bytes that the exporter takes. Who adds to them holds mu.
	bytes atomic.Int64
}

// What an exporter, a layout beside its record and fields, and a say take in memory: measured, rounded up.
const (
	exporterBytes = 512
	layoutBytes   = 256
	fieldBytes    = 8
	sayBytes      = 128
)

// size is about how many bytes l takes.
func (l *layout) size() int64 {
	return int64(layoutBytes + len(l.template.Record) + fieldBytes*len(l.template.Fields) + sayBytes*len(l.says))
}

// grow counts bytes; those of an exporter that is gone are nobody's. e.mu is held.
func (e *Exporter) grow(by int64) {
	if !e.gone.Load() {
		e.bytes.Add(by)
		e.store.bytes.Add(by)
	}
}

// leave lets go of everything: a worker may still look at the exporter for a while. It reports whether ports said different things.
func (e *Exporter) leave() (parted bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.store.bytes.Add(-e.bytes.Load())
	e.gone.Store(true)
	e.bytes.Store(0)
	for _, m := range e.ids {
		live := 0
		for _, l := range m.layouts {
			if !l.silent {
				live++
			}
		}
		parted = parted || live > 1
	}
	parted = parted || e.forgotten != 0
	e.ids, e.layouts = make(map[uint16]*meanings), 0
	e.generation.Add(1)
	return parted
}

// Generation changes whenever a look-up may give another result, but for what time alone brings: see Template.
func (e *Exporter) Generation() uint64 { return e.generation.Load() }

// Gone reports that the Store has forgotten the exporter.
func (e *Exporter) Gone() bool { return e.gone.Load() }

// Heard notes that the exporter was heard of at now, nanoseconds since 1970.
func (e *Exporter) Heard(now int64) { e.heard.Store(now) }

// Template looks up what template id means at now for datagrams from port, nil where that is unknown or undecided. The answer
// holds until the Generation changes, or until the time returned, both times in nanoseconds since 1970.
//
// With ModeAuto it is the port's own layout; else the only live one; else none, so that no record is ever read with a neighbour's.
// ModeAddress takes the newest, ModeAddressPort the port's own only.
func (e *Exporter) Template(port, id uint16, now int64) (t *Template, until int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.ids[id]
	if m == nil {
		return nil, never
	}
	until = e.settle(m, now)
	if e.store.mode == ModeAuto && !m.hasSaid(port) {
		if missing := e.missing(now); missing > now {
			return nil, missing
		}
	}
	l, until := m.lookup(e.store.mode, port, now, until)
	if l == nil {
		return nil, until
	}
	l.used = now
	s := l.of(port)
	if s != nil {
		s.used = now
	}
	e.keep(m, l, s, now)
	if ttl := e.store.ttl(); ttl != never {
		until = min(until, now+ttl/4) // to be asked again while it is used, and not to outlive the ttl
	}
	return l.template, until
}

// settle does what time brings about; it returns until when nothing more changes. What was not heard for the ttl is forgotten: layouts, and
// ports that said one, but for the last of these.
func (e *Exporter) settle(m *meanings, now int64) int64 {
	if ttl := e.store.ttl(); ttl != never {
		for _, l := range slices.Clone(m.layouts) {
			if now-l.alive() > ttl {
				e.remove(m, l)
				continue
			}
			if !slices.ContainsFunc(l.says, func(s *say) bool { return now-s.alive() > ttl }) {
				continue
			}
			newest := l.newest()
			for _, s := range slices.Clone(l.says) {
				if s != newest && now-s.alive() > ttl {
					e.unsay(m, l, s.port)
				}
			}
		}
	}
	silenced, until := m.settle(now, e.store.untold(now))
	for _, l := range silenced {
		e.generation.Add(1)
		for _, s := range l.says {
			if s.told != 0 {
				e.tell(l, s, now, true)
			}
		}
	}
	return until
}

// missing is until when the only layout that is known may not be the only one: another one was forgotten, in memory only, or the bucket is
// not loaded yet. It is not after now where neither is so.
func (e *Exporter) missing(now int64) int64 {
	if e.forgotten != 0 && now < e.forgotten+silence {
		return e.forgotten + silence
	}
	return min(e.store.awaited.Load(), now+askAgain)
}

// keep has the bucket keep a layout that is used, though it was not said for long, and that the port said it which uses it, where that is known
// there.
func (e *Exporter) keep(m *meanings, l *layout, s *say, now int64) {
	ttl := e.store.ttl()
	if ttl == never || len(l.says) == 0 {
		return
	}
	if s != nil && s.told != 0 && now-s.told > ttl/2 {
		e.keepSay(m, l, s, now)
	}
	if now-l.told() > ttl/2 {
		e.keepSay(m, l, l.newest(), now)
	}
}

func (e *Exporter) keepSay(m *meanings, l *layout, s *say, now int64) {
	if plain, known := m.plain(s.port); plain == nil || known == s || s.twin {
		e.tell(l, s, now, true)
	}
}

// tell has the bucket written. e.mu is held.
func (e *Exporter) tell(l *layout, s *say, now int64, refresh bool) {
	refresh = refresh && s.told != 0
	s.told = now
	d := e.describe(l, s)
	d.Refresh = refresh
	e.store.observer.Learned(d)
}

// remove drops a layout with all who said it.
func (e *Exporter) remove(m *meanings, l *layout) {
	m.layouts = slices.DeleteFunc(m.layouts, func(o *layout) bool { return o == l })
	if len(m.layouts) == 0 {
		delete(e.ids, l.template.ID)
	}
	e.layouts--
	e.grow(-l.size())
	e.generation.Add(1)
}

// unsay drops what a port said; a layout that nobody says goes with it.
func (e *Exporter) unsay(m *meanings, l *layout, port uint16) {
	i, ok := l.find(port)
	if !ok {
		return
	}
	if len(l.says) == 1 {
		e.remove(m, l)
		return
	}
	l.says = slices.Delete(l.says, i, i+1)
	e.grow(-sayBytes)
	e.generation.Add(1)
}

// add notes that a port says t, where it did not before; l is the layout of t where that is known.
func (e *Exporter) add(m *meanings, l *layout, t *Template, s *say) *layout {
	e.generation.Add(1)
	if l != nil {
		if len(l.says) >= maxSays {
			e.unsay(m, l, l.longest().port)
		}
		at, _ := l.find(s.port)
		l.says = slices.Insert(l.says, at, s)
		e.grow(sayBytes)
		return l
	}
	if len(m.layouts) >= maxLayouts {
		e.evict(m, oldest(m))
	}
	if len(m.layouts) == 0 {
		e.ids[t.ID] = m
	}
	l = &layout{template: t, says: []*say{s}}
	m.layouts = append(m.layouts, l)
	e.layouts++
	e.grow(l.size())
	for limit := e.store.limits.Load().Templates; e.layouts > limit; {
		if !e.evictOther(l) {
			break
		}
	}
	return l
}

func oldest(m *meanings) *layout {
	return slices.MinFunc(m.layouts, func(a, b *layout) int { return int(min(1, max(-1, a.alive()-b.alive()))) })
}

func (e *Exporter) evict(m *meanings, l *layout) {
	if !l.silent {
		e.forgotten = max(e.forgotten, l.alive())
	}
	e.remove(m, l)
	e.store.totals.Add(ledger.TemplatesEvicted, 1)
}

// evictOther forgets, in memory only, the one of some layouts that was not heard for longest, but for kept.
func (e *Exporter) evictOther(kept *layout) bool {
	var from *meanings
	var worst *layout
	looked := 0
	for _, m := range e.ids {
		for _, l := range m.layouts {
			if l != kept && (worst == nil || l.alive() < worst.alive()) {
				from, worst = m, l
			}
		}
		// A flood of templates must not buy a walk over all of them each.
		if looked++; looked >= evictionSample && worst != nil {
			break
		}
	}
	if worst != nil {
		e.evict(from, worst)
	}
	return worst != nil
}

func (e *Exporter) describe(l *layout, s *say) Definition {
	k := Key{Scope: e.scope, Port: s.port, ID: uint64(l.template.ID)}
	if s.twin {
		k.Layout = l.template.Fingerprint()
	}
	heard := s.heard
	used := s.used
	if s == l.newest() {
		used = l.used
	}
	if ttl := e.store.ttl(); ttl != never && used-heard > ttl/2 {
		heard = used // it is to be kept; else that data is read with it is no argument against what was said since
	}
	return Definition{Key: k, Kind: l.template.Kind, Stamp: s.stamp, Record: l.template.Record, Heard: heard, Told: s.told,
		Witnessed: s.witnessed, Silent: l.silent}
}

// Figures are what is known of an exporter's templates.
type Figures struct {
	// Templates counts ids that mean something.
	Templates int
	// Changed is when one was last learned, or became another one, by what was heard here, in nanoseconds since 1970; 0 for never.
	Changed int64
	// Twins: devices that share a port mean different things by one id.
	Twins bool
}

// Figures are those at now, in nanoseconds since 1970.
func (e *Exporter) Figures(now int64) Figures {
	e.mu.Lock()
	defer e.mu.Unlock()
	// Who hears both has one after the other. A change that is taken back comes back once.
	f := Figures{Templates: len(e.ids), Changed: e.changed.Load(), Twins: e.returns[1] != 0 && now-e.returns[1] <= silence}
	for _, m := range e.ids {
		e.settle(m, now)
		for _, l := range m.layouts {
			for _, s := range l.says {
				f.Twins = f.Twins || !l.silent && s.twin && s.port != AnyPort && slices.ContainsFunc(m.layouts, func(o *layout) bool {
					return o != l && !o.silent && o.of(s.port) != nil
				})
			}
		}
	}
	return f
}

// snapshot is what the bucket should have of the exporter.
func (e *Exporter) snapshot(now int64) (out []Definition) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range e.ids {
		e.settle(m, now)
		for _, l := range m.layouts {
			for _, s := range l.says {
				if s.told != 0 {
					out = append(out, e.describe(l, s))
				}
			}
		}
	}
	return out
}

func (e *Exporter) size() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.layouts
}
