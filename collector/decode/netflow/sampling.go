package netflow

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// sampling gathers the elements that make up a sampling rate, from an options record or a flow record.
type sampling struct {
	interval       uint64 // 34, 50: one packet of so many
	packetInterval uint64 // 305: so many packets in a row are taken,
	packetSpace    uint64 // 306: then so many are not
	hasPacketSpace bool
	timeInterval   uint64 // 307, 308: the same in microseconds
	timeSpace      uint64
	hasTimeSpace   bool
	size           uint64 // 309: so many packets are taken at random
	population     uint64 // 310: out of so many
	probability    float64
	output         hashRange // 329, 330: what values the hash function can have
	selected       hashRange // 331, 332: with which of them a packet is taken; these may repeat
	algorithm      uint64    // 304: which of these count
	// Of the same kinds, but of flows, not of packets (RFC 7014 section 8).
	flowInterval, flowSpace         uint64 // 396, 397
	hasFlowSpace                    bool
	flowTimeInterval, flowTimeSpace uint64 // 398, 399, in microseconds
	hasFlowTimeSpace                bool
	flowAlgorithm                   uint64 // 390: which of these count, with the numbers of 304; also 309 to 311, see ofFlows

	samplerID   uint64
	selectorID  uint64
	hasSampler  bool
	hasSelector bool
	sequenceID  uint64
	hasSequence bool
	// said: some element of a rate was there, though it may be 0.
	said bool
}

// take notes the value of element id and reports whether it was one of sampling's.
func (s *sampling) take(id uint16, v []byte) bool {
	if len(v) == 0 || len(v) > 8 {
		return false
	}
	n := number(v)
	if isInterval(id) && len(v) >= 4 && n == math.MaxUint64>>(64-8*len(v)) {
		return true // all bits set say that the exporter does not know
	}
	s.said = s.said || isInterval(id) || id == 311 || id == 331 || id == 332
	switch id {
	case 34, 50:
		if n != 0 { // a record may have both, and mean one
			s.interval = inOrderOfBytes(n, len(v))
		}
	case 305:
		s.packetInterval = n
	case 306:
		s.packetSpace, s.hasPacketSpace = n, true
	case 307:
		s.timeInterval = n
	case 308:
		s.timeSpace, s.hasTimeSpace = n, true
	case 309:
		s.size = n
	case 310:
		s.population = n
	case 311:
		switch len(v) {
		case 4:
			s.probability = float64(math.Float32frombits(binary.BigEndian.Uint32(v)))
		case 8:
			s.probability = math.Float64frombits(binary.BigEndian.Uint64(v))
		}
	case 329, 331:
		s.hash(id).begin(n)
	case 330, 332:
		s.hash(id).end(n)
	case 304:
		s.algorithm = n
	case 390:
		s.flowAlgorithm = n
	case 396:
		s.flowInterval = n
	case 397:
		s.flowSpace, s.hasFlowSpace = n, true
	case 398:
		s.flowTimeInterval = n
	case 399:
		s.flowTimeSpace, s.hasFlowTimeSpace = n, true
	case 48:
		s.samplerID, s.hasSampler = n, true
	case 302:
		s.selectorID, s.hasSelector = n, true
	case 301:
		s.sequenceID, s.hasSequence = n, true
	default:
		return false
	}
	return true
}

// isInterval reports whether an element is a number of packets, flows or microseconds that make up a rate.
func isInterval(id uint16) bool {
	return id == 34 || id == 50 || id >= 305 && id <= 310 || id >= 396 && id <= 399
}

// inOrderOfBytes is an interval of length bytes, as MikroTik's RouterOS means it too, which sends it the other way round: what would be one
// packet of 262,144 or more, which nobody samples, is an interval of another order. What is below may be either, and is taken as it is.
func inOrderOfBytes(n uint64, length int) uint64 {
	if length == 4 && n >= 1<<18 && n&0xffff == 0 {
		return uint64(bits.ReverseBytes32(uint32(n)))
	}
	return n
}

// hashRange is one or more ranges of hash values.
type hashRange struct {
	min, max       uint64
	hasMin, hasMax bool
	// values is how many there are in the ranges that are whole. A float holds all of 64 bits; a rate is rounded anyway.
	values float64
}

func (s *sampling) hash(id uint16) *hashRange {
	if id <= 330 {
		return &s.output
	}
	return &s.selected
}

func (r *hashRange) begin(n uint64) {
	r.min, r.hasMin = n, true
	r.close()
}

func (r *hashRange) end(n uint64) {
	r.max, r.hasMax = n, true
	r.close()
}

// close counts a range whose both ends are known; the next may follow.
func (r *hashRange) close() {
	if r.hasMin && r.hasMax {
		if r.max >= r.min {
			r.values += float64(r.max-r.min) + 1
		}
		r.hasMin, r.hasMax = false, false
	}
}

// Algorithms of selectorAlgorithm (304; IANA "PSAMP Parameters", selectorAlgorithm). Those from hashBOB to hashCRC say a rate by the
// ranges of their hash values (RFC 5475 section 6.2.2). What matches properties or hangs on the state of flows is chosen, not sampled.
const (
	systematicCount = 1
	systematicTime  = 2
	randomOutOf     = 3
	probabilistic   = 4
	propertyMatch   = 5
	hashBOB         = 6
	hashCRC         = 8
	flowState       = 9
)

// rate is how many packets one sampled packet stands for, 0 where the elements do not say. Where flows are selected, too, it is how many
// packets one of those stands for that are counted in a selected flow: what such a flow counts is to be multiplied by both.
func (s *sampling) rate() uint64 {
	if !s.said || chosen(s.algorithm) { // most records have no more than the number of a sampler
		return 0
	}
	packets, flows := s.packetRate(), s.flowRate()
	if packets == 0 || flows == 0 {
		return packets + flows
	}
	if overflow, both := bits.Mul64(packets, flows); overflow == 0 {
		return both
	}
	return math.MaxUint64
}

func chosen(algorithm uint64) bool { return algorithm == propertyMatch || algorithm == flowState }

// packetRate has those of the algorithm that is in use count before others, with which a template has room for another algorithm.
func (s *sampling) packetRate() uint64 {
	for _, algorithm := range [...]uint64{s.algorithm, randomOutOf, probabilistic, systematicCount, systematicTime, hashBOB} {
		if s.ofFlows(algorithm) {
			continue
		}
		if rate := s.rateOf(algorithm); rate != 0 {
			return rate
		}
	}
	return s.interval
}

// ofFlows reports whether the parameters of an algorithm that packets and flows share (309 to 311) are those of flows: where an algorithm of
// flows is said, and none of packets that has them.
func (s *sampling) ofFlows(algorithm uint64) bool {
	shared := algorithm == randomOutOf || algorithm == probabilistic
	return shared && s.flowAlgorithm != 0 && s.algorithm != algorithm
}

// flowRate is how many flows one selected flow stands for (RFC 7014 section 5.2), 0 where the elements do not say.
func (s *sampling) flowRate() uint64 {
	switch {
	case chosen(s.flowAlgorithm):
		return 0
	case s.ofFlows(s.flowAlgorithm):
		return s.rateOf(s.flowAlgorithm)
	case s.flowInterval > 0 && s.hasFlowSpace:
		return ratio(s.flowInterval+s.flowSpace, s.flowInterval)
	case s.flowTimeInterval > 0 && s.hasFlowTimeSpace:
		return ratio(s.flowTimeInterval+s.flowTimeSpace, s.flowTimeInterval)
	}
	return s.flowInterval
}

// rateOf is the rate by the parameters of an algorithm, 0 where they are not there.
//
// RFC 5477 section 8.2: systematic sampling takes an interval and then leaves a space, so the rate is
// (interval+space)/interval; with a space of 0 every packet is taken. Many exporters send samplingPacketInterval alone and
// mean one packet of so many; nothing would say in the RFC's terms what is left out, so that reading is the one in use.
func (s *sampling) rateOf(algorithm uint64) uint64 {
	switch {
	case algorithm == randomOutOf && s.size > 0 && s.population > 0:
		return ratio(s.population, s.size)
	case algorithm == probabilistic && s.probability > 0 && s.probability <= 1:
		return uint64(math.Round(min(1/s.probability, math.MaxUint32)))
	case algorithm == systematicCount && s.packetInterval > 0 && s.hasPacketSpace:
		return ratio(s.packetInterval+s.packetSpace, s.packetInterval)
	case algorithm == systematicCount:
		return s.packetInterval
	case algorithm == systematicTime && s.timeInterval > 0 && s.hasTimeSpace:
		return ratio(s.timeInterval+s.timeSpace, s.timeInterval)
	case algorithm >= hashBOB && algorithm <= hashCRC && s.selected.values > 0:
		return uint64(math.Round(min(s.output.values/s.selected.values, math.MaxUint32)))
	}
	return 0
}

// ratio divides and rounds to nearest, at least 1; a sum that overflowed gives 1 as well.
func ratio(a, b uint64) uint64 { return max(1, a/b+a%b*2/b) }
