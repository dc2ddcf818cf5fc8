package netflow

import (
	"bytes"
	"encoding/binary"

	announced "github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Scope types of NetFlow v9 (RFC 3954 section 6.1). Some exporters put elements in their place.
const (
	scopeSystem9    = 1
	scopeInterface9 = 2
	scopeLineCard9  = 3
	scopeCache9     = 4
	scopeTemplate9  = 5
)

// announcement gathers what the scope of an options record says of whom it is about.
type announcement struct {
	found sampling
	// domain is whose rate it is: the sender's unless the scope says another one (RFC 7011 section 3.4.2.1).
	domain uint32
	kind   announced.Kind
	id     uint64
	// direction is directionIngress or directionEgress, where hasDirection.
	direction    uint64
	hasDirection bool
	// selectors are those that make up a sequence, where the scope is one.
	selectors []uint64
}

// scope notes a scope field. What is more particular counts before what is less so.
func (a *announcement) scope(version template.Version, id uint16, v []byte) {
	if id == elementInterfaceName {
		a.about(announced.LineCard, cardOf(v))
		return
	}
	if len(v) > 8 {
		return
	}
	n := number(v)
	if version == template.NetFlow9 {
		switch id {
		case scopeSystem9, scopeCache9:
			return
		case scopeInterface9:
			a.about(announced.Interface, n)
			return
		case scopeLineCard9:
			a.about(announced.LineCard, n)
			return
		case scopeTemplate9:
			a.about(announced.Template, n)
			return
		}
	}
	switch id {
	case 10, 252:
		a.about(announced.Ingress, n)
	case 14, 253:
		a.about(announced.Egress, n)
	case elementLineCard:
		a.about(announced.LineCard, n)
	case 137, elementPoint, elementPort, 148:
		a.about(announced.LineCard, partOf(id, n))
	case 145:
		a.about(announced.Template, n)
	case 149:
		if a.domain = uint32(n); n == 0 {
			a.about(announced.Process, 0)
		}
	case 144:
		a.about(announced.Process, 0)
	}
}

// noCard is a bit that no number of a line card has: for parts of an exporter of which flows do not say either that they come from there. As with
// line cards, a rate counts where all agree.
const noCard = 1 << 55

// cardOf stands for an interface that a rate is of, where only its name is said. Flows have its number, and nothing says which that is.
func cardOf(name []byte) uint64 { return folded(stringOf(name)...) | noCard }

// partOf stands for number n of what element id counts: a port, a point of observation, common properties, a flow (137, 148; RFC 7012 section 5.1), or the
// interface 0, which is none. Its rate is not that of all that the domain exports, which may have one of its own.
func partOf(id uint16, n uint64) uint64 {
	return folded(binary.BigEndian.AppendUint64([]byte{byte(id >> 8), byte(id)}, n)...) | noCard
}

// folded is a number that fits a subject of package sampling and stands for b.
func folded(b ...byte) uint64 { return uint64(newFNV().add(b...)) & (1<<56 - 1) }

// subjectOf is a subject of package sampling. Selectors have numbers of 64 bits (RFC 5477 section 8.2.1): one that does not fit is folded.
func subjectOf(kind announced.Kind, id uint64) uint64 {
	subject, ok := announced.Key(kind, id)
	if !ok {
		subject, _ = announced.Key(kind, folded(binary.BigEndian.AppendUint64(nil, id)...))
	}
	return subject
}

// stringOf is what of a field is its text: a NUL ends it, and what follows is padding, or what was in the exporter's memory before.
func stringOf(field []byte) []byte {
	text, _, _ := bytes.Cut(field, []byte{0})
	return text
}

// isInterface reports elements that are the index of an interface.
func isInterface(id uint16) bool { return id == 10 || id == 14 || id == 252 || id == 253 }

// isPart reports elements that are the number of a line card, a port or another point of observation.
func isPart(id uint16) bool { return id == elementLineCard || id == elementPort || id == elementPoint }

// particular orders kinds from what is about least to what is about most.
var particular = [...]announced.Kind{announced.Template, announced.Ingress, announced.Egress, announced.Interface, announced.LineCard,
	announced.System, announced.Process}

func (a *announcement) about(kind announced.Kind, id uint64) {
	if id == 0 {
		switch kind {
		case announced.Template:
			return // there is none
		case announced.Interface, announced.Ingress, announced.Egress:
			if a.kind == announced.LineCard {
				return
			}
			kind, id = announced.LineCard, partOf(elementInput, 0)
		}
	}
	for _, k := range particular {
		switch k {
		case kind:
			a.kind, a.id = kind, id
			return
		case a.kind:
			if k != announced.System {
				return
			}
		}
	}
}

// learnSampling takes the sampling rate of an options record, if it has one. An interval of 0 says that sampling has ended.
func (d *Decoder) learnSampling(s *session, h *header, t *template.Template, record []byte) {
	a := announcement{domain: h.domain}
	offset := 0
	for i, f := range t.Fields {
		v, n := fieldValue(f.Length, record[offset:])
		offset += n
		switch {
		case f.Enterprise != 0 || len(v) == 0:
		case i < t.ScopeFields && h.version == template.NetFlow9 && f.ID <= scopeTemplate9:
			a.scope(h.version, f.ID, v)
		case f.ID == elementDirection && len(v) == 1:
			a.direction, a.hasDirection = number(v), true
		case f.ID == elementSelector && i >= t.ScopeFields && a.found.hasSequence && len(v) <= 8:
			a.selectors = append(a.selectors, number(v))
		case !a.found.take(f.ID, v) && (i < t.ScopeFields || isInterface(f.ID) || isPart(f.ID)):
			// Routers put the interface behind the scope System, as in their tables of interfaces, and so its card.
			a.scope(h.version, f.ID, v)
		}
	}
	if n := len(a.selectors); n != 0 {
		if q := s.sequences.put(sequence{id: a.found.sequenceID, domain: a.domain, selectors: a.selectors}); q != nil {
			if s.rates.exporter == nil || s.rates.exporter.Gone() {
				d.refreshRates(s)
			}
			d.announceSequence(s, h, q) // there may be more of them than are kept
		}
		if n > 1 {
			return
		}
		a.found.selectorID, a.found.hasSelector = a.selectors[0], true
	}
	if a.found.hasSelector && !a.found.said && chosen(a.found.algorithm) {
		s.sequences.match(a.found.selectorID)
	}
	if !a.found.said {
		return
	}
	switch {
	case a.found.hasSelector:
		a.kind, a.id = announced.Selector, a.found.selectorID
	case a.found.hasSampler:
		a.kind, a.id = announced.Sampler, a.found.samplerID
	case a.found.hasSequence:
		a.kind, a.id = announced.Sequence, a.found.sequenceID
	case a.kind == announced.Interface && a.hasDirection && a.direction == directionIngress:
		a.kind = announced.Ingress
	case a.kind == announced.Interface && a.hasDirection && a.direction == directionEgress:
		a.kind = announced.Egress
	case a.kind == announced.System && h.version == template.IPFIX && a.domain == 0:
		a.kind = announced.Process // domain 0 is no domain's own (RFC 7011 section 3.1)
	}
	d.announce(s, h, &a, a.found.rate())
}

// announce has everybody know a rate.
func (d *Decoder) announce(s *session, h *header, a *announcement, rate uint64) {
	scope := s.key.scope
	scope.Domain = a.domain
	d.shared.Rates.Exporter(scope, d.now).Learn(a.domain, s.key.port, subjectOf(a.kind, a.id), rate, uint64(h.exportTime), d.now)
}
