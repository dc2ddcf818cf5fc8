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
	opProto
	opTOS
	opTCPFlags
	opSrcPort
	opDstPort
	opSrcIPv4
	opDstIPv4
	opSrcIPv6
	opDstIPv6
	opSrcNet
	opDstNet
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
	opTTL
	opFragmentID
	opFragmentOffset
	opFragmentFlags
	opSrcMAC
	opDstMAC
	opPostSrcMAC // after treatment: where the record does not say what came in
	opPostDstMAC
	opSrcVLAN
	opDstVLAN
	opVLAN
	opIPVersion
	opForwardingStatus
	opMPLSLabel // the step's index says which of the stack
	opMPLSTopTTL
	opMPLSIPv4
	opMPLSIPv6
	opObservationPoint

	opStartUptime
	opEndUptime
	opStartSeconds
	opEndSeconds
	opStartMilliseconds
	opEndMilliseconds
	opStartNTP
	opEndNTP
	opStartDelta
	opEndDelta
	opDurationMilliseconds
	opDurationMicroseconds
	opSystemInit
	opObserved        // the time of an event that has no start and end
	opObservedSeconds // the same in seconds
	opObservedNTP     // the same as an NTP timestamp

	opFrameSize
	opFrameSection
	opPacketSection

	opSamplerID
	opSelectorID
	opSampling // any element that makes up a sampling rate; see sampling
)

// maxElement is one more than the highest element with an operation.
const maxElement = 326

// operations maps information elements, and the NetFlow v9 field types that share their numbers (RFC 3954 section 8,
// RFC 7012), to what they do.
var operations = [maxElement]operation{
	1: opBytes, 2: opPackets, // others stand in for them, see standIn
	4: opProto, 5: opTOS, 6: opTCPFlags,
	7: opSrcPort, 180: opSrcPort, 182: opSrcPort,
	11: opDstPort, 181: opDstPort, 183: opDstPort,
	8: opSrcIPv4, 12: opDstIPv4, 27: opSrcIPv6, 28: opDstIPv6,
	9: opSrcNet, 13: opDstNet, 29: opSrcNet, 30: opDstNet,
	10: opInIf, 14: opOutIf,
	15: opNextHopIPv4, 62: opNextHopIPv6, 18: opBGPNextHopIPv4, 63: opBGPNextHopIPv6,
	16: opSrcAS, 17: opDstAS, 128: opNextHopAS,
	31: opFlowLabel,
	32: opICMPTypeCode, 139: opICMPTypeCode,
	176: opICMPType, 178: opICMPType, 177: opICMPCode, 179: opICMPCode,
	52: opTTL, 192: opTTL,
	54: opFragmentID, 88: opFragmentOffset, 197: opFragmentFlags,
	56: opSrcMAC, 81: opPostSrcMAC, 80: opDstMAC, 57: opPostDstMAC,
	58: opSrcVLAN, 59: opDstVLAN, 243: opVLAN,
	60: opIPVersion, 89: opForwardingStatus,
	70: opMPLSLabel, 71: opMPLSLabel, 72: opMPLSLabel, 73: opMPLSLabel, 74: opMPLSLabel,
	75: opMPLSLabel, 76: opMPLSLabel, 77: opMPLSLabel, 78: opMPLSLabel, 79: opMPLSLabel,
	200: opMPLSTopTTL, 47: opMPLSIPv4, 140: opMPLSIPv6,
	138: opObservationPoint,

	22: opStartUptime, 21: opEndUptime,
	150: opStartSeconds, 151: opEndSeconds,
	152: opStartMilliseconds, 153: opEndMilliseconds,
	154: opStartNTP, 155: opEndNTP, 156: opStartNTP, 157: opEndNTP,
	158: opStartDelta, 159: opEndDelta,
	160: opSystemInit, 161: opDurationMilliseconds, 162: opDurationMicroseconds,
	322: opObservedSeconds, 323: opObserved, 324: opObservedNTP, 325: opObservedNTP,

	104: opFrameSection, 312: opFrameSize, 313: opPacketSection, 315: opFrameSection,

	48: opSamplerID, 302: opSelectorID,
	34: opSampling, 50: opSampling, 305: opSampling, 306: opSampling, 307: opSampling, 308: opSampling,
	309: opSampling, 310: opSampling, 311: opSampling,
}

// firstMPLSLabel is the element of the top of the label stack; nine more follow.
const firstMPLSLabel = 70

// Elements that count bytes and packets in another way than octetDeltaCount (1) and packetDeltaCount (2), in the order in
// which they stand in for these: after the observation point's own treatment, in total since the flow began, from the
// initiator (the forward direction of a flow that is exported in both, RFC 5103 section 3), and of the layer 2 frames.
var (
	standInBytes   = []uint16{23, 85, 231, 171, 352, 353}
	standInPackets = []uint16{24, 86, 298, 172}
)

// standIn returns the element of t that is read in place of delta, 0 where t has delta itself or nothing like it.
func standIn(t *template.Template, delta uint16, others []uint16) uint16 {
	best := len(others)
	for _, f := range t.Fields {
		if f.Enterprise != 0 || f.Length == 0 {
			continue
		}
		if f.ID == delta {
			return 0
		}
		if rank := slices.Index(others, f.ID); rank >= 0 {
			best = min(best, rank)
		}
	}
	if best == len(others) {
		return 0
	}
	return others[best]
}

// describesFlow reports whether op says something of a flow, and not only when, where and how it was observed.
func (op operation) describesFlow() bool {
	switch op {
	case opNone, opIPVersion, opObservationPoint, opSystemInit, opObserved, opObservedSeconds, opObservedNTP, opSamplerID, opSelectorID,
		opSampling, opStartUptime, opEndUptime, opStartSeconds, opEndSeconds, opStartMilliseconds, opEndMilliseconds, opStartNTP, opEndNTP,
		opStartDelta, opEndDelta, opDurationMilliseconds, opDurationMicroseconds:
		return false
	}
	return true
}

// destination groups the operations of different elements that write the same field of a record: where a template has
// several, the first value that is not zero counts. Exporters that fill one template for both address families, or for
// TCP and UDP ports, put zero (the unspecified address, "the absence of an address", RFC 4291 section 2.5.2) into the one
// that does not apply.
func (op operation) destination() operation {
	switch op {
	case opSrcIPv6:
		return opSrcIPv4
	case opDstIPv6:
		return opDstIPv4
	case opNextHopIPv6:
		return opNextHopIPv4
	case opBGPNextHopIPv6:
		return opBGPNextHopIPv4
	case opPostSrcMAC:
		return opSrcMAC
	case opPostDstMAC:
		return opDstMAC
	case opStartSeconds, opStartMilliseconds, opStartNTP, opStartDelta:
		return opStartUptime
	case opEndSeconds, opEndMilliseconds, opEndNTP, opEndDelta:
		return opEndUptime
	}
	return op
}

// asEnd is the operation that takes the time of an observation for the flow's end, opNone for what is no such time.
func (op operation) asEnd() operation {
	switch op {
	case opObserved:
		return opEndMilliseconds
	case opObservedSeconds:
		return opEndSeconds
	case opObservedNTP:
		return opEndNTP
	}
	return opNone
}

// fits reports whether a value of length bytes can be what op expects.
func (op operation) fits(length int) bool {
	switch op {
	case opSrcIPv4, opDstIPv4, opNextHopIPv4, opBGPNextHopIPv4, opMPLSIPv4:
		return length == 4
	case opSrcIPv6, opDstIPv6, opNextHopIPv6, opBGPNextHopIPv6, opMPLSIPv6:
		return length == 16
	case opStartNTP, opEndNTP, opObservedNTP:
		return length == 8
	case opFrameSection, opPacketSection:
		return length > 0
	}
	// RFC 7011 section 6.2: numbers may be sent in fewer bytes.
	return length >= 1 && length <= 8
}
