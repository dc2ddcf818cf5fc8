// Package packet reads the headers of sampled packets (sFlow's raw header, IPFIX's dataLinkFrameSection and
// ipHeaderPacketSection) into flow records.
//
// Lengths of layers are those of the protocols themselves: IPv4's IHL (RFC 791 section 3.1), TCP's data offset (RFC 9293
// section 3.1), IPv6's extension headers (RFC 8200 section 4). What lies inside a tunnel is listed in the layer stack; its
// addresses count only where Options.Inner asks for them.
package packet

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// Options of a dissection.
type Options struct {
	// Inner reports addresses, ports and flags found inside GRE, VXLAN, Geneve, IP-in-IP and other tunnels in place of the outer ones.
	Inner bool
}

// Protocol is what the first byte of a sampled packet belongs to, numbered as sFlow's header_protocol (sFlow version 5,
// "enum header_protocol").
type Protocol uint32

// The protocols that are read; others are left alone.
const (
	ProtocolEthernet  Protocol = 1
	ProtocolTokenRing Protocol = 3
	ProtocolFDDI      Protocol = 4
	// ProtocolFrameRelay is a frame with its address, and with or without the encapsulation of RFC 2427.
	ProtocolFrameRelay Protocol = 5
	ProtocolPPP        Protocol = 7
	// ProtocolAAL5 is what ATM carries behind the header of a logical link, ProtocolAAL5IP an IP packet alone (RFC 2684).
	ProtocolAAL5     Protocol = 9
	ProtocolAAL5IP   Protocol = 10
	ProtocolIPv4     Protocol = 11
	ProtocolIPv6     Protocol = 12
	ProtocolMPLS     Protocol = 13
	ProtocolPOS      Protocol = 14 // PPP over SONET/SDH (RFC 2615)
	ProtocolWireless Protocol = 15 // IEEE 802.11
	// ProtocolAggregate is one of the frames of IEEE 802.11 that are sent as one: a delimiter and the frame.
	ProtocolAggregate Protocol = 16
	// ProtocolSubframe is one of the frames that a frame of IEEE 802.11 aggregates: addresses and length as Ethernet has them.
	ProtocolSubframe Protocol = 17
	// ProtocolIP is either version of IP, told by its first four bits; sFlow has no such number.
	ProtocolIP Protocol = 1 << 16
	// ProtocolMPLSPayload is what a label stack carries; sFlow has no such number either.
	ProtocolMPLSPayload Protocol = 1<<16 + 1
	// protocolTransport is the header of the record's own protocol.
	protocolTransport Protocol = 1<<16 + 2
)

// Result says how far a dissection got.
type Result uint8

// The results.
const (
	Complete Result = iota
	// Truncated: the sample ended within a layer. What came before it is in the record.
	Truncated
	// Unsupported: nothing was read.
	Unsupported
)

// EtherTypes (IEEE 802 Numbers).
const (
	EtherTypeIPv4        = 0x0800
	EtherTypeARP         = 0x0806
	EtherTypeBridging    = 0x6558 // transparent Ethernet bridging, in GRE and Geneve
	EtherTypeERSPAN      = 0x88be // types I and II (draft-foschiano-erspan), in GRE
	EtherTypeERSPAN3     = 0x22eb
	EtherTypeVLAN        = 0x8100
	EtherTypeIPv6        = 0x86dd
	EtherTypeMPLS        = 0x8847
	EtherTypeMPLSUp      = 0x8848
	EtherTypePPPoE       = 0x8864
	EtherTypeServiceVLAN = 0x88a8
	EtherTypeTRILL       = 0x22f3
	EtherTypeFabricPath  = 0x8903
	EtherTypeMACsec      = 0x88e5
	EtherTypeNSH         = 0x894f // the header of a chain of services (RFC 8300)
	EtherTypeService     = 0x88e7 // the tag of a backbone service instance (IEEE 802.1Q clause 9.7), MAC-in-MAC
)

// IP protocol numbers (IANA "Protocol Numbers").
const (
	protoHopByHop    = 0
	protoICMP        = 1
	protoIGMP        = 2
	protoIPv4        = 4
	protoTCP         = 6
	protoUDP         = 17
	protoIPv6        = 41
	protoRouting     = 43
	protoFragment    = 44
	protoDCCP        = 33
	protoGRE         = 47
	protoESP         = 50
	protoAH          = 51
	protoICMPv6      = 58
	protoDestination = 60
	protoOSPF        = 89
	protoEtherIP     = 97
	protoSCTP        = 132
	protoUDPLite     = 136
	protoMPLS        = 137
	protoEthernet    = 143 // RFC 8986 section 10.1
)

// UDP ports of tunnels.
const (
	PortVXLAN    = 4789
	PortVXLANOld = 8472 // before there was a registered one: Linux and what is built on it
	PortVXLANGPE = 4790
	PortGeneve   = 6081
	portTeredo   = 3544
	portGTP      = 2152 // of its user plane
	portMPLS     = 6635
	portL2TP     = 1701
)

// next says what follows a layer.
type next uint8

const (
	nothing next = iota
	ethernet
	ppp
	etherType // as the dissector's etherType says
	ipv4
	ipv6
	mpls
	protocol // as the dissector's proto says
	vxlan
	vxlanGPE
	geneve
	gtp
	l2tp
)

// dissector walks over the layers. It lives on the stack.
type dissector struct {
	r     *flow.Record
	b     []byte
	inner bool
	// tunnels is how many encapsulations were entered.
	tunnels   int
	etherType uint16
	proto     uint8
	// ip6 tells which family's extension headers may follow.
	ip6 bool
	// fragment: not the first one, so that no transport header follows.
	fragment bool
	// sawIP: an IP header was read since the outermost or latest tunnel began.
	sawIP bool
	// sawFrame: an Ethernet header was read. What a backbone's frame or a pseudowire carries has others.
	sawFrame bool
	// frame inside a tunnel whose addresses and VLAN are the flow's if something of it is: a sample may end before. nil where there is none.
	frame     []byte
	frameVLAN uint32
	truncated bool
}

// Dissect reads b, which begins with a header of the given protocol, into r. Layers beyond flow.MaxLayers are left out.
// It allocates nothing once the record's lists have grown.
func Dissect(r *flow.Record, p Protocol, b []byte, o Options) Result {
	d := dissector{r: r, b: b, inner: o.Inner}
	var step next
	switch p {
	case ProtocolEthernet, ProtocolSubframe:
		step = ethernet
	case ProtocolPPP, ProtocolPOS:
		step = ppp
	case ProtocolTokenRing:
		step = d.tokenRing()
	case ProtocolFDDI:
		step = d.fddi()
	case ProtocolFrameRelay:
		step = d.frameRelay()
	case ProtocolAAL5:
		step = d.atm()
	case ProtocolWireless:
		step = d.wireless()
	case ProtocolAggregate:
		step = d.aggregate()
	case ProtocolMPLS:
		step = mpls
	case ProtocolIP, ProtocolIPv4, ProtocolIPv6, ProtocolAAL5IP: // its first bits know better than who names it
		if len(b) == 0 {
			return Truncated
		}
		switch b[0] >> 4 {
		case 4:
			step = ipv4
		case 6:
			step = ipv6
		default:
			return Unsupported
		}
	case ProtocolMPLSPayload:
		if step = d.mplsPayload(); step == nothing {
			return Unsupported
		}
	case protocolTransport:
		if r.Proto == 0 || r.Proto > 255 {
			return Unsupported
		}
		d.proto, d.ip6 = uint8(r.Proto), r.EType == EtherTypeIPv6
		d.sawIP = !r.SrcAddr.IsZero() || !r.DstAddr.IsZero() // its own header stands in other fields
		step = protocol
	default:
		return Unsupported
	}
	// Each layer takes at least one byte or ends the walk; the bound on layers ends it in any case.
	for step != nothing && len(r.LayerStack) < flow.MaxLayers {
		step = d.layer(step)
	}
	switch {
	case d.truncated:
		return Truncated
	case p == ProtocolWireless && len(r.LayerStack) == 0: // about the radio
		return Unsupported
	}
	return Complete
}

// layer reads one layer and returns what follows it.
func (d *dissector) layer(step next) next {
	switch step {
	case ethernet:
		return d.ethernet()
	case ppp:
		return d.ppp()
	case etherType:
		return d.byEtherType()
	case ipv4:
		return d.ipv4()
	case ipv6:
		return d.ipv6()
	case mpls:
		return d.mpls()
	case vxlan:
		return d.vxlan()
	case vxlanGPE:
		return d.vxlanGPE()
	case geneve:
		return d.geneve()
	case gtp:
		return d.gtp()
	case l2tp:
		return d.l2tp()
	}
	return d.byProtocol()
}

// counts reports whether what is read now describes the flow, rather than what is carried inside it.
func (d *dissector) counts() bool { return d.tunnels == 0 || d.inner }

// enter notes that what follows is carried by what was read.
func (d *dissector) enter() {
	d.tunnels++
	d.frame = nil
	d.sawIP = false
	d.fragment = false
}

// take notes a layer of n bytes and moves past it. The caller has checked that they are there.
func (d *dissector) take(layer flow.Layer, n int) {
	d.r.LayerStack = append(d.r.LayerStack, layer)
	d.r.LayerSize = append(d.r.LayerSize, uint32(n))
	d.b = d.b[n:]
}

// short notes that the sample ends within a layer.
func (d *dissector) short() next {
	d.truncated = true
	return nothing
}

func mac(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}

func (d *dissector) ethernet() next {
	const length = 14
	if len(d.b) < length {
		return d.short()
	}
	d.etherType = binary.BigEndian.Uint16(d.b[12:])
	switch {
	case d.tunnels != 0 && d.inner:
		d.frame, d.frameVLAN = d.b[:length:length], 0
	case d.tunnels == 0 && (!d.sawFrame || d.inner):
		d.r.DstMAC, d.r.SrcMAC = mac(d.b), mac(d.b[6:])
	}
	d.sawFrame = true
	d.take(flow.LayerEthernet, length)
	return d.typed()
}

// FirstEtherType separates types from lengths (IEEE 802.3 clause 3.2.6).
const FirstEtherType = 0x0600

// typed notes the EtherType that was read. Where it is a length, LLC follows, with the type in a SNAP header (RFC 1042) or
// none at all.
func (d *dissector) typed() next {
	if d.tunnels == 0 {
		d.r.EType = 0
	}
	if d.etherType < FirstEtherType {
		snap := [6]byte{0xaa, 0xaa, 3}
		if len(d.b) < 8 || [6]byte(d.b) != snap {
			d.etherType = 0
			return d.other()
		}
		d.etherType = binary.BigEndian.Uint16(d.b[6:])
		d.take(flow.LayerCustom, 8)
	}
	return d.announced()
}

func (d *dissector) byEtherType() next {
	switch d.etherType {
	case EtherTypeIPv4:
		return ipv4
	case EtherTypeIPv6:
		return ipv6
	case EtherTypeMPLS, EtherTypeMPLSUp:
		return mpls
	case EtherTypeVLAN: // by far the most
		return d.vlan()
	case EtherTypeService:
		return d.service()
	case EtherTypePPPoE:
		return d.pppoe()
	case EtherTypeTRILL, EtherTypeFabricPath, EtherTypeMACsec, EtherTypeNSH:
		return d.fabric()
	case EtherTypeBridging:
		d.enter()
		return ethernet
	}
	if length := TagLength(d.etherType); length != 0 {
		return d.tag(length)
	}
	return d.other()
}

// other ends the walk at a frame of something that is not read, such as ARP. Inside a tunnel it is the flow's in place of the packet that
// carries it.
func (d *dissector) other() next {
	if d.frame != nil {
		r := d.r
		d.forget()
		r.SrcAddr.Clear()
		r.DstAddr.Clear()
		r.Proto, r.IPTOS, r.IPTTL, r.EType = 0, 0, 0, uint32(d.etherType)
		d.ownFrame()
	}
	return nothing
}

// ownFrame takes the MAC addresses of a frame inside a tunnel, once what it carries is the flow's, and its VLAN where the carrier has none.
func (d *dissector) ownFrame() {
	if d.frame == nil {
		return
	}
	d.r.DstMAC, d.r.SrcMAC = mac(d.frame), mac(d.frame[6:])
	if d.r.VLANID == 0 {
		d.r.VLANID = d.frameVLAN
	}
	d.frame = nil
}

// vlan reads a tag (IEEE 802.1Q clause 9.6). The VLAN id is its low 12 bits, of which all ones are reserved; of stacked tags the outermost
// is the flow's.
func (d *dissector) vlan() next {
	const length = 4
	if len(d.b) < length {
		return d.short()
	}
	d.etherType = binary.BigEndian.Uint16(d.b[2:])
	const reserved = 0x0fff
	if id := binary.BigEndian.Uint16(d.b) & 0x0fff; id != reserved {
		switch {
		case d.tunnels == 0 && d.r.VLANID == 0:
			d.r.VLANID = uint32(id)
		case d.frame != nil && d.frameVLAN == 0:
			d.frameVLAN = uint32(id)
		}
	}
	d.take(flow.LayerDot1Q, length)
	return d.typed()
}

// pppoe reads a session header and PPP's protocol (RFC 2516 section 4, RFC 1661 section 2).
func (d *dissector) pppoe() next {
	const length = 8
	if len(d.b) < length {
		return d.short()
	}
	return d.pppProtocol(length, binary.BigEndian.Uint16(d.b[length-2:]))
}

// ppp reads a frame with or without HDLC's address and control (RFC 1662 section 3.1). Serial lines with Cisco's header come by the same
// name: no protocol of PPP begins as it does (RFC 1661 section 2).
func (d *dissector) ppp() next {
	length := 2
	if len(d.b) > 1 && d.b[1] == 0 && (d.b[0] == 0x0f || d.b[0] == 0x8f) {
		return d.hdlc()
	}
	if len(d.b) > 0 && d.b[0] == 0xff {
		length = 4
	}
	if n := length - 1; len(d.b) >= n && d.b[n-1]&1 != 0 {
		return d.pppProtocol(n, uint16(d.b[n-1])) // compressed: its first byte is even otherwise (RFC 1661 section 6.5)
	}
	if len(d.b) < length {
		return d.short()
	}
	return d.pppProtocol(length, binary.BigEndian.Uint16(d.b[length-2:]))
}

// pppProtocol takes a header of length bytes, at the end of which PPP's protocol is, where that is known.
func (d *dissector) pppProtocol(length int, protocol uint16) next {
	switch protocol {
	case 0x0021:
		d.etherType = EtherTypeIPv4
	case 0x0057:
		d.etherType = EtherTypeIPv6
	case 0x0281:
		d.etherType = EtherTypeMPLS
	default:
		return nothing
	}
	d.take(flow.LayerCustom, length)
	return d.announced()
}

// mpls reads a label stack (RFC 3032 section 2.1) and guesses what follows from the first four bits, which is all there is.
func (d *dissector) mpls() next {
	n, bottom := labels(d.r, d.b, d.counts() && len(d.r.MPLSLabel) == 0)
	if n == 0 {
		return d.short()
	}
	d.take(flow.LayerMPLS, n)
	if !bottom || len(d.b) == 0 {
		return d.short()
	}
	return d.mplsPayload()
}

// labels walks over the label stack at the front of b (RFC 3032 section 2.1), whose entries go into r where keep is true. It returns how many
// bytes the whole entries take, and whether the last one is the bottom of the stack.
func labels(r *flow.Record, b []byte, keep bool) (n int, bottom bool) {
	for len(b)-n >= 4 && !bottom {
		entry := binary.BigEndian.Uint32(b[n:])
		bottom = entry&0x100 != 0
		if keep && len(r.MPLSLabel) < flow.MaxMPLSLabels {
			if n == 0 {
				r.MPLSTTL = r.MPLSTTL[:0] // that of the topmost label may be there already
			}
			r.MPLSLabel = append(r.MPLSLabel, entry>>12)
			r.MPLSTTL = append(r.MPLSTTL, entry&0xff)
		}
		n += 4
	}
	return n, bottom
}

// KeepLabels takes the labels of the stack at the front of b into r, and nothing else, where r has none.
func KeepLabels(r *flow.Record, b []byte) {
	if len(r.MPLSLabel) == 0 {
		labels(r, b, true)
	}
}
