package template

import (
	"slices"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// LearnTemplate takes a template that came from port in a message with an export time (seconds since 1970) and received at
// now (nanoseconds). Where three layouts in a row come back, each slowly and within an hour (see turns), devices that share the port say them
// in turn: both are kept, and the port's data is held until one of them was not repeated in time (see lasts).
func (e *Exporter) LearnTemplate(port uint16, t *Template, exported uint64, now int64) {
	defer e.store.trim(now) // when e is unlocked
	e.heard.Store(now)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.store.mode == ModeAddress {
		port = AnyPort
	}
	m := e.ids[t.ID]
	if m == nil {
		m = &meanings{}
	}
	e.settle(m, now)
	l := m.find(t)
	var s *say
	if l != nil {
		s = l.of(port)
	}
	before, _, _ := m.chosen(port, now)
	stamp := StampOf(exported)
	if before != l && before != nil && late(before.of(port), t, stamp, now) {
		e.store.totals.Add(ledger.TemplatesStale, 1)
		return
	}
	inTurn, returns := m.inTurn(port), 0
	var earlier say
	if before != nil && before != l {
		earlier = *before.of(port)
		if e.store.mode != ModeAddress && earlier.cameBack(t, now) {
			returns = earlier.returns + 1
		}
	}
	counter := ledger.TemplatesRefreshed
	switch {
	case inTurn && s != nil:
		// As known.
	case returns >= turns:
		inTurn, counter = true, ledger.TemplatesChanged
		e.store.totals.Add(ledger.TemplatesConflicting, 1)
	case s == nil && l != nil && len(m.layouts) == 1:
		// Another port of an exporter that is known.
	case s == nil && before == nil:
		counter = ledger.TemplatesLearned
		if len(m.layouts) > 0 {
			e.store.totals.Add(ledger.TemplatesConflicting, 1)
		}
	case before != l:
		counter = ledger.TemplatesChanged
		if before != nil {
			if former := before.of(port).former; former != 0 && former == t.Fingerprint() {
				e.returns = [2]int64{now, e.returns[0]}
			}
		}
	}
	// Others take a layout for silent that nobody said for so long.
	revived := l != nil && (l.silent || len(m.layouts) > 1 && now-l.heard() >= silence)
	next, news := e.succeed(m, l, s, port, stamp, now, inTurn)
	if earlier.heard != 0 {
		next.earlier, next.earlierHeard, next.returns = before.template.Fingerprint(), earlier.heard, returns
	}
	if s == nil {
		s = &next
		l = e.add(m, l, t, s)
	} else {
		if before != l {
			e.generation.Add(1)
		}
		news = news || next.witnessed && !s.witnessed // others wait for that word
		next.told, next.witnessed, next.former, next.suspect = s.told, s.witnessed || next.witnessed, 0, 0
		*s = next
	}
	if l.silent {
		l.silent = false
		e.generation.Add(1)
	}
	s.heard, s.own = now, now
	for _, other := range m.layouts {
		if o := other.of(port); o != nil {
			s.own = max(s.own, o.arrived)
		}
	}
	e.store.totals.Add(counter, 1)
	if counter != ledger.TemplatesRefreshed {
		e.changed.Store(now)
	}
	e.settle(m, now)
	e.publish(m, l, s, news || revived, now)
}

// late reports whether t is what the port said before s, in a message that was overtaken on its way. Said again, later, it is none.
func late(s *say, t *Template, stamp Stamp, now int64) bool {
	if s.former == 0 || stamp.Seconds() >= s.first.Seconds() || s.first.Seconds()-stamp.Seconds() > LateSeconds || now-s.heard > Overtaken ||
		s.suspect != 0 && stamp > s.suspect || s.former != t.Fingerprint() {
		return false
	}
	s.suspect = max(s.suspect, stamp)
	return true
}

// succeed makes what a port says now, and drops what it said before. What only other collectors heard from it stays where the two
// take turns, slowly: that is another device with the same address and port; inTurn: so stays what was heard here. replaced: the port's
// key in the bucket has another layout.
func (e *Exporter) succeed(m *meanings, l *layout, s *say, port uint16, stamp Stamp, now int64, inTurn bool) (next say, replaced bool) {
	next = say{port: port, first: stamp}
	pause := int64(0)
	if s != nil {
		next = *s
		// What it said before it said something else, for hours, is no pause.
		if standing, _, _ := m.chosen(port, now); s.own != 0 && (standing == l || now-s.own <= silence) {
			pause = max(now-s.own, exportPause(s.stamp, stamp))
		}
	}
	shared := m.shared(port, now)
	returned := s != nil && s.own != 0 && !l.silent && pause >= slowPause && now-s.own <= silence
	twins := e.store.mode != ModeAddress && (next.twin && shared || returned)
	for _, other := range m.layouts {
		if o := other.of(port); o != nil && o.twin && o.own != 0 && !inTurn && shared && e.store.mode != ModeAddress {
			twins, next.twin = true, true
		}
	}
	for _, other := range slices.Clone(m.layouts) {
		o := other.of(port)
		if o == nil || other == l {
			continue
		}
		if inTurn && o.own != 0 {
			next.twin = next.twin || !o.twin
			continue
		}
		if twins && o.own == 0 && (next.twin || !o.witnessed) {
			next.twin = next.twin || !o.twin
			continue
		}
		replaced = replaced || o.told != 0 && !o.twin
		if o.own != 0 {
			next.witnessed = true
			next.former = other.template.Fingerprint()
		}
		stamp = After(stamp, o.stamp, o.heard, now)
		next.first = stamp
		e.unsay(m, other, port)
	}
	if s != nil && s.twin && !twins && !inTurn {
		// It is alone again: the port's plain key is its own, and the one beside it says nothing any more.
		if s.told != 0 {
			d := e.describe(l, s)
			d.Silent, d.Refresh = true, true
			e.store.observer.Learned(d)
		}
		s.told, next.twin = 0, false
	}
	next.arrived, next.trust = 0, 0
	next.pause = max(next.pause, pause)
	next.stamp = max(next.stamp, stamp)
	return next, replaced
}

// exportPause is the time between two stamps in nanoseconds, 0 where an exporter's clock jumped.
func exportPause(before, after Stamp) int64 {
	if after <= before || after.Seconds()-before.Seconds() > uint64(silence/1e9) {
		return 0
	}
	return int64(after.Seconds()-before.Seconds()) * 1e9
}

// publish tells the bucket what it needs: a new layout, one that comes back, a port that said another one before, and while layouts compete who stands
// for which; ports that change each time are named only while there are few, and otherwise the layout is vouched for. What the bucket knows is
// refreshed at half of the ttl.
func (e *Exporter) publish(m *meanings, l *layout, s *say, news bool, now int64) {
	contested := m.contested != 0
	due := e.store.ttl() / 2
	if contested {
		due = min(due, retell)
	}
	if news || s.told != 0 {
		if news || now-s.told > due {
			e.tell(l, s, now, !news)
		}
		e.standFor(m, now)
		return
	}
	apart := contested || e.store.mode == ModeAddressPort // ports are read with what each of them said
	stale := now-l.told() > due
	switch {
	case l.told() == 0, s.twin, apart && s.pause > 0:
		e.tell(l, s, now, false)
	case apart && m.mayName(now):
		m.name(now)
		e.tell(l, s, now, false)
	case stale && (!contested || e.store.mode != ModeAuto):
		e.tell(l, s, now, true)
	case apart:
		if stale {
			e.vouch(m, l, s, now)
		}
		e.store.totals.Add(ledger.TemplatesUnshared, 1)
	}
	e.standFor(m, now)
}

// standFor has the bucket know what was heard here of which it has no key any more: a layout must not lose its last one, since others would read
// its ports with another one, nor a port that is known to repeat it be taken for another one's.
func (e *Exporter) standFor(m *meanings, now int64) {
	for _, l := range m.layouts {
		for _, s := range l.says {
			if s.told != 0 || s.own == 0 || l.silent {
				continue
			}
			standing, _, _ := m.chosen(s.port, now)
			if standing == l && (l.told() == 0 || m.contested != 0 && s.pause > 0) {
				e.tell(l, s, now, false)
			}
		}
	}
}

// vouch has the bucket know that some port still says a layout, and when it last did, whose own key would be one more for each that changes: the key
// is of no port, and stands beside those of ports, as one of devices that share one does.
func (e *Exporter) vouch(m *meanings, l *layout, by *say, heard int64) {
	s := l.of(AnyPort)
	if s == nil {
		s = &say{port: AnyPort, twin: true, first: by.stamp}
		e.add(m, l, l.template, s)
	}
	s.heard, s.own, s.stamp = max(s.heard, heard), max(s.own, heard), max(s.stamp, by.stamp)
	e.tell(l, s, heard, true)
}

// restore takes what the bucket has and reports whether that changes anything.
func (e *Exporter) restore(t *Template, d Definition, now int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.ids[t.ID]
	if m == nil {
		m = &meanings{}
	}
	e.settle(m, now)
	defer func() { e.standFor(m, now) }() // one port stood for several that now part
	port, l := d.Key.Port, m.find(t)
	if port == AnyPort && d.Key.Layout != 0 && e.store.mode == ModeAddress {
		return false // vouched for in another mode: here it would be another device at the port of all
	}
	if l != nil {
		if s := l.of(port); s != nil {
			if standing, _, _ := m.chosen(port, now); standing == l || standing == nil || d.Key.Layout != 0 || s.own == 0 && !s.twin {
				return e.confirm(m, l, s, d, now)
			}
		}
	}
	if l != nil && len(l.says) >= maxSays && l.of(port) == nil && d.Heard <= l.longest().heard {
		return false // the bucket has more ports than a collector remembers
	}
	fresh := &say{port: port, twin: d.Key.Layout != 0, heard: d.Heard, first: d.Stamp, stamp: d.Stamp, told: max(d.Told, 1),
		witnessed: d.Witnessed}
	if !m.hasSaid(port) && port != AnyPort {
		m.name(fresh.told) // all collectors count the ports that one of them named
	}
	if !fresh.twin {
		if !e.giveWay(m, l, fresh, d, now) {
			return false
		}
	}
	if l != nil {
		if s := l.of(port); s != nil { // overridden before, and now the port's again
			*s = *fresh
			s.own = 0
			l.silent = l.silent && d.Silent
			e.generation.Add(1)
			return true
		}
	} else if !e.hasRoom(m, d.Heard) {
		e.refuse(d)
		return false
	}
	known := l != nil
	l = e.add(m, l, t, fresh)
	if !known {
		l.silent = d.Silent
	} else if !d.Silent {
		l.silent = false
	}
	e.settle(m, now)
	return true
}

// confirm takes the bucket's word for what is known.
func (e *Exporter) confirm(m *meanings, l *layout, s *say, d Definition, now int64) bool {
	before := l.heard()
	s.stamp, s.heard, s.told = max(s.stamp, d.Stamp), max(s.heard, d.Heard), max(d.Told, 1)
	if d.Witnessed && !s.witnessed { // it is no other device's
		s.witnessed, s.trust = true, min(s.trust, now)
		e.generation.Add(1)
	}
	for _, other := range slices.Clone(m.layouts) {
		if o := other.of(s.port); d.Key.Layout == 0 && o != nil && o != s && o.own == 0 && !o.twin {
			e.unsay(m, other, s.port) // its key has this layout now
		}
	}
	if d.Key.Layout == 0 && s.twin {
		s.twin = false
	}
	switch {
	case l.silent && !d.Silent && d.Heard <= before && now-before >= silence:
		e.tell(l, s, now, false) // the bucket was rolled back: nobody said it since it fell silent
		return false
	case l.silent && !d.Silent:
		l.silent = false
	case !l.silent && d.Silent && now-l.heard() >= silence:
		l.silent = true
	case !l.silent && d.Silent && s.own != 0:
		// It was heard here, or of another port. Of that the others are told: that this one said it long ago is what they know.
		if newest := l.newest(); newest != s && newest.told == 0 {
			e.vouch(m, l, newest, newest.heard) // it may be another one each time
		} else {
			e.tell(l, newest, now, true)
		}
		return false
	default:
		return false
	}
	e.generation.Add(1)
	return true
}

// giveWay drops what the port said before another collector's word, unless that is older than what is known here. What this
// collector heard itself, and hears again and again, is only set aside: see chosen.
func (e *Exporter) giveWay(m *meanings, l *layout, fresh *say, d Definition, now int64) bool {
	plain, _ := m.plain(fresh.port)
	if said, known := m.said(fresh.port, now); said != nil && said != l {
		order := Compare(d.Stamp, d.Heard, known.stamp, known.heard)
		if order < 0 || order == 0 && string(d.Record) < string(said.template.Record) {
			if d.Stamp > known.stamp { // the exporter's clock was set back
				known.stamp = d.Stamp + 1
			}
			known.told = now
			e.store.observer.Learned(e.describe(said, known))
			return false
		}
	}
	fresh.arrived, fresh.trust = now, now
	// Two devices may have shared the port once. What has no plain key yet is only being loaded.
	twins := plain == nil || m.shared(fresh.port, now)
	for _, other := range slices.Clone(m.layouts) {
		o := other.of(fresh.port)
		if o == nil || other == l || o.twin && o.own == 0 && twins {
			continue
		}
		if o.own == 0 || e.store.mode == ModeAddress {
			e.unsay(m, other, fresh.port)
			continue
		}
		if o.twin && twins {
			fresh.arrived, fresh.trust = 0, 0 // two devices: the other one changed its mind
			return true
		}
		if !o.twin {
			o.told = 0 // its key is the other's now
		}
		fresh.arrived = max(fresh.arrived, o.own+1) // their order counts, also within a tick of the clock
		if gap := max(now-o.own, exportPause(o.stamp, d.Stamp)); !d.Witnessed && now-o.own < silence && max(gap, o.pause) >= slowPause {
			fresh.trust = max(fresh.trust, o.lasts())
		}
		e.generation.Add(1)
	}
	return true
}

// hasRoom reports whether there is room for one more layout of an id, or that of one which was heard before a time: what the bucket has too much of
// must not push out what was heard later.
func (e *Exporter) hasRoom(m *meanings, heard int64) bool {
	if len(m.layouts) >= maxLayouts {
		return oldest(m).alive() < heard
	}
	return e.layouts < e.store.limits.Load().Templates || e.evictOlder(heard)
}

// refuse notes that what the bucket has found no room. What would count for others is counted once, though each listing brings it again.
func (e *Exporter) refuse(d Definition) {
	if d.Silent || d.Heard <= e.forgotten {
		return
	}
	if d.Heard > e.forgotten+echo {
		e.store.totals.Add(ledger.TemplatesEvicted, 1)
	}
	e.forgotten = d.Heard
	e.generation.Add(1)
}

// evictOlder forgets a layout that was heard before a time, if one of those looked at was.
func (e *Exporter) evictOlder(than int64) bool {
	looked := 0
	for _, m := range e.ids {
		if l := oldest(m); l.alive() < than {
			e.evict(m, l)
			return true
		}
		if looked++; looked >= longestLook {
			break
		}
	}
	return false
}

// forget drops what somebody deleted from the bucket.
func (e *Exporter) forget(k Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.ids[uint16(k.ID)]
	if m == nil {
		return
	}
	plain, _ := m.plain(k.Port)
	for _, l := range slices.Clone(m.layouts) {
		// What the port said before goes with its key: it was set aside for that.
		if s := l.of(k.Port); s != nil && (k.Layout == 0 && !s.twin && plain != nil || k.Layout != 0 && k.Layout == l.template.Fingerprint()) {
			e.unsay(m, l, k.Port)
		}
	}
}
