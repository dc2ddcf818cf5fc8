package flow

import (
	"encoding/binary"
	"slices"
)

// Field numbers of flowpb.FlowMessage (goflow2's pb/flow.proto).
const (
	fieldType              = 1
	fieldSamplingRate      = 3
	fieldSequenceNum       = 4
	fieldSrcAddr           = 6
	fieldDstAddr           = 7
	fieldBytes             = 9
	fieldPackets           = 10
	fieldSamplerAddress    = 11
	fieldNextHop           = 12
	fieldNextHopAS         = 13
	fieldSrcAS             = 14
	fieldDstAS             = 15
	fieldSrcNet            = 16
	fieldDstNet            = 17
	fieldInIf              = 18
	fieldOutIf             = 19
	fieldProto             = 20
	fieldSrcPort           = 21
	fieldDstPort           = 22
	fieldIPTOS             = 23
	fieldForwardingStatus  = 24
	fieldIPTTL             = 25
	fieldTCPFlags          = 26
	fieldSrcMAC            = 27
	fieldDstMAC            = 28
	fieldVLANID            = 29
	fieldEType             = 30
	fieldICMPType          = 31
	fieldICMPCode          = 32
	fieldSrcVLAN           = 33
	fieldDstVLAN           = 34
	fieldFragmentID        = 35
	fieldFragmentOffset    = 36
	fieldIPv6FlowLabel     = 37
	fieldIPFlags           = 38
	fieldObservationDomain = 70
	fieldObservationPoint  = 71
	fieldMPLSTTL           = 80
	fieldMPLSLabel         = 81
	fieldMPLSIP            = 82
	fieldBGPNextHop        = 100
	fieldBGPCommunities    = 101
	fieldASPath            = 102
	fieldLayerStack        = 103
	fieldLayerSize         = 104
	fieldRoutingAddresses  = 105
	fieldRoutingSegLeft    = 106
	fieldTimeReceived      = 110
	fieldTimeFlowStart     = 111
	fieldTimeFlowEnd       = 112

	// FieldExtraIANA plus an information element's id is the number of an extra field from IANA's registry; its value are
	// the bytes as exported. A reader of flowpb.FlowMessage skips it.
	FieldExtraIANA = 100_000
	// FieldExtraReverse does the same for reverse information elements (RFC 5103).
	FieldExtraReverse = 200_000
	// FieldExtra is a repeated message {enterprise = 1, id = 2, value = 3, items = 4, list = 5} for elements of other enterprises, and
	// for lists (RFC 6313) with what they hold; see Extra.
	FieldExtra = 300_000

	// ReverseEnterprise is the private enterprise number of reverse information elements (RFC 5103 section 6.1).
	ReverseEnterprise = 29305
)

const (
	wireVarint = 0
	wireBytes  = 2
)

// fixedSize bounds the encoding of all that is not in a list: 46 fields with tags of 2 bytes and values of up to 17.
const fixedSize = 46 * (2 + 17)

// writer appends to b, which has room enough, at n.
type writer struct {
	b []byte
	n int
}

func (w *writer) varint(v uint64) {
	b, n := w.b, w.n
	for v >= 0x80 {
		b[n] = byte(v) | 0x80
		v >>= 7
		n++
	}
	b[n] = byte(v)
	w.n = n + 1
}

// tag writes a tag: a field's number, below 2048 as all of FlowMessage's are, and its wire type.
func (w *writer) tag(field, wire int) {
	tag := field<<3 | wire
	if tag < 0x80 {
		w.b[w.n] = byte(tag)
		w.n++
		return
	}
	w.b[w.n+1] = byte(tag >> 7)
	w.b[w.n] = byte(tag) | 0x80
	w.n += 2
}

// number, small and address write what is not zero. Most fields of most records are, so that the look at them stands where they are
// called, and the rest in functions of its own.
func (w *writer) number(field int, v uint64) {
	if v != 0 {
		w.numberField(field, v)
	}
}

func (w *writer) small(field int, v uint32) {
	if v != 0 {
		w.numberField(field, uint64(v))
	}
}

func (w *writer) address(field int, a *Address) {
	if a.length != 0 {
		w.addressField(field, a)
	}
}

// Not inlined: the look at zero is.
//
//go:noinline
func (w *writer) numberField(field int, v uint64) {
	b, n := w.b, w.n // copies stay in registers
	if tag := field<<3 | wireVarint; tag < 0x80 {
		b[n] = byte(tag)
		n++
	} else {
		b[n+1] = byte(tag >> 7)
		b[n] = byte(tag) | 0x80
		n += 2
	}
	for v >= 0x80 {
		b[n] = byte(v) | 0x80
		v >>= 7
		n++
	}
	b[n] = byte(v)
	w.n = n + 1
}

// Not inlined: the look at zero is.
//
//go:noinline
func (w *writer) addressField(field int, a *Address) {
	w.tag(field, wireBytes)
	w.b[w.n] = a.length
	if a.length == 4 {
		*(*[4]byte)(w.b[w.n+1:]) = [4]byte(a.bytes[:4])
	} else {
		*(*[16]byte)(w.b[w.n+1:]) = a.bytes
	}
	w.n += 1 + int(a.length)
}

func (w *writer) bytes(v []byte) {
	w.varint(uint64(len(v)))
	w.n += copy(w.b[w.n:], v)
}

// maxShortList is how many numbers of 32 bits, of 5 bytes at most, have a length that fits one byte in any case.
const maxShortList = 127 / 5

// packed writes a repeated field of numbers in the packed form that proto3 prefers.
func packed[N ~uint8 | ~uint32](w *writer, field int, list []N) {
	if len(list) != 0 {
		packedField(w, field, list)
	}
}

func packedField[N ~uint8 | ~uint32](w *writer, field int, list []N) {
	if len(list) <= maxShortList {
		w.tag(field, wireBytes)
		b, start := w.b, w.n+1
		n := start
		for _, v := range list {
			for v >= 0x80 {
				b[n] = byte(v) | 0x80
				v >>= 7
				n++
			}
			b[n] = byte(v)
			n++
		}
		b[start-1] = byte(n - start)
		w.n = n
		return
	}
	size := 0
	for _, v := range list {
		size += varintSize(uint64(v))
	}
	w.tag(field, wireBytes)
	w.varint(uint64(size))
	for _, v := range list {
		w.varint(uint64(v))
	}
}

func varintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// sizeBound is no less than the length of r's encoding.
func (r *Record) sizeBound() int {
	n := fixedSize
	n += 5*(len(r.BGPCommunities)+len(r.ASPath)+len(r.MPLSLabel)+len(r.MPLSTTL)+len(r.LayerSize)) + 5*6
	n += 2*len(r.LayerStack) + 5
	n += 19 * (len(r.MPLSIP) + len(r.IPv6RoutingHeaderAddresses))
	for i := range r.Extra {
		n += 48 + len(r.Extra[i].Value)
	}
	n += r.namesSize()
	return n
}

// Encoder encodes records as protobuf. What all records of a datagram share is encoded once. The zero Encoder is ready;
// it belongs to one goroutine.
type Encoder struct {
	shared       sharedFields
	prefix       [80]byte
	prefixLength int
}

type sharedFields struct {
	kind     Type
	sequence uint32
	domain   uint32
	received uint64
	sampler  Address
}

// refresh encodes what r shares with the records before it, if it is not the same any more.
func (e *Encoder) refresh(r *Record) {
	if e.prefixLength != 0 && e.shared.received == r.TimeReceivedNs && e.shared.sequence == r.SequenceNum &&
		e.shared.domain == r.ObservationDomainID && e.shared.kind == r.Type && e.shared.sampler == r.SamplerAddress {
		return
	}
	e.shared = sharedFields{r.Type, r.SequenceNum, r.ObservationDomainID, r.TimeReceivedNs, r.SamplerAddress}
	w := writer{b: e.prefix[:]}
	w.small(fieldType, uint32(r.Type))
	w.small(fieldSequenceNum, r.SequenceNum)
	w.address(fieldSamplerAddress, &r.SamplerAddress)
	w.small(fieldObservationDomain, r.ObservationDomainID)
	w.number(fieldTimeReceived, r.TimeReceivedNs)
	e.prefixLength = w.n
}

// AppendDelimited appends r as a flowpb.FlowMessage behind its length, as protodelim and goflow2 write it. It allocates
// only where dst has no room.
func (e *Encoder) AppendDelimited(dst []byte, r *Record) []byte {
	start := len(dst)
	// Nearly all messages are of 128 bytes to 16 KiB, whose lengths take two bytes; others are moved.
	const guess = 2
	dst = e.append(append(dst, 0, 0), r)
	length := len(dst) - start - guess
	switch size := varintSize(uint64(length)); {
	case size < guess:
		copy(dst[start+size:], dst[start+guess:])
		dst = dst[:len(dst)-(guess-size)]
	case size > guess:
		dst = append(dst, make([]byte, size-guess)...)
		copy(dst[start+size:], dst[start+guess:start+guess+length])
	}
	binary.PutUvarint(dst[start:], uint64(length))
	return dst
}

// AppendMessage appends r as a flowpb.FlowMessage without its length.
func (e *Encoder) AppendMessage(dst []byte, r *Record) []byte { return e.append(dst, r) }

func (e *Encoder) append(dst []byte, r *Record) []byte {
	e.refresh(r)
	dst = slices.Grow(dst, r.sizeBound())
	w := writer{b: dst[:cap(dst)], n: len(dst)}
	w.n += copy(w.b[w.n:], e.prefix[:e.prefixLength])
	w.number(fieldSamplingRate, r.SamplingRate)
	w.address(fieldSrcAddr, &r.SrcAddr)
	w.address(fieldDstAddr, &r.DstAddr)
	w.number(fieldBytes, r.Bytes)
	w.number(fieldPackets, r.Packets)
	w.address(fieldNextHop, &r.NextHop)
	w.small(fieldNextHopAS, r.NextHopAS)
	w.small(fieldSrcAS, r.SrcAS)
	w.small(fieldDstAS, r.DstAS)
	w.small(fieldSrcNet, r.SrcNet)
	w.small(fieldDstNet, r.DstNet)
	w.small(fieldInIf, r.InIf)
	w.small(fieldOutIf, r.OutIf)
	w.small(fieldProto, r.Proto)
	w.small(fieldSrcPort, r.SrcPort)
	w.small(fieldDstPort, r.DstPort)
	w.small(fieldIPTOS, r.IPTOS)
	w.small(fieldForwardingStatus, r.ForwardingStatus)
	w.small(fieldIPTTL, r.IPTTL)
	w.small(fieldTCPFlags, r.TCPFlags)
	w.number(fieldSrcMAC, r.SrcMAC)
	w.number(fieldDstMAC, r.DstMAC)
	w.small(fieldVLANID, r.VLANID)
	w.small(fieldEType, r.EType)
	w.small(fieldICMPType, r.ICMPType)
	w.small(fieldICMPCode, r.ICMPCode)
	w.small(fieldSrcVLAN, r.SrcVLAN)
	w.small(fieldDstVLAN, r.DstVLAN)
	w.small(fieldFragmentID, r.FragmentID)
	w.small(fieldFragmentOffset, r.FragmentOffset)
	w.small(fieldIPv6FlowLabel, r.IPv6FlowLabel)
	w.small(fieldIPFlags, r.IPFlags)
	w.small(fieldObservationPoint, r.ObservationPointID)
	w.address(fieldBGPNextHop, &r.BGPNextHop)
	w.number(fieldTimeFlowStart, r.TimeFlowStartNs)
	w.number(fieldTimeFlowEnd, r.TimeFlowEndNs)
	w.lists(r)
	if len(r.Names) != 0 {
		return dst[:writeNames(w.b, w.n, r.Names)]
	}
	return dst[:w.n]
}

func (w *writer) lists(r *Record) {
	packed(w, fieldMPLSTTL, r.MPLSTTL)
	packed(w, fieldMPLSLabel, r.MPLSLabel)
	for i := range r.MPLSIP {
		w.tag(fieldMPLSIP, wireBytes)
		w.bytes(r.MPLSIP[i].Bytes())
	}
	packed(w, fieldBGPCommunities, r.BGPCommunities)
	packed(w, fieldASPath, r.ASPath)
	packed(w, fieldLayerStack, r.LayerStack)
	packed(w, fieldLayerSize, r.LayerSize)
	for i := range r.IPv6RoutingHeaderAddresses {
		w.tag(fieldRoutingAddresses, wireBytes)
		w.bytes(r.IPv6RoutingHeaderAddresses[i].Bytes())
	}
	w.small(fieldRoutingSegLeft, r.IPv6RoutingHeaderSegLeft)
	within := 0 // entries of r.Extra up to here are parts of a list
	for i := range r.Extra {
		x := &r.Extra[i]
		if x.Items > 0 {
			within = max(within, i+1+x.Items)
		}
		w.extra(x, i < within || x.List)
	}
}

// extra writes a field under the number of its element, or as a message of its own: that of other enterprises, and lists with all
// they hold, one after the other in the order of Record.Extra.
func (w *writer) extra(x *Extra, message bool) {
	number := 0
	switch {
	case !message && x.Enterprise == 0:
		number = FieldExtraIANA + int(x.ID)
	case !message && x.Enterprise == ReverseEnterprise:
		number = FieldExtraReverse + int(x.ID)
	default:
		id, items := uint64(x.ID), uint64(x.Items)
		size := 2 + varintSize(uint64(x.Enterprise)) + varintSize(id) + 1 + varintSize(uint64(len(x.Value))) + len(x.Value)
		if items != 0 {
			size += 1 + varintSize(items)
		}
		if x.List {
			size += 2
		}
		w.varint(FieldExtra<<3 | wireBytes)
		w.varint(uint64(size))
		w.tag(1, wireVarint)
		w.varint(uint64(x.Enterprise))
		w.tag(2, wireVarint)
		w.varint(id)
		w.tag(3, wireBytes)
		w.bytes(x.Value)
		if items != 0 {
			w.tag(4, wireVarint)
			w.varint(items)
		}
		if x.List {
			w.tag(5, wireVarint)
			w.varint(1)
		}
		return
	}
	w.varint(uint64(number)<<3 | wireBytes)
	w.bytes(x.Value)
}
