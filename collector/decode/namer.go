package decode

import (
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/names"
)

// NameSet says which names flows carry, by bits of flow.Name.
type NameSet uint16

// Has reports whether n is one of them.
func (s NameSet) Has(n flow.Name) bool { return s>>(n&15)&1 != 0 }

// With is s and names.
func (s NameSet) With(list ...flow.Name) NameSet {
	for _, n := range list {
		s |= 1 << n
	}
	return s
}

// Parts of a NameSet that hang on one number.
const (
	interfaceNames = 1<<flow.InIfName | 1<<flow.InIfDescription | 1<<flow.OutIfName | 1<<flow.OutIfDescription
	vrfNames       = 1<<flow.IngressVRFName | 1<<flow.EgressVRFName
)

// noName stands where a table has no text of a kind that flows carry.
const noName = flow.NumNames

// namer stands between the decoders and the sink, and gives records their names. What it looks up it keeps encoded: a look-up again
// costs a comparison, and takes no lock.
type namer struct {
	sink Sink
	// source is who sent the datagram that is being decoded, where the record's exporter is what an sFlow datagram says.
	source   flow.Address
	store    *names.Store
	want     NameSet
	limit    int // of exporters and domains that are followed
	known    map[lexiconKey]*lexicon
	last     *lexicon
	cached   int  // bytes that all lexicons take
	paired   bool // in this datagram, see together
	pairings uint
	said     saidTexts
	// naming is what was counted since a book took it, and coverage what books took since the Store was told.
	naming, coverage ledger.Naming
}

// maxNamed bounds what a namer keeps, in bytes: beyond it some lexicons are forgotten.
const maxNamed = 16 << 20

// Record implements Sink.
func (n *namer) Record(r *flow.Record) {
	r.Names = r.Names[:0]
	l := n.lexicon(r)
	key := pairKey(r)
	if g := l.pairs.find(key, l.generation); g != nil && key != 0 && len(r.Own) == 0 {
		n.again(r, l, g)
	} else {
		n.oneByOne(r, l, key)
	}
	numbers := &r.Numbers
	if numbers.Application != 0 && n.want.Has(flow.ApplicationName) {
		n.naming.Applications.Count(n.name(r, l, names.Applications, numbers.Application, flow.ApplicationName, noName))
	}
	if n.want&vrfNames != 0 && (numbers.HasIngressVRF || numbers.HasEgressVRF) {
		n.vrfs(r, l)
	}
	if n.want.Has(flow.SamplerName) && (numbers.Sampler != 0 || numbers.Selector != 0) {
		n.sampler(r, l)
	}
	if r.ObservationDomainID != 0 && n.want.Has(flow.DomainName) {
		n.naming.Domains.Count(n.name(r, l, names.Domains, uint64(r.ObservationDomainID), flow.DomainName, noName))
	}
	if len(r.Own) != 0 {
		n.own(r)
	}
	n.sink.Record(r)
}

// again names the interfaces of a flow and its exporter, as flows between the same interfaces were before.
func (n *namer) again(r *flow.Record, l *lexicon, g *given) {
	if g.text != nil {
		r.Names = append(r.Names, g.text)
	}
	n.naming.Interfaces.Count(g.named)
	if n.want.Has(flow.ExporterName) {
		n.naming.Exporters.Count(l.name != nil)
	}
}

// oneByOne names the interfaces of a flow, whose pairKey is key, and its exporter.
func (n *namer) oneByOne(r *flow.Record, l *lexicon, key uint64) {
	interfaces, named := n.want&interfaceNames != 0 && key != 0, false
	if interfaces {
		named = n.interfaces(r, l)
	}
	if n.want.Has(flow.ExporterName) {
		if l.named != l.generation {
			l.named, l.name = l.generation, n.lookUp(l, names.Exporters, 0, flow.ExporterName, noName).name
		}
		if l.name != nil {
			r.Names = append(r.Names, l.name)
		}
		n.naming.Exporters.Count(l.name != nil)
	}
	if interfaces {
		before := l.pairs.size
		l.pairs.begin(l.generation)
		if len(r.Own) == 0 && !n.paired && n.cached < maxNamed/2 {
			n.together(r, l, key, named)
		}
		l.size += l.pairs.size - before
		n.cached += l.pairs.size - before
	}
}

// together has later flows between the same interfaces named as this one, faster. That costs an allocation: it is done once a datagram, and
// where a pair has no room but another's, once in a while: flows that are hardly ever between the same interfaces cost little more.
func (n *namer) together(r *flow.Record, l *lexicon, key uint64, named bool) {
	const oneOf = 1024
	n.paired = true
	if n.pairings++; l.pairs.room(key) || n.pairings%oneOf == 0 {
		g := given{named: named}
		if len(r.Names) != 0 {
			g.text = flow.Together(r.Names)
		}
		l.pairs.put(key, g)
	}
}

// interfaces names the interfaces of a flow, which has one at least, and reports whether they have names.
func (n *namer) interfaces(r *flow.Record, l *lexicon) (named bool) {
	list := r.Names
	named = true
	if r.InIf != 0 {
		w := l.find(names.Interfaces, flow.InIfName, uint64(r.InIf))
		if w == nil {
			w = n.lookUp(l, names.Interfaces, uint64(r.InIf), flow.InIfName, flow.InIfDescription)
		}
		list, named = n.append(list, w, flow.InIfName, flow.InIfDescription), n.given(r, w, flow.InIfName)
	}
	if r.OutIf != 0 {
		w := l.find(names.Interfaces, flow.OutIfName, uint64(r.OutIf))
		if w == nil {
			w = n.lookUp(l, names.Interfaces, uint64(r.OutIf), flow.OutIfName, flow.OutIfDescription)
		}
		list, named = n.append(list, w, flow.OutIfName, flow.OutIfDescription), named && n.given(r, w, flow.OutIfName)
	}
	r.Names = list
	n.naming.Interfaces.Count(named)
	return named
}

// vrfs names the VRFs of a flow. VRF 0, the default one, mostly has no name, and lacks none.
func (n *namer) vrfs(r *flow.Record, l *lexicon) {
	numbers := &r.Numbers
	in := !numbers.HasIngressVRF || n.name(r, l, names.VRFs, uint64(numbers.IngressVRF), flow.IngressVRFName, noName)
	out := !numbers.HasEgressVRF || n.name(r, l, names.VRFs, uint64(numbers.EgressVRF), flow.EgressVRFName, noName)
	if numbers.IngressVRF != 0 || numbers.EgressVRF != 0 {
		n.naming.VRFs.Count((in || numbers.IngressVRF == 0) && (out || numbers.EgressVRF == 0))
	}
}

// sampler names what chose the packets of a flow: its selector before its sampler. Where a flow has one of them only, it may be what a table
// calls the other: 302 took the place of 48 (IANA, samplerId), and rates are found so, too.
func (n *namer) sampler(r *flow.Record, l *lexicon) {
	selector, sampler := r.Numbers.Selector, r.Numbers.Sampler
	by := func(t names.Table, number uint64) bool {
		return number != 0 && n.name(r, l, t, number, flow.SamplerName, noName)
	}
	named := by(names.Selectors, selector) || by(names.Samplers, sampler) ||
		selector == 0 && by(names.Selectors, sampler) || sampler == 0 && by(names.Samplers, selector)
	n.naming.Samplers.Count(named)
}

// name has the record carry what a number means, and reports whether it has a name.
func (n *namer) name(r *flow.Record, l *lexicon, t names.Table, number uint64, name, description flow.Name) bool {
	w := l.find(t, name, number)
	if w == nil {
		w = n.lookUp(l, t, number, name, description)
	}
	r.Names = n.append(r.Names, w, name, description)
	return n.given(r, w, name)
}

// append adds what flows are to carry of a word.
func (n *namer) append(list []*flow.Text, w *word, name, description flow.Name) []*flow.Text {
	if w.name != nil && n.want.Has(name) {
		list = append(list, w.name)
	}
	if w.description != nil && n.want.Has(description) {
		list = append(list, w.description)
	}
	return list
}

// give adds to a book what was counted since the last call, and keeps it for report.
func (n *namer) give(book *ledger.Naming) {
	book.Add(&n.naming)
	n.coverage.Add(&n.naming)
	n.naming = ledger.Naming{}
}

// configure puts other names on flows.
func (n *namer) configure(want NameSet, limit int) {
	n.want, n.limit = want, max(limit, 1)
	for _, l := range n.known { // what is together may not be wanted any more
		n.cached -= l.pairs.size
		l.size -= l.pairs.size
		l.pairs = pairs{}
	}
}

// report adds what books took to the Store's figures.
func (n *namer) report() {
	if n.want == 0 {
		return
	}
	var c names.Coverage
	add := func(t names.Table, of ledger.Named) { c.Named[t], c.Unnamed[t] = of.Named, of.Unnamed }
	add(names.Interfaces, n.coverage.Interfaces)
	add(names.Applications, n.coverage.Applications)
	add(names.VRFs, n.coverage.VRFs)
	add(names.Samplers, n.coverage.Samplers)
	add(names.Domains, n.coverage.Domains)
	add(names.Exporters, n.coverage.Exporters)
	n.store.Cover(&c)
	n.coverage = ledger.Naming{}
}
