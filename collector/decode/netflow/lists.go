package netflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Bounds of structured data (RFC 6313) in one record; what is beyond is left out and counted.
const (
	maxLists      = 64
	maxListDepth  = 4
	maxListExtras = 4096
)

// list is a field that holds a basicList, a subTemplateList or a subTemplateMultiList.
type list struct {
	enterprise uint32
	id         uint16
	value      []byte
}

// kind is the data type of the list.
func (l *list) kind() element.DataType {
	e, _ := element.Lookup(l.enterprise, l.id)
	return e.Type
}

// block is a run of records of one template within a list.
type block struct {
	template uint16
	records  []byte
}

// next takes the block at the front of what is left of a list, after its semantic (RFC 6313 sections 4.5.2 and 4.5.3).
func next(kind element.DataType, b []byte) (out block, rest []byte, ok bool) {
	if len(b) < 2 {
		return out, nil, false
	}
	out.template = binary.BigEndian.Uint16(b)
	if kind == element.SubTemplateList {
		out.records = b[2:]
		return out, nil, true
	}
	if len(b) < setHeaderLength {
		return out, nil, false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < setHeaderLength || length > len(b) {
		return out, nil, false
	}
	out.records = b[setHeaderLength:length]
	return out, b[length:], true
}

// basic is the head of a basicList (RFC 6313 section 4.5.1).
type basic struct {
	field  template.Field
	values []byte
}

func parseBasic(v []byte) (out basic, ok bool) {
	if len(v) < 5 {
		return out, false
	}
	out.field = template.Field{ID: binary.BigEndian.Uint16(v[1:]), Length: binary.BigEndian.Uint16(v[3:])}
	out.values = v[5:]
	if out.field.ID&0x8000 != 0 {
		if len(v) < 9 {
			return out, false
		}
		out.field.ID &^= 0x8000
		out.field.Enterprise = binary.BigEndian.Uint32(v[5:])
		out.values = v[9:]
	}
	return out, out.field.Length != 0
}

// value takes the value at the front of the list, nil at its end.
func (b *basic) value() []byte {
	size, head := int(b.field.Length), 0
	if b.field.Length == template.VariableLength {
		if len(b.values) < 1 {
			return nil
		}
		if head, size = 1, int(b.values[0]); size == 255 {
			if len(b.values) < 3 {
				return nil
			}
			head, size = 3, int(binary.BigEndian.Uint16(b.values[1:]))
		}
	}
	if len(b.values) < head+size || head+size == 0 {
		return nil
	}
	v := b.values[head : head+size : head+size]
	b.values = b.values[head+size:]
	return v
}

// listsWithin is a basicList of lists (RFC 6313 section 4.5.1: of any data type), or false.
func listsWithin(v []byte) (basic, bool) {
	b, ok := parseBasic(v)
	if !ok {
		return basic{}, false
	}
	e, known := element.Lookup(b.field.Enterprise, b.field.ID)
	return b, known && isList(e.Type)
}

// maxSought bounds the lists of one record whose templates are looked for before it is read.
const maxSought = 8

// missing is a template that some list in a set of p is of and that is not known, 0 for none.
func (d *Decoder) missing(s *session, p *plan, b []byte) uint16 {
	return d.missingIn(s, p, b, 1)
}

func (d *Decoder) missingIn(s *session, p *plan, b []byte, depth int) uint16 {
	for len(b) > 0 && len(b) >= p.template.MinLength {
		n := d.recordLength(p.template, b)
		if n == 0 {
			break
		}
		var lists [maxSought]list
		found := 0
		for i := range p.steps {
			step := &p.steps[i]
			if step.operation != opList || found == maxSought {
				continue
			}
			at := span{step.offset, step.length}
			if !p.template.Fixed {
				at = d.spans[step.offset]
			}
			lists[found] = list{id: step.id, enterprise: step.enterprise, value: b[at.start : at.start+at.length]}
			found++
		}
		for i := range lists[:found] {
			if id := d.missingOf(s, &lists[i], depth); id != 0 {
				return id
			}
		}
		b = b[n:]
	}
	return 0
}

// missingOf is the same of one list.
func (d *Decoder) missingOf(s *session, l *list, depth int) uint16 {
	kind := l.kind()
	if len(l.value) == 0 {
		return 0
	}
	if kind == element.BasicList {
		b, within := listsWithin(l.value)
		for v := b.value(); within && depth < maxListDepth && v != nil; v = b.value() {
			if id := d.missingOf(s, &list{enterprise: b.field.Enterprise, id: b.field.ID, value: v}, depth+1); id != 0 {
				return id
			}
		}
		return 0
	}
	for rest := l.value[1:]; len(rest) > 0; {
		var b block
		var ok bool
		if b, rest, ok = next(kind, rest); !ok {
			break
		}
		if len(b.records) == 0 || b.template < firstDataSet {
			continue
		}
		p := d.plan(s, b.template)
		switch {
		case p == nil && b.template != s.inVain:
			return b.template
		case p != nil && p.hasLists && depth < maxListDepth:
			if id := d.missingIn(s, p, b.records, depth+1); id != 0 {
				return id
			}
		}
	}
	return 0
}

// openLists reads the lists of a record: what says more of its flow goes into r, flows within lists are handed on by emitLists.
// With extra fields, all else is kept in the order of the lists.
func (d *Decoder) openLists(s *session, h *header, p *plan, r *flow.Record) {
	for i := 0; i < len(d.lists); i++ {
		d.openList(s, h, p, r, i, 1)
	}
}

// openList reads list i. The lists within it are added behind it.
func (d *Decoder) openList(s *session, h *header, p *plan, r *flow.Record, i, depth int) {
	l := d.lists[i]
	kind := l.kind()
	at, flows := len(r.Extra), len(d.within)
	if d.settings.Extra {
		r.Extra = append(r.Extra, flow.Extra{Enterprise: l.enterprise, ID: l.id, Value: l.value, List: true})
	}
	switch {
	case len(l.value) == 0:
	case kind == element.BasicList:
		if b, within := listsWithin(l.value); within {
			d.openInner(s, h, p, r, b, depth)
		} else {
			d.openBasic(r, l.value)
		}
	default:
		for rest := l.value[1:]; len(rest) > 0; {
			var b block
			var ok bool
			if b, rest, ok = next(kind, rest); !ok {
				d.counts.Inc(ledger.RecordsListsUnread)
				break
			}
			d.openBlock(s, h, p, r, b, depth)
		}
	}
	if d.settings.Extra {
		r.Extra[at].Items = len(r.Extra) - at - 1
		if r.Extra[at].Items == 0 && len(d.within) != flows {
			r.Extra = r.Extra[:at] // all of it is flows
		}
	}
}

// openInner reads the lists of a basicList of lists.
func (d *Decoder) openInner(s *session, h *header, p *plan, r *flow.Record, b basic, depth int) {
	for v := b.value(); v != nil; v = b.value() {
		if len(r.Extra)+2 > maxListExtras {
			d.counts.Inc(ledger.RecordsListsUnread)
			return
		}
		at := len(r.Extra)
		if d.settings.Extra {
			r.Extra = append(r.Extra, flow.Extra{})
		}
		first := len(d.lists)
		d.lists = append(d.lists, list{enterprise: b.field.Enterprise, id: b.field.ID, value: v})
		d.openWithin(s, h, p, r, first, depth)
		if d.settings.Extra {
			r.Extra[at].Items = len(r.Extra) - at - 1
		}
	}
}

// openBasic keeps the values of a basicList.
func (d *Decoder) openBasic(r *flow.Record, v []byte) {
	if !d.settings.Extra {
		return
	}
	b, ok := parseBasic(v)
	if !ok {
		d.counts.Inc(ledger.RecordsListsUnread)
		return
	}
	for v := b.value(); v != nil; v = b.value() {
		if len(r.Extra)+2 > maxListExtras {
			d.counts.Inc(ledger.RecordsListsUnread)
			return
		}
		r.Extra = append(r.Extra, flow.Extra{Items: 1}, flow.Extra{Enterprise: b.field.Enterprise, ID: b.field.ID, Value: v})
	}
}

// keepField keeps a field whose place is taken, a basicList with its values as other lists.
func (d *Decoder) keepField(r *flow.Record, step *step, v []byte) {
	at := len(r.Extra)
	r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
	switch step.operation {
	case opCommunities, opASPath, opSegmentList:
		if e, _ := element.Lookup(step.enterprise, step.id); e.Type == element.BasicList {
			d.openBasic(r, v)
			r.Extra[at].List, r.Extra[at].Items = true, len(r.Extra)-at-1
		}
	}
}

// openBlock reads the records of a block.
func (d *Decoder) openBlock(s *session, h *header, parent *plan, r *flow.Record, b block, depth int) {
	if len(b.records) == 0 {
		return
	}
	p := d.plan(s, b.template)
	if p == nil || p.template.Kind != template.KindData {
		d.counts.Inc(ledger.RecordsListsUnread)
		return
	}
	if p.isOwnFlow(parent) {
		d.within = append(d.within, nestedFlows{p, b.records})
		return
	}
	for rest := b.records; len(rest) >= p.template.MinLength; {
		n := d.recordLength(p.template, rest)
		if n == 0 {
			break
		}
		record := rest[:n]
		rest = rest[n:]
		if len(r.Extra) >= maxListExtras {
			d.counts.Inc(ledger.RecordsListsUnread)
			return
		}
		at := len(r.Extra)
		if d.settings.Extra {
			r.Extra = append(r.Extra, flow.Extra{})
		}
		lists := len(d.lists)
		d.read(h, p, p.steps, record, r, true)
		if len(p.reverse) != 0 && len(d.turned) < maxListExtras {
			d.turned = append(d.turned, nestedFlows{p, record})
		}
		d.openWithin(s, h, parent, r, lists, depth)
		if d.settings.Extra {
			r.Extra[at].Items = len(r.Extra) - at - 1
		}
	}
}

// openWithin reads the lists from number first on, which stood within a record of another one.
func (d *Decoder) openWithin(s *session, h *header, parent *plan, r *flow.Record, first, depth int) {
	within := d.lists[first:]
	if len(within) > 0 && depth >= maxListDepth {
		d.counts.Inc(ledger.RecordsListsUnread)
	} else {
		for i := range within {
			d.openList(s, h, parent, r, first+i, depth+1)
		}
	}
	d.lists = d.lists[:first]
}

// isOwnFlow reports whether records of p within a list of one of parent are flows: they have the addresses that it does not have.
func (p *plan) isOwnFlow(parent *plan) bool {
	return p.hasAddresses && !parent.hasAddresses
}

// nestedFlows are records within a list that are flows, and how they are read.
type nestedFlows struct {
	plan    *plan
	records []byte
}

// emitLists hands on the flows within the lists of the decoded record, however deep, and returns how many there were, 0 for none. What the
// record that holds them says is theirs too, but for its counts, which are those of all of them: a single flow has them, several have their
// own. What it counts more than they do is a flow of the holder, so that no byte is lost, and none is there twice.
func (d *Decoder) emitLists(s *session, h *header, parent *plan, b []byte) int {
	holder := &d.record
	times, facts, found := d.times, d.about, sampling{}
	if parent.hasSampler {
		found = d.found
	}
	placed, octets, packets := d.placed, holder.Bytes, holder.Packets
	if d.areSeveral() {
		holder.Bytes, holder.Packets = 0, 0
	}
	flows, kept := 0, maxListExtras
	var countedOctets, countedPackets uint64
	reversed := false
	for _, within := range d.within {
		reversed = reversed || len(within.plan.reverse) != 0
		for records := within.records; len(records) >= within.plan.template.MinLength; {
			n := d.recordLength(within.plan.template, records)
			if n == 0 {
				break
			}
			made := d.emitNested(s, h, within.plan, parent, records[:n], times, facts, found, kept >= len(holder.Extra))
			kept -= made * len(holder.Extra)
			flows += made
			countedOctets, countedPackets = countedOctets+d.nested.Bytes, countedPackets+d.nested.Packets
			records = records[n:]
		}
	}
	if kept < 0 {
		d.counts.Inc(ledger.RecordsListsUnread)
	}
	d.times, d.about, d.found, d.placed = times, facts, found, placed
	holder.Bytes, holder.Packets = octets, packets
	if flows == 0 {
		return 0
	}
	if !reversed {
		flows += d.emitReverse(s, h, parent, b)
	}
	holder.Bytes -= min(holder.Bytes, countedOctets)
	holder.Packets -= min(holder.Packets, countedPackets)
	if holder.Bytes != 0 || holder.Packets != 0 {
		flows++
		d.give(holder)
	}
	return flows
}

// areSeveral reports whether there is more than one record within lists that is a flow.
func (d *Decoder) areSeveral() bool {
	if len(d.within) > 1 {
		return true
	}
	only := d.within[0]
	n := d.recordLength(only.plan.template, only.records)
	return n != 0 && len(only.records)-n >= only.plan.template.MinLength
}

// emitNested hands on a flow within a list, and its other direction, and returns how many that were. extra: it has the fields of the record
// that holds it, too.
func (d *Decoder) emitNested(s *session, h *header, p, parent *plan, b []byte, times recordTimes, facts about, found sampling, extra bool) int {
	flows := 0
	r := &d.nested
	r.CopyFrom(&d.record)
	if !extra {
		r.Extra = r.Extra[:0]
	}
	d.times, d.about, d.found = times, facts, found
	lists, turned := len(d.lists), len(d.turned)
	d.read(h, p, p.steps, b, r, false)
	d.openWithin(s, h, p, r, lists, 1)
	d.finish(s, h, p, r, p.hasSampler || parent.hasSampler)
	if describes(r) {
		flows++
		d.give(r)
	}
	if own := d.turned[turned:]; (len(p.reverse) != 0 || len(own) != 0) && d.decodeReverse(s, h, p, b, r, own) {
		flows++
		d.give(&d.reversed)
	}
	d.turned = d.turned[:turned]
	return flows
}

// appendNumbers reads a number, or a basicList of numbers, for a list of a record.
func appendNumbers(to []uint32, id uint16, v []byte, limit int) []uint32 {
	if e, _ := element.Lookup(0, id); e.Type != element.BasicList {
		if n := number(v[:min(len(v), 8)]); n != 0 {
			to = append(to, uint32(n))
		}
		return to
	}
	b, ok := parseBasic(v)
	if !ok {
		return to
	}
	for v := b.value(); v != nil && len(to) < limit; v = b.value() {
		if len(v) > 0 && len(v) <= 8 {
			to = append(to, uint32(number(v)))
		}
	}
	return to
}

// readSegments reads the segments of an IPv6 routing header: the header itself (RFC 8754 section 2), its list of addresses, or a
// basicList of them (RFC 9487).
func readSegments(r *flow.Record, op operation, v []byte) {
	const header, address = 8, 16
	switch op {
	case opSegmentList:
		b, ok := parseBasic(v)
		if !ok || b.field.Length != address {
			return
		}
		v = b.values
	case opRoutingHeader:
		if len(v) < header {
			return
		}
		r.IPv6RoutingHeaderSegLeft = uint32(v[3])
		segments := (int(v[4]) + 1) * address
		v = v[header:min(len(v), header+segments)]
	}
	for len(v) >= address && len(r.IPv6RoutingHeaderAddresses) < flow.MaxSegments {
		var a flow.Address
		a.Set16(v)
		r.IPv6RoutingHeaderAddresses = append(r.IPv6RoutingHeaderAddresses, a)
		v = v[address:]
	}
	if r.EType == 0 {
		r.EType = packet.EtherTypeIPv6
	}
}
