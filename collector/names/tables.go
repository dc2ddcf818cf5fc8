package names

import "iter"

// tables are those of one exporter, by kind and domain: a look-up meets no other kind's. Its methods are called with the exporter
// locked.
type tables struct {
	kinds [numTables]map[uint32]*tableRows
	// count is of tables, rows and bytes are theirs; see tell.
	count, rows int
	bytes       int64
}

// get returns a table, nil where there is none.
func (l *tables) get(at place) *tableRows {
	if int(at.table) >= numTables {
		return nil
	}
	return l.kinds[at.table][at.domain]
}

// put adds a table, which is one of Tables.
func (l *tables) put(at place, t *tableRows) {
	if l.kinds[at.table] == nil {
		l.kinds[at.table] = make(map[uint32]*tableRows)
	}
	if l.kinds[at.table][at.domain] == nil {
		l.count++
	}
	l.kinds[at.table][at.domain] = t
	l.tell(t)
}

// drop lets go of a table and its rows.
func (l *tables) drop(at place, t *tableRows, all *chunks) {
	l.rows, l.bytes, l.count = l.rows-t.toldRows, l.bytes-t.toldBytes, l.count-1
	t.drop(all)
	delete(l.kinds[at.table], at.domain)
}

// tell counts what a table has become.
func (l *tables) tell(t *tableRows) {
	l.rows, l.bytes = l.rows+t.count-t.toldRows, l.bytes+t.bytes-t.toldBytes
	t.toldRows, t.toldBytes = t.count, t.bytes
}

// all are the tables. The one that is at hand may be dropped meanwhile.
func (l *tables) all() iter.Seq2[place, *tableRows] {
	return func(yield func(place, *tableRows) bool) {
		for kind := range l.kinds {
			for domain, t := range l.kinds[kind] {
				if !yield(place{domain, Table(kind)}, t) {
					return
				}
			}
		}
	}
}

// maxAgreeing is how many domains may have a table of a kind for it to name what other domains number: a look-up asks all of them.
// Exporters with more have line cards that say their own names.
const maxAgreeing = 64

// agreed is what the tables of a kind say of a number, nil where nothing or no one thing.
func (l *tables) agreed(t Table, number uint64) (found *Row) {
	if len(l.kinds[t]) > maxAgreeing {
		return nil
	}
	for _, other := range l.kinds[t] {
		row := other.find(number)
		switch {
		case row == nil:
		case found == nil:
			found = row
		case !row.same(found):
			return nil
		}
	}
	return found
}
