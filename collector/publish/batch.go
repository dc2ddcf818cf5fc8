// Package publish hands batches of encoded flows on: to a JetStream stream, a file, the standard output, or nowhere.
//
// Every record that is submitted is accounted for: submitted = published + waiting + dropped, by reason, at any time.
package publish

import "time"

// Batch is one message to be: encoded records of one subject.
type Batch struct {
	// Subject it goes to.
	Subject string
	// Buffer holds the records, encoded.
	Buffer []byte
	// Records in Buffer.
	Records int

	id       uint64 // order of submission, from 1
	attempts int
	sent     time.Time
}

func (b *Batch) size() int { return len(b.Buffer) }

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
	if len(p.free) >= p.keep || cap(b.Buffer) > 4*p.size {
		return
	}
	*b = Batch{Buffer: b.Buffer[:0]}
	p.free = append(p.free, b)
}
