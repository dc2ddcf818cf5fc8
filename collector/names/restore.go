package names

// Restore takes rows of a table from the bucket: of two rows of one number the one with the later stamp counts, of two with the
// same stamp the one that is greater as text, so that all collectors agree. learned is when a collector last heard them,
// nanoseconds since 1970 and not after now. It reports how many rows changed, and whether memory has rows that the bucket
// should have: later ones, or ones that it lacks.
func (s *Store) Restore(scope Scope, t Table, rows []Entry, learned int64) (changed int, ahead bool) {
	e := s.exporter(scope.Exporter, learned)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return 0, false
	}
	met := 0
	for i := range rows {
		k := Key{Scope: scope, Table: t, Number: rows[i].Number}
		slot := e.find(k)
		if slot == nil {
			if s.add(e, k, rows[i].Row, rows[i].Stamp, learned) == Learned {
				changed++
				met++
			}
			continue
		}
		met++
		was := slot.content.Load()
		switch {
		case was.same(&rows[i].Row):
			// Sent again unchanged it has a later stamp here, and is not written for that.
			slot.stamp = max(slot.stamp, rows[i].Stamp)
		case slot.stamp > rows[i].Stamp, slot.stamp == rows[i].Stamp && was.greater(&rows[i].Row):
			ahead = true
		case s.grow(e, rows[i].size()-was.size()):
			row := rows[i].Row
			slot.content.Store(&row)
			slot.stamp, slot.heard = rows[i].Stamp, max(slot.heard, learned)
			changed++
		}
	}
	if changed > 0 && len(e.tables) > 1 {
		s.added.Add(1)
	}
	own := e.tables[place{scope.Domain, t}]
	return changed, ahead || own != nil && len(own.rows) > met
}

// greater orders rows that differ.
func (r *Row) greater(o *Row) bool {
	switch {
	case r.Name != o.Name:
		return r.Name > o.Name
	case r.Description != o.Description:
		return r.Description > o.Description
	case r.Speed != o.Speed:
		return r.Speed > o.Speed
	case len(r.Attributes) != len(o.Attributes):
		return len(r.Attributes) > len(o.Attributes)
	}
	for i := range r.Attributes {
		if a, b := r.Attributes[i], o.Attributes[i]; a != b {
			return a.Enterprise > b.Enterprise || a.Enterprise == b.Enterprise &&
				(a.ID > b.ID || a.ID == b.ID && a.Text > b.Text)
		}
	}
	return false
}
