package decode

import (
	"cmp"
	"math/bits"
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/names"
)

// lexiconKey is whose numbers a lexicon has.
type lexiconKey struct {
	exporter, source flow.Address // source of sFlow only, see agentScope
	domain           uint32
}

// lexicon is what a namer knows of the numbers of one exporter's domain.
type lexicon struct {
	key      lexiconKey
	scope    names.Scope
	taught   netip.Addr      // who taught them
	own      bool            // other domains of taught say nothing of them
	exporter *names.Exporter // nil as long as the Store has none
	// known, seen and saying are what the Store counted when the words were looked up.
	known, seen, saying uint64
	// generation is that of the words that hold.
	generation uint64
	// name is the exporter's own, as of generation named.
	name  *flow.Text
	named uint64
	// words are at the places of their numbers or a few behind; there are a power of two of places.
	words []word
	shift int
	size  int // about how many bytes the lexicon takes
}

// word is what a number means as one name of a flow, encoded; nil texts say that nobody gave it a name, or a description.
type word struct {
	number            uint64
	kind              wordKind // 0 where there is none
	name, description *flow.Text
}

// wordKind is what a word's number numbers, as what it is carried, and the generation of the lexicon that it was looked up in: one
// comparison tells all of it.
type wordKind uint64

// kindBits are those of a wordKind below its generation, which begins at 1.
const kindBits = 8

// Tables and names have four bits each: this is no constant where they do not fit.
const _ = uint(15-names.Others) | uint(16-flow.NumNames)

func (l *lexicon) kind(t names.Table, as flow.Name) wordKind {
	return wordKind(l.generation<<kindBits | uint64(t)<<4 | uint64(as))
}

func (k wordKind) as() flow.Name { return flow.Name(k & 15) }

func (k wordKind) generation() uint64 { return uint64(k >> kindBits) }

// same reports whether two are of one kind, of whatever generation.
func (k wordKind) same(o wordKind) bool { return k&(1<<kindBits-1) == o&(1<<kindBits-1) }

// Sizes of a lexicon, in words.
const (
	fewestWords = 4
	mostWords   = 1 << 13
	// probes is how many places a word may have.
	probes = 4
)

// About how many bytes things take.
const (
	lexiconBytes = 400 // without words
	wordBytes    = 32
	textBytes    = 100 // beside what it says
)

// place is the first where the word of a number may be.
func (l *lexicon) place(as flow.Name, number uint64) int {
	return int((number + uint64(as)<<58) * 0x9e3779b97f4a7c15 >> l.shift)
}

// find returns the word of a number that holds, or nil.
func (l *lexicon) find(t names.Table, as flow.Name, number uint64) *word {
	at, kind, words := l.place(as, number), l.kind(t, as), l.words
	for i := range probes {
		w := &words[(at+i)&(len(words)-1)]
		if w.number == number && w.kind == kind {
			return w
		}
		if w.kind == 0 {
			return nil
		}
	}
	return nil
}

// room returns where the word of a number is to be: where it was, or that of another that does not hold any more; nil where all
// places are taken.
func (l *lexicon) room(kind wordKind, number uint64) *word {
	at := l.place(kind.as(), number)
	var free *word
	for i := range probes {
		w := &l.words[(at+i)&(len(l.words)-1)]
		if w.number == number && w.kind.same(kind) && w.kind != 0 {
			return w
		}
		if w.kind.generation() != l.generation && free == nil {
			free = w
		}
		if w.kind == 0 {
			break
		}
	}
	return free
}

// lexicon finds or begins that of a record, and lets go of words that may not hold any more.
func (n *namer) lexicon(r *flow.Record) *lexicon {
	l := n.last
	if l == nil || l.key.domain != r.ObservationDomainID || l.key.exporter != r.SamplerAddress || l.key.source != n.source {
		l = n.find(lexiconKey{r.SamplerAddress, n.source, r.ObservationDomainID})
	}
	if l.exporter == nil || l.exporter.Gone() {
		if known := n.store.Known(); known != l.known || l.exporter != nil {
			l.known = known
			// Others' first words change nothing for one that is still silent.
			if found := n.store.Find(l.taught); found != l.exporter {
				l.exporter, l.seen, l.generation = found, 0, l.generation+1
			}
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
			n.drop(other, known)
		}
		l = &lexicon{key: key, scope: names.Scope{Exporter: key.exporter.Addr(), Domain: key.domain}, generation: 1}
		l.taught = l.scope.Exporter
		if key.source.Len() != 0 {
			from := agentScope(key.source.Addr(), l.scope.Exporter)
			l.taught, l.scope.Domain, l.own = from.Exporter, from.Domain, true
		}
		l.resize(fewestWords)
		n.cached += l.size
		n.known[key] = l
	}
	n.last = l
	return l
}

// resize gives a lexicon more places, and keeps the words that hold.
func (l *lexicon) resize(size int) {
	before := l.words
	l.words, l.shift, l.size = make([]word, size), 64-bits.TrailingZeros(uint(size)), lexiconBytes+size*wordBytes
	for i := range before {
		w := &before[i]
		if w.kind.generation() != l.generation {
			continue
		}
		if to := l.room(w.kind, w.number); to != nil {
			*to = *w
			l.size += w.size()
		}
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
func (n *namer) lookUp(l *lexicon, t names.Table, number uint64, as, described flow.Name) *word {
	n.cached -= l.size
	kind := l.kind(t, as)
	w := l.room(kind, number)
	for w == nil && len(l.words) < mostWords {
		l.resize(2 * len(l.words))
		w = l.room(kind, number)
	}
	if n.cached+l.size > maxNamed {
		n.makeRoom(l)
		w = l.room(kind, number)
	}
	if w == nil {
		w = &l.words[l.place(as, number)]
	}
	var name, description string
	if row := n.store.Resolve(l.exporter, names.Key{Scope: l.scope, Table: t, Number: number}, l.own); row != nil {
		name, description = row.Name, row.Description
		if t == names.Interfaces {
			name = cmp.Or(name, description) // some routers describe interfaces, and by that they mean their names
		}
	}
	if described == noName {
		description = ""
	}
	l.size -= w.size()
	w.name, w.description = textOf(w.name, as, name), textOf(w.description, described, description)
	w.number, w.kind = number, kind
	l.size += w.size()
	n.cached += l.size
	return w
}

// makeRoom forgets lexicons other than l, whichever come, until a quarter of what all may take is free, so that making room costs
// each new lexicon about as much as itself, whoever floods a collector with addresses. Where l alone takes too much, it begins anew.
// What l takes is not in cached.
func (n *namer) makeRoom(l *lexicon) {
	const enough = maxNamed / 4 * 3
	for key, other := range n.known {
		if n.cached+l.size <= enough {
			return
		}
		if other != l {
			n.drop(key, other)
		}
	}
	if n.cached+l.size > enough {
		l.words = nil
		l.resize(fewestWords)
	}
}

func (n *namer) drop(key lexiconKey, l *lexicon) {
	n.cached -= l.size
	delete(n.known, key)
}

// textOf encodes s, nil for none. A text that says so already is kept: a change of one row has all looked up again.
func textOf(t *flow.Text, as flow.Name, s string) *flow.Text {
	switch {
	case s == "":
		return nil
	case t != nil && t.Name() == as && t.String() == s:
		return t
	}
	return flow.NewText(as, s)
}
