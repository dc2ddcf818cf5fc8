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

// books are a Decoder's, one an exporter and protocol. The first exporters up to the limit have books of their own, for as long
// as the Decoder lives, so that no figure goes backwards; the others share one a protocol. Streams and agents keep the book that
// they were given: nothing is looked up for a datagram that is decoded.
type books struct {
	limit  int
	known  map[bookKey]*ledger.Book
	others [SFlow + 1]ledger.Book // by protocol
}

func (b *books) of(exporter netip.Addr, protocol Protocol) *ledger.Book {
	key := bookKey{exporter, protocol}
	if known := b.known[key]; known != nil {
		return known
	}
	if len(b.known) >= b.limit {
		return &b.others[protocol]
	}
	if b.known == nil {
		b.known = make(map[bookKey]*ledger.Book)
	}
	book := &ledger.Book{}
	b.known[key] = book
	return book
}

// Books calls yield for each exporter and protocol with what was counted of it so far, and with the invalid address for what is
// not told by exporter: senders that are not allowed, and exporters beyond the limit.
func (d *Decoder) Books(yield func(exporter netip.Addr, p Protocol, b *ledger.Book)) {
	for key, book := range d.books.known {
		yield(key.exporter, key.protocol, book)
	}
	for p := range d.books.others {
		if book := &d.books.others[p]; *book != (ledger.Book{}) {
			yield(netip.Addr{}, Protocol(p), book)
		}
	}
}
