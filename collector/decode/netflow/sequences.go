package netflow

import (
	"math/bits"
	"slices"

	announced "github.com/flowfleet/flowfleet/collector/sampling"
)

// sequences are the sequences of selectors that a session said (RFC 5476 section 6.5.1): what passed all of them has the product of their rates.
type sequences struct {
	list []sequence
	// matching are selectors that choose by properties: all that match pass.
	matching []uint64
}

// sequence of selectors. Their own reports may come later, and change.
type sequence struct {
	id        uint64
	domain    uint32
	selectors []uint64
	// rate that was announced, 0 for none.
	rate uint64
}

// Bounds of what a session keeps: anybody may say sequences. The oldest give way, with what is announced of them: it is known for as long as
// rates are, and said again when they are.
const (
	maxSequences = 16
	maxSelectors = 8
	maxMatching  = 64
)

// put keeps what selectors make up a sequence. It returns nil where these are too many.
func (l *sequences) put(q sequence) *sequence {
	if len(q.selectors) > maxSelectors {
		return nil
	}
	i := slices.IndexFunc(l.list, func(o sequence) bool { return o.id == q.id && o.domain == q.domain })
	if i >= 0 && slices.Equal(l.list[i].selectors, q.selectors) {
		l.list[i].rate = 0 // it is announced again: a rate counts while it is
		return &l.list[i]
	}
	if i >= 0 {
		l.list = slices.Delete(l.list, i, i+1)
	}
	if len(l.list) >= maxSequences {
		l.list = slices.Delete(l.list, 0, 1)
	}
	l.list = append(l.list, q)
	return &l.list[len(l.list)-1]
}

// match notes a selector all of whose packets pass that have some property.
func (l *sequences) match(selector uint64) {
	if slices.Contains(l.matching, selector) {
		return
	}
	if len(l.matching) >= maxMatching {
		l.matching = slices.Delete(l.matching, 0, 1)
	}
	l.matching = append(l.matching, selector)
}

// announceSequences announces the rates of those sequences of a session all of whose selectors are known by now, where they are other ones than were
// announced.
func (d *Decoder) announceSequences(s *session, h *header) {
	for i := range s.sequences.list {
		d.announceSequence(s, h, &s.sequences.list[i])
	}
}

func (d *Decoder) announceSequence(s *session, h *header, q *sequence) {
	rate, known := d.productOf(s, q.selectors)
	switch {
	case !known, rate == 0 && !d.ended(s, q):
	case rate != q.rate, rate == 0 && d.sampled(s, q.id):
		q.rate = rate
		d.announce(s, h, &announcement{kind: announced.Sequence, id: q.id, domain: q.domain}, rate)
	}
}

// ended reports whether one of the selectors of a sequence was announced to sample no more, or is disputed. A rate of 0 may also be one that one
// collector does not know, see choose of package sampling: that is not to end what all others know.
func (d *Decoder) ended(s *session, q *sequence) bool {
	return s.rates.exporter != nil && slices.ContainsFunc(q.selectors, func(selector uint64) bool {
		return s.rates.exporter.Ended(q.domain, subjectOf(announced.Selector, selector), d.now)
	})
}

// sampled reports whether a rate of a sequence counts by which it is sampled: of a selector that ended it, another collector may have heard.
func (d *Decoder) sampled(s *session, id uint64) bool {
	rate, known := d.rateNow(s, announced.Sequence, id)
	return known && rate != 0
}

// rateNow is what rateOf is, of what was announced up to here: a table may announce more with each of its records, and the cache is made anew behind
// it.
func (d *Decoder) rateNow(s *session, kind announced.Kind, id uint64) (rate uint64, known bool) {
	if s.rates.exporter == nil {
		return 0, false
	}
	return s.rates.exporter.Rate(s.key.scope.Domain, s.key.port, subjectOf(kind, id), d.now)
}

// productOf is the rate of what passed all of some selectors.
func (d *Decoder) productOf(s *session, selectors []uint64) (product uint64, known bool) {
	product = 1
	for _, selector := range selectors {
		rate, known := d.rateNow(s, announced.Selector, selector)
		if !known && slices.Contains(s.sequences.matching, selector) {
			rate, known = 1, true
		}
		overflow, next := bits.Mul64(product, rate)
		if !known || overflow != 0 {
			return 0, false
		}
		product = next
	}
	return product, true
}
