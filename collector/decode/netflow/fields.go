package netflow

import (
	"slices"

	"github.com/flowfleet/flowfleet/collector/template"
)

// operation says what a field of a data record does to a flow.Record.
type operation uint8

const (
	opNone operation = iota // no place in FlowMessage: kept as an extra field where asked for

	opBytes
	opPackets
	opPacketBytes // the length of one packet, where nothing counts bytes
	opProto
	opTOS
	opDSCP
	opPrecedence
	opTCPFlags
	opTCPFlagsPart // flags of the first packet, or of the others
	opSrcPort
	opDstPort
	opSrcIPv4
	opDstIPv4
	opSrcIPv6
	opDstIPv6
	opSrcNet
	opDstNet
	opSrcNet6 // the same of IPv6, beside which a template for both families has the other
	opDstNet6
	opInIf
	opOutIf
	opNextHopIPv4
	opNextHopIPv6
	opBGPNextHopIPv4
	opBGPNextHopIPv6
	opSrcAS
	opDstAS
	opNextHopAS
	opFlowLabel
	opICMPTypeCode
	opICMPType
	opICMPCode
	opICMPSection // type and code begin it
	opTTL
	opFragmentID
	opFragmentOffset
	opFragmentFlags
	opSrcMAC
	opDstMAC
	opSrcVLAN
	opDstVLAN
	opEtherType
	opIPVersion
	opForwardingStatus
	opJuniperException
	opMPLSLabel // the step's index says which of the stack
	opMPLSTopTTL
	opMPLSIPv4
	opMPLSIPv6
	opObservationPoint

	opCommunities
	opASPath
	opRoutingHeader
	opSegmentSection
	opSegmentList
	opSegmentsLeft

	opStartUptime
	opEndUptime
	opStartSeconds
	opEndSeconds
	opStartMilliseconds
	opEndMilliseconds
	opStartNTP
	opEndNTP
	opStartNetScaler // see ofNetScaler
	opEndNetScaler
	opStartDelta
	opEndDelta
	opDurationMilliseconds
	opDurationMicroseconds
	opSystemInit
	opObserved        // the time of an event that has no start and end
	opObservedSeconds // the same in seconds
	opObservedNTP     // the same as an NTP timestamp
	opIntervalStart   // of the interval in which flows were metered, where they have no times of their own
	opIntervalEnd

	opFrameSection
	opPacketSection
	opPayloadSection
	opMPLSSection
	opMPLSPayload
	opSectionOffset
	opFrameOffset
	opSectionLength // what of a section is not padding
	opFrameType     // what kind of frame a section begins with

	opSamplerID
	opSelectorID
	opSampling // any element that makes up a sampling rate; see sampling

	opNumber // a number that names hang on, see namedNumber
	opText   // a name that the record says itself, see ownNames

	opList // a list of other records or values (RFC 6313)
)

// firstMPLSLabel is the element of the top of the label stack; nine more follow.
const firstMPLSLabel = 70

// Elements that count bytes and packets in another way than octetDeltaCount (1) and packetDeltaCount (2), in the order in
// which they stand in for these: after the observation point's own treatment, in total since the flow began, from the
// initiator (the forward direction of a flow that is exported in both, RFC 5103 section 3), of the layer 2 frames; then Cisco's own.
var (
	standInBytes = append(keysOf(0, 23, 85, 231, 171, 352, 353, 417, 420), keysOf(enterpriseCisco, ciscoClientBytes, ciscoBytesOut)...)

	standInPackets = keysOf(0, 24, 86, 298, 172, 430, 431)
)

// Elements in which Cisco counts both directions: of a connection (AVC, "connection client counter bytes network"), whose packets stand in
// those of initiator and responder, and of a host (Network Visibility Module, "L4ByteCountOut"), which is the source of its records.
const (
	ciscoServerBytes = 8337
	ciscoClientBytes = 8338
	ciscoBytesIn     = 12346
	ciscoBytesOut    = 12347
)

func keysOf(enterprise uint32, ids ...uint16) []elementKey {
	var out []elementKey
	for _, id := range ids {
		out = append(out, elementKey{enterprise, id})
	}
	return out
}

// standIn returns the element among fields of a version that is read in place of delta, none where delta is one of them or nothing like it is.
func standIn(version template.Version, fields []template.Field, delta uint16, others []elementKey) elementKey {
	best := len(others)
	for _, f := range fields {
		if f.Length == 0 {
			continue
		}
		key := keyOf(asElement(version, f))
		if key == (elementKey{id: delta}) {
			return elementKey{}
		}
		if rank := slices.Index(others, key); rank >= 0 {
			best = min(best, rank)
		}
	}
	if best == len(others) {
		return elementKey{}
	}
	return others[best]
}

// destination groups the operations of different elements that write the same field of a record: where a template has
// several, the best that says something counts. Exporters that fill one template for both address families, or for
// TCP and UDP ports, put zero (the unspecified address, "the absence of an address", RFC 4291 section 2.5.2) into the one
// that does not apply.
func (op operation) destination() operation {
	switch op {
	case opPacketBytes:
		return opBytes
	case opDSCP, opPrecedence:
		return opTOS
	case opSrcIPv6:
		return opSrcIPv4
	case opDstIPv6:
		return opDstIPv4
	case opNextHopIPv6:
		return opNextHopIPv4
	case opBGPNextHopIPv6:
		return opBGPNextHopIPv4
	case opMPLSIPv6:
		return opMPLSIPv4
	case opICMPSection:
		return opICMPTypeCode
	case opJuniperException:
		return opForwardingStatus
	case opRoutingHeader, opSegmentSection:
		return opSegmentList
	case opStartSeconds, opStartMilliseconds, opStartNTP, opStartNetScaler, opStartDelta:
		return opStartUptime
	case opEndSeconds, opEndMilliseconds, opEndNTP, opEndNetScaler, opEndDelta:
		return opEndUptime
	case opObservedSeconds, opObservedNTP:
		return opObserved
	case opDurationMicroseconds:
		return opDurationMilliseconds
	case opPacketSection, opPayloadSection, opMPLSSection, opMPLSPayload:
		return opFrameSection
	}
	return op
}

// isSection reports whether op reads a part of a sampled packet.
func (op operation) isSection() bool { return op.destination() == opFrameSection }

// fits reports whether a value of length bytes can be what op expects.
func (op operation) fits(length int) bool {
	switch op {
	case opSrcIPv4, opDstIPv4, opNextHopIPv4, opBGPNextHopIPv4, opMPLSIPv4:
		return length == 4
	case opSrcIPv6, opDstIPv6, opNextHopIPv6, opBGPNextHopIPv6, opMPLSIPv6:
		return length == 16
	case opStartNTP, opEndNTP, opObservedNTP:
		return length == 4 || length == 8 || length == fineLength // of 4 bytes, as some send them, are whole seconds
	case opSrcMAC, opDstMAC:
		return length == 6
	case opMPLSLabel:
		return length == 3 || length == 4
	case opFrameSection, opPacketSection, opPayloadSection, opMPLSSection, opMPLSPayload, opList, opRoutingHeader, opSegmentSection,
		opSegmentList, opASPath, opCommunities, opNumber, opText:
		return length > 0
	case opICMPSection:
		return length >= 2
	}
	// RFC 7011 section 6.2: numbers may be sent in fewer bytes.
	return length >= 1 && length <= 8
}
