package sflow

import (
	"encoding/binary"
	"iter"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Sample types and contents of versions 2 and 4 (RFC 3176 section 5, "sample_type", "packet_information_type" and
// "extended_information_type"). Nothing in them has a length of its own: what is not known ends the datagram.
const (
	oldFlowSample    = 1
	oldCounterSample = 2

	oldHeader = 1
	oldIPv4   = 2
	oldIPv6   = 3

	oldSwitch  = 1
	oldRouter  = 2
	oldGateway = 3
	oldUser    = 4
	oldURL     = 5
)

// lengthsOfOldCounters are those of counters by their type (RFC 3176 section 5, "counters_version"): generic, Ethernet, token ring, FDDI,
// 100BaseVG, WAN, VLAN.
var lengthsOfOldCounters = [...]uint64{0, 88, 140, 160, 88, 168, 88, 28}

// oldSamples reads the samples of a datagram of version 2 or 4.
func (d *decoder) oldSamples(b []byte) {
	limit := uint32(max(d.options.MaxSamples, 0))
	c := cursor{b: b}
	for n := range d.header.Samples {
		if len(c.b) < 4 {
			d.once(ledger.DatagramsTruncated)
			return
		}
		if limit != 0 && n >= limit {
			d.counts.Inc(ledger.SamplesDroppedLimit) // how many follow cannot be told
			return
		}
		isFlow := false
		switch c.word() {
		case oldFlowSample:
			isFlow = d.oldFlow(&c)
		case oldCounterSample:
			d.oldCounters(&c)
		default:
			c.bad = true
		}
		if c.bad {
			if !isFlow {
				d.counts.Inc(ledger.SamplesDroppedMalformed)
			}
			d.once(ledger.DatagramsTruncated)
			return
		}
	}
}

// oldVLANCounters are the only counters that do not begin with those of an interface.
const oldVLANCounters = 7

// oldCounters reads one counter sample.
func (d *decoder) oldCounters(c *cursor) {
	head := c.take(12) // sequence number, source and interval
	kind := c.word()
	if kind >= uint32(len(lengthsOfOldCounters)) || kind == 0 {
		c.bad = true
		return
	}
	b := c.take(lengthsOfOldCounters[kind])
	if c.bad {
		return
	}
	d.counts.Inc(ledger.SamplesCounter)
	if d.options.Counters != nil {
		source := binary.BigEndian.Uint32(head[4:])
		d.shows(CounterSample{Sequence: binary.BigEndian.Uint32(head), Class: source >> 24, Index: source & 0xffffff, Records: oldRecords(kind, b)})
	}
	if kind != oldVLANCounters {
		d.describes(interfaceCounters(b))
	}
}

// oldRecords are counters as version 5 has them: those of an interface, and of its kind behind them.
func oldRecords(kind uint32, b []byte) iter.Seq2[uint32, []byte] {
	return func(yield func(uint32, []byte) bool) {
		if kind == oldVLANCounters {
			yield(5, b)
			return
		}
		generic := lengthsOfOldCounters[1]
		behind := [...]uint32{2: 2, 3: 3, 5: 4}
		if yield(counterInterface, b[:generic]) && uint64(len(b)) > generic {
			yield(behind[kind], b[generic:])
		}
	}
}

// oldFlow reads one flow sample. Where it breaks off, what was read of it counts if that describes the packet; it reports whether it does.
func (d *decoder) oldFlow(c *cursor) bool {
	head := c.take(28)
	if c.bad {
		return false
	}
	d.begin()
	if d.options.Extra {
		d.keepSample(head, false)
	}
	d.rate(binary.BigEndian.Uint32(head[8:]))
	d.input(uint32(head[20])>>6, head[20:24])
	// The top bit says that there are several outputs (RFC 3176 section 5, "flow_sample").
	d.output(uint32(head[24])>>7*interfaceMultiple, head[24:28])
	switch c.word() {
	case oldHeader:
		d.keep(recordRawHeader, 0, c.b[:min(4, len(c.b))])
		protocol, frameLength, length := c.word(), c.word(), c.word()
		there := c.b[:min(uint64(length), uint64(len(c.b)))]
		if known := !c.bad; c.take(uint64(length)) != nil || known && len(there) > 0 { // its beginning is the packet's
			d.sampledHeader(protocol, frameLength, 0, length, there)
		}
	case oldIPv4:
		d.part(&d.parts.ipv4, c.take(32), 32)
	case oldIPv6:
		d.part(&d.parts.ipv6, c.take(56), 56)
	default:
		c.bad = true
	}
	for range c.word() {
		if d.oldExtended(c); c.bad {
			break
		}
	}
	if c.bad && !d.parts.packet && !d.parts.held {
		return false
	}
	d.counts.Inc(ledger.SamplesFlow)
	if c.bad {
		d.counts.Inc(ledger.RecordsTruncated)
	}
	d.deliver()
	return true
}

// oldExtended reads one piece of further information.
func (d *decoder) oldExtended(c *cursor) {
	switch c.word() {
	case oldSwitch:
		if b := c.take(16); !c.bad {
			d.switched(b)
			d.keepStructure(0, recordSwitch, b)
		}
	case oldRouter:
		before := c.b
		var next flow.Address
		c.address(&next)
		c.take(8)
		if !c.bad {
			b := before[:len(before)-len(c.b)]
			d.router(b)
			d.keepStructure(0, recordRouter, b)
		}
	case oldGateway:
		before, ok := c.b, false
		if c.b, ok = d.asPath(before, d.version == 4); !ok {
			c.bad = true
			return
		}
		d.keep(recordGateway, 1, before[:4])
		d.keep(recordGateway, 3, before[8:12])
		if d.version == 4 {
			d.keep(recordGateway, 4, c.take(4)) // local preference
		}
	case oldUser:
		d.keep(recordUser, 1, c.counted(1))
		d.keep(recordUser, 3, c.counted(1))
	case oldURL:
		d.keep(recordURL, 0, c.take(4))
		d.keep(recordURL, 1, c.counted(1))
	default:
		c.bad = true
	}
}
