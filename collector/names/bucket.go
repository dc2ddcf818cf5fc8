package names

import (
	"encoding/binary"
	"errors"
	"iter"
	"net/netip"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

const (
	// gather is for how long changes of a table are gathered before the bucket is written: a table comes in several datagrams. A table
	// that keeps changing is written ever less often, down to once in longestGather.
	gather        = int64(200 * time.Millisecond)
	longestGather = int64(30 * time.Second)
	// Others wait for longer, but the first time: nobody's flows wait for them, and some have fields that change with each record.
	gatherOthers        = int64(5 * time.Minute)
	longestGatherOthers = int64(time.Hour)
	// pageShare is by which share of the ttl a page may be older in the bucket than the list of its table, which is written with each change: pages
	// of which nothing changes would else be gone while their table is heard.
	pageShare = 16
)

// soil notes that the bucket lacks something of a table. Its exporter is locked.
func (s *Store) soil(e *Exporter, at place, t *tableRows, now int64) {
	if t.dirty != 0 {
		return
	}
	t.dirty = max(now, 1)
	// What changed again soon after it was written waits for longer, and after a rest for no longer than at first.
	shortest, longest := gather, longestGather
	if t.other() {
		shortest, longest = gatherOthers, longestGatherOthers
	}
	switch rest := now - t.told; {
	case t.told == 0:
		t.wait = gather
	case rest > 10*t.wait+int64(time.Second):
		t.wait = shortest
	default:
		t.wait = min(2*max(t.wait, shortest), longest)
	}
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	s.dirty[where{Scope{e.address, at.domain}, at.table}] = struct{}{}
}

// Tick hands over to the observer what the bucket lacks and was gathered for long enough. It is to be called every 100 ms or so.
func (s *Store) Tick(now int64) { s.hand(now, false) }

// Flush hands over to the observer all that the bucket lacks.
func (s *Store) Flush(now int64) { s.hand(now, true) }

func (s *Store) hand(now int64, all bool) {
	s.expire(now)
	s.dirtyMu.Lock()
	list := make([]where, 0, len(s.dirty))
	for w := range s.dirty {
		list = append(list, w)
	}
	s.dirtyMu.Unlock()
	for _, w := range list {
		if s.tell(w, now, all) {
			s.dirtyMu.Lock()
			delete(s.dirty, w)
			s.dirtyMu.Unlock()
		}
	}
}

// tell hands a table over, if it is time, and reports whether it is done with.
func (s *Store) tell(w where, now int64, all bool) bool {
	e := s.Find(w.scope.Exporter)
	if e == nil {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tables.get(place{w.scope.Domain, w.table})
	switch {
	case t == nil || t.dirty == 0:
		return true
	case !all && now-t.dirty < t.wait:
		return false
	}
	t.dirty = 0
	s.news.tell(t, w)
	if len(t.fresh) > 0 {
		t.set(t.entries(), t.exact(), &s.chunks)
		e.tables.tell(t)
	}
	m := t.describe()
	t.manifest = max(t.manifest+1, m.newest())
	t.told = now
	for i, again := range s.chunks.hand(t.chunks, now-s.ttl/pageShare) {
		d := pageDefinition(t.chunks[i], now)
		d.Refresh = t.refresh || again
		s.observer.Learned(d)
	}
	d := manifestDefinition(w, &m, t)
	d.Refresh = t.refresh
	t.refresh = false
	s.observer.Learned(d)
	return true
}

func pageDefinition(c *chunk, heard int64) template.Definition {
	return template.Definition{Key: pageKey(c.hash), Kind: template.KindPage, Record: c.content(), Heard: heard, Told: heard}
}

// pageKey names a page by half its hash; the rest is in the manifest.
func pageKey(h Hash) template.Key {
	return template.Key{Family: template.FamilyPage, ID: binary.BigEndian.Uint64(h[:])}
}

func manifestDefinition(w where, m *Manifest, t *tableRows) template.Definition {
	return template.Definition{
		Key: template.Key{Scope: template.Scope{Exporter: w.scope.Exporter, Domain: w.scope.Domain}, Family: template.FamilyNames,
			ID: uint64(w.table)},
		Kind: template.KindNames, Stamp: t.manifest, Record: m.Encode(), Heard: t.heard, Told: t.told,
	}
}

// Manifests is the Store as the bucket's memory for manifests.
type Manifests struct{ *Store }

// BucketPages is the Store as the bucket's memory for pages.
type BucketPages struct{ *Store }

// Restore takes a page from the bucket at now and reports whether it changed anything.
func (b BucketPages) Restore(d template.Definition, now int64) bool {
	s := b.Store
	if len(d.Record) > 0 && d.Record[0] > otherSchema {
		return false // of a newer collector
	}
	hash := HashOf(d.Record)
	rows, err := DecodePage(d.Record)
	if err != nil || pageKey(hash) != d.Key {
		s.Refuse(RefusedPage)
		return false
	}
	other, l := isOther(d.Record), s.limits.Load()
	full := s.chunks.size() > l.Bytes || other && s.chunks.others.Load() > l.Others.Bytes
	if full && !s.chunks.has(hash) {
		s.figures.refused[RefusedFull].Add(uint64(len(rows)))
		return false
	}
	for _, w := range s.chunks.arrive(hash, rows, other, d.Told, now) {
		s.complete(w, now)
	}
	return true
}

// Wants are up to so many pages that tables wait for, each about once a minute, and none where there is no room for more: a page that the bucket had before is not written again when a table
// gets back rows that it had, so that nothing brings it to those who have let go of it.
func (b BucketPages) Wants(most int, now int64) (keys []template.Key) {
	if b.chunks.size() > b.limits.Load().Bytes {
		return nil
	}
	for _, hash := range b.chunks.ask(most, now) {
		keys = append(keys, pageKey(hash))
	}
	return keys
}

// Forget does nothing: a page that a table has is written again when the bucket is listed.
func (b BucketPages) Forget(template.Key) {}

// Definitions are the pages that tables have.
func (b BucketPages) Definitions(now int64) iter.Seq[template.Definition] {
	return func(yield func(template.Definition) bool) {
		for _, c := range b.chunks.used() {
			if !yield(pageDefinition(c, now)) {
				return
			}
		}
	}
}

// Restore takes a manifest from the bucket at now and reports whether it changed anything: not yet where its pages have not come.
func (b Manifests) Restore(d template.Definition, now int64) bool {
	s := b.Store
	m, err := DecodeManifest(d.Record)
	if errors.Is(err, ErrManifest) {
		s.Refuse(RefusedPage)
	}
	if err != nil || now-d.Heard > s.ttl {
		return false
	}
	e := s.exporter(d.Key.Scope.Exporter, min(d.Heard, now), now, roomForRestored)
	if e == nil {
		return false
	}
	w := where{Scope{d.Key.Scope.Exporter, d.Key.Scope.Domain}, Table(d.Key.ID)}
	e.mu.Lock()
	at := place{w.scope.Domain, w.table}
	if !e.open(at, s.limits.Load()) {
		e.mu.Unlock()
		s.Refuse(RefusedFull)
		return false
	}
	t := e.tables.get(at)
	if t == nil {
		t = &tableRows{table: at.table}
		e.tables.put(at, t)
	}
	came := now
	if t.wanted != nil {
		came = t.wanted.came // listed again, it waits no longer for that
		s.chunks.unwait(t.wanted.Pages, w)
	}
	t.wanted = &restored{m, d.Stamp, min(d.Heard, now), d.Told, came}
	e.mu.Unlock()
	return s.complete(w, now)
}

// complete merges a manifest with what memory has, once all of its pages are there.
func (s *Store) complete(w where, now int64) bool {
	e := s.Find(w.scope.Exporter)
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at := place{w.scope.Domain, w.table}
	t := e.tables.get(at)
	if t == nil || t.wanted == nil {
		return false
	}
	m := t.wanted
	list := s.chunks.useAll(m.Pages, w)
	if list == nil && len(m.Pages) > 0 {
		return false
	}
	t.wanted = nil
	t.manifest = max(t.manifest, m.stamp)
	if !isTable(list, t.other()) {
		s.chunks.release(list)
		s.Refuse(RefusedPage)
		if t.count > 0 {
			s.soil(e, at, t, now) // what is known takes its place
		}
		return false
	}
	t.heard, t.told = max(t.heard, m.heard), max(t.told, m.told)
	limit := s.limits.Load().Rows
	if t.other() {
		limit = s.limits.Load().Others.Rows
	}
	if t.count == 0 && rowsOf(list) <= limit {
		t.adopt(m, list, &s.chunks)
		t.nowShared(&s.chunks)
		e.tables.tell(t)
		e.changed(t)
		return true
	}
	var theirs []Entry
	for _, c := range list {
		theirs = append(theirs, c.rows...)
	}
	s.chunks.release(list) // merged, the table has pages of its own, which are mostly the same
	m.Stamps(theirs)
	s.news.known(t, theirs)
	t.has(theirs, &s.chunks)
	// Rows that have the manifest's base for a stamp may be any older.
	knows := func(ours, theirs *Entry) bool {
		former, changed := t.former[ours.Number]
		return changed && theirs.Stamp == m.Base && theirs.same(&former)
	}
	both := merge(t.entries(), theirs, knows, func(was, is *Entry) { e.tookOver(t, was, is, now) })
	if len(both.rows) > limit {
		both.rows = both.rows[:limit]
	}
	if !both.ahead {
		t.nowShared(&s.chunks)
	}
	if both.changed || both.later {
		// With the manifest's base, not with one of its own: who changes a row has it follow on the stamp that all others have for it.
		t.set(both.rows, max(t.base, m.Base), &s.chunks)
	}
	e.tables.tell(t)
	if both.changed {
		e.changed(t)
	}
	if both.ahead {
		s.soil(e, at, t, now)
	}
	return both.changed
}

// isTable reports whether pages are of one table, as Pages cuts it: of its kind, as these have bounds of their own, and in the order of their
// numbers, none of which comes twice. Whoever writes into the bucket could else have one page stand for millions of rows.
func isTable(list []*chunk, other bool) bool {
	for i, c := range list {
		if c.other != other || i > 0 && !follows(c.rows, list[i-1].rows) {
			return false
		}
	}
	return true
}

// follows reports whether the rows of a page come behind those of another one. Each page has rows.
func follows(rows, before []Entry) bool { return before[len(before)-1].Number < rows[0].Number }

func rowsOf(list []*chunk) (n int) {
	for _, c := range list {
		n += len(c.rows)
	}
	return n
}

// Missed takes up to so many exporters that made room for others and were heard again since, as scopes without a version: the bucket may have
// their names.
func (b Manifests) Missed(most int) (out []template.Scope) {
	for _, a := range b.absent.Missed(most) {
		out = append(out, template.Scope{Exporter: a})
	}
	return out
}

// Found says that all that the bucket has of an address was read: what is known of it by now is not missed.
func (b Manifests) Found(a netip.Addr) {
	b.absent.Found(func(missed netip.Addr) bool { return missed == a && b.Find(a) != nil })
}

// Welcome has a place for what the bucket has of an exporter that was missed, if there is room at now, nanoseconds since 1970.
func (b Manifests) Welcome(scope template.Scope, now int64) {
	b.exporter(scope.Exporter, now, now, roomForRestored)
}

// Forget drops a table that somebody deleted from the bucket.
func (b Manifests) Forget(k template.Key) {
	e := b.Find(k.Scope.Exporter)
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at := place{k.Scope.Domain, Table(k.ID)}
	if t := e.tables.get(at); t != nil {
		e.drop(at, t)
		e.renew()
	}
}

// Definitions are the manifests that the bucket should have at now. Tables that still gather changes come with the next Tick.
func (b Manifests) Definitions(now int64) iter.Seq[template.Definition] {
	return func(yield func(template.Definition) bool) {
		s := b.Store
		for _, e := range s.all() {
			for _, d := range e.manifests(now) {
				if !yield(d) {
					return
				}
			}
		}
	}
}

func (e *Exporter) manifests(now int64) (out []template.Definition) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for at, t := range e.tables.all() {
		if now-t.heard > e.store.ttl || t.count == 0 || len(t.fresh) > 0 {
			continue
		}
		m := t.describe()
		out = append(out, manifestDefinition(where{Scope{e.address, at.domain}, at.table}, &m, t))
	}
	return out
}
