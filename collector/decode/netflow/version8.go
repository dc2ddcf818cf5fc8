package netflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// scheme is one of NetFlow v8's aggregations: where in a record its fields stand; 0 for those that it does not have (the first bytes
// are never one of them but for a destination address, see destinationFirst).
type scheme struct {
	length int
	// flows, packets, bytes, first and last are five words that follow each other from counters on; switches send no flows.
	counters         int
	hasFlows         bool
	srcAddr, dstAddr int
	destinationFirst bool
	srcMask, dstMask int
	srcAS, dstAS     int
	srcPort, dstPort int
	inIf, outIf      int
	proto, tos       int
}

// schemes are numbered as the header's aggregation method (Cisco, "NetFlow Export Datagram Format", version 8).
var schemes = [...]scheme{
	1:  {length: 28, hasFlows: true, srcAS: 20, dstAS: 22, inIf: 24, outIf: 26},                                                                             // AS
	2:  {length: 28, hasFlows: true, proto: 20, srcPort: 24, dstPort: 26},                                                                                   // protocol and port
	3:  {length: 32, hasFlows: true, srcAddr: 20, srcMask: 24, srcAS: 26, inIf: 28},                                                                         // source prefix
	4:  {length: 32, hasFlows: true, dstAddr: 20, dstMask: 24, dstAS: 26, outIf: 28},                                                                        // destination prefix
	5:  {length: 40, hasFlows: true, srcAddr: 20, dstAddr: 24, dstMask: 28, srcMask: 29, srcAS: 32, dstAS: 34, inIf: 36, outIf: 38},                         // prefixes
	6:  {length: 32, counters: 4, destinationFirst: true, outIf: 20, tos: 22},                                                                               // switch: destination
	7:  {length: 40, counters: 8, destinationFirst: true, srcAddr: 4, outIf: 24, inIf: 26, tos: 28},                                                         // switch: source and destination
	8:  {length: 44, counters: 12, destinationFirst: true, srcAddr: 4, dstPort: 8, srcPort: 10, outIf: 28, inIf: 30, tos: 32, proto: 33},                    // switch: full flow
	9:  {length: 32, hasFlows: true, srcAS: 20, dstAS: 22, inIf: 24, outIf: 26, tos: 28},                                                                    // AS and type of service
	10: {length: 32, hasFlows: true, proto: 20, tos: 21, srcPort: 24, dstPort: 26, inIf: 28, outIf: 30},                                                     // the same of protocol and port
	11: {length: 32, hasFlows: true, srcAddr: 20, srcMask: 24, tos: 25, srcAS: 26, inIf: 28},                                                                // of source prefix
	12: {length: 32, hasFlows: true, dstAddr: 20, dstMask: 24, tos: 25, dstAS: 26, outIf: 28},                                                               // of destination prefix
	13: {length: 40, hasFlows: true, srcAddr: 20, dstAddr: 24, dstMask: 28, srcMask: 29, tos: 30, srcAS: 32, dstAS: 34, inIf: 36, outIf: 38},                // of prefixes
	14: {length: 40, hasFlows: true, srcAddr: 20, dstAddr: 24, dstMask: 28, srcMask: 29, tos: 30, proto: 31, srcPort: 32, dstPort: 34, inIf: 36, outIf: 38}, // of prefixes and ports
}

// deltaFlowCount is the element that counts the flows of an aggregate.
const deltaFlowCount = 3

// decode8 decodes NetFlow v8, whose records are aggregates of flows. They are reported as v5, and the number of their flows, which a
// flow has no place for, as an extra field.
func (d *Decoder) decode8(in Datagram) ledger.Counter {
	const headerLength = 28
	b := in.Payload
	if len(b) < headerLength {
		return ledger.RefusedTooShort
	}
	method := int(b[22])
	if method >= len(schemes) || schemes[method].length == 0 {
		return ledger.RefusedHeader
	}
	l := &schemes[method]
	count := int(binary.BigEndian.Uint16(b[2:]))
	if isOther(len(b)-headerLength, l.length, count) {
		return ledger.RefusedHeader
	}
	c := legacyClock(in)
	sequence := binary.BigEndian.Uint32(b[16:])
	// Each aggregation counts for itself.
	s := d.session(template.Version(8), in.Source, uint32(binary.BigEndian.Uint16(b[20:]))<<8|uint32(method))
	s.skew = c.skew(in.Received)
	rate, source := s.rates.override, RateConfigured
	if rate == 0 {
		rate, source = s.rates.standard, s.rates.standardSource
	}
	if count > 0 {
		s.sampled.Note(rate, source, d.now)
	}
	d.follow(s, &header{clock: c, exportTime: uint32(c.exportNs / nanosPerSecond), sequence: sequence, received: uint64(in.Received)}, uint32(count), 0)
	records := b[headerLength:]
	count = d.carried(s, records, l.length, count)
	r, none := &d.record, 0
	for range count {
		v := records[:l.length:l.length]
		records = records[l.length:]
		if allZero(v) {
			none++
			continue
		}
		r.Reset()
		r.Type = flow.TypeNetFlowV5
		r.TimeReceivedNs = uint64(in.Received)
		r.SequenceNum = sequence
		r.SamplingRate = rate
		r.SamplerAddress = s.address
		r.EType = packet.EtherTypeIPv4
		counters := v[l.counters:]
		if l.hasFlows {
			if d.settings.Extra {
				r.Extra = append(r.Extra, flow.Extra{ID: deltaFlowCount, Value: counters[:4]})
			}
			counters = counters[4:]
		}
		r.Packets = uint64(binary.BigEndian.Uint32(counters))
		r.Bytes = uint64(binary.BigEndian.Uint32(counters[4:]))
		r.TimeFlowStartNs, r.TimeFlowEndNs = c.between(binary.BigEndian.Uint32(counters[8:]), binary.BigEndian.Uint32(counters[12:]))
		l.fill(r, v)
		if r.Proto == protocolICMP {
			icmpFromPort(r)
		}
		d.give(r)
	}
	d.countLegacy(s, count-none, none)
	return ledger.DatagramsDecoded
}

// fill takes what the records of l say of a flow beside counters and times.
func (l *scheme) fill(r *flow.Record, v []byte) {
	if l.srcAddr != 0 {
		r.SrcAddr.Set4(v[l.srcAddr:])
	}
	switch {
	case l.destinationFirst:
		r.DstAddr.Set4(v)
	case l.dstAddr != 0:
		r.DstAddr.Set4(v[l.dstAddr:])
	}
	for _, field := range [...]struct {
		place *uint32
		at    int
	}{{&r.Proto, l.proto}, {&r.IPTOS, l.tos}} {
		if field.at != 0 {
			*field.place = uint32(v[field.at])
		}
	}
	if l.srcMask != 0 {
		r.SrcNet = prefixLength4(v[l.srcMask])
	}
	if l.dstMask != 0 {
		r.DstNet = prefixLength4(v[l.dstMask])
	}
	for _, field := range [...]struct {
		place *uint32
		at    int
	}{{&r.SrcAS, l.srcAS}, {&r.DstAS, l.dstAS}, {&r.SrcPort, l.srcPort}, {&r.DstPort, l.dstPort}} {
		if field.at != 0 {
			*field.place = uint32(binary.BigEndian.Uint16(v[field.at:]))
		}
	}
	if l.inIf != 0 {
		r.InIf = interfaceIndex(v[l.inIf : l.inIf+2])
	}
	if l.outIf != 0 {
		r.OutIf = interfaceIndex(v[l.outIf : l.outIf+2])
	}
}
