package netflow

import (
	"cmp"
	"slices"

	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/template"
)

// step reads one field of a record.
type step struct {
	operation operation
	// merge: another field of the record, read before, writes the same; this one counts where that said nothing.
	merge bool
	// index is the position in the MPLS stack for opMPLSLabel, from 0, and the flow.Name for opText.
	index uint8
	// extra keeps the field's bytes beside the record, where it has no place or a better one took it.
	extra bool
	// keep keeps them although it is used: what it says is nowhere in FlowMessage.
	keep bool
	// implies is the protocol of a flow in which the field is not zero, 0 where that says nothing.
	implies uint8
	// special: it merges, implies or is kept, which most are not.
	special bool
	rank    uint8
	// offset of the field in a record of fixed length; else its position among the template's fields.
	offset uint16
	// length in bytes, or template.VariableLength.
	length     uint16
	id         uint16
	enterprise uint32
}

// plan is a template compiled for decoding.
type plan struct {
	template *template.Template
	// steps are the fields that do something, those of one destination in the order of their preference.
	steps []step
	// reverse are the fields of the other direction, where biflows are split.
	reverse []step
	// invalid is how many fields of each record cannot be what their element says.
	invalid int
	// hasAddresses: the record has a source or destination address.
	hasAddresses bool
	// hasSampler: the record names its sampler or selector, or carries a rate itself.
	hasSampler bool
	// hasLists: the record holds lists of others.
	hasLists bool
	// needsInit: its times are uptimes that count from what only an options record says.
	needsInit bool
	// tellsICMP: it has type and code of ICMP, of which 0 and 0 is an answer to an echo (RFC 792). ICMPv6 has no type 0.
	tellsICMP bool
	// tellsTOS: a field has the type of service before treatment.
	tellsTOS bool
	// countsPackets: a field does.
	countsPackets bool
	// hasDirection: a field of one byte, at directionAt as step's offset, says where a flow was metered. Sampling may hang on that.
	hasDirection bool
	directionAt  int
	// hasReverseDelta: a field of four bytes, at reverseDeltaAt, says how much later the other direction began, where biflows are split.
	hasReverseDelta bool
	reverseDeltaAt  int
	// namings are the tables of names that its records are rows of.
	namings []naming
	// describing is how its records describe information elements, nil where they do not.
	describing *describing
	// other is how its records are kept where they are options that name nothing, nil where they are not.
	other *otherTable
	// protocol that all records have because of the fields that are there, 0 where that says nothing.
	protocol uint8
}

// size is about how many bytes a cached plan takes, with the template that it keeps; nil is one that is not known.
func (p *plan) size() int {
	if p == nil {
		return cacheEntry
	}
	return cacheEntry + 256 + 24*(len(p.steps)+len(p.reverse)) + 8*len(p.template.Fields) + len(p.template.Record)
}

// compile turns t into a plan.
func compile(t *template.Template, settings *Settings) *plan {
	p := &plan{template: t}
	c := compiler{plan: p, settings: settings}
	c.survey()
	if settings.Names && t.Kind == template.KindData {
		c.own = ownNames(t)
	}
	offset := 0
	for i, f := range t.Fields {
		at := offset
		if f.Length != template.VariableLength {
			offset += int(f.Length)
		}
		if !t.Fixed {
			at = i
		}
		if f.Enterprise == 0 && f.ID == elementDirection && f.Length == 1 && !p.hasDirection {
			p.hasDirection, p.directionAt = true, at
		}
		if settings.Biflows {
			if f.Enterprise == enterpriseCERT && f.ID == elementReverseDelta && f.Length == 4 && !p.hasReverseDelta {
				p.hasReverseDelta, p.reverseDeltaAt = true, at
			}
			if forward, ok := reverseOf(asElement(t.Version, f), c.back); ok {
				c.reverse(forward, f, at)
				if f.Enterprise == element.ReverseEnterprise {
					c.ofConnection(forward, at)
				}
				continue
			}
			if !hasReverse(t, f) {
				c.ofConnection(f, at)
			}
		}
		c.forward(i, f, at)
	}
	if len(p.reverse) != 0 {
		p.reverse = append(p.reverse, c.both...)
	}
	p.protocol = c.onlyProtocol()
	if settings.Names {
		p.describing = describingOf(t)
		if p.namings = namingsOf(t); len(p.namings) == 0 && p.describing == nil {
			p.other = otherOf(t)
		}
	}
	p.steps = inOrder(p.steps)
	p.reverse = inOrder(p.reverse)
	return p
}

// compiler gathers what decides about single fields.
type compiler struct {
	*plan
	settings *Settings
	// present are the destinations that some field of the forward direction has.
	present [256]bool
	// bytesFrom and packetsFrom are the elements that are read as delta counts, reverseBytes and reversePackets those of the other
	// direction as they are called in this one; none for the delta counts themselves.
	bytesFrom, packetsFrom       elementKey
	reverseBytes, reversePackets elementKey
	// back: see countsBack. netScaler: some field is Citrix's own.
	back, netScaler   bool
	seen, seenReverse map[elementKey]bool
	// both are fields that say the same of both directions, see isOfConnection.
	both []step
	// own are the fields that name what the record numbers, by index.
	own map[int]flow.Name
	// implied are the protocols that fields tell of.
	implied []uint8
}

// survey looks at all fields before any is compiled.
func (c *compiler) survey() {
	t := c.template
	for _, f := range t.Fields {
		m := meaningOf(t.Version, f)
		if m.operation.fits(int(f.Length)) || f.Length == template.VariableLength {
			c.present[m.operation.destination()] = true
			if m.operation == opPacketBytes {
				continue
			}
		}
		if m.implies != 0 && f.Length != 0 && !slices.Contains(c.implied, m.implies) {
			c.implied = append(c.implied, m.implies)
		}
	}
	c.present[opBytes] = has(t, elementOctets)
	if c.settings.StandInCounters {
		c.bytesFrom, c.packetsFrom = standIn(t.Version, t.Fields, elementOctets, standInBytes), standIn(t.Version, t.Fields, elementPackets, standInPackets)
	}
	if c.settings.Biflows {
		c.back = has(t, elementOctets) && countsBack(t)
		if c.settings.StandInCounters {
			var turned []template.Field
			for _, f := range t.Fields {
				if forward, ok := reverseOf(asElement(t.Version, f), c.back); ok {
					turned = append(turned, forward)
				}
			}
			c.reverseBytes, c.reversePackets = standIn(template.IPFIX, turned, elementOctets, standInBytes), standIn(template.IPFIX, turned, elementPackets, standInPackets)
		}
		// Both counters of a firewall go together: beside the responder's, the initiator's is that of the forward direction.
		if has(t, elementResponderOctets) && has(t, elementInitiatorOctets) {
			c.bytesFrom = elementKey{id: elementInitiatorOctets}
		}
		if has(t, elementResponderPackets) && has(t, elementInitiatorPackets) {
			c.packetsFrom = elementKey{id: elementInitiatorPackets}
		}
	}
	c.present[opBytes] = c.present[opBytes] || c.bytesFrom != (elementKey{})
	c.present[opPackets] = c.present[opPackets] || c.packetsFrom != (elementKey{})
	c.countsPackets = c.present[opPackets]
	c.needsInit = t.Version == template.IPFIX && t.Kind == template.KindData && !c.present[opSystemInit] &&
		(has(t, elementStartUptime) || has(t, elementEndUptime))
	c.netScaler = slices.ContainsFunc(t.Fields, func(f template.Field) bool { return f.Enterprise == enterpriseNetScaler })
	c.tellsICMP = has(t, 32) || has(t, 176) && has(t, 177) || has(t, 504)
	c.tellsTOS = has(t, elementTOS) || has(t, elementDSCP)
	c.hasAddresses = c.present[opSrcIPv4] || c.present[opDstIPv4]
	c.seen, c.seenReverse = make(map[elementKey]bool), make(map[elementKey]bool)
}

func has(t *template.Template, id uint16) bool {
	return slices.ContainsFunc(t.Fields, func(f template.Field) bool { return f.Enterprise == 0 && f.ID == id && f.Length != 0 })
}

// hasReverse reports whether t has the same element of the other direction.
func hasReverse(t *template.Template, f template.Field) bool {
	return slices.ContainsFunc(t.Fields, func(other template.Field) bool {
		return f.Enterprise == 0 && other.Enterprise == element.ReverseEnterprise && other.ID == f.ID && other.Length != 0
	})
}

// ofConnection gives the other direction what a field says of the connection, if it does.
func (c *compiler) ofConnection(f template.Field, at int) {
	if c.settings.Extra && f.Length != 0 && isOfConnection(c.template.Version, f) {
		c.both = append(c.both, step{extra: true, offset: uint16(at), length: f.Length, id: f.ID, enterprise: f.Enterprise})
	}
}

// forward compiles a field of the flow's own direction.
func (c *compiler) forward(i int, f template.Field, at int) {
	m := meaningOf(c.template.Version, f)
	key := keyOf(asElement(c.template.Version, f))
	switch {
	case m.operation == opTCPFlagsPart && !c.settings.StandInCounters:
		m = meaning{}
	case key.is(c.bytesFrom):
		m = meaning{operation: opBytes}
	case key.is(c.packetsFrom):
		m = meaning{operation: opPackets}
	case c.bytesFrom != (elementKey{}) && m.operation == opBytes, c.packetsFrom != (elementKey{}) && m.operation == opPackets:
		m = meaning{}
	case m.operation == opPacketBytes && (c.present[opBytes] || m.rank > 1 && c.countsPackets),
		f.Enterprise == 0 && isPostTOS(f.ID) && c.tellsTOS:
		// The length of one packet does not replace counts. A type of service of 0 is one, whatever the packets left with.
		m.operation = opNone
	}
	if c.netScaler && ofMicroseconds(f.ID) && f.Length == 8 {
		switch m.operation {
		case opStartNTP:
			m.operation = opStartNetScaler
		case opEndNTP:
			m.operation = opEndNetScaler
		}
	}
	if c.settings.Names && namedNumber(f) {
		m.operation = opNumber
	}
	as, named := c.own[i]
	if named {
		m.operation = opText
	}
	if m.operation != opNone && m.operation != opList && m.operation != opText {
		if c.seen[key] && m.operation != opJuniperException { // each one of those is a property of another kind
			// RFC 7011 section 8: repeated elements stand in the order of the layers they were met in. The outermost is
			// the flow's own, even where its value is zero; what is inside is kept as an extra field.
			m.operation = opNone
		} else if f.Length == template.VariableLength || m.operation.fits(int(f.Length)) {
			c.seen[key] = true
		}
	}
	s, ok := c.step(m, f, at)
	switch s.operation {
	case opMPLSLabel:
		s.index = uint8(f.ID - firstMPLSLabel)
	case opText:
		s.index = uint8(as)
	case opSamplerID, opSelectorID, opSampling:
		c.hasSampler = true
	case opList:
		c.hasLists = true
	}
	s.keep = c.settings.Extra && f.Length != 0 && c.isUsedOnly(s.operation)
	if s.extra = c.settings.Extra && f.Length != 0 && (s.operation == opNone || s.operation == opNumber || s.operation == opText || s.rank > 0); ok || s.extra {
		c.steps = append(c.steps, s)
	}
}

// isUsedOnly reports whether what a field says is used, and told nowhere: who sampled and how, of which FlowMessage has the rate; when a flow was
// observed, and how long it and its interval lasted, beside its own start and end.
func (c *compiler) isUsedOnly(op operation) bool {
	switch op.destination() {
	case opSamplerID, opSelectorID, opSampling:
		return true
	case opObserved, opDurationMilliseconds, opIntervalStart, opIntervalEnd:
		return c.present[opStartUptime] && c.present[opEndUptime]
	}
	return false
}

// reverse compiles a field of the other direction, given what it would be in this one.
func (c *compiler) reverse(forward, f template.Field, at int) {
	m := meaningOf(template.IPFIX, forward)
	key := keyOf(forward)
	// The counters that stand in do so in both directions, and where there is no delta count only: one of 0 beside a total says that
	// nothing went since the record before.
	switch {
	case m.operation == opTCPFlagsPart && !c.settings.StandInCounters:
		m = meaning{}
	case key.is(c.reverseBytes):
		m = meaning{operation: opBytes}
	case key.is(c.reversePackets):
		m = meaning{operation: opPackets}
	}
	m.implies = 0 // the protocol is that of the forward direction
	if m.operation.isSection() || m.operation == opPacketBytes || m.operation == opList || c.seenReverse[key] {
		m.operation = opNone
	}
	s, ok := c.step(m, f, at)
	if ok {
		c.seenReverse[key] = true
		if s.operation == opMPLSLabel {
			s.index = uint8(forward.ID - firstMPLSLabel)
		}
		s.extra = c.settings.Extra && s.operation == opTCPFlagsPart
		c.plan.reverse = append(c.plan.reverse, s)
	} else if s.extra = c.settings.Extra && f.Length != 0; s.extra {
		c.steps = append(c.steps, s)
	}
}

// step makes the step of a field, and reports whether it does something.
func (c *compiler) step(m meaning, f template.Field, at int) (step, bool) {
	s := step{operation: m.operation, rank: m.rank, implies: m.implies, offset: uint16(at), length: f.Length, id: f.ID, enterprise: f.Enterprise}
	if f.Length != template.VariableLength && s.operation != opNone && !s.operation.fits(int(f.Length)) {
		if f.Length != 0 { // allowed in a template, says nothing
			c.invalid++
		}
		s.operation = opNone
	}
	if s.operation.isSection() || s.operation == opICMPSection {
		s.rank += lastRank // what a packet says fills in what the record did not
	}
	return s, s.operation != opNone || s.implies != 0 && !c.present[opProto]
}

// lastRank is more than any place has steps of preference.
const lastRank = 100

// onlyProtocol is the protocol that the template's fields tell of where it has no field for that, and they agree. A template with ports has
// room for type and code of ICMP, or IGMP, beside them: its flows may be of any protocol.
func (c *compiler) onlyProtocol() uint8 {
	if c.present[opProto] || len(c.implied) == 0 {
		return 0
	}
	for _, protocol := range c.implied {
		switch protocol {
		case protocolICMP, protocolICMPv6, protocolIGMP:
			if c.present[opSrcPort] || c.present[opDstPort] {
				return 0
			}
		}
		if protocol != c.implied[0] && (!isICMP(protocol) || !isICMP(c.implied[0])) {
			return 0
		}
	}
	return c.implied[0]
}

// inOrder puts the best elements first and marks those that count only where a better one says nothing.
func inOrder(steps []step) []step {
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.rank, b.rank) })
	var seen [256]bool
	for i := range steps {
		switch op := steps[i].operation; op {
		case opNone, opTCPFlagsPart, opSampling, opMPLSLabel, opList, opSectionOffset, opFrameOffset, opSectionLength, opFrameType, opNumber, opText:
		default:
			// A section beside the flow's own addresses is a sample of its packets, see isSet. Type and code of ICMP stand in two fields, too.
			steps[i].merge = seen[op.destination()] || op.isSection() || op == opICMPSection
			seen[op.destination()] = true
		}
		steps[i].special = steps[i].merge || steps[i].implies != 0 || steps[i].keep
	}
	return steps
}
