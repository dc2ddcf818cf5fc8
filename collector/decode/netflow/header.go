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
