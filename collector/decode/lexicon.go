package decode

import (
	"cmp"
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
	sender   netip.Addr      // who sent the datagrams of an sFlow agent, and taught them: its other domains say nothing of them
	exporter *names.Exporter // nil as long as the Store has none
	// changes, known, seen and saying are what the Store counted when the words were looked up.
	changes, known, seen, saying uint64
	// generation is that of the words that hold.
	generation uint64
	// name is the exporter's own, as of generation named.
	name  *flow.Text
	named uint64
	// shelves are a power of two.
	shelves []shelf
	pairs   pairs
	size    int // about how many bytes the lexicon takes
}

// shelf has the words of numbers that belong to one place. A look-up compares with all of them without a branch: on which of them a
// number stands hangs on nothing that a processor could foresee, and a wrong guess costs more than the rest of the look-up.
type shelf struct {
	keys  [shelfWords]uint64
	kinds [shelfWords]wordKind // 0 where there is no word
	words [shelfWords]word
}

const shelfWords = 4

// word is what a number means as one name of a flow, encoded; nil texts say that nobody gave it a name, or a description.
type word struct{ name, description *flow.Text }

// wordKind is what a word's number numbers, as what it is carried, and the generation of the lexicon that it was looked up in.
type wordKind uint64

// kindBits are those of a wordKind below its generation, which begins at 1.
const kindBits = 8

// Tables and names have four bits each: this is no constant where they do not fit.
const _ = uint(15-names.Elements) | uint(16-flow.NumNames)

func (l *lexicon) kind(t names.Table, as flow.Name) wordKind {
	return wordKind(l.generation<<kindBits | uint64(t)<<4 | uint64(as))
}

func (k wordKind) generation() uint64 { return uint64(k >> kindBits) }

// same reports whether two are of one kind, of whatever generation.
func (k wordKind) same(o wordKind) bool { return k&(1<<kindBits-1) == o&(1<<kindBits-1) }

// Sizes of a lexicon: the most have room for the interfaces of a large chassis, each as input and as output.
const (
	fewestShelves = 1
	mostShelves   = 1 << 13
)

// About how many bytes things take.
const (
	lexiconBytes = 400 // without shelves
	shelfBytes   = 32 * shelfWords
)

// spread spreads numbers that stand close to each other, each to one of its own.
func spread(as flow.Name, number uint64) uint64 {
	return (number + uint64(as)<<58) * 0x9e3779b97f4a7c15
}

// shelf is where the word of what was spread may be.
func (l *lexicon) shelf(spread uint64) *shelf {
	return &l.shelves[spread>>32&uint64(len(l.shelves)-1)]
}

// find returns the word of a number that holds, or nil.
func (l *lexicon) find(t names.Table, as flow.Name, number uint64) *word {
	at, kind := spread(as, number), l.kind(t, as)
	s, key := l.shelf(at), at^uint64(kind)
	i := isZero(s.keys[1]^key) | isZero(s.keys[2]^key)<<1 | isZero(s.keys[3]^key)*3
	if s.keys[i] != key || s.kinds[i] != kind {
		return nil // or two kinds have this key: it is looked up
	}
	return &s.words[i]
}

// isZero is 1 of 0, and else 0.
func isZero(v uint64) uint64 { return (v - 1) &^ v >> 63 }

// room returns which place of a shelf the word of what was spread is to have: where it was, or that of another that does not hold any
// more; ok is false where all are taken.
func (l *lexicon) room(s *shelf, kind wordKind, spread uint64) (place int, ok bool) {
	for i, k := range s.kinds {
		if k != 0 && k.same(kind) && s.keys[i]^uint64(k) == spread {
			return i, true
		}
		if k.generation() != l.generation && !ok {
			place, ok = i, true
		}
	}
	return place, ok
}

// begin is called for each datagram: source is who sent it, where the record's exporter is what the datagram says, and else none.
func (n *namer) begin(source flow.Address) {
	n.paired, n.source = false, source
	if n.last != nil && n.last.key.source != source {
		n.last = nil
	}
}

// lexicon finds or begins that of a record, and lets go of words that may not hold any more.
func (n *namer) lexicon(r *flow.Record) *lexicon {
	l := n.last
	if l == nil || l.key.domain != r.ObservationDomainID || l.key.exporter != r.SamplerAddress {
		l = n.find(lexiconKey{r.SamplerAddress, n.source, r.ObservationDomainID})
	}
	if changes := n.store.Changes(); changes != l.changes {
		n.follow(l, changes)
	}
	return l
}

// follow has a lexicon know what the Store knows, as of changes at least.
func (n *namer) follow(l *lexicon, changes uint64) {
	l.changes = changes
	if l.exporter == nil || l.exporter.Gone() {
		if known := n.store.Known(); known != l.known || l.exporter != nil {
			l.known = known
			// Others' first words change nothing for one that is still silent.
			found := n.store.Find(l.taught)
			if found != l.exporter {
				l.exporter, l.seen, l.generation = found, 0, l.generation+1
			}
			if found == nil {
				n.store.Miss(l.taught)
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
			l.taught, l.scope.Domain, l.sender = from.Exporter, from.Domain, from.Exporter
		}
		l.resize(fewestShelves)
		n.cached += l.size
		n.known[key] = l
	}
	n.last = l
	return l
}

// resize gives a lexicon more places, and keeps the words that hold.
func (l *lexicon) resize(shelves int) {
	before := l.shelves
	l.shelves, l.size = make([]shelf, shelves), lexiconBytes+shelves*shelfBytes+l.pairs.size
	for i := range before {
		for j, kind := range before[i].kinds {
			if kind.generation() == l.generation {
				l.put(kind, before[i].keys[j]^uint64(kind), before[i].words[j])
			}
		}
	}
}

// put has a lexicon keep a word, if it has room for it.
func (l *lexicon) put(kind wordKind, spread uint64, w word) {
	s := l.shelf(spread)
	if i, ok := l.room(s, kind, spread); ok {
		s.keys[i], s.kinds[i], s.words[i] = spread^uint64(kind), kind, w
		l.size += w.size()
	}
}

func (w *word) size() int { return w.name.Size() + w.description.Size() }

// lookUp asks the Store what a number means, and remembers it.
func (n *namer) lookUp(l *lexicon, t names.Table, number uint64, as, described flow.Name) *word {
	n.cached -= l.size
	kind, at := l.kind(t, as), spread(as, number)
	s := l.shelf(at)
	place, ok := l.room(s, kind, at)
	for !ok && len(l.shelves) < mostShelves {
		l.resize(2 * len(l.shelves))
		s = l.shelf(at)
		place, ok = l.room(s, kind, at)
	}
	if n.cached+l.size > maxNamed {
		n.makeRoom(l)
		s = l.shelf(at)
		place, _ = l.room(s, kind, at)
	}
	var name, description string
	if row := n.store.Resolve(l.exporter, names.Key{Scope: l.scope, Table: t, Number: number}, l.sender); row != nil {
		name, description = row.Name, row.Description
		if t == names.Interfaces {
			name = cmp.Or(name, description) // some routers describe interfaces, and by that they mean their names
		}
	}
	if described == noName {
		description = ""
	}
	w := &s.words[place]
	l.size -= w.size()
	w.name, w.description = textOf(w.name, as, name), textOf(w.description, described, description)
	s.keys[place], s.kinds[place] = at^uint64(kind), kind
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
		l.shelves, l.pairs = nil, pairs{}
		l.resize(fewestShelves)
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
