// Package publish hands batches of encoded flows on: to a JetStream stream, a file, the standard output, or nowhere.
//
// Every record that is submitted, or found in a spool that a former process left, is accounted for at any time:
// submitted + recovered = published + waiting + spooled + dropped, by reason.
package publish

import (
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/spool"
)

// Batch is one message to be: encoded records of one subject.
type Batch struct {
	// Subject it goes to.
	Subject string
	// Buffer holds the records, encoded.
	Buffer []byte
	// Records in Buffer.
	Records int

	id        uint64 // order of submission, from 1
	submitted time.Time
	attempts  int
	sent      time.Time
	// messageID and encoding are those of the process that made the batch.
	messageID, encoding string
	// unheard is how often it was sent without an answer, by a former process too: the stream may have the batch unless it is 0.
	unheard int
	// firstSent is when, and sentAfter after which sequence number of the stream. Of use where unheard is not 0.
	firstSent time.Time
	sentAfter uint64
	// onDisk: it was sent before it was written to the spool. How long ago only the system's clock could tell, which may have
	// been set since.
	onDisk bool
	// entry on disk, nil where there is none.
	entry *spool.Entry
}

func (b *Batch) size() int { return len(b.Buffer) }

// fit gives a batch that fills less than half of its buffer one of its own size, and returns the former one. At low rates batches
// are short, and while they wait they must not take many times what they count for.
func (b *Batch) fit() (spare *Batch) {
	if 2*len(b.Buffer) >= cap(b.Buffer) {
		return nil
	}
	spare = &Batch{Buffer: b.Buffer[:0]}
	b.Buffer = slices.Clone(b.Buffer)
	return spare
}

// mayBeStored reports whether the stream may have the batch although nobody heard so.
func (b *Batch) mayBeStored() bool { return b.unheard > 0 }

// neverStored notes that the stream does not have it.
func (b *Batch) neverStored() {
	b.unheard, b.firstSent, b.sentAfter, b.onDisk = 0, time.Time{}, 0, false
}

// batches keeps buffers for reuse.
type batches struct {
	free []*Batch
	size int
	keep int
}

func (p *batches) get() *Batch {
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		return b
	}
	return &Batch{Buffer: make([]byte, 0, p.size)}
}

func (p *batches) put(b *Batch) {
	if len(p.free) >= p.keep || cap(b.Buffer) < p.size || cap(b.Buffer) > 4*p.size {
		return
	}
	*b = Batch{Buffer: b.Buffer[:0]}
	p.free = append(p.free, b)
}
