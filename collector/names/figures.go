package names

import "sync/atomic"

// figures are what a Store counts.
type figures struct {
	refused        [numRefusals]atomic.Uint64
	evicted        atomic.Uint64
	named, unnamed [numTables]atomic.Uint64
}

// numTables is one more than the highest Table.
const numTables = int(Elements) + 1

// Coverage counts records by the table that gave, or did not give, what they number a name.
type Coverage struct {
	Named, Unnamed [numTables]uint64
}

// Cover adds what was counted to the Store's figures.
func (s *Store) Cover(c *Coverage) {
	for t := range c.Named {
		if n := c.Named[t]; n != 0 {
			s.figures.named[t].Add(n)
		}
		if n := c.Unnamed[t]; n != 0 {
			s.figures.unnamed[t].Add(n)
		}
	}
}

// Coverage is what was counted so far.
func (s *Store) Coverage() (c Coverage) {
	for t := range c.Named {
		c.Named[t], c.Unnamed[t] = s.figures.named[t].Load(), s.figures.unnamed[t].Load()
	}
	return c
}

// Text is what an exporter's text says: "" where there is none, or where it is refused, which is counted.
func (s *Store) Text(b []byte) string {
	text, _ := s.text(b)
	return text
}

func (s *Store) text(b []byte) (string, Refusal) {
	text, refusal := Clean(b)
	if refusal != Accepted {
		s.figures.refused[refusal].Add(1)
	}
	return text, refusal
}

// Refuse counts something that was not taken.
func (s *Store) Refuse(r Refusal) { s.figures.refused[r].Add(1) }

// Refused counts what was not taken, by reason.
func (s *Store) Refused() map[string]uint64 {
	out := make(map[string]uint64)
	for r := Accepted + 1; r < numRefusals; r++ {
		out[r.String()] = s.figures.refused[r].Load()
	}
	return out
}

// Evicted counts exporters whose rows made room for others'.
func (s *Store) Evicted() uint64 { return s.figures.evicted.Load() }

// Count counts the rows of all exporters by table.
func (s *Store) Count() (rows [numTables]int) {
	for _, e := range s.all() {
		e.mu.Lock()
		for at, t := range e.tables.all() {
			rows[at.table] += t.count
		}
		e.mu.Unlock()
	}
	return rows
}

// all are the exporters that are known.
func (s *Store) all() []*Exporter {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*Exporter, 0, len(s.exporters))
	for _, e := range s.exporters {
		out = append(out, e)
	}
	return out
}
