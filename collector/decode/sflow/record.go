package sflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/decode/packet"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Flow record formats of enterprise 0 (sFlow version 5, "opaque = flow_data", and sflow.org's page of structures) that have places in
// a flow. element.SFlowLayout knows the others.
const (
	recordRawHeader  = 1
	recordEthernet   = 2
	recordIPv4       = 3
	recordIPv6       = 4
	recordSwitch     = 1001
	recordRouter     = 1002
	recordGateway    = 1003
	recordUser       = 1004
	recordURL        = 1005
	recordMPLS       = 1006
	recordVLANTunnel = 1012
	recordPayload    = 1013
	recordVLANIn     = 1034
	recordTimestamp  = 1043
	recordSocketIPv4 = 2100
	recordSocketIPv6 = 2101
)

// flowRecord reads one part of a sample. format is its data_format: the enterprise in the upper 20 bits, so that it is below 4096 for the
// standard ones only.
func (d *decoder) flowRecord(format uint32, b []byte) {
	whole, place := d.place(format, b)
	if whole && !d.parts.some {
		d.parts.some = format > recordIPv6 && !isTransaction(format) // those below say for themselves whether there is a packet
	}
	if whole && place && !d.options.Extra {
		return
	}
	kept := keptNot
	if d.options.Extra && format > recordIPv6 && format != recordGateway {
		// Of the others, all that they have is in the flow or was kept already.
		kept = d.keepStructure(format>>12, format&0xfff, b)
	}
	switch {
	case !whole || kept == keptShort:
		d.counts.Inc(ledger.RecordsTruncated)
	case !place && kept == keptNot:
		d.counts.Inc(ledger.SampleRecordsUnknown)
	}
}

// place puts what a standard structure says where a flow has places for it. It reports whether the structure is whole, and whether it is
// one that has places. The first few are in nearly every sample, so that they are found first.
func (d *decoder) place(format uint32, b []byte) (whole, place bool) {
	switch format {
	case recordRawHeader:
		if d.parts.header {
			return true, false
		}
		return d.rawHeader(b), true
	case recordSwitch:
		return d.switched(b), true
	case recordRouter:
		return d.router(b), true
	case recordGateway:
		if d.parts.gateway {
			return true, false
		}
		return d.gateway(b), true
	}
	return d.placeSeldom(format, b)
}

func (d *decoder) placeSeldom(format uint32, b []byte) (whole, place bool) {
	switch format {
	case recordEthernet:
		return d.ethernet(b), true
	case recordIPv4:
		return d.part(&d.parts.ipv4, b, 32), true
	case recordIPv6:
		return d.part(&d.parts.ipv6, b, 56), true
	case recordMPLS:
		return d.mpls(b), true
	case recordVLANTunnel, recordVLANIn:
		return d.vlanStack(b), true
	case recordPayload:
		return d.wirelessPayload(b), true
	case recordTimestamp:
		return d.timestamp(b), true
	case recordSocketIPv4:
		return d.part(&d.parts.socket4, b, 20), true
	case recordSocketIPv6:
		return d.part(&d.parts.socket6, b, 44), true
	}
	return true, false
}

// isTransaction reports whether a format tells of what an application did (sflow.org, "sFlow Application Structures" and its kin), which
// is no packet; the sockets between which it did that are read for themselves.
func isTransaction(format uint32) bool {
	return format >= 2000 && format <= 2003 || format >= recordSocketIPv4 && format <= 2208
}

// part remembers a record that is read once all are known, see combine.
func (d *decoder) part(where *[]byte, b []byte, length int) bool {
	if len(b) < length {
		return false
	}
	*where, d.parts.held = b, true
	return true
}

// Lengths of a sampled_ethernet: XDR pads its MAC addresses to eight bytes each, and some agents leave that out.
const (
	ethernetLength   = 24
	unpaddedEthernet = 20
)

// ethernet remembers a sampled_ethernet. One without padding ends with a type, which has the upper 16 bits of its word empty.
func (d *decoder) ethernet(b []byte) bool {
	if len(b) >= unpaddedEthernet && len(b) < ethernetLength && binary.BigEndian.Uint16(b[16:]) == 0 {
		return d.part(&d.parts.ethernet, b[:unpaddedEthernet:unpaddedEthernet], unpaddedEthernet)
	}
	return d.part(&d.parts.ethernet, b, ethernetLength)
}

func (d *decoder) rawHeader(b []byte) bool {
	if len(b) < 16 {
		return false
	}
	if d.options.Extra {
		d.keep(recordRawHeader, 0, b[:4])
		d.keep(recordRawHeader, 2, b[8:12])
	}
	length := binary.BigEndian.Uint32(b[12:])
	return d.sampledHeader(binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), length, b[16:])
}

// cutHeader reads the sampled_header of size bytes of which b has the first: what is there of the packet is still its beginning. Where the
// two lengths do not fit each other, it is none that was cut.
func (d *decoder) cutHeader(b []byte, size uint32) {
	const head = 16
	if len(b) <= head || d.parts.header {
		return
	}
	if length := uint64(binary.BigEndian.Uint32(b[12:])) + head; length <= uint64(size) && uint64(size) < length+4 {
		d.rawHeader(b)
	}
}

// unknownLength stands where an agent does not know a length.
const unknownLength = 1<<32 - 1

// sampledHeader reads the first bytes of a packet of frameLength bytes, stripped of which are not in the header. It reports whether all
// length bytes are there.
func (d *decoder) sampledHeader(protocol, frameLength, stripped, length uint32, header []byte) bool {
	whole := uint64(length) <= uint64(len(header))
	if whole {
		header = header[:length]
	}
	if frameLength == unknownLength {
		frameLength = 0
	}
	if len(header) == 0 && frameLength == 0 {
		return whole
	}
	d.parts.packet, d.parts.header = true, true
	d.r.Bytes = uint64(frameLength)
	first := protocolOf(protocol)
	if first == packet.ProtocolEthernet && packet.IsBareIP(header, frameLength, frameLength-stripped) {
		first = packet.ProtocolIP // Open vSwitch samples what came out of a tunnel so
	}
	if packet.Dissect(d.r, first, header, packet.Options{Inner: d.options.Inner}) == packet.Truncated {
		d.parts.cut = true
		d.counts.Inc(ledger.PacketsTruncated)
	}
	return whole
}

// lastVLAN is the highest id of a VLAN (IEEE 802.1Q clause 9.6): 4095 is reserved, and agents send it, or all ones, for none.
const lastVLAN = 4094

func vlan(id uint32) uint32 {
	if id > lastVLAN {
		return 0
	}
	return id
}

func (d *decoder) switched(b []byte) bool {
	if len(b) < 16 {
		return false
	}
	d.r.SrcVLAN = vlan(binary.BigEndian.Uint32(b))
	d.r.DstVLAN = vlan(binary.BigEndian.Uint32(b[8:]))
	return true
}

// prefixLength is 0 for what can be none.
func prefixLength(bits uint32) uint32 {
	if bits > 128 {
		return 0
	}
	return bits
}

func (d *decoder) router(b []byte) bool {
	r := d.r
	n := hop(b, &r.NextHop)
	if n == 0 || len(b) < n+8 {
		r.NextHop.Clear()
		return false
	}
	r.SrcNet, r.DstNet = prefixLength(binary.BigEndian.Uint32(b[n:])), prefixLength(binary.BigEndian.Uint32(b[n+4:]))
	d.parts.routed = r.NextHop.Len() != 0
	return true
}

// mpls reads "extended_mpls": its next hop is the flow's where no router record gives one, its labels where the sampled header has
// none. The labels that the packet came with count before those that it left with.
func (d *decoder) mpls(b []byte) bool {
	c := cursor{b: b}
	var next flow.Address
	c.address(&next)
	in, out := c.counted(4), c.counted(4)
	if c.bad {
		return false
	}
	if !next.IsZero() {
		d.r.MPLSIP = append(d.r.MPLSIP[:0], next)
	}
	d.parts.held = true
	if d.parts.labels = in; len(in) == 0 {
		d.parts.labels = out
	}
	return true
}

// vlanStack reads "extended_vlantunnel" and "extended_vlanin": tags that the device took off before it sampled. The outermost is the
// first; one of a priority alone is passed over, as in the header.
func (d *decoder) vlanStack(b []byte) bool {
	c := cursor{b: b}
	tags := c.counted(4)
	if c.bad {
		return false
	}
	for ; len(tags) >= 4 && d.parts.vlan == 0; tags = tags[4:] {
		d.parts.vlan = vlan(binary.BigEndian.Uint32(tags) & 0xfff)
	}
	return true
}

// wirelessPayload remembers an "extended_80211_payload": what an encrypted frame of IEEE 802.11 carried, which its header cannot show.
func (d *decoder) wirelessPayload(b []byte) bool {
	c := cursor{b: b}
	c.word() // the suite of ciphers
	payload := c.counted(1)
	if c.bad {
		return false
	}
	d.parts.payload, d.parts.held = payload, true
	return true
}

// ownTimeWithin is how far a packet's own time may be from receipt, in nanoseconds. Agents send what they sampled within a second: what is
// further away is the time of a clock that is wrong, which nothing else in sFlow tells.
const ownTimeWithin = 60 * 1_000_000_000

// timestamp reads "extended_timestamp": when the packet was sampled, in nanoseconds since 1970.
func (d *decoder) timestamp(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	if at := binary.BigEndian.Uint64(b); at+ownTimeWithin >= d.received && at <= d.received+ownTimeWithin && at <= at+ownTimeWithin {
		d.r.TimeFlowStartNs, d.r.TimeFlowEndNs = at, at
	}
	return true
}
