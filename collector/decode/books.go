package decode

import (
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// bookKey tells exporters' books apart.
type bookKey struct {
	exporter netip.Addr
	protocol Protocol
}

// books are a Decoder's, one an exporter and protocol. Exporters up to the limit have books of their own, the others share one a
// protocol. One of which a record was decoded keeps its book for as long as the Decoder lives, so that no figure goes backwards. One of
// which none was makes room for whoever comes: what it counted goes to the others, and so does what it counts on. So datagrams that
// say nothing, from however many addresses, keep nobody out who sends flows. Declared exporters have room whatever the limit. Streams and agents keep what they were given: nothing is
// looked up for a datagram of an exporter with a book of its own.
type books struct {
	limit    int
	declared map[netip.Addr]struct{}
	known    map[bookKey]*ledger.Holder
	// empty are those of known that had no record, as far as it was looked at.
	empty  map[bookKey]struct{}
	others [SFlow + 1]ledger.Book // by protocol
	shared [SFlow + 1]ledger.Holder
	spare  *ledger.Book
}

func (b *books) of(exporter netip.Addr, protocol Protocol) *ledger.Holder {
	key := bookKey{exporter, protocol}
	if known := b.known[key]; known != nil {
		return known
	}
	if len(b.known) >= b.limit && !b.isDeclared(exporter) && !b.makeRoom() {
		b.shared[protocol] = ledger.Holder{Book: &b.others[protocol], Shared: true}
		return &b.shared[protocol]
	}
	if b.known == nil {
		b.known, b.empty = make(map[bookKey]*ledger.Holder), make(map[bookKey]struct{})
	}
	book := b.spare
	if b.spare = nil; book == nil {
		book = &ledger.Book{}
	}
	holder := &ledger.Holder{Book: book}
	b.known[key], b.empty[key] = holder, struct{}{}
	return holder
}

func (b *books) isDeclared(exporter netip.Addr) bool {
	_, ok := b.declared[exporter]
	return ok
}

// makeRoom takes the book of one without records, and reports whether there was one. Nothing is looked at more than once.
func (b *books) makeRoom() bool {
	for key := range b.empty {
		delete(b.empty, key)
		holder := b.known[key]
		if holder.Get(ledger.RecordsDecoded) > 0 || b.isDeclared(key.exporter) {
			continue
		}
		delete(b.known, key)
		b.others[key.protocol].AddBook(holder.Book)
		*holder.Book, b.spare = ledger.Book{}, holder.Book
		holder.Book, holder.Shared = &b.others[key.protocol], true
		return true
	}
	return false
}

// Books calls yield for each exporter and protocol with what was counted of it so far, and with the invalid address for what is
// not told by exporter: senders that are not allowed, and exporters beyond the limit.
func (d *Decoder) Books(yield func(exporter netip.Addr, p Protocol, b *ledger.Book)) {
	for key, holder := range d.books.known {
		yield(key.exporter, key.protocol, holder.Book)
	}
	for p := range d.books.others {
		if book := &d.books.others[p]; *book != (ledger.Book{}) {
			yield(netip.Addr{}, Protocol(p), book)
		}
	}
}
