package names

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// place is a table of one exporter.
type place struct {
	domain uint32
	table  Table
}

// Exporter is what one address taught. It is safe for concurrent use.
type Exporter struct {
	store   *Store
	address netip.Addr
	// generation changes whenever a look-up may give another result.
	generation atomic.Uint64
	gone       atomic.Bool
	heard      atomic.Int64

	mu     sync.Mutex
	tables tables
	turns  int // of all tables
}

// Generation changes whenever Row may give another result.
func (e *Exporter) Generation() uint64 { return e.generation.Load() }

// Gone reports that the Store has forgotten the exporter.
func (e *Exporter) Gone() bool { return e.gone.Load() }

// Own looks up what a domain itself says a number means, nil for nothing. The Row must not be changed.
func (e *Exporter) Own(domain uint32, t Table, number uint64) *Row {
	e.mu.Lock()
	defer e.mu.Unlock()
	own := e.tables.get(place{domain, t})
	if own == nil {
		return nil
	}
	row := own.find(number)
	if row != nil && row.contested(contestedName) {
		return nameless
	}
	return row
}

// nameless is the row of a contested number: a collector of an earlier version may have given it a name again.
var nameless = &Row{}

// Row looks up what a number means to flows of a domain: what the domain itself says; where that is no name, also what the exporter's
// other domains agree on, as long as there are no more than maxAgreeing; else nil. The Row must not be changed.
func (e *Exporter) Row(domain uint32, t Table, number uint64) *Row {
	e.mu.Lock()
	defer e.mu.Unlock()
	var row *Row
	if own := e.tables.get(place{domain, t}); own != nil {
		row = own.find(number)
		switch {
		case row == nil:
		case row.contested(contestedName):
			return nameless
		case row.Name != "", row.refused(refusedName): // what others call it may be what it was called before
			return row
		}
	}
	agreed := e.tables.agreed(domain, t, number)
	switch {
	case row == nil:
		return agreed
	case agreed == nil, row.Description != "" && agreed.Description != "" && row.Description != agreed.Description:
		return row // others number otherwise
	}
	both := agreed.merge(*row)
	if row.contested(contestedDescription) {
		both.Description = ""
	}
	return &both
}

// learn takes a row, see Store.Learn. e.mu is held.
func (e *Exporter) learn(k Key, r Row, port int, stamp Stamp, now int64) Result {
	at := place{k.Scope.Domain, k.Table}
	t := e.tables.get(at)
	if t == nil {
		t = &tableRows{table: k.Table}
	}
	was := t.find(k.Number)
	r, marked := r.unmarked()
	if r.Empty() && (was == nil || marked == marks{}) {
		return RefusedEmpty
	}
	result, becomes := Learned, r
	if was != nil {
		known := t.stamp(k.Number)
		var contested bool
		becomes, result, contested = e.told(t, k.Number, was, &r, marked, saying{port: port, heard: now, exported: stamp})
		switch {
		case becomes.Empty():
			return RefusedEmpty // no page has a row that says nothing
		case was.same(&becomes):
			t.heard = max(t.heard, now)
			if now-t.told > e.store.ttl/2 && t.dirty == 0 {
				t.refresh = true
				e.store.soil(e, at, t, now)
			}
			if contested && result == Contested {
				return Contested
			}
			return Refreshed
		case !contested && (late(stamp, known) || now < t.heard && stamp < known): // what waited is no clock that went back
			return Stale
		}
		stamp = max(stamp, known+1)
	}
	if !e.room(at, &becomes, was) {
		return RefusedRoom
	}
	t.changes(k.Number, was, e.store.limits.Load().ExporterBytes/formerShare-e.tables.sumOf(k.Table).former, &e.store.chunks)
	t.put(Entry{Number: k.Number, Row: becomes, Stamp: stamp}, was, &e.store.chunks)
	e.tables.put(at, t)
	t.heard = max(t.heard, now)
	if was == nil || result != Contested || !was.sameTexts(&becomes) {
		e.store.news.note(t, k.Number, result)
	}
	e.changed(t)
	if len(t.fresh) >= compactRows {
		t.set(t.entries(), t.exact(), &e.store.chunks)
		e.tables.tell(t)
	}
	e.store.soil(e, at, t, now)
	return result
}

// told is what becomes of the row of a number when r is said with marks, and what that makes of it; contested reports that what others say
// counts as well.
func (e *Exporter) told(t *tableRows, number uint64, was, r *Row, m marks, from saying) (becomes Row, result Result, contested bool) {
	reassigned := r.Name != "" && (was.Name != "" && was.Name != r.Name || was.refused(refusedName))
	if reassigned || m.name != "" && was.Name != "" {
		result = Reassigned
	}
	becomes = *r
	switch {
	case !reassigned && !t.other():
		becomes = was.merge(*r)
	case len(r.Attributes) == 0 && t.other():
		becomes.Attributes = was.Attributes
	} // else what the rest of the row was about had the number before
	if t.other() {
		return becomes, result, false
	}
	becomes = m.on(was, *r, becomes)
	var row Row
	if row, contested = e.hears(t, number, was, r, m, from); contested {
		becomes = row
	}
	if becomes.contested(contestedName) || becomes.contested(contestedDescription) {
		result = Contested
	}
	return becomes, result, contested
}

// renew has flows looked up anew.
func (e *Exporter) renew() {
	e.generation.Add(1)
	e.store.changes.Add(1)
}

// changed has flows looked up anew, if they carry anything of the table.
func (e *Exporter) changed(t *tableRows) {
	if !t.other() {
		e.renew()
	}
}

// compactRows is after how many changed rows new pages are made, so that no look-up and no copy meets more.
const compactRows = 4096

// room reports whether a row of a table may take the place of was, or one of its own where that is nil.
func (e *Exporter) room(at place, r, was *Row) bool {
	l := e.store.limits.Load()
	rows, bytes, all := l.Rows, l.ExporterBytes, l.forNew()
	if at.table == Others {
		rows, bytes = l.Others.Rows, l.Others.ExporterBytes
		if e.store.chunks.others.Load()+r.size() > l.Others.Bytes {
			return false
		}
	}
	has := e.tables.sumOf(at.table)
	growth := r.size()
	if was != nil {
		growth, all = growth-was.size(), l.Bytes // what was said before is not true any more
	}
	if was == nil && has.rows >= rows || growth > 0 && has.bytes+growth > bytes || !e.open(at, l) {
		return false
	}
	return e.store.chunks.size()+r.size() <= all
}

// has reports whether the exporter has rows whose bounds are those of a table.
func (e *Exporter) has(t Table) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tables.sumOf(t).rows > 0
}

// open reports whether a table is there or may be added.
func (e *Exporter) open(at place, l *Limits) bool {
	return at.table > 0 && int(at.table) < numTables && (e.tables.get(at) != nil || e.tables.count < l.Tables)
}

// drop lets go of a table. e.mu is held.
func (e *Exporter) drop(at place, t *tableRows) {
	if t.wanted != nil {
		e.store.chunks.unwait(t.wanted.Pages, where{Scope{e.address, at.domain}, at.table})
		t.wanted = nil
	}
	e.store.news.forget(t)
	e.turns -= len(t.turns)
	e.tables.drop(at, t, &e.store.chunks)
}

// leave lets go of everything: a worker may still look at the exporter for a while.
func (e *Exporter) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for at, t := range e.tables.all() {
		e.drop(at, t)
	}
	e.gone.Store(true)
	e.renew()
}

// leaveOthers lets go of what Others have. No flow carries anything of it.
func (e *Exporter) leaveOthers() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for at, t := range e.tables.all() {
		if t.other() {
			e.drop(at, t)
		}
	}
}
