package ledger

// Book is what one goroutine counts of one exporter: the counters up to RecordsDecoded, which can be told by exporter. It holds
// the same equations as a listener's Counts do.
type Book struct {
	counts [RecordsDecoded + 1]uint64
	// Waiting are the data sets held for their template now.
	Waiting int64
	// Volume of the records, and how many of them got names.
	Volume Volume
	Naming Naming
}

// Inc adds one. Counters that no exporter's book has are left out.
func (b *Book) Inc(c Counter) { b.Add(c, 1) }

// Add adds n.
func (b *Book) Add(c Counter, n uint64) {
	if int(c) < len(b.counts) {
		b.counts[c] += n
	}
}

// AddBook adds what another goroutine counted.
func (b *Book) AddBook(o *Book) {
	for i, n := range o.counts {
		b.counts[i] += n
	}
	b.Waiting += o.Waiting
	b.Volume.Add(o.Volume)
	b.Naming.Add(&o.Naming)
}

// SubBook takes away what b had at a former time.
func (b *Book) SubBook(o *Book) {
	for i, n := range o.counts {
		b.counts[i] -= n
	}
	b.Waiting -= o.Waiting
	b.Volume.Sub(o.Volume)
	b.Naming.Sub(&o.Naming)
}

// Borrow moves from o to b what b has below zero, after more was taken from it than was there, as far as o has it.
func (b *Book) Borrow(o *Book) {
	for i := range b.counts {
		if short, has := -int64(b.counts[i]), int64(o.counts[i]); short > 0 && has > 0 {
			n := uint64(min(short, has))
			b.counts[i] += n
			o.counts[i] -= n
		}
	}
}

// Covers reports whether b has at least what o has, waiting sets aside.
func (b *Book) Covers(o *Book) bool {
	for i, n := range o.counts {
		if b.counts[i] < n {
			return false
		}
	}
	return true
}

// Counts are those of b; what it does not have is 0.
func (b *Book) Counts() (c Counts) {
	copy(c[:], b.counts[:])
	return c
}

// Get is one of the counters; what b does not have is 0.
func (b *Book) Get(c Counter) uint64 {
	if int(c) < len(b.counts) {
		return b.counts[c]
	}
	return 0
}

// Holder is where those who count for an exporter find its book. The book may be exchanged for one that is shared.
type Holder struct {
	*Book
	// Shared: it is not the exporter's own.
	Shared bool
}
