package names

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Limits bound a Store. Names come from UDP, and whoever sends them can invent exporters and rows.
type Limits struct {
	// Exporters is how many addresses may have rows.
	Exporters int
	// Tables is how many tables one exporter may have: each domain has its own.
	Tables int
	// Rows is how many rows all tables of one exporter may have.
	Rows int
	// ExporterBytes is how much memory the rows of one exporter may take, about, whether others have the same or not.
	ExporterBytes int64
	// Bytes is how much memory all pages may take, about.
	Bytes int64
	// Others bounds Others alone. What they have is not in Rows and ExporterBytes, and is in Bytes.
	Others OtherLimits
}

// OtherLimits bound Others, so that they leave the other tables the room that these need.
type OtherLimits struct {
	Rows                 int
	ExporterBytes, Bytes int64
}

// forNew is what of Bytes new rows may take: the rest is for those that take the place of others, and stand beside them for a while.
func (l *Limits) forNew() int64 { return l.Bytes - l.Bytes/32 }

// LimitsFor are the limits that go with a bound on exporters: a table of 65,535 rows, and a chassis of a hundred line cards fit each; all together have 2 KiB an
// exporter, as twenty names take, and no less than 64 MiB, an eighth of it for Others. What tables share counts once.
func LimitsFor(exporters int) Limits {
	bytes := max(int64(exporters)<<11, 64<<20)
	return Limits{Exporters: exporters, Tables: 1024, Rows: 70_000, ExporterBytes: 32 << 20, Bytes: bytes,
		Others: OtherLimits{Rows: 4096, ExporterBytes: 256 << 10, Bytes: bytes / 8}}
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
	// RefusedRoom: the limits leave no room for it.
	RefusedRoom
	// RefusedEmpty: it says nothing.
	RefusedEmpty
	// Contested: devices that share the address and the domain name the number differently. It has no name.
	Contested
)

// Store holds the tables of all exporters. It is safe for concurrent use.
type Store struct {
	limits   atomic.Pointer[Limits]
	ttl      int64
	observer template.Observer
	chunks   chunks
	figures  figures
	news     news
	// known changes with every exporter that is added.
	known atomic.Uint64
	// changes changes with all by which flows are named: with known, with each Exporter's generation, and with said. A flow compares one number.
	changes atomic.Uint64
	said    atomic.Pointer[saidNow]

	mu        sync.RWMutex
	exporters map[netip.Addr]*Exporter
	absent    template.Absent[netip.Addr]

	expired atomic.Int64 // when expire last looked
	// crowded is until when nobody is looked for who could make room: a flood of one kind leaves the others alone.
	crowded [numRooms]atomic.Int64
	looked  int // at how many exporters in all, for such a look; guarded by mu

	dirtyMu sync.Mutex
	dirty   map[where]struct{}
}

// NewStore returns an empty Store, which forgets tables of which no row was said for the ttl; 0 is for ever.
func NewStore(limits Limits, ttl time.Duration) *Store {
	s := &Store{ttl: int64(ttl), observer: template.Unobserved{}, exporters: make(map[netip.Addr]*Exporter), dirty: make(map[where]struct{})}
	if ttl == 0 {
		s.ttl = 1<<63 - 1
	}
	s.chunks.byHash, s.chunks.waiting = make(map[Hash]*chunk), make(map[Hash]*awaited)
	s.limits.Store(&limits)
	s.said.Store(&saidNow{})
	s.changes.Store(1)
	return s
}

// Observe replaces the observer. It must be called before the Store is used by others.
func (s *Store) Observe(o template.Observer) { s.observer = o }

// SetLimits replaces the limits; what exceeds them is refused from now on.
func (s *Store) SetLimits(l Limits) { s.limits.Store(&l) }

// Changes changes whenever Known, Saying or the Generation of an Exporter do, after them; it is never 0.
func (s *Store) Changes() uint64 { return s.changes.Load() }

// Known changes whenever an exporter is added.
func (s *Store) Known() uint64 { return s.known.Load() }

// Size counts the exporters and about how many bytes all their rows take.
func (s *Store) Size() (exporters int, bytes int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.exporters), s.chunks.size()
}

// Find returns the exporter of an address, or nil.
func (s *Store) Find(a netip.Addr) *Exporter {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.exporters[a]
}

// Learn takes a row from an exporter, announced in a message with an export time (seconds since 1970) and received at now
// (nanoseconds since 1970). Of two rows of one number the one that was exported later counts; one that is older by more than a
// minute comes from an exporter whose clock went back, and counts at once. Nothing tells such a row from another device's, see LearnFrom.
func (s *Store) Learn(k Key, r Row, exported uint64, now int64) Result {
	return s.learnFrom(unknownPort, k, r, exported, now)
}

// LearnFrom is Learn of a row that came from a UDP port. Where ports name a number differently in turn, it has no name: two that name it twice
// each, within an hour. That ends when only one name was said for two hours or so.
func (s *Store) LearnFrom(port uint16, k Key, r Row, exported uint64, now int64) Result {
	return s.learnFrom(int(port), k, r, exported, now)
}

func (s *Store) learnFrom(port int, k Key, r Row, exported uint64, now int64) Result {
	if r.Empty() || r.onlyMarked() && s.Find(k.Scope.Exporter) == nil {
		return RefusedEmpty
	}
	result := s.learn(k, r, port, exported, now)
	if result == RefusedRoom && s.full(k.Table, r.size()) && s.makeRoom(k.Table, now) {
		result = s.learn(k, r, port, exported, now)
	}
	switch result {
	case RefusedRoom:
		s.figures.refused[RefusedFull].Add(1)
	case Stale:
		s.figures.refused[RefusedStale].Add(1)
	case Contested:
		s.figures.refused[RefusedContested].Add(1)
	}
	return result
}

func (s *Store) learn(k Key, r Row, port int, exported uint64, now int64) Result {
	e := s.exporter(k.Scope.Exporter, now, now, roomForExporters)
	if e == nil {
		return RefusedRoom
	}
	e.heard.Store(now)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone.Load() {
		return RefusedRoom
	}
	return e.learn(k, r, port, template.StampOf(exported), now)
}

const (
	// evictionSample is of how many exporters that were not heard of for long the oldest makes room, longestLook at how many in all is
	// looked to find these.
	evictionSample = 32
	longestLook    = 4096
	// silentLong is from when on a silent exporter makes room for another: those that send repeat their tables within it, so that a
	// flood of invented ones pushes out none of them.
	silentLong = int64(time.Hour)
)

// rooms are what room is looked for.
type rooms uint8

const (
	roomForRows rooms = iota
	roomForOthers
	roomForExporters
	// roomForRestored is for exporters that the bucket knows.
	roomForRestored
	numRooms
)

// exporter returns the exporter of an address that was heard at a time, adding it if need be; nil where there are as many as may be.
func (s *Store) exporter(a netip.Addr, heard, now int64, kind rooms) *Exporter {
	if e := s.Find(a); e != nil {
		return e
	}
	if now < s.crowded[kind].Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.exporters[a]; e != nil {
		return e
	}
	l := s.limits.Load()
	if len(s.exporters) >= max(1, l.Exporters) || s.chunks.size() >= l.forNew() {
		if !s.makeRoomOfStrays(now) || len(s.exporters) >= max(1, l.Exporters) || s.chunks.size() >= l.forNew() {
			oldest := s.silent(heard, func(*Exporter) bool { return true })
			if oldest == nil {
				s.crowded[kind].Store(now + lookAgain)
				return nil
			}
			s.evict(oldest)
		}
	}
	e := &Exporter{store: s, address: a}
	e.heard.Store(heard)
	s.exporters[a] = e
	s.known.Add(1)
	s.changes.Add(1)
	s.absent.Heard(a)
	return e
}

// Miss notes that a flow came from an exporter of which the Store knows nothing.
func (s *Store) Miss(a netip.Addr) { s.absent.Heard(a) }

// expireEvery is how often tables that nobody says any more are looked for.
const expireEvery = int64(time.Minute)

// wantedAge is for how long a table waits for pages that the bucket does not have. Manifests are listed again each 10 minutes: what has
// its pages by then comes again.
const wantedAge = int64(time.Hour)

// expire forgets tables of which no row was said for the ttl, and manifests whose pages do not come.
func (s *Store) expire(now int64) {
	last := s.expired.Load()
	if now-last < expireEvery || !s.expired.CompareAndSwap(last, now) {
		return
	}
	s.chunks.dropStrays(now - strayAge)
	for _, e := range s.all() {
		e.mu.Lock()
		for at, t := range e.tables.all() {
			e.expireTurns(t, now)
			if t.wanted != nil && now-t.wanted.came > wantedAge {
				s.chunks.unwait(t.wanted.Pages, where{Scope{e.address, at.domain}, at.table})
				t.wanted = nil
			} else if t.wanted != nil {
				continue
			}
			if now-t.heard > s.ttl || t.heard == 0 && t.count == 0 {
				e.drop(at, t)
				e.renew()
			}
		}
		e.mu.Unlock()
	}
}

// lookAgain is for how long nobody is looked for who could make room, after nobody was found: a flood of rows, or of invented exporters, is not
// to cost a look each.
const lookAgain = int64(time.Second)

// full reports whether what all exporters have leaves no room for so many bytes of a table.
func (s *Store) full(t Table, size int64) bool {
	l := s.limits.Load()
	return s.chunks.size()+size > l.forNew() || t == Others && s.chunks.others.Load()+size > l.Others.Bytes
}

// makeRoom forgets an exporter that has been silent for long, and reports whether it did: who invents exporters has their rows kept until
// then, and those that send come first from then on. It is forgotten in memory only. What makes room for Others are Others: names stay.
func (s *Store) makeRoom(t Table, now int64) bool {
	crowded := &s.crowded[roomForRows]
	if t == Others {
		crowded = &s.crowded[roomForOthers]
	}
	if now < crowded.Load() {
		return false
	}
	if s.makeRoomOfStrays(now) && !s.full(t, maxRowBytes) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.silent(now, func(e *Exporter) bool { return e.has(t) })
	switch {
	case oldest == nil:
		crowded.Store(now + lookAgain)
		return false
	case t == Others && oldest.has(Interfaces): // or any other table of names: they are counted together
		oldest.leaveOthers()
		s.figures.evicted.Add(1)
	default:
		s.evict(oldest)
	}
	return true
}

// makeRoomOfStrays forgets pages of the bucket that no table has, and reports whether there were any: whoever writes such pages is to keep no
// exporter's names out.
func (s *Store) makeRoomOfStrays(now int64) bool {
	dropped := s.chunks.dropStrays(now - strayCrowded)
	s.figures.refused[RefusedUnused].Add(dropped)
	return dropped > 0
}

// evict forgets an exporter. s.mu is held.
func (s *Store) evict(e *Exporter) {
	delete(s.exporters, e.address)
	s.absent.Leave(e.address)
	e.leave()
	s.figures.evicted.Add(1)
}

// silent is the exporter that was silent for longest of a few that were for long, and are eligible; nil where none is. s.mu is held.
func (s *Store) silent(now int64, eligible func(*Exporter) bool) *Exporter {
	var oldest *Exporter
	looked, found := 0, 0
	for _, e := range s.exporters {
		if now-e.heard.Load() >= silentLong && eligible(e) {
			if found++; oldest == nil || e.heard.Load() < oldest.heard.Load() {
				oldest = e
			}
		}
		s.looked++
		if looked++; found == evictionSample || looked == longestLook {
			break
		}
	}
	return oldest
}

// Rows returns a table of a scope, by number.
func (s *Store) Rows(scope Scope, t Table) []Entry {
	e := s.Find(scope.Exporter)
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	own := e.tables.get(place{scope.Domain, t})
	if own == nil {
		return nil
	}
	return own.entries()
}
