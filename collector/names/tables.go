package names

import "iter"

// tables are those of one exporter, by kind and domain: a look-up meets no other kind's. Its methods are called with the exporter
// locked.
type tables struct {
	kinds [numTables]map[uint32]*tableRows
	count int // of tables
	// names and others are what the tables have, see tell: each has bounds of its own.
	names, others sum
}

// sum counts rows and about how many bytes they take, and apart from them the bytes of former rows.
type sum struct {
	rows          int
	bytes, former int64
}

func (l *tables) sumOf(t Table) *sum {
	if t == Others {
		return &l.others
	}
	return &l.names
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
	t.drop(all)
	l.tell(t)
	l.count--
	delete(l.kinds[at.table], at.domain)
}

// tell counts what a table has become.
func (l *tables) tell(t *tableRows) {
	s := l.sumOf(t.table)
	s.rows, s.bytes, s.former = s.rows+t.count-t.counted.rows, s.bytes+t.bytes-t.counted.bytes, s.former+t.formerBytes-t.counted.former
	t.counted = sum{t.count, t.bytes, t.formerBytes}
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

// agreed is what the tables of a kind of all domains but one say of a number, nil where nothing or no one thing. One that says
// less than another agrees with it; of what they describe in different words, the name alone is agreed on.
func (l *tables) agreed(but uint32, t Table, number uint64) (found *Row) {
	if len(l.kinds[t]) > maxAgreeing {
		return nil
	}
	several, described := false, true
	for domain, other := range l.kinds[t] {
		if domain == but {
			continue
		}
		row := other.find(number)
		switch {
		case row == nil:
		case row.contested(contestedName), row.Name == "" && row.refused(refusedName):
			return nil // one of those who say different things may be who sends the flow
		case found == nil:
			found = row
		case row.same(found):
		case row.Name != "" && found.Name != "" && row.Name != found.Name:
			return nil
		default:
			described = described && (row.Description == "" || found.Description == "" || row.Description == found.Description)
			both := found.merge(*row)
			found, several = &both, true
		}
	}
	if several && !described {
		if found.Name == "" {
			return nil
		}
		found.Description = ""
	}
	return found
}
