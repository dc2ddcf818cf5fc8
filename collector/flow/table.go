package flow

import (
	"strconv"
	"time"
)

// Heading is the line above rows of AppendRow.
const Heading = "ENDED         EXPORTER         PROTO  SOURCE                 DESTINATION            " +
	"       BYTES    PACKETS   RATE  IN/OUT"

// AppendRow appends r as one line of a table, without a line feed. Columns keep their places unless an address is longer
// than an IPv4 one.
func (r *Record) AppendRow(dst []byte) []byte {
	start := len(dst)
	column := func(end int) {
		for len(dst) < start+end-1 {
			dst = append(dst, ' ')
		}
		dst = append(dst, ' ')
	}
	right := func(end int, v uint64) {
		var digits [20]byte
		text := strconv.AppendUint(digits[:0], v, 10)
		for len(dst) < start+end-len(text) {
			dst = append(dst, ' ')
		}
		dst = append(dst, text...)
	}
	dst = time.Unix(0, int64(r.TimeFlowEndNs)).UTC().AppendFormat(dst, "15:04:05.000")
	column(14)
	dst = appendOrDash(dst, &r.SamplerAddress)
	column(31)
	dst = append(dst, ProtocolName(r.Proto)...)
	column(38)
	dst = appendEndpoint(dst, &r.SrcAddr, r.SrcPort)
	column(61)
	dst = appendEndpoint(dst, &r.DstAddr, r.DstPort)
	column(84)
	right(96, r.Bytes)
	right(107, r.Packets)
	right(114, r.SamplingRate)
	column(116)
	dst = strconv.AppendUint(dst, uint64(r.InIf), 10)
	dst = append(dst, '/')
	return strconv.AppendUint(dst, uint64(r.OutIf), 10)
}

func appendOrDash(dst []byte, a *Address) []byte {
	if a.length == 0 {
		return append(dst, '-')
	}
	return a.Addr().AppendTo(dst)
}

func appendEndpoint(dst []byte, a *Address, port uint32) []byte {
	if a.length == 16 {
		dst = append(dst, '[')
		dst = append(appendOrDash(dst, a), ']')
	} else {
		dst = appendOrDash(dst, a)
	}
	dst = append(dst, ':')
	return strconv.AppendUint(dst, uint64(port), 10)
}
