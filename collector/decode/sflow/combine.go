package sflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// parts are the records of one sample that tell of the same packet. Agents send them in any order; what they say is put together
// once all are known.
type parts struct {
	// some: a part is whole that says something of a packet, or there was to be none. packet: one describes the packet itself.
	some, packet bool
	// routed: the router record had a next hop. header and gateway: there was one, and another is of another packet. cut: the header
	// ends within a layer.
	routed, header, gateway, cut bool
	vlan                         uint32
	// held: the sample has bodies. Most have none but the sampled header, and then they need not be cleared, nor looked at.
	held bool
	// Bodies of records that are long enough; nil where there was none.
	ethernet, ipv4, ipv6, socket4, socket6, labels, payload []byte
}

// clear makes room for the parts of another sample.
func (p *parts) clear() {
	if p.held {
		*p = parts{}
		return
	}
	p.some, p.packet, p.routed, p.header, p.gateway, p.cut, p.vlan = false, false, false, false, false, false, 0
}

// combine puts the parts together.
func (d *decoder) combine() {
	p, r := &d.parts, d.r
	if p.held {
		d.combineBodies()
	}
	if p.vlan != 0 {
		// The tags that were taken off lie around those that the header still has.
		r.VLANID = p.vlan
	}
	if !p.routed && len(r.MPLSIP) != 0 {
		r.NextHop = r.MPLSIP[0]
	}
	if r.SrcNet|r.DstNet > flow.LongestPrefix4 { // the record that tells of prefixes does not say of which family they are
		r.DropLongPrefixes4()
	}
}

// combineBodies puts the bodies together. The sampled header is the packet itself and comes first, whatever the order, with what it carried
// where that was encrypted; then sampled_ipv4 and
// sampled_ipv6, sampled_ethernet, and the socket of an application's transaction. The length of the frame counts before that of what
// is inside it.
func (d *decoder) combineBodies() {
	p, r := &d.parts, d.r
	if len(p.payload) != 0 && r.EType == 0 { // it begins with the header of a logical link
		p.packet = true
		if packet.Dissect(r, packet.ProtocolAAL5, p.payload, packet.Options{Inner: d.options.Inner}) == packet.Truncated {
			p.cut = true
			d.counts.Inc(ledger.PacketsTruncated)
		}
	}
	etherType := uint32(0)
	if b := p.ethernet; b != nil {
		destination, kind := b[10:], b[16:]
		if len(b) >= ethernetLength {
			destination, kind = b[12:], b[20:]
		}
		p.packet = true
		fill64(&r.Bytes, uint64(length(b)))
		fill64(&r.SrcMAC, mac(b[4:]))
		fill64(&r.DstMAC, mac(destination))
		if etherType = number16(kind); etherType < packet.FirstEtherType {
			etherType = 0 // a length, as in the frame itself
		}
	}
	if b := p.ipv4; b != nil {
		var source, destination flow.Address
		source.Set4(b[8:])
		destination.Set4(b[12:])
		d.ip(b, source, destination, b[16:], packet.EtherTypeIPv4)
	}
	if b := p.ipv6; b != nil {
		var source, destination flow.Address
		source.Set16(b[8:])
		destination.Set16(b[24:])
		d.ip(b, source, destination, b[40:], packet.EtherTypeIPv6)
	}
	fill(&r.EType, etherType)
	if b := p.socket4; b != nil {
		var local, remote flow.Address
		local.Set4(b[4:])
		remote.Set4(b[8:])
		d.socket(b, local, remote, b[12:], packet.EtherTypeIPv4)
	}
	if b := p.socket6; b != nil {
		var local, remote flow.Address
		local.Set16(b[4:])
		remote.Set16(b[20:])
		d.socket(b, local, remote, b[36:], packet.EtherTypeIPv6)
	}
	if len(r.MPLSLabel) == 0 {
		for labels := p.labels; len(labels) >= 4 && len(r.MPLSLabel) < flow.MaxMPLSLabels; labels = labels[4:] {
			entry := binary.BigEndian.Uint32(labels)
			r.MPLSLabel = append(r.MPLSLabel, entry>>12)
			r.MPLSTTL = append(r.MPLSTTL, entry&0xff)
		}
	}
}

// ip takes what sampled_ipv4 and sampled_ipv6 share: length and protocol before the addresses; ports, TCP flags and type of service
// (or priority) after them. Where the sampled header has addresses it adds what the header was too short for.
func (d *decoder) ip(head []byte, source, destination flow.Address, tail []byte, etherType uint32) {
	r := d.r
	fill64(&r.Bytes, uint64(length(head)))
	if source.IsZero() && destination.IsZero() && number8(head[4:]) == 0 {
		return // zeros stand for none
	}
	d.parts.packet = true
	if r.SrcAddr.Len() != 0 && (r.SrcAddr != source || r.DstAddr != destination) {
		return // the header's are the outer ones, or those before a translation
	}
	hadHeader := r.SrcAddr.Len() != 0
	if hadHeader && (!d.parts.cut || r.FragmentOffset != 0) {
		return // it shows all that there is, also that there are no ports
	}
	r.SrcAddr, r.DstAddr, r.EType = source, destination, etherType
	fill(&r.SrcPort, number16(tail))
	fill(&r.DstPort, number16(tail[4:]))
	fill(&r.TCPFlags, number16(tail[8:]))
	if !hadHeader {
		r.Proto = number8(head[4:])
		r.IPTOS = number8(tail[12:])
	}
}

// socket takes the addresses of an application's transaction (sflow.org, "sFlow Host Structures", extended_socket_ipv4 and
// extended_socket_ipv6), where no packet was sampled: the remote side asked, the local one answered.
func (d *decoder) socket(head []byte, local, remote flow.Address, ports []byte, etherType uint32) {
	r := d.r
	if d.parts.packet || local.IsZero() && remote.IsZero() {
		return
	}
	d.parts.packet = true
	r.SrcAddr, r.DstAddr, r.EType = remote, local, etherType
	r.Proto = number8(head)
	r.SrcPort, r.DstPort = number16(ports[4:]), number16(ports)
}

// fill sets what nothing has set before.
func fill(field *uint32, v uint32) {
	if *field == 0 {
		*field = v
	}
}

func fill64(field *uint64, v uint64) {
	if *field == 0 {
		*field = v
	}
}

// length reads a length, 0 where the agent does not know it.
func length(b []byte) uint32 {
	if n := binary.BigEndian.Uint32(b); n != unknownLength {
		return n
	}
	return 0
}

// number16 and number8 read a word that holds a smaller number; what is more says that there is none.
func number16(b []byte) uint32 { return below(binary.BigEndian.Uint32(b), 1<<16) }
func number8(b []byte) uint32  { return below(binary.BigEndian.Uint32(b), 1<<8) }

func below(n, limit uint32) uint32 {
	if n >= limit {
		return 0
	}
	return n
}

func mac(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}
