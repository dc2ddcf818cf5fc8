package decode

import (
	"cmp"
	"math/bits"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/names"
)

// lexiconKey is whose numbers a lexicon has.
type lexiconKey struct {
	exporter flow.Address
	domain   uint32
}

// lexicon is what a namer knows of the numbers of one exporter's domain.
type lexicon struct {
	key      lexiconKey
	scope    names.Scope
	exporter *names.Exporter // nil as long as the Store has none
	// known, seen and saying are what the Store counted when the words were looked up.
	known, seen, saying uint64
	// generation is that of the words that hold.
	generation uint64
	// words are at the places of their numbers, a power of two of them; a number that takes another's place has that looked up again.
	words []word
	shift int
	size  int // about how many bytes words take
}

// word is what a number means, encoded; nil texts say that nobody gave it a name, or a description.
type word struct {
	number, generation uint64
	name, description  *flow.Text
	table              names.Table
}

// Sizes of a lexicon, in words.
const (
	fewestWords = 16
	mostWords   = 1 << 13
	wordBytes   = 40
	textBytes   = 64 // beside what it says
)

// place is where the word of a number is, if it is there.
func (l *lexicon) place(t names.Table, number uint64) uint64 {
	return (number + uint64(t)<<58) * 0x9e3779b97f4a7c15 >> l.shift
}

// lexicon finds or begins that of a record, and lets go of words that may not hold any more.
func (n *namer) lexicon(r *flow.Record) *lexicon {
	l := n.last
	if l == nil || l.key.domain != r.ObservationDomainID || l.key.exporter != r.SamplerAddress {
		l = n.find(lexiconKey{r.SamplerAddress, r.ObservationDomainID})
	}
	if l.exporter == nil || l.exporter.Gone() {
		if known := n.store.Known(); known != l.known || l.exporter != nil {
			l.known = known
			l.exporter = n.store.Find(l.scope.Exporter)
			l.seen, l.generation = 0, l.generation+1
		}
	}
	if l.exporter != nil {
		if seen := l.exporter.Generation(); seen != l.seen {
			l.seen, l.generation = seen, l.generation+1
		}
	}
	if saying := n.store.Saying(); saying != l.saying {
		l.saying, l.generation = saying, l.generation+1
	}
	return l
}

func (n *namer) find(key lexiconKey) *lexicon {
	l := n.known[key]
	if l == nil {
		if n.known == nil {
			n.known = make(map[lexiconKey]*lexicon)
		}
		for other, known := range n.known {
			if len(n.known) < n.limit {
				break
			}
			n.cached -= known.size
			delete(n.known, other)
		}
		l = &lexicon{key: key, scope: names.Scope{Exporter: key.exporter.Addr(), Domain: key.domain}, generation: 1}
		l.resize(fewestWords)
		n.cached += l.size
		n.known[key] = l
	}
	n.last = l
	return l
}

// resize gives a lexicon other places, and keeps the words that hold.
func (l *lexicon) resize(size int) {
	before := l.words
	l.words, l.shift = make([]word, size), 64-bits.TrailingZeros(uint(size))
	l.size = size * wordBytes
	for i := range before {
		if w := &before[i]; w.generation == l.generation {
			l.words[l.place(w.table, w.number)] = *w
		}
	}
	for i := range l.words {
		l.size += l.words[i].size()
	}
}

func (w *word) size() int { return textSize(w.name) + textSize(w.description) }

func textSize(t *flow.Text) int {
	if t == nil {
		return 0
	}
	return textBytes + 3*len(t.String())
}

// lookUp asks the Store what a number means, and remembers it.
func (n *namer) lookUp(l *lexicon, t names.Table, number uint64) *word {
	if w := &l.words[l.place(t, number)]; w.generation == l.generation && len(l.words) < mostWords {
		// Another number has the place: there are to be more.
		n.cached -= l.size
		l.resize(2 * len(l.words))
		n.cached += l.size
	}
	if n.cached > maxNamed {
		for _, other := range n.known {
			n.cached -= other.size
			other.words = nil
			other.resize(fewestWords)
			n.cached += other.size
		}
	}
	w := &l.words[l.place(t, number)]
	var name, description string
	if row := n.store.Resolve(l.exporter, names.Key{Scope: l.scope, Table: t, Number: number}); row != nil {
		name, description = row.Name, row.Description
		if t == names.Interfaces {
			name = cmp.Or(name, description) // some routers describe interfaces, and by that they mean their names
		}
	}
	n.cached -= w.size()
	l.size -= w.size()
	w.name, w.description = textOf(w.name, name), textOf(w.description, description)
	w.number, w.table, w.generation = number, t, l.generation
	l.size += w.size()
	n.cached += w.size()
	return w
}

// textOf encodes s, nil for none. A text that says so already is kept: a change of one row has all looked up again.
func textOf(t *flow.Text, s string) *flow.Text {
	switch {
	case s == "":
		return nil
	case t != nil && t.String() == s:
		return t
	}
	return flow.NewText(s)
}
