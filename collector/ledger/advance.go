package ledger

// Advance is by how much the sequence of a stream went on within a time.
type Advance struct {
	// Numbered: the stream has sequence numbers, of which something was heard. All else is 0 where it is not.
	Numbered bool
	// From and Next bound the numbers, as the exporter writes them: from the first one that was new up to, not including, Next. After a
	// restart they are those of the run that began last.
	From, Next uint32
	// Units received, each once; Run are those of them that are of the run that From and Next are of.
	Units, Run uint64
	// Duplicated units came more than once; of runs that a restart ended they are not known.
	Duplicated, Restarts uint64
}

// Since is how s went on since it was as it was before.
func (s *Span) Since(before *Span) Advance {
	if *s == (Span{}) {
		return Advance{}
	}
	a := Advance{Numbered: true, From: uint32(s.First), Next: uint32(s.Next), Units: s.TotalUnits - before.TotalUnits, Run: s.Units,
		Duplicated: s.Duplicated, Restarts: s.Restarts - before.Restarts}
	if *before != (Span{}) && a.Restarts == 0 {
		a.From, a.Run, a.Duplicated = uint32(before.Next), a.Units, s.Duplicated-before.Duplicated
	}
	return a
}

// Add adds what came after a, or what another goroutine has of the same stream and time.
func (a *Advance) Add(b Advance) {
	switch {
	case !b.Numbered:
		return
	case !a.Numbered:
		*a = b
		return
	case b.Restarts > 0:
		a.From, a.Next, a.Run = b.From, b.Next, b.Run
	default:
		// Numbers wrap: which one is behind says the sign of their difference.
		if int32(b.From-a.From) < 0 {
			a.From = b.From
		}
		if int32(b.Next-a.Next) > 0 {
			a.Next = b.Next
		}
		a.Run += b.Run
	}
	a.Units += b.Units
	a.Duplicated += b.Duplicated
	a.Restarts += b.Restarts
}
