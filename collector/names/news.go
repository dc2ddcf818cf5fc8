package names

import (
	"slices"
	"sync"
	"sync/atomic"
)

// news are the rows that exporters said to this collector and that it has not yet handed on as records: a row that came from the bucket
// is another collector's news. A row that changes again before it is handed on is news once, with what it says last, so that they take
// no more memory than a number a row, however long nobody takes them.
type news struct {
	wanted atomic.Bool
	waits  atomic.Int64 // rows
	lost   [numLosses]atomic.Uint64

	mu sync.Mutex
	// told are the tables whose changes were gathered, the first there first, so that none starves.
	told []where
}

// Loss says why a change was not handed on.
type Loss uint8

// The losses.
const (
	// LostReplaced: its number got another name first.
	LostReplaced Loss = iota
	// LostForgotten: its table went first: deleted from the bucket, said by nobody for the ttl, or given up for others' room. Or its row did:
	// with what the bucket has of the table, there was no room for it.
	LostForgotten

	numLosses
)

// String is the value of the label "reason".
func (l Loss) String() string { return [numLosses]string{"replaced", "forgotten"}[l] }

// KeepNews has the Store keep what News hands on. It must be called before the Store is used by others.
func (s *Store) KeepNews() { s.news.wanted.Store(true) }

// News are changed rows of one table, by number.
type News struct {
	Scope Scope
	Table Table
	Rows  []Entry
}

// News takes up to so many rows that changed, of one table, whose changes were gathered for as long as the bucket's are (see Tick); none
// where there are no more. Each is handed on once. Two collectors that hear the same table at once hand on the same.
func (s *Store) News(most int) (n News) {
	for len(n.Rows) == 0 {
		w, ok := s.news.next()
		if !ok {
			return News{}
		}
		n.Scope, n.Table = w.scope, w.table
		if e := s.Find(w.scope.Exporter); e != nil {
			n.Rows = e.news(w, most)
		}
	}
	return n
}

// NewsWaiting counts the rows that News will hand on.
func (s *Store) NewsWaiting() int64 { return s.news.waits.Load() }

// NewsLost counts the changes that News will not hand on, by reason.
func (s *Store) NewsLost() map[string]uint64 {
	out := make(map[string]uint64, numLosses)
	for l := range numLosses {
		out[l.String()] = s.news.lost[l].Load()
	}
	return out
}

func (n *news) next() (w where, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.told) == 0 {
		return w, false
	}
	w, n.told = n.told[0], n.told[1:]
	return w, true
}

// tell has News hand on what a table has. Its exporter is locked.
func (n *news) tell(t *tableRows, w where) {
	if len(t.news) == 0 || t.newsTold {
		return
	}
	t.newsTold = true
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, w)
}

// note has a row be news. Its exporter is locked.
func (n *news) note(t *tableRows, number uint64, r Result) {
	if !n.wanted.Load() || !t.table.joined() {
		return
	}
	if _, is := t.news[number]; is {
		if r == Reassigned || r == Contested {
			n.lost[LostReplaced].Add(1)
		}
		return
	}
	if t.news == nil {
		t.news = make(map[uint64]struct{})
	}
	t.news[number] = struct{}{}
	n.waits.Add(1)
}

// known has what the bucket knew earlier be no news: a collector that begins hears tables before it has read the bucket.
func (n *news) known(t *tableRows, theirs []Entry) {
	for i := range theirs {
		if _, is := t.news[theirs[i].Number]; !is || theirs[i].Stamp >= t.stamp(theirs[i].Number) {
			continue
		}
		if ours := t.find(theirs[i].Number); ours != nil && ours.same(&theirs[i].Row) {
			delete(t.news, theirs[i].Number)
			n.waits.Add(-1)
		}
	}
}

// forget counts the news of a table that goes.
func (n *news) forget(t *tableRows) {
	n.lost[LostForgotten].Add(uint64(len(t.news)))
	n.waits.Add(-int64(len(t.news)))
	t.news = nil
}

// news takes any so many of a table's at most, by number: to order all that wait would hold the exporter up.
func (e *Exporter) news(w where, most int) []Entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tables.get(place{w.scope.Domain, w.table})
	if t == nil {
		return nil
	}
	t.newsTold = false
	out := make([]Entry, 0, min(len(t.news), most))
	taken := 0
	for number := range t.news {
		if taken == most {
			break
		}
		taken++
		delete(t.news, number)
		if row := t.find(number); row != nil {
			out = append(out, Entry{Number: number, Row: *row, Stamp: t.stamp(number)})
		} else {
			e.store.news.lost[LostForgotten].Add(1)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return compareNumber(a, b.Number) })
	e.store.news.waits.Add(-int64(taken))
	e.store.news.tell(t, w)
	return out
}
