package decode

import (
	"slices"
	"unsafe"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// pairs are pairs of interfaces between which flows went, with their names and that of the exporter encoded together: most flows go between
// few interfaces, and one look-up and one copy name them. A flow between others costs what its names cost one by one.
type pairs struct {
	generation uint64      // of the lexicon whose words they have
	shelves    []pairShelf // a power of two, or none
	size       int         // about how many bytes they take, without the words
}

// pairShelf has pairs that belong to one place. A look-up compares with all of them, see shelf.
type pairShelf struct {
	keys  [pairsOfShelf]uint64 // 0, which is no pair's, where there is none
	given [pairsOfShelf]given
}

// given is what the flows between two interfaces were given.
type given struct {
	text  *flow.Text // nil where nobody named anything
	named bool       // the interfaces, as far as the flow has them
}

// Bounds of pairs: the most of a lexicon stay in a processor's cache.
const (
	pairsOfShelf     = 4
	fewestPairShelfs = 2
	mostPairShelfs   = 128
)

// pairKey is that of a flow's interfaces; 0 where it has none.
func pairKey(r *flow.Record) uint64 { return uint64(r.InIf)<<32 | uint64(r.OutIf) }

func (p *pairs) shelf(key uint64) *pairShelf {
	return &p.shelves[key*0x9e3779b97f4a7c15>>32&uint64(len(p.shelves)-1)]
}

// find returns what the flows of a pair are given as of a generation, nil where that is not known.
func (p *pairs) find(key, generation uint64) *given {
	if p.generation != generation || len(p.shelves) == 0 {
		return nil
	}
	s := p.shelf(key)
	i := isZero(s.keys[1]^key) | isZero(s.keys[2]^key)<<1 | isZero(s.keys[3]^key)*3
	if s.keys[i] != key {
		return nil
	}
	return &s.given[i]
}

// begin lets go of the pairs of another generation: nothing else may have their words any more.
func (p *pairs) begin(generation uint64) {
	if p.generation != generation {
		*p = pairs{generation: generation}
	}
}

// room reports whether a pair has a place that no other has, in more shelves than there are if need be.
func (p *pairs) room(key uint64) bool {
	if len(p.shelves) == 0 {
		p.resize(fewestPairShelfs)
	}
	for !slices.Contains(p.shelf(key).keys[:], 0) {
		if len(p.shelves) == mostPairShelfs {
			return false
		}
		p.resize(2 * len(p.shelves))
	}
	return true
}

// put keeps a pair, in place of the last of its shelf where there is no room.
func (p *pairs) put(key uint64, g given) {
	const last = pairsOfShelf - 1
	s := p.shelf(key)
	p.size += g.text.Size() - s.given[last].text.Size()
	copy(s.keys[1:], s.keys[:last])
	copy(s.given[1:], s.given[:last])
	s.keys[0], s.given[0] = key, g
}

func (p *pairs) resize(n int) {
	before := p.shelves
	*p = pairs{generation: p.generation, shelves: make([]pairShelf, n), size: n * int(unsafe.Sizeof(pairShelf{}))}
	for i := range before {
		for j, key := range before[i].keys {
			if key != 0 {
				p.put(key, before[i].given[j])
			}
		}
	}
}
