package netflow

import (
	"encoding/binary"

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

// recordLength is the length of the record at the front of b, 0 where b ends before it does.
func recordLength(t *template.Template, b []byte) int {
	if t.Fixed {
		if len(b) < t.MinLength {
			return 0
		}
		return t.MinLength
	}
	n := 0
	for _, f := range t.Fields {
		size := int(f.Length)
		if f.Length == template.VariableLength {
			if len(b)-n < 1 {
				return 0
			}
			if size = 1 + int(b[n]); b[n] == 255 {
				if len(b)-n < 3 {
					return 0
				}
				size = 3 + int(binary.BigEndian.Uint16(b[n+1:]))
			}
		}
		if len(b)-n < size {
			return 0
		}
		n += size
	}
	return n
}

// decodeRecord fills the decoder's record from b, which holds exactly one record of the plan.
func (d *Decoder) decodeRecord(s *session, h *header, p *plan, b []byte) {
	r := &d.record
	r.Reset()
	r.Type = h.flowType
	r.TimeReceivedNs = h.received
	r.SequenceNum = h.sequence
	r.SamplerAddress = s.address
	r.ObservationDomainID = s.key.scope.Domain
	var times recordTimes
	if p.hasSampler {
		d.found = sampling{}
	}
	if p.invalid != 0 {
		d.counts.Add(ledger.RecordsFieldsInvalid, uint64(p.invalid))
	}
	variable := !p.template.Fixed
	ipVersion, offset := byte(0), 0
	for i := range p.steps {
		step := &p.steps[i]
		var v []byte
		if variable {
			var size int
			v, size = fieldValue(step.length, b[offset:])
			offset += size
			if step.operation != opNone && !step.operation.fits(len(v)) {
				if len(v) != 0 {
					d.counts.Inc(ledger.RecordsFieldsInvalid)
				}
				continue
			}
		} else {
			v = b[step.offset : int(step.offset)+int(step.length)]
		}
		if step.merge && isSet(r, step.operation, &times, v) {
			continue
		}
		switch step.operation {
		case opNone:
			if step.extra && len(v) != 0 {
				r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
			}
		case opBytes:
			r.Bytes = number(v)
		case opPackets:
			r.Packets = number(v)
		case opProto:
			r.Proto = uint32(number(v))
		case opTOS:
			r.IPTOS = uint32(number(v))
		case opTCPFlags:
			r.TCPFlags = uint32(number(v))
		case opSrcPort:
			r.SrcPort = uint32(number(v))
		case opDstPort:
			r.DstPort = uint32(number(v))
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
			r.SrcNet = uint32(number(v))
		case opDstNet:
			r.DstNet = uint32(number(v))
		case opInIf:
			r.InIf = uint32(number(v))
		case opOutIf:
			r.OutIf = uint32(number(v))
		case opNextHopIPv4:
			r.NextHop.Set4(v)
		case opNextHopIPv6:
			r.NextHop.Set16(v)
		case opBGPNextHopIPv4:
			r.BGPNextHop.Set4(v)
		case opBGPNextHopIPv6:
			r.BGPNextHop.Set16(v)
		case opSrcAS:
			r.SrcAS = uint32(number(v))
		case opDstAS:
			r.DstAS = uint32(number(v))
		case opNextHopAS:
			r.NextHopAS = uint32(number(v))
		case opFlowLabel:
			r.IPv6FlowLabel = uint32(number(v))
		case opICMPTypeCode:
			n := uint32(number(v))
			r.ICMPType, r.ICMPCode = n>>8&0xff, n&0xff
		case opICMPType:
			r.ICMPType = uint32(number(v))
		case opICMPCode:
			r.ICMPCode = uint32(number(v))
		case opTTL:
			r.IPTTL = uint32(number(v))
		case opFragmentID:
			r.FragmentID = uint32(number(v))
		case opFragmentOffset:
			r.FragmentOffset = uint32(number(v))
		case opFragmentFlags:
			// RFC 7012: the flags are the three top bits of the octet.
			r.IPFlags = uint32(number(v)) >> 5
		case opSrcMAC, opPostSrcMAC:
			r.SrcMAC = number(v)
		case opDstMAC, opPostDstMAC:
			r.DstMAC = number(v)
		case opSrcVLAN:
			r.SrcVLAN = uint32(number(v))
			r.VLANID = r.SrcVLAN
		case opDstVLAN:
			r.DstVLAN = uint32(number(v))
		case opVLAN:
			if r.VLANID == 0 {
				r.VLANID = uint32(number(v))
			}
		case opIPVersion:
			ipVersion = v[len(v)-1]
		case opForwardingStatus:
			r.ForwardingStatus = uint32(number(v))
		case opMPLSLabel:
			// A template has room for more labels than most packets have; what is not used has no bottom-of-stack bit either.
			if entry := number(v); entry != 0 {
				setLabel(r, int(step.index), uint32(entry>>4))
			}
		case opMPLSTopTTL:
			r.MPLSTTL = append(r.MPLSTTL[:0], uint32(number(v)))
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
			r.ObservationPointID = uint32(number(v))
		case opStartUptime:
			times.startUptime, times.hasStartUptime = uint32(number(v)), true
			if h.version == template.NetFlow9 {
				r.TimeFlowStartNs = fromUptime(h.exportNs, h.uptime, times.startUptime)
			}
		case opEndUptime:
			times.endUptime, times.hasEndUptime = uint32(number(v)), true
			if h.version == template.NetFlow9 {
				r.TimeFlowEndNs = fromUptime(h.exportNs, h.uptime, times.endUptime)
			}
		case opStartSeconds:
			r.TimeFlowStartNs = number(v) * nanosPerSecond
		case opEndSeconds:
			r.TimeFlowEndNs = number(v) * nanosPerSecond
		case opStartMilliseconds:
			r.TimeFlowStartNs = number(v) * nanosPerMilli
		case opEndMilliseconds:
			r.TimeFlowEndNs = number(v) * nanosPerMilli
		case opStartNTP:
			r.TimeFlowStartNs = fromNTP(number(v))
		case opEndNTP:
			r.TimeFlowEndNs = fromNTP(number(v))
		case opStartDelta:
			r.TimeFlowStartNs = h.exportNs - number(v)*nanosPerMicro
		case opEndDelta:
			r.TimeFlowEndNs = h.exportNs - number(v)*nanosPerMicro
		case opDurationMilliseconds:
			times.durationNs = number(v) * nanosPerMilli
		case opDurationMicroseconds:
			times.durationNs = number(v) * nanosPerMicro
		case opSystemInit:
			times.systemInitMs = number(v)
		case opObserved:
			r.TimeFlowStartNs = number(v) * nanosPerMilli
			r.TimeFlowEndNs = r.TimeFlowStartNs
		case opObservedSeconds:
			r.TimeFlowStartNs = number(v) * nanosPerSecond
			r.TimeFlowEndNs = r.TimeFlowStartNs
		case opObservedNTP:
			r.TimeFlowStartNs = fromNTP(number(v))
			r.TimeFlowEndNs = r.TimeFlowStartNs
		case opFrameSize:
			r.Bytes, r.Packets = number(v), 1
		case opFrameSection:
			d.dissect(r, packet.ProtocolEthernet, v)
		case opPacketSection:
			d.dissect(r, packet.ProtocolIP, v)
		case opSamplerID, opSelectorID, opSampling:
			d.found.take(step.id, v)
		}
	}
	if ipVersion != 0 {
		setFamily(r, ipVersion)
	}
	if p.hasDuration {
		if times.systemInitMs == 0 && h.version == template.IPFIX {
			times.systemInitMs = d.systemInit(s)
		}
		finishTimes(h, &times, r)
	}
	switch {
	case r.TimeFlowStartNs == 0 && r.TimeFlowEndNs == 0:
		r.TimeFlowStartNs, r.TimeFlowEndNs = h.exportNs, h.exportNs
	case r.TimeFlowStartNs == 0:
		r.TimeFlowStartNs = r.TimeFlowEndNs
	case r.TimeFlowEndNs == 0:
		r.TimeFlowEndNs = r.TimeFlowStartNs
	}
	if p.hasSampler {
		d.setRate(s, &d.found, r)
	} else {
		d.setRate(s, nil, r)
	}
}

// isSet reports whether an earlier field of the record settled what op writes, so that its value v does not count.
func isSet(r *flow.Record, op operation, times *recordTimes, v []byte) bool {
	switch op.destination() {
	case opSrcIPv4:
		return !r.SrcAddr.IsZero() || allZero(v)
	case opDstIPv4:
		return !r.DstAddr.IsZero() || allZero(v)
	case opNextHopIPv4:
		return !r.NextHop.IsZero() || allZero(v)
	case opBGPNextHopIPv4:
		return !r.BGPNextHop.IsZero() || allZero(v)
	case opBytes:
		return r.Bytes != 0
	case opPackets:
		return r.Packets != 0
	case opProto:
		return r.Proto != 0
	case opTOS:
		return r.IPTOS != 0
	case opTCPFlags:
		return r.TCPFlags != 0
	case opSrcPort:
		return r.SrcPort != 0
	case opDstPort:
		return r.DstPort != 0
	case opSrcNet:
		return r.SrcNet != 0
	case opDstNet:
		return r.DstNet != 0
	case opInIf:
		return r.InIf != 0
	case opOutIf:
		return r.OutIf != 0
	case opSrcAS:
		return r.SrcAS != 0
	case opDstAS:
		return r.DstAS != 0
	case opNextHopAS:
		return r.NextHopAS != 0
	case opICMPTypeCode:
		return r.ICMPType != 0 || r.ICMPCode != 0
	case opICMPType:
		return r.ICMPType != 0
	case opICMPCode:
		return r.ICMPCode != 0
	case opTTL:
		return r.IPTTL != 0
	case opSrcMAC:
		return r.SrcMAC != 0 && (op == opPostSrcMAC || allZero(v))
	case opDstMAC:
		return r.DstMAC != 0 && (op == opPostDstMAC || allZero(v))
	case opSrcVLAN:
		return r.SrcVLAN != 0
	case opDstVLAN:
		return r.DstVLAN != 0
	case opFrameSection, opPacketSection:
		return len(r.LayerStack) != 0
	case opStartUptime:
		return r.TimeFlowStartNs != 0 || times.hasStartUptime
	case opEndUptime:
		return r.TimeFlowEndNs != 0 || times.hasEndUptime
	case opMPLSIPv4, opMPLSIPv6:
		return len(r.MPLSIP) >= flow.MaxMPLSLabels
	}
	return false
}

// setFamily settles the EtherType of a record that says its IP version but has no address of that family.
func setFamily(r *flow.Record, version byte) {
	if !r.SrcAddr.IsZero() || !r.DstAddr.IsZero() {
		return
	}
	switch version {
	case 4:
		r.EType = packet.EtherTypeIPv4
	case 6:
		r.EType = packet.EtherTypeIPv6
	}
}

// setLabel puts a label at its place of the MPLS stack; labels missing above it are 0.
func setLabel(r *flow.Record, index int, label uint32) {
	for len(r.MPLSLabel) <= index {
		r.MPLSLabel = append(r.MPLSLabel, 0)
	}
	r.MPLSLabel[index] = label
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
