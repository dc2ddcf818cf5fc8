package names

import (
	"cmp"
	"slices"

	"github.com/flowfleet/flowfleet/collector/template"
)

// tableRows are the rows of one table of one scope. Its methods are called with the exporter locked.
type tableRows struct {
	table  Table
	chunks []*chunk
	// base is the stamp of the chunks' rows, but of those in recent.
	base   Stamp
	recent map[uint64]Stamp
	// fresh are rows that changed since the chunks were made.
	fresh map[uint64]Entry
	count int
	bytes int64
	// freshBytes are those of fresh, which chunks.fresh counts.
	freshBytes int64

	// heard is when a row was last said; told, when the bucket was last written, and manifest the stamp of what was.
	heard, told int64
	manifest    Stamp
	// dirty since then, 0 where the bucket has it all; wait is for how long changes are gathered.
	dirty, wait int64
	refresh     bool
	// counted is what the exporter has counted of count, bytes and formerBytes.
	counted sum
	// wanted came from the bucket ahead of its pages.
	wanted *restored
	// news are the numbers of rows that are to be handed on, and newsTold that they will be.
	news     map[uint64]struct{}
	newsTold bool
	// shared: the bucket has all rows. wasShared: it had all when the first of fresh changed, so that others know the rest. everShared: it had all
	// at some time.
	shared, wasShared, everShared bool
	// former are rows as the bucket last had them, of numbers that changed here since, as far as there was room for them: who has the former does
	// not know of the change, however late a stamp it has. formerBytes are theirs.
	former      map[uint64]Row
	formerBytes int64
	// turns are what is said of numbers that have several names, see contest.go.
	turns map[turnsKey]*turns
}

// restored is a manifest that came from the bucket.
type restored struct {
	Manifest
	stamp       Stamp
	heard, told int64
	// came is when it did.
	came int64
}

func (t *tableRows) other() bool { return t.table == Others }

func (t *tableRows) find(number uint64) *Row {
	if e, ok := t.fresh[number]; ok {
		return &e.Row
	}
	i, found := slices.BinarySearchFunc(t.chunks, number, func(c *chunk, number uint64) int { return compareNumber(c.rows[0], number) })
	if !found {
		i--
	}
	if i < 0 {
		return nil
	}
	return t.chunks[i].find(number)
}

func (t *tableRows) stamp(number uint64) Stamp {
	if e, ok := t.fresh[number]; ok {
		return e.Stamp
	}
	if s, ok := t.recent[number]; ok {
		return s
	}
	return t.base
}

// put takes a row that is new or has changed.
func (t *tableRows) put(e Entry, was *Row, all *chunks) {
	if t.fresh == nil {
		t.fresh = make(map[uint64]Entry)
	}
	if was == nil {
		t.count++
	} else {
		t.bytes -= was.size()
	}
	size := e.size()
	t.bytes += size
	if before, ok := t.fresh[e.Number]; ok {
		size -= before.size()
	}
	t.freshBytes += size
	all.addFresh(size, t.other())
	t.fresh[e.Number] = e
}

func (t *tableRows) forgetFresh(all *chunks) {
	all.addFresh(-t.freshBytes, t.other())
	t.fresh, t.freshBytes = nil, 0
}

// maxFormer bounds the numbers of a table of which the former row is known, and formerShare is which share of an exporter's bytes those of all
// its tables may take besides. Beyond that, an older name may come back where collectors were apart.
const (
	maxFormer   = 4096
	formerShare = 8
)

// changes notes that a row is to take the place of another one, nil for none, before it does. Former rows may take room more bytes.
func (t *tableRows) changes(number uint64, was *Row, room int64, all *chunks) {
	t.wasShared = t.wasShared || t.shared
	t.shared = false
	if was == nil || !t.everShared || t.other() || len(t.former) >= maxFormer || was.size() > room {
		return
	}
	if _, known := t.former[number]; known {
		return
	}
	if t.former == nil {
		t.former = make(map[uint64]Row)
	}
	t.former[number] = *was
	t.formerBytes += was.size()
	all.addFresh(was.size(), false)
}

// nowShared notes that the bucket has all rows.
func (t *tableRows) nowShared(all *chunks) {
	t.shared, t.wasShared, t.everShared = true, false, true
	t.forgetFormer(all)
}

func (t *tableRows) forgetFormer(all *chunks) {
	all.addFresh(-t.formerBytes, false)
	t.former, t.formerBytes = nil, 0
}

// has notes which rows the bucket has: where it has a change, nobody is behind it any more.
func (t *tableRows) has(rows []Entry, all *chunks) {
	for i := range rows {
		was, changed := t.former[rows[i].Number]
		if !changed {
			continue
		}
		if is := t.find(rows[i].Number); is != nil && is.same(&rows[i].Row) {
			delete(t.former, rows[i].Number)
			t.formerBytes -= was.size()
			all.addFresh(-was.size(), false)
		}
	}
}

// exact is the stamp beyond which rows keep their own: while the bucket lacks something of the table, nobody knows what others have heard.
func (t *tableRows) exact() Stamp {
	if t.wasShared || t.base == 0 {
		return anyStamp
	}
	return t.base
}

// drop lets go of all rows.
func (t *tableRows) drop(all *chunks) {
	t.forgetFresh(all)
	t.forgetFormer(all)
	all.addFresh(-int64(len(t.turns))*turnsBytes, false)
	t.turns = nil
	all.release(t.chunks)
	t.chunks, t.count, t.bytes = nil, 0, 0
}

// entries returns all rows by number, with their stamps.
func (t *tableRows) entries() []Entry {
	out := make([]Entry, 0, t.count)
	for _, c := range t.chunks {
		for _, e := range c.rows {
			if _, changed := t.fresh[e.Number]; !changed {
				e.Stamp = t.stamp(e.Number)
				out = append(out, e)
			}
		}
	}
	for _, e := range t.fresh {
		out = append(out, e)
	}
	if len(t.fresh) > 0 {
		slices.SortFunc(out, func(a, b Entry) int { return compareNumber(a, b.Number) })
	}
	return out
}

// set has the table consist of rows, which are in the order of their numbers; those later than exact keep their stamps. It returns its pages.
func (t *tableRows) set(rows []Entry, exact Stamp, all *chunks) []Page {
	pages := Pages(t.table, rows)
	before := t.chunks
	t.chunks = make([]*chunk, 0, len(pages))
	rest := rows
	for i := range pages {
		n := pages[i].rows
		part := slices.Clone(rest[:n])
		for j := range part {
			part[j].Stamp = 0
		}
		t.chunks = append(t.chunks, all.use(&pages[i], part))
		rest = rest[n:]
	}
	all.release(before)
	m := newManifest(rows, pages, exact, t.fresh)
	t.base, t.recent = m.Base, stampMap(m.Recent)
	t.forgetFresh(all)
	t.wasShared = false
	t.count, t.bytes = len(rows), 0
	for _, c := range t.chunks {
		t.bytes += c.size
	}
	return pages
}

// adopt has the table consist of the chunks of a manifest, of which the caller has counted the use.
func (t *tableRows) adopt(m *restored, list []*chunk, all *chunks) {
	all.release(t.chunks)
	t.forgetFresh(all)
	t.chunks, t.base, t.recent = list, m.Base, stampMap(m.Recent)
	t.count, t.bytes = 0, 0
	for _, c := range list {
		t.count += len(c.rows)
		t.bytes += c.size
	}
}

func stampMap(recent []Recent) map[uint64]Stamp {
	if len(recent) == 0 {
		return nil
	}
	out := make(map[uint64]Stamp, len(recent))
	for _, r := range recent {
		out[r.Number] = r.Stamp
	}
	return out
}

// describe is the manifest of a table whose rows are all in chunks.
func (t *tableRows) describe() Manifest {
	m := Manifest{Base: t.base}
	for _, c := range t.chunks {
		m.Pages = append(m.Pages, c.hash)
	}
	for number, stamp := range t.recent {
		m.Recent = append(m.Recent, Recent{number, stamp})
	}
	slices.SortFunc(m.Recent, func(a, b Recent) int { return cmp.Compare(a.Number, b.Number) })
	return m
}

// newest is the latest stamp of a row.
func (m *Manifest) newest() Stamp {
	newest := m.Base
	for i := range m.Recent {
		newest = max(newest, m.Recent[i].Stamp)
	}
	return newest
}

// merged is what the rows of two collectors come to.
type merged struct {
	rows []Entry
	// ahead: the first has what the second lacks; changed: the second has what the first lacks; later: rows of the first have later stamps now.
	ahead, changed, later bool
}

// merge returns the rows of a and b, which are in the order of their numbers, the later one of each number. knows reports that a's row
// is the later one, whatever their stamps are; replaced is told of each row of b that takes the place of another one.
func merge(a, b []Entry, knows func(ours, theirs *Entry) bool, replaced func(was, is *Entry)) (m merged) {
	m.rows = make([]Entry, 0, max(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].Number < b[0].Number:
			m.rows, a, m.ahead = append(m.rows, a[0]), a[1:], true
		case a[0].Number > b[0].Number:
			m.rows, b, m.changed = append(m.rows, b[0]), b[1:], true
		default:
			ours, theirs := a[0], b[0]
			switch {
			case ours.same(&theirs.Row):
				// Stamps that differ for what is the same would have collectors differ about what follows.
				m.later, m.ahead = m.later || theirs.Stamp > ours.Stamp, m.ahead || theirs.Stamp < ours.Stamp
				ours.Stamp = max(ours.Stamp, theirs.Stamp)
			case ours.Stamp > theirs.Stamp, ours.Stamp == theirs.Stamp && ours.greater(&theirs.Row):
				m.ahead = true
			case knows(&ours, &theirs):
				ours.Stamp, m.ahead, m.later = theirs.Stamp+1, true, true
			default:
				replaced(&ours, &theirs)
				ours, m.changed = theirs, true
			}
			m.rows, a, b = append(m.rows, ours), a[1:], b[1:]
		}
	}
	m.ahead, m.changed = m.ahead || len(a) > 0, m.changed || len(b) > 0
	m.rows = append(append(m.rows, a...), b...)
	return m
}

// late reports whether s is of an earlier second than known, by no more than a datagram may be late. What is older comes from an exporter
// whose clock went back.
func late(s, known template.Stamp) bool {
	was, is := known.Seconds(), s.Seconds()
	return is < was && was-is <= template.LateSeconds
}
