package netflow

import "github.com/flowfleet/flowfleet/collector/template"

// step reads one field of a record.
type step struct {
	operation operation
	// merge: an earlier field of the record writes the same; this one counts where that was zero.
	merge bool
	// index is the position in the MPLS stack for opMPLSLabel, from 0.
	index uint8
	// extra keeps the field's bytes beside the record.
	extra bool
	// offset of the field in a record of fixed length.
	offset uint16
	// length in bytes, or template.VariableLength.
	length     uint16
	id         uint16
	enterprise uint32
}

// plan is a template compiled for decoding.
type plan struct {
	template *template.Template
	// steps holds, for records of fixed length, only the fields that do something; for others all of them, in order.
	steps []step
	// invalid is how many fields of each record cannot be what their element says.
	invalid int
	// isFlow: some field says something of a flow. Exporters send tables of names and the like as data records too.
	isFlow bool
	// hasSampler: the record names its sampler or selector, or carries a rate itself.
	hasSampler bool
	// hasIPVersion: the record says which family it is of.
	hasIPVersion bool
	// hasTimes: some field gives the flow's start or end.
	hasTimes bool
	// hasDuration: some field needs start, end or system init time to be known first.
	hasDuration bool
}

// size is about how many bytes a cached plan takes, with the template that it keeps; nil is one that is not known.
func (p *plan) size() int {
	if p == nil {
		return cacheEntry
	}
	return cacheEntry + 256 + 16*len(p.steps) + 8*len(p.template.Fields) + len(p.template.Record)
}

// compile turns t into a plan.
func compile(t *template.Template, settings *Settings) *plan {
	p := &plan{template: t}
	var bytesFrom, packetsFrom uint16
	if settings.StandInCounters {
		bytesFrom, packetsFrom = standIn(t, 1, standInBytes), standIn(t, 2, standInPackets)
	}
	var present [256]bool
	for _, f := range t.Fields {
		if op := operationOf(f); op.fits(int(f.Length)) || f.Length == template.VariableLength {
			present[op.destination()] = true
		}
	}
	p.hasTimes = present[opStartUptime] || present[opEndUptime]
	var seen [256]bool
	var elements [maxElement]bool
	offset := 0
	for _, f := range t.Fields {
		op := operationOf(f)
		switch {
		case f.Enterprise == 0 && f.ID != 0 && f.ID == bytesFrom:
			op, bytesFrom = opBytes, 0
		case f.Enterprise == 0 && f.ID != 0 && f.ID == packetsFrom:
			op, packetsFrom = opPackets, 0
		case op != opNone && elements[f.ID]:
			// RFC 7011 section 8: repeated elements stand in the order of the layers they were met in. The outermost is
			// the flow's own, even where its value is zero; what is inside is kept as an extra field.
			op = opNone
		case op.asEnd() != opNone && p.hasTimes:
			// An event that has the flow's beginning beside it is its end, or what there is of it: Cisco's firewalls report so.
			op = op.asEnd()
			if present[opEndUptime] || present[opDurationMilliseconds] || present[opDurationMicroseconds] {
				op = opNone
			}
		case op == opFrameSize && present[opBytes],
			(op == opFrameSection || op == opPacketSection) && (present[opSrcIPv4] || present[opDstIPv4]):
			// A section beside the flow's own addresses is a sample of its packets: it may be of a tunnel, or of the other
			// direction.
			op = opNone
		}
		if op != opNone && f.ID < maxElement && (f.Length == template.VariableLength || op.fits(int(f.Length))) {
			elements[f.ID] = true
		}
		s := step{operation: op, id: f.ID, enterprise: f.Enterprise, offset: uint16(offset), length: f.Length}
		if f.Length != template.VariableLength {
			offset += int(f.Length)
			if op != opNone && f.Length == 0 {
				s.operation = opNone // allowed in a template, says nothing
			} else if op != opNone && !op.fits(int(f.Length)) {
				p.invalid++
				s.operation = opNone
			}
		}
		p.isFlow = p.isFlow || s.operation.describesFlow()
		s.extra = settings.Extra && s.operation == opNone && f.Length != 0
		switch s.operation {
		case opMPLSLabel:
			s.index = uint8(f.ID - firstMPLSLabel)
		case opSamplerID, opSelectorID, opSampling:
			p.hasSampler = true
		case opIPVersion:
			p.hasIPVersion = true
		case opDurationMilliseconds, opDurationMicroseconds, opSystemInit:
			p.hasDuration = true
		case opStartUptime, opEndUptime:
			if t.Version == template.IPFIX {
				p.hasDuration = true
			}
		}
		if s.operation != opNone && s.operation != opSampling && s.operation != opMPLSLabel {
			s.merge = seen[s.operation.destination()]
			seen[s.operation.destination()] = true
		}
		if !t.Fixed || s.operation != opNone || s.extra {
			p.steps = append(p.steps, s)
		}
	}
	return p
}

func operationOf(f template.Field) operation {
	if f.Enterprise != 0 || f.ID >= maxElement {
		return opNone
	}
	return operations[f.ID]
}
