package names

import "net/netip"

// saidNow is what the operator says, and since when.
type saidNow struct {
	said *Said
	// last: what the exporter says goes first.
	last       bool
	generation uint64
}

// Say has the operator's names in force from now on. They win over the exporters' unless exporterWins.
func (s *Store) Say(said *Said, exporterWins bool) {
	s.said.Store(&saidNow{said: said, last: exporterWins, generation: s.said.Load().generation + 1})
	s.changes.Add(1)
}

// Saying changes with what the operator says.
func (s *Store) Saying() uint64 { return s.said.Load().generation }

// Resolve is what a number means to flows of a scope by what the exporter says, where e is not nil, and what the operator says:
// nil where neither says anything. Text that one of them leaves out is the other's. sender is who sent the datagrams of an sFlow agent, and
// invalid for others: e is the sender then, of which what other domains say is other agents'.
func (s *Store) Resolve(e *Exporter, k Key, sender netip.Addr) *Row {
	said := s.said.Load()
	mine := said.said.Find(k, sender)
	var theirs *Row
	if e != nil {
		if sender.IsValid() {
			theirs = e.Own(k.Scope.Domain, k.Table, k.Number)
		} else {
			theirs = e.Row(k.Scope.Domain, k.Table, k.Number)
		}
	}
	switch {
	case mine == nil:
		return theirs
	case theirs == nil:
		return mine
	case said.last:
		mine, theirs = theirs, mine
	}
	row := theirs.merge(*mine)
	return &row
}
