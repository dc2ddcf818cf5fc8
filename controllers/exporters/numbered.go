package exporters

import "github.com/flowfleet/flowfleet/collector/ledger"

// numbered is what the sequences of an address come to at one look, added up over its streams: up to where the device numbered, and what of
// that nobody received.
type numbered struct {
	sequences int
	// parts are the spans that these are the union of, each one collector's, and of stands for which ones they are.
	parts int
	of    uint64
	// left are parts that are left out of these unions, since they are of a run that has ended.
	left int
	// firsts, sent and missed are sums over the sequences.
	firsts, sent uint64
	missed       int64
}

// add adds a sequence that several collectors have parts of.
func (n *numbered) add(union *ledger.Span, parts, left int) {
	n.sequences++
	n.parts, n.left = n.parts+parts, n.left+left
	n.firsts += union.First
	n.sent += union.Length()
	n.missed += int64(union.Length() - min(union.Units, union.Length()))
}

// goesOn reports whether what is more than before has been sent since. A collector tells of a stream until ten minutes after it was last
// heard there: when it stops telling, what it received seems to be missing, and when the device comes back to it, so does what others received
// meanwhile. So it does where one is taken for a part of a run that ended, and was not before. Where several tell of a stream, one that begins to is
// no reason.
func (n *numbered) goesOn(before *numbered) bool {
	return before.sequences > 0 && n.sequences == before.sequences && n.left == before.left && (n.parts > before.parts || n.parts == before.parts && n.of == before.of) &&
		n.firsts >= before.firsts && n.sent >= before.sent
}
