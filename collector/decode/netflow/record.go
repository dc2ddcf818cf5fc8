package netflow

import (
	"cmp"
	"encoding/binary"
	"math"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// number reads a big-endian unsigned integer of 1 to 8 bytes (reduced-size encoding, RFC 7011 section 6.2).
func number(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	case 8:
		return binary.BigEndian.Uint64(b)
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// fieldValue returns a field's value at the front of b and how many bytes it takes, its own length included where that
// is variable (RFC 7011 section 7). The caller has checked that b holds it.
func fieldValue(length uint16, b []byte) (value []byte, size int) {
	if length != template.VariableLength {
		return b[:length], int(length)
	}
	if b[0] < 255 {
		return b[1 : 1+int(b[0])], 1 + int(b[0])
	}
	n := int(binary.BigEndian.Uint16(b[1:]))
	return b[3 : 3+n], 3 + n
}

// span is where a field's value stands in its record.
type span struct{ start, length uint16 }

// recordLength is the length of the record at the front of b, 0 where b ends before it does. Of records of variable length it
// notes where the fields are.
func (d *Decoder) recordLength(t *template.Template, b []byte) int {
	if t.Fixed {
		if len(b) < t.MinLength {
			return 0
		}
		return t.MinLength
	}
	d.spans = d.spans[:0]
	n := 0
	for _, f := range t.Fields {
		head, size := 0, int(f.Length)
		if f.Length == template.VariableLength {
			if len(b)-n < 1 {
				return 0
			}
			if head, size = 1, int(b[n]); size == 255 {
				if len(b)-n < 3 {
					return 0
				}
				head, size = 3, int(binary.BigEndian.Uint16(b[n+1:]))
			}
		}
		if len(b)-n < head+size {
			return 0
		}
		d.spans = append(d.spans, span{uint16(n + head), uint16(size)})
		n += head + size
	}
	return n
}

// decodeRecord fills the decoder's record from b, which holds exactly one record of the plan, whose fields recordLength has found.
func (d *Decoder) decodeRecord(s *session, h *header, p *plan, b []byte) {
	r := &d.record
	r.Reset()
	r.Type = h.flowType
	r.TimeReceivedNs = h.received
	r.SequenceNum = h.sequence
	r.SamplerAddress = s.address
	r.ObservationDomainID = s.key.scope.Domain
	d.times = recordTimes{}
	d.about = about{}
	if p.hasSampler {
		d.found = sampling{}
	}
	if p.invalid != 0 {
		d.counts.Add(ledger.RecordsFieldsInvalid, uint64(p.invalid))
	}
	d.lists, d.within, d.turned = d.lists[:0], d.within[:0], d.turned[:0]
	d.read(h, p, p.steps, b, r, false)
	if s.rates.perInterface && p.hasDirection {
		d.about.direction = d.directionOf(p, b)
		d.about.hasDirection = d.about.direction <= directionEgress // Juniper's routers send 255 where they do not know
	}
	if p.hasLists {
		d.openLists(s, h, p, r)
	}
	d.finish(s, h, p, r, p.hasSampler)
}

// readSection reads a section of a sampled packet, and reports whether it could.
func (d *Decoder) readSection(r *flow.Record, op operation, v []byte) bool {
	switch op {
	case opFrameSection:
		return d.dissect(r, d.about.frame, d.about.offset+d.about.frameOffset, v)
	case opPacketSection:
		return d.dissect(r, packet.SectionIPHeader, d.about.offset, v)
	case opMPLSSection:
		return d.dissect(r, packet.SectionMPLSLabels, d.about.offset, v)
	case opMPLSPayload:
		return d.dissect(r, packet.SectionMPLSPayload, d.about.offset, v)
	}
	packets, octets, flags, kind, code := r.Packets, r.Bytes, r.TCPFlags, r.ICMPType, r.ICMPCode
	ok := d.dissect(r, packet.SectionIPPayload, d.about.offset, v)
	if !r.SrcAddr.IsZero() || !r.DstAddr.IsZero() { // it is one packet of the record's flow
		r.Packets, r.Bytes = packets, octets
	}
	if flags != 0 {
		r.TCPFlags = flags // those of all the flow's packets
	}
	if kind|code != 0 {
		r.ICMPType, r.ICMPCode = kind, code
	}
	return ok
}

// directionOf is where the flow of a record was metered, by the plan's field of one byte.
func (d *Decoder) directionOf(p *plan, b []byte) byte {
	return b[d.startOf(p, p.directionAt)]
}

// startOf is where a field of a record begins that stands at a place as step's offset.
func (d *Decoder) startOf(p *plan, at int) int {
	if p.template.Fixed {
		return at
	}
	return int(d.spans[at].start)
}

// frameTypeWireless is the value of dataLinkFrameType for IEEE 802.11 (RFC 7133 section 3.2.1).
const frameTypeWireless = 2

// about is what fields say that others need.
type about struct {
	ipVersion byte
	// protocol that a field with a value implies.
	protocol  uint8
	etherType uint32
	// offset of a section in its packet.
	offset      uint64
	frameOffset uint64
	// length of what was exported of a section, where padding follows; 0 where nobody says.
	length uint64
	// direction is where the flow was metered, where hasDirection: where a record says it, and rates of single interfaces are known.
	direction    byte
	hasDirection bool
	// frame is what kind of frame a section begins with.
	frame packet.Section
	// srcNet6 and dstNet6 are the prefix lengths of IPv6, 0 where nobody says.
	srcNet6, dstNet6 uint32
	// labels are the bytes of a label stack whose packet may stand in a field of its own, where they are the flow's so far.
	labels uint64
}

// finish works out what hangs on several fields. named: it names its sampler or selector, or carries a rate itself.
func (d *Decoder) finish(s *session, h *header, p *plan, r *flow.Record, named bool) {
	if r.EType == 0 || r.SrcAddr.IsZero() && r.DstAddr.IsZero() {
		d.setFamily(r)
	}
	if r.SrcAddr.Len() != r.DstAddr.Len() {
		sameFamily(r)
	}
	if d.about.srcNet6|d.about.dstNet6 != 0 {
		d.settleNets(r)
	}
	if r.SrcNet|r.DstNet > flow.LongestPrefix4 {
		r.DropLongPrefixes4()
	}
	if r.Proto == 0 {
		r.Proto = uint32(impliedProtocol(cmp.Or(d.about.protocol, p.protocol), r.EType))
	}
	if r.Proto == protocolICMP && !p.tellsICMP || r.Proto == protocolICMPv6 {
		icmpFromPort(r)
	}
	d.finishTimes(s, h, &d.times, r)
	if named {
		d.setRate(s, p.template.ID, &d.found, r)
		r.Numbers.Sampler, r.Numbers.Selector = d.found.samplerID, d.found.selectorID
	} else {
		d.setRate(s, p.template.ID, nil, r)
	}
}

// isICMP reports ICMP for either family.
func isICMP(protocol uint8) bool { return protocol == protocolICMP || protocol == protocolICMPv6 }

// impliedProtocol is a protocol that fields tell of, in packets of an EtherType: a template may have the elements for ICMP of both families.
func impliedProtocol(protocol uint8, etherType uint32) uint8 {
	switch {
	case protocol == protocolICMP && etherType == packet.EtherTypeIPv6:
		return protocolICMPv6
	case protocol == protocolICMPv6 && etherType == packet.EtherTypeIPv4:
		return protocolICMP
	}
	return protocol
}

// settleNets takes the prefix lengths of IPv6 where they are those of the flow's addresses, or the only ones. A template for both families has
// room for both, and exporters leave in the one that does not apply what was there.
func (d *Decoder) settleNets(r *flow.Record) {
	r.SrcNet = netOf(&r.SrcAddr, r.SrcNet, d.about.srcNet6)
	r.DstNet = netOf(&r.DstAddr, r.DstNet, d.about.dstNet6)
}

func netOf(address *flow.Address, four, six uint32) uint32 {
	if six != 0 && (four == 0 || address.Len() == 16) {
		return six
	}
	return four
}

// icmpFromPort takes type and code from the destination port, where no element had them: Cisco puts them there ("NetFlow Export
// Datagram Format"), and others do.
func icmpFromPort(r *flow.Record) {
	if r.ICMPType == 0 && r.ICMPCode == 0 {
		r.ICMPType, r.ICMPCode = r.DstPort>>8&0xff, r.DstPort&0xff
	}
}

// setFamily settles the EtherType of a record that has no address.
func (d *Decoder) setFamily(r *flow.Record) {
	switch {
	case d.about.etherType != 0:
		r.EType = d.about.etherType
	case d.about.ipVersion == 4:
		r.EType = packet.EtherTypeIPv4
	case d.about.ipVersion == 6:
		r.EType = packet.EtherTypeIPv6
	}
}

// sameFamily settles a packet's two addresses where they are of different families and one is unspecified: a template for both families
// has room for two of that, and only the other end says which it is. So it is with DHCP, and with the first neighbour solicitations of a
// host (RFC 4862 section 5.4.2).
func sameFamily(r *flow.Record) {
	given, other := &r.SrcAddr, &r.DstAddr
	if given.IsZero() {
		given, other = other, given
	}
	if other.Len() == 0 || !other.IsZero() || given.IsZero() {
		return
	}
	var unspecified [16]byte
	if given.Len() == 4 {
		other.Set4(unspecified[:])
		r.EType = packet.EtherTypeIPv4
	} else {
		other.Set16(unspecified[:])
		r.EType = packet.EtherTypeIPv6
	}
}

// describes reports whether a record says of a flow who took part in it or how much it was. A record without any of that is none:
// exporters send tables, transactions and padding as data records too.
func describes(r *flow.Record) bool {
	return r.Bytes != 0 || r.Packets != 0 || r.SrcPort != 0 || r.DstPort != 0 || !r.SrcAddr.IsZero() || !r.DstAddr.IsZero() ||
		r.SrcMAC != 0 || r.DstMAC != 0 || len(r.LayerStack) != 0 || len(r.MPLSLabel) != 0 || len(r.MPLSIP) != 0
}

// amount reads a number of bytes or packets, 0 where it is negative: exporters take differences of counters that began anew, and nobody counts
// 2^63 of anything.
func (d *Decoder) amount(r *flow.Record, step *step, v []byte) uint64 {
	n := number(v)
	if n <= math.MaxInt64 {
		return n
	}
	d.counts.Inc(ledger.RecordsFieldsInvalid)
	if d.settings.Extra {
		r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
	}
	return 0
}

// read fills r from the fields of a record. Where add is true, what r says already stays.
func (d *Decoder) read(h *header, p *plan, steps []step, b []byte, r *flow.Record, add bool) {
	t := &d.times
	variable := !p.template.Fixed
	for i := range steps {
		step := &steps[i]
		var v []byte
		if variable {
			at := d.spans[step.offset]
			v = b[at.start : at.start+at.length]
			if step.operation != opNone && !step.operation.fits(len(v)) {
				if len(v) != 0 {
					d.counts.Inc(ledger.RecordsFieldsInvalid)
					if d.settings.Extra {
						r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
					}
				}
				continue
			}
		} else {
			v = b[step.offset : int(step.offset)+int(step.length)]
		}
		if step.special || add {
			if (step.merge || add) && isSet(r, step.operation, t, v) {
				if step.operation == opMPLSSection && d.about.offset%4 == 0 && !allZero(v) {
					packet.KeepLabels(r, v) // the flow's own addresses leave nothing else to learn from it
				}
				// What a list says that the flow has already is not lost: it may be another one's. Nor is the address of the other family,
				// which a translator between both may tell; zeros there only fill the template.
				if len(v) != 0 && (step.extra || d.settings.Extra && (add || step.operation.isAddress() && !allZero(v))) {
					d.keepField(r, step, v)
				}
				continue
			}
			if step.implies != 0 && !allZero(v) {
				d.about.protocol = step.implies
			}
			if step.keep && len(v) != 0 {
				r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
			}
		}
		switch step.operation {
		case opNone:
			if step.extra && len(v) != 0 {
				r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
			}
		case opBytes:
			r.Bytes = d.amount(r, step, v)
		case opPacketBytes:
			r.Bytes = number(v)
			if !p.countsPackets {
				r.Packets = 1
			}
		case opPackets:
			r.Packets = d.amount(r, step, v)
		case opProto:
			r.Proto = atMost(math.MaxUint8, v)
		case opTOS:
			r.IPTOS = uint32(number(v))
		case opDSCP:
			r.IPTOS = uint32(number(v)) & 0x3f << 2
		case opPrecedence:
			r.IPTOS = uint32(number(v)) & 0x07 << 5
		case opTCPFlags:
			// RFC 9565 section 3: the four bits above are the TCP header's length, if anything, and are to be ignored.
			r.TCPFlags = uint32(number(v)) & 0x0fff
		case opTCPFlagsPart:
			r.TCPFlags |= uint32(number(v)) & 0x0fff
			if step.extra { // which of them are those of the first packet has no place
				r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
			}
		case opSrcPort:
			r.SrcPort = atMost(math.MaxUint16, v)
		case opDstPort:
			r.DstPort = atMost(math.MaxUint16, v)
		case opSrcIPv4:
			r.SrcAddr.Set4(v)
			r.EType = packet.EtherTypeIPv4
		case opDstIPv4:
			r.DstAddr.Set4(v)
			r.EType = packet.EtherTypeIPv4
		case opSrcIPv6:
			r.SrcAddr.Set16(v)
			r.EType = packet.EtherTypeIPv6
		case opDstIPv6:
			r.DstAddr.Set16(v)
			r.EType = packet.EtherTypeIPv6
		case opSrcNet:
			r.SrcNet = prefixLength(v)
		case opDstNet:
			r.DstNet = prefixLength(v)
		case opSrcNet6:
			if !add || d.about.srcNet6 == 0 {
				d.about.srcNet6 = prefixLength(v)
			}
		case opDstNet6:
			if !add || d.about.dstNet6 == 0 {
				d.about.dstNet6 = prefixLength(v)
			}
		case opInIf:
			r.InIf = interfaceIndex(v)
		case opOutIf:
			r.OutIf = interfaceIndex(v)
		case opNextHopIPv4:
			setHop4(&r.NextHop, v)
		case opNextHopIPv6:
			setHop16(&r.NextHop, v)
		case opBGPNextHopIPv4:
			setHop4(&r.BGPNextHop, v)
		case opBGPNextHopIPv6:
			setHop16(&r.BGPNextHop, v)
		case opSrcAS:
			r.SrcAS = uint32(number(v))
		case opDstAS:
			r.DstAS = uint32(number(v))
		case opNextHopAS:
			r.NextHopAS = uint32(number(v))
		case opFlowLabel:
			// It has 20 bits (RFC 8200 section 3); exporters that send the header's first word have version and traffic class above them.
			r.IPv6FlowLabel = uint32(number(v)) & 0xfffff
		case opICMPTypeCode:
			if n := uint32(number(v)); n != 0 {
				r.ICMPType, r.ICMPCode = n>>8&0xff, n&0xff
			}
		case opICMPType:
			if n := uint32(number(v)); n != 0 {
				r.ICMPType = n
			}
		case opICMPCode:
			if n := uint32(number(v)); n != 0 {
				r.ICMPCode = n
			}
		case opICMPSection:
			if d.about.offset == 0 {
				r.ICMPType, r.ICMPCode = uint32(v[0]), uint32(v[1])
			}
		case opTTL:
			r.IPTTL = uint32(number(v))
		case opFragmentID:
			r.FragmentID = uint32(number(v))
		case opFragmentOffset:
			r.FragmentOffset = uint32(number(v))
		case opFragmentFlags:
			// RFC 7012: the flags are the three top bits of the octet.
			r.IPFlags = uint32(number(v)) >> 5
		case opSrcMAC:
			r.SrcMAC = number(v)
		case opDstMAC:
			r.DstMAC = number(v)
		case opSrcVLAN:
			r.SrcVLAN = vlan(v)
			r.VLANID = r.SrcVLAN
		case opDstVLAN:
			r.DstVLAN = vlan(v)
		case opEtherType:
			d.about.etherType = etherType(uint16(number(v)))
		case opIPVersion:
			d.about.ipVersion = v[len(v)-1]
		case opForwardingStatus:
			r.ForwardingStatus = forwardingStatus(v)
		case opJuniperException:
			if isException(v) {
				r.ForwardingStatus = forwardingDropped
			}
			if step.extra { // the reason has no place, nor have properties of other kinds
				r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
			}
		case opMPLSLabel:
			d.setLabel(r, int(step.index), v)
		case opMPLSTopTTL:
			if n := uint32(number(v)); n != 0 || len(r.MPLSTTL) != 0 { // one of 0 without labels only fills the template
				if len(r.MPLSTTL) == 0 {
					r.MPLSTTL = append(r.MPLSTTL, 0)
				}
				r.MPLSTTL[0] = n
			}
		case opMPLSIPv4:
			if !allZero(v) {
				r.MPLSIP = append(r.MPLSIP, flow.Address{})
				r.MPLSIP[len(r.MPLSIP)-1].Set4(v)
			}
		case opMPLSIPv6:
			if !allZero(v) {
				r.MPLSIP = append(r.MPLSIP, flow.Address{})
				r.MPLSIP[len(r.MPLSIP)-1].Set16(v)
			}
		case opObservationPoint:
			// FlowMessage has 32 bits for it: half of a longer number would be another point's.
			if n := number(v); n <= math.MaxUint32 {
				r.ObservationPointID = uint32(n)
			} else if d.settings.Extra {
				r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
			}
		case opCommunities:
			r.BGPCommunities = appendNumbers(r.BGPCommunities, step.id, v, flow.MaxCommunities)
		case opASPath:
			r.ASPath = appendNumbers(r.ASPath, step.id, v, flow.MaxASPath)
		case opRoutingHeader, opSegmentSection, opSegmentList:
			readSegments(r, step.operation, v)
		case opSegmentsLeft:
			r.IPv6RoutingHeaderSegLeft = uint32(number(v))
		case opStartUptime:
			if n := number(v); n <= math.MaxUint32 || !t.takeStart(&h.clock, n) {
				t.startUptime, t.hasStartUptime = uint32(n), true
			}
		case opEndUptime:
			if n := number(v); n <= math.MaxUint32 || !t.takeLast(&h.clock, n) {
				t.endUptime, t.hasEndUptime = uint32(n), true
			}
		case opStartMilliseconds:
			n := number(v)
			if t.start, _ = h.instant(scaled(n, nanosPerMilli)); t.start == 0 {
				t.start = h.inAnyUnit(n)
			}
		case opEndMilliseconds:
			t.takeEnd(&h.clock, number(v), nanosPerMilli)
		case opStartSeconds, opStartNTP, opStartNetScaler, opStartDelta, opEndSeconds, opEndNTP, opEndNetScaler, opEndDelta,
			opDurationMilliseconds, opDurationMicroseconds, opSystemInit, opObserved, opObservedSeconds, opObservedNTP,
			opIntervalStart, opIntervalEnd:
			t.take(&h.clock, step.operation, step.id, v)
		case opFrameSection, opPacketSection, opPayloadSection, opMPLSSection, opMPLSPayload:
			if !d.readSection(r, step.operation, v) && step.extra {
				r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
			}
		case opSectionOffset:
			d.about.offset = number(v)
		case opFrameOffset:
			d.about.frameOffset = number(v)
		case opSectionLength:
			d.about.length = number(v)
		case opFrameType:
			if number(v) == frameTypeWireless {
				d.about.frame = packet.SectionWireless
			}
		case opSamplerID, opSelectorID, opSampling:
			d.found.take(step.id, v)
		case opNumber:
			takeNumber(r, step, v)
		case opText:
			takeText(r, step, v)
		case opList:
			if len(d.lists) < maxLists {
				d.lists = append(d.lists, list{id: step.id, enterprise: step.enterprise, value: v})
			} else {
				d.counts.Inc(ledger.RecordsListsUnread)
			}
		}
	}
}
