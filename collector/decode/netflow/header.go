package netflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Lengths of the message and set headers in bytes (RFC 3954 section 5.1, RFC 7011 sections 3.1 and 3.3.2).
const (
	header9Length     = 20
	headerIPFIXLength = 16
	setHeaderLength   = 4
)

// header is what a message says of all its records.
type header struct {
	version    template.Version
	flowType   flow.Type
	exportTime uint32 // seconds since 1970
	clock
	// cut: the datagram is known to end before its message does.
	cut      bool
	sequence uint32
	domain   uint32
	received uint64 // nanoseconds since 1970
}

// parseHeader9 reads a NetFlow v9 header; b is long enough. received is nanoseconds since 1970.
func parseHeader9(b []byte, received int64) header {
	h := header{
		version:    template.NetFlow9,
		flowType:   flow.TypeNetFlowV9,
		received:   uint64(received),
		exportTime: binary.BigEndian.Uint32(b[8:]),
		sequence:   binary.BigEndian.Uint32(b[12:]),
		domain:     binary.BigEndian.Uint32(b[16:]),
	}
	h.clock = newClock(uint64(h.exportTime)*nanosPerSecond, h.received, binary.BigEndian.Uint32(b[4:]))
	return h
}

// parseHeaderIPFIX reads an IPFIX header; b is long enough. received is nanoseconds since 1970.
func parseHeaderIPFIX(b []byte, received int64) header {
	h := header{
		version:    template.IPFIX,
		flowType:   flow.TypeIPFIX,
		exportTime: binary.BigEndian.Uint32(b[4:]),
		sequence:   binary.BigEndian.Uint32(b[8:]),
		domain:     binary.BigEndian.Uint32(b[12:]),
		received:   uint64(received),
	}
	h.clock = newClock(uint64(h.exportTime)*nanosPerSecond, h.received, 0)
	return h
}

// freshSequence is below what the sequence number of an exporting process is soon after it began: it counts from 0 (RFC 7011 section 3.1).
const freshSequence = 1 << 12

// longestWay is for how many seconds a datagram may be on its way. What seems to have been exported before that, by an uptime that agrees, is of an
// exporter that starts anew and whose clock does, too: without one that is set, it counts from 1970.
const longestWay = 5 * 60

// restarted reports whether the exporter began anew between a message and this one, which came later: by NetFlow v9's uptime, which went
// back and did not wrap, or by IPFIX's sequence number, which counts from 0 again. A message that was overtaken on its way tells nothing:
// it was exported up to a minute before. An exporter whose clock is further back restarted, or had it set.
func (h *header) restarted(before *header) bool {
	if h.exportTime <= before.exportTime && before.exportTime-h.exportTime <= template.LateSeconds {
		return false
	}
	if h.version == template.IPFIX {
		return h.sequence < freshSequence && int32(h.sequence-before.sequence) < 0
	}
	overtaken := before.exportTime-h.exportTime <= longestWay && before.uptimeGoesOn(h)
	if h.exportTime < before.exportTime && (overtaken || h.roseBy(before, (h.received-before.received)/nanosPerMilli)) {
		return false // or the uptime wrapped
	}
	return h.uptime < before.uptime && !h.uptimeGoesOn(before)
}

// follow observes the sequence number of a message of so many units, of which most more could not be counted: a number that came before is of an
// exporter that restarted where the header says so otherwise, rather than late or repeated. Messages without units may have any number.
func (d *Decoder) follow(s *session, h *header, units, most uint32) {
	behind := s.sequence.Behind(h.sequence)
	if behind && units > 0 && h.restarted(&s.latest) {
		s.sequence.Restart(h.sequence, d.counts)
		behind = false
	}
	if !behind {
		s.latest = *h
	}
	s.sequence.ObserveUncounted(h.sequence, units, most, d.counts)
}

// uptimeGoesOn reports whether NetFlow v9's uptime rose by as much as time passed since an earlier message.
func (h *header) uptimeGoesOn(before *header) bool {
	return h.roseBy(before, uint64(h.exportTime-before.exportTime)*1000)
}

// roseBy reports whether NetFlow v9's uptime rose by so many milliseconds since an earlier message.
func (h *header) roseBy(before *header, passed uint64) bool {
	up := uint64(h.uptime - before.uptime) // modulo 2^32, as it wraps
	return up <= passed+toleranceMs && up+toleranceMs >= passed
}

// goesOnWith reports whether a message goes on with an earlier life of an exporter rather than with the latest message of another one: for
// IPFIX within a minute, since sequence numbers are not bound to time.
func (h *header) goesOnWith(former, latest *header) bool {
	if h.exportTime < former.exportTime {
		return false
	}
	if h.version == template.IPFIX {
		return h.exportTime-former.exportTime <= 60 && int32(h.sequence-former.sequence) >= 0 &&
			h.sequence-former.sequence < h.sequence-latest.sequence
	}
	return h.uptimeGoesOn(former) && !h.uptimeGoesOn(latest)
}
