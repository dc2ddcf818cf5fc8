package sink

import "sync"

// Count is a number of messages, and of the records in them.
type Count struct{ Messages, Records uint64 }

func (c *Count) add(records uint64) {
	c.Messages++
	c.Records += records
}

// Books say what became of all that was read. A message that the stream hands out twice is read twice.
type Books struct {
	Read, Stored, Waiting Count
	// Refused are in the stream of refused messages.
	Refused map[Reason]Count
	// RefusedCut are those of Refused that NATS did not take whole.
	RefusedCut Count
	// PutOff were refused, could not be put into the stream of refused messages, and went back to their own stream, which hands them out
	// again after Options.PutOff.
	PutOff Count
	// Unanswered are those of Stored that had been sent before without an answer. Where the destination crashed then, it may take such a
	// batch for one that it has (docs/clickhouse.md): what can be missing there is among them.
	Unanswered Count
	// GivenBack are those that waited when the sink ended, or for what the list of blocks does not say; the stream hands them out again.
	GivenBack Count
	// Passed have changes of names, which no destination has a place for.
	Passed Count
	// Blocks were stored, of InBlocks messages. InBlocks are of Stored.
	Blocks   uint64
	InBlocks Count
	// Unsure went, or go, by themselves since their block could not be put together again: it may be stored, too.
	Unsure Count
	// Redelivered messages had been handed out before: to a sink that ended, or whose acknowledgement was lost.
	Redelivered uint64
	// StoreFailures are attempts to store that failed and were, or will be, made again.
	StoreFailures uint64
	// AcknowledgementFailures are messages that were done with and will be handed out again.
	AcknowledgementFailures uint64
}

// Imbalance is what was read without the books saying what became of it: nothing, at any time.
func (b *Books) Imbalance() (messages, records int64) {
	balance := func(of func(Count) uint64) int64 {
		n := of(b.Read) - of(b.Stored) - of(b.Waiting) - of(b.GivenBack) - of(b.PutOff) - of(b.Passed)
		for _, c := range b.Refused {
			n -= of(c)
		}
		return int64(n)
	}
	return balance(func(c Count) uint64 { return c.Messages }), balance(func(c Count) uint64 { return c.Records })
}

// book keeps the books. It is safe for concurrent use.
type book struct {
	mu    sync.Mutex
	books Books
}

func newBook() *book { return &book{books: Books{Refused: make(map[Reason]Count)}} }

func (b *book) copy() Books {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.books
	c.Refused = make(map[Reason]Count, len(Reasons))
	for _, r := range Reasons {
		c.Refused[r] = b.books.Refused[r]
	}
	return c
}

func (b *book) change(f func(*Books)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.books)
}

func (b *book) read(records uint64, again bool) {
	b.change(func(b *Books) {
		b.Read.add(records)
		b.Waiting.add(records)
		if again {
			b.Redelivered++
		}
	})
}

// done moves a message that waited to where it belongs now.
func (b *book) done(records uint64, to func(*Books)) {
	b.change(func(b *Books) {
		b.Waiting.Messages--
		b.Waiting.Records -= records
		to(b)
	})
}
