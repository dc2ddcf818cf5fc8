package names

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// Limits bound a Store. Names come from UDP, and whoever sends them can invent exporters and rows.
type Limits struct {
	// Exporters is how many addresses may have rows.
	Exporters int
	// Rows is how many rows all tables of one exporter may have.
	Rows int
	// ExporterBytes is how much memory one exporter's rows may take, about.
	ExporterBytes int64
	// Bytes is how much memory all rows may take, about.
	Bytes int64
}

// DefaultLimits suit a large network: a table of 65,535 rows fits, 10,000 exporters of 200 interfaces each take 400 MiB at
// most.
var DefaultLimits = Limits{Exporters: 20_000, Rows: 70_000, ExporterBytes: 16 << 20, Bytes: 512 << 20}

// Observer is told of rows that changed. It is called with an exporter locked: it must not block and must not call the Store.
type Observer interface {
	// Changed is called when a table of a scope has other content than before, by what this process heard.
	Changed(Scope, Table)
}

// Result says what became of a row.
type Result uint8

// The results.
const (
	// Learned: the number had no row, or one that said less.
	Learned Result = iota
	// Reassigned: the number had another name.
	Reassigned
	// Refreshed: it said what was known.
	Refreshed
	// Stale: it is older than what is known, and was overtaken on its way.
	Stale
	// RefusedRows: the exporter has as many rows as it may, or as many bytes.
	RefusedRows
	// RefusedEmpty: it says nothing.
	RefusedEmpty
)

// Slot is a row's place. Its content changes in place, so that who has looked it up once needs no further look-up and no lock.
type Slot struct {
	number  uint64
	content atomic.Pointer[Row]
	// stamp and heard are guarded by the exporter.
	stamp Stamp
	heard int64
}

// Row returns what the number means now, nil where it has lost its meaning. The Row must not be changed.
func (s *Slot) Row() *Row { return s.content.Load() }

// table is one scope's rows of a Table.
type table struct {
	rows map[uint64]*Slot
}

type place struct {
	domain uint32
	table  Table
}

// exporter is what one address taught.
type exporter struct {
	mu     sync.Mutex
	tables map[place]*table
	rows   int
	bytes  int64
	heard  int64
	gone   bool
}

// Store holds the rows of all exporters. It is safe for concurrent use.
type Store struct {
	limits   atomic.Pointer[Limits]
	observer Observer
	bytes    atomic.Int64
	rows     atomic.Int64
	// added changes whenever a look-up that failed may succeed, or one that succeeded give another Slot.
	added atomic.Uint64

	mu        sync.RWMutex
	exporters map[netip.Addr]*exporter
}

// NewStore returns an empty Store. The observer may be nil.
func NewStore(limits Limits, observer Observer) *Store {
	s := &Store{observer: observer, exporters: make(map[netip.Addr]*exporter)}
	s.limits.Store(&limits)
	return s
}

// Observe replaces the observer. It must be called before the Store is used by others.
func (s *Store) Observe(o Observer) { s.observer = o }

// SetLimits replaces the limits; what exceeds them is refused from now on.
func (s *Store) SetLimits(l Limits) { s.limits.Store(&l) }

// Generation changes whenever a look-up may give another Slot, or one where there was none.
func (s *Store) Generation() uint64 { return s.added.Load() }

// Size counts the rows and about how many bytes they take.
func (s *Store) Size() (exporters int, rows, bytes int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.exporters), s.rows.Load(), s.bytes.Load()
}

// What a row takes in memory beside its texts, measured and rounded up.
const rowBytes = 192

func (r *Row) size() int64 {
	n := rowBytes + len(r.Name) + len(r.Description)
	for i := range r.Attributes {
		n += 32 + len(r.Attributes[i].Text)
	}
	return int64(n)
}

// Learn takes a row from an exporter, announced in a message with an export time (seconds since 1970) and received at now
// (nanoseconds since 1970). Of two rows of one number the one that was exported later counts; one that is older by more than a
// minute comes from an exporter whose clock went back, and counts at once.
func (s *Store) Learn(k Key, r Row, exported uint64, now int64) Result {
	if r.Empty() {
		return RefusedEmpty
	}
	e := s.exporter(k.Scope.Exporter, now)
	if e == nil {
		return RefusedRows
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return RefusedRows
	}
	e.heard = max(e.heard, now)
	stamp := StampOf(exported)
	slot := e.find(k)
	if slot == nil {
		result := s.add(e, k, r, stamp, now)
		if result == Learned {
			s.changed(k)
		}
		return result
	}
	was := slot.content.Load()
	merged := was.merge(r)
	switch {
	case was.same(&merged):
		slot.stamp, slot.heard = max(slot.stamp, stamp), now
		return Refreshed
	case stamp.late(slot.stamp):
		return Stale
	}
	result := Learned
	if was.Name != "" && was.Name != merged.Name {
		result = Reassigned
		if r.Description == "" {
			merged.Description = "" // it described what had the number before
		}
	}
	if !s.grow(e, merged.size()-was.size()) {
		return RefusedRows
	}
	slot.content.Store(&merged)
	slot.stamp, slot.heard = max(stamp, slot.stamp+1), now
	if len(e.tables) > 1 {
		s.added.Add(1) // domains that agreed may do so no more
	}
	s.changed(k)
	return result
}

func (s *Store) changed(k Key) {
	if s.observer != nil {
		s.observer.Changed(k.Scope, k.Table)
	}
}

// exporter returns the exporter of an address, adding it if need be; nil where there are as many as may be and none of a few has
// been silent for longer.
func (s *Store) exporter(a netip.Addr, now int64) *exporter {
	s.mu.RLock()
	e := s.exporters[a]
	s.mu.RUnlock()
	if e != nil {
		return e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e = s.exporters[a]; e != nil {
		return e
	}
	for limit := max(1, s.limits.Load().Exporters); len(s.exporters) >= limit; {
		s.evict()
	}
	e = &exporter{tables: make(map[place]*table), heard: now}
	s.exporters[a] = e
	return e
}

// evictionSample is how many exporters are looked at to find one that was not heard of for long.
const evictionSample = 32

// evict forgets, in memory only, the exporter that was silent for longest of a few. s.mu is held.
func (s *Store) evict() {
	var worst netip.Addr
	var oldest *exporter
	n := 0
	for a, e := range s.exporters {
		if oldest == nil || e.lastHeard() < oldest.lastHeard() {
			worst, oldest = a, e
		}
		if n++; n == evictionSample {
			break
		}
	}
	delete(s.exporters, worst)
	oldest.mu.Lock()
	defer oldest.mu.Unlock()
	s.bytes.Add(-oldest.bytes)
	s.rows.Add(-int64(oldest.rows))
	for _, t := range oldest.tables {
		for _, slot := range t.rows {
			slot.content.Store(nil)
		}
	}
	oldest.gone, oldest.tables, oldest.rows, oldest.bytes = true, nil, 0, 0
	s.added.Add(1)
}

func (e *exporter) lastHeard() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard
}

func (e *exporter) find(k Key) *Slot {
	if t := e.tables[place{k.Scope.Domain, k.Table}]; t != nil {
		return t.rows[k.Number]
	}
	return nil
}

// add makes a row where there is none. e.mu is held.
func (s *Store) add(e *exporter, k Key, r Row, stamp Stamp, heard int64) Result {
	if e.rows >= s.limits.Load().Rows || !s.grow(e, r.size()) {
		return RefusedRows
	}
	at := place{k.Scope.Domain, k.Table}
	t := e.tables[at]
	if t == nil {
		t = &table{rows: make(map[uint64]*Slot)}
		e.tables[at] = t
	}
	slot := &Slot{number: k.Number, stamp: stamp, heard: heard}
	slot.content.Store(&r)
	t.rows[k.Number] = slot
	e.rows++
	s.rows.Add(1)
	s.added.Add(1)
	return Learned
}

// grow counts bytes and reports whether they may be taken. e.mu is held.
func (s *Store) grow(e *exporter, by int64) bool {
	l := s.limits.Load()
	if by > 0 && (e.bytes+by > l.ExporterBytes || s.bytes.Load()+by > l.Bytes) {
		return false
	}
	e.bytes += by
	s.bytes.Add(by)
	return true
}

// Find looks up what a number means to flows of a scope: what the flow's own domain says; else what the exporter's other domains
// agree on; else nil. Whether it was found or not holds until Generation changes; what a found Slot says is asked of the Slot.
func (s *Store) Find(k Key) *Slot {
	s.mu.RLock()
	e := s.exporters[k.Scope.Exporter]
	s.mu.RUnlock()
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if slot := e.find(k); slot != nil {
		return slot
	}
	var found *Slot
	for at, t := range e.tables {
		if at.table != k.Table {
			continue
		}
		slot := t.rows[k.Number]
		switch {
		case slot == nil:
		case found == nil:
			found = slot
		case !slot.content.Load().same(found.content.Load()):
			return nil
		}
	}
	return found
}

// Entry is a row as Rows shows it.
type Entry struct {
	Number uint64
	Row
	Stamp Stamp
	// Heard is when it was last heard, nanoseconds since 1970.
	Heard int64
}

// Rows returns a table of a scope, by number.
func (s *Store) Rows(scope Scope, t Table) []Entry {
	s.mu.RLock()
	e := s.exporters[scope.Exporter]
	s.mu.RUnlock()
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	own := e.tables[place{scope.Domain, t}]
	if own == nil {
		return nil
	}
	out := make([]Entry, 0, len(own.rows))
	for _, slot := range own.rows {
		out = append(out, Entry{Number: slot.number, Row: *slot.content.Load(), Stamp: slot.stamp, Heard: slot.heard})
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if a.Number < b.Number {
			return -1
		}
		return 1
	})
	return out
}
