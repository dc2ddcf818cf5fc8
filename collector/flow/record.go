// Package flow is the decoded flow: a flat record that decoders reuse, its protobuf encoding (wire-compatible with
// goflow2's flowpb.FlowMessage) and its JSON rendering (goflow2's field names).
//
// It does no I/O and reads no clock.
package flow

// Type is the protocol a record came in, numbered as flowpb.FlowMessage_FlowType.
type Type uint8

// The types. NetFlow v1, v6, v7 and v8 are reported as v5, sFlow 2 and 4 as sFlow 5: FlowMessage has no others.
const (
	TypeUnknown   Type = 0
	TypeSFlow5    Type = 1
	TypeNetFlowV5 Type = 2
	TypeNetFlowV9 Type = 3
	TypeIPFIX     Type = 4
)

// String is the name of the protobuf's enumeration, as goflow2 prints it.
func (t Type) String() string {
	switch t {
	case TypeSFlow5:
		return "SFLOW_5"
	case TypeNetFlowV5:
		return "NETFLOW_V5"
	case TypeNetFlowV9:
		return "NETFLOW_V9"
	case TypeIPFIX:
		return "IPFIX"
	}
	return "FLOWUNKNOWN"
}

// Layer is a protocol layer of a sampled packet, numbered as flowpb.FlowMessage_LayerStack.
type Layer uint8

// The layers.
const (
	LayerEthernet           Layer = 0
	LayerIPv4               Layer = 1
	LayerIPv6               Layer = 2
	LayerTCP                Layer = 3
	LayerUDP                Layer = 4
	LayerMPLS               Layer = 5
	LayerDot1Q              Layer = 6
	LayerICMP               Layer = 7
	LayerICMPv6             Layer = 8
	LayerGRE                Layer = 9
	LayerIPv6HeaderRouting  Layer = 10
	LayerIPv6HeaderFragment Layer = 11
	LayerGeneve             Layer = 12
	LayerTeredo             Layer = 13
	LayerCustom             Layer = 99 // VXLAN and what else has no number
)

// Bounds of the lists in a record; what is beyond is left out (decoders count it).
const (
	MaxMPLSLabels  = 16
	MaxLayers      = 24
	MaxASPath      = 255
	MaxCommunities = 255
	MaxSegments    = 16
)

// Record is one flow. Decoders reuse it: whoever is handed one copies what it keeps. A zero field is absent, as in the
// protobuf. Numbers are host order; times are nanoseconds since 1970; MAC addresses are the low 48 bits.
type Record struct {
	Type Type

	TimeReceivedNs  uint64
	SequenceNum     uint32
	SamplingRate    uint64 // one packet of so many; 0 where nobody said
	SamplerAddress  Address
	TimeFlowStartNs uint64
	TimeFlowEndNs   uint64
	Bytes           uint64
	Packets         uint64

	SrcAddr, DstAddr Address
	EType            uint32
	Proto            uint32
	SrcPort, DstPort uint32
	InIf, OutIf      uint32

	SrcMAC, DstMAC           uint64
	SrcVLAN, DstVLAN, VLANID uint32

	IPTOS            uint32
	ForwardingStatus uint32
	IPTTL            uint32
	IPFlags          uint32
	TCPFlags         uint32
	ICMPType         uint32
	ICMPCode         uint32
	IPv6FlowLabel    uint32
	FragmentID       uint32
	FragmentOffset   uint32

	SrcAS, DstAS   uint32
	NextHop        Address
	NextHopAS      uint32
	SrcNet, DstNet uint32 // prefix lengths

	BGPNextHop     Address
	BGPCommunities []uint32
	ASPath         []uint32

	MPLSLabel []uint32
	MPLSTTL   []uint32
	MPLSIP    []Address

	ObservationDomainID uint32
	ObservationPointID  uint32

	LayerStack []Layer
	LayerSize  []uint32

	IPv6RoutingHeaderAddresses []Address
	IPv6RoutingHeaderSegLeft   uint32

	// Numbers are what names hang on beside the interfaces; the message has no place for them.
	Numbers Numbers
	// Names are what the exporter's tables say of the numbers above, each once at most, by itself or together with
	// others; none where nobody said, or nobody asked.
	Names []*Text
	// Own are names that the record says itself.
	Own []OwnName

	// Extra are fields without a place above, in the record's order; only filled when the decoder is told to.
	Extra []Extra
}

// Extra is a field that FlowMessage has no place for.
type Extra struct {
	// Enterprise number, 0 for IANA's registry, 29305 for the reverse direction of IANA's (RFC 5103).
	Enterprise uint32
	// ID of the information element, without the enterprise bit.
	ID uint16
	// Value as on the wire; it aliases the datagram and is valid as long as the record.
	Value []byte
	// List: the value is one of RFC 6313's. The Items entries behind this one are what it holds: an entry for each of its records,
	// with neither id nor value, and behind that its Items.
	List bool
	// Items is how many of the following entries are within this one.
	Items int
}

// CopyFrom makes r say what other does, in memory of its own but for the values of extra fields.
func (r *Record) CopyFrom(other *Record) {
	communities, path := append(r.BGPCommunities[:0], other.BGPCommunities...), append(r.ASPath[:0], other.ASPath...)
	labels, ttls := append(r.MPLSLabel[:0], other.MPLSLabel...), append(r.MPLSTTL[:0], other.MPLSTTL...)
	mplsIP := append(r.MPLSIP[:0], other.MPLSIP...)
	stack, sizes := append(r.LayerStack[:0], other.LayerStack...), append(r.LayerSize[:0], other.LayerSize...)
	segments := append(r.IPv6RoutingHeaderAddresses[:0], other.IPv6RoutingHeaderAddresses...)
	extra, named, own := append(r.Extra[:0], other.Extra...), append(r.Names[:0], other.Names...), append(r.Own[:0], other.Own...)
	*r = *other
	r.BGPCommunities, r.ASPath = communities, path
	r.MPLSLabel, r.MPLSTTL, r.MPLSIP = labels, ttls, mplsIP
	r.LayerStack, r.LayerSize = stack, sizes
	r.IPv6RoutingHeaderAddresses, r.Extra, r.Names, r.Own = segments, extra, named, own
}

// Reset empties r and keeps the memory of its lists.
func (r *Record) Reset() {
	communities, path := r.BGPCommunities[:0], r.ASPath[:0]
	labels, ttls, mplsIP := r.MPLSLabel[:0], r.MPLSTTL[:0], r.MPLSIP[:0]
	stack, sizes := r.LayerStack[:0], r.LayerSize[:0]
	segments, extra, named, own := r.IPv6RoutingHeaderAddresses[:0], r.Extra[:0], r.Names[:0], r.Own[:0]
	// Cleared in place: a literal with the lists in it would be made elsewhere and copied.
	*r = Record{}
	r.BGPCommunities, r.ASPath = communities, path
	r.MPLSLabel, r.MPLSTTL, r.MPLSIP = labels, ttls, mplsIP
	r.LayerStack, r.LayerSize = stack, sizes
	r.IPv6RoutingHeaderAddresses, r.Extra, r.Names, r.Own = segments, extra, named, own
}
