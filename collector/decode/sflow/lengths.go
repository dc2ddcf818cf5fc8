package sflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// lengthsOfHeads are those of what is before the records of samples, by format. It ends with the number of records.
var lengthsOfHeads = [...]int{formatFlow: flowSampleLength, formatCounter: 12, formatExpandedFlow: expandedSampleLength,
	formatExpandedCounter: 16, formatDiscarded: discardedPacketLength}

// headLength is 0 for formats that are not known.
func headLength(format uint32) int {
	if format >= uint32(len(lengthsOfHeads)) {
		return 0
	}
	return lengthsOfHeads[format]
}

// mostRecordsSought bounds the records that are walked over to find a sample's end. Samples have less than ten.
const mostRecordsSought = 64

// recordsEnd is how far the records of a sample reach, whose body begins at the front of b, whatever length it says; 0 where b does not
// have them all.
func recordsEnd(format uint32, b []byte) int {
	head := headLength(format)
	if head == 0 || len(b) < head {
		return 0
	}
	records, rest := binary.BigEndian.Uint32(b[head-4:]), b[head:]
	if records > mostRecordsSought {
		return 0
	}
	for range records {
		_, _, next, ok := recordAt(rest)
		if !ok {
			return 0
		}
		rest = next
	}
	return len(b) - len(rest)
}

// isSample reports whether b begins with a sample of a known format that has room for the records that it announces, and holds the first.
func isSample(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	format, length := binary.BigEndian.Uint32(b), uint64(binary.BigEndian.Uint32(b[4:]))
	head := headLength(format)
	if b = b[8:]; head == 0 || len(b) < head || length < uint64(head) {
		return false
	}
	if length > uint64(len(b)) {
		return recordsEnd(format, b) > head
	}
	records := binary.BigEndian.Uint32(b[head-4:])
	b = b[head:length]
	return 8*uint64(records) <= uint64(len(b)) && (records == 0 || begins(b))
}

// realEnd is where a sample ends whose body begins at the front of b and which says that it ends at said, where no sample is: its records
// say it, if one is behind them, or the datagram's end. Agents count lengths wrongly, and what is behind such a sample is whole.
func realEnd(format uint32, b []byte, said int) int {
	if end := recordsEnd(format, b); end != 0 && (end == len(b) || isSample(b[end:])) {
		return end
	}
	return said
}

// behindZeros is the sample behind words of zero at the front of b, with which an agent fills up what is between two; b where there is none.
func behindZeros(b []byte) []byte {
	const most = 64
	for n := 4; n <= min(most, len(b)) && binary.BigEndian.Uint32(b[n-4:]) == 0; n += 4 {
		if isSample(b[n:]) {
			return b[n:]
		}
	}
	return b
}

// split parts the body of a sample, which begins at the front of b, from what follows it. cut: the datagram ends within the sample. The
// parts of it that are whole count then, and where the last sample is longer than it says: its capacity reaches to the datagram's end.
func (d *decoder) split(format, length uint32, b []byte, last bool) (body, rest []byte, cut bool) {
	if cut = uint64(length) > uint64(len(b)); cut {
		body = b
	} else {
		body, rest = b[:length], behind(b, length)
	}
	if last || !isSample(rest) {
		end := realEnd(format, b, len(body))
		switch {
		case end != len(body):
			d.once(wrongLength(len(body), end))
			body, rest, cut = b[:end], b[end:], false
		case last && len(body) >= headLength(format):
			return body, rest, cut
		}
		rest = behindZeros(rest)
	}
	return body[:len(body):len(body)], rest, cut
}

// once counts what is counted of a datagram, and not of each of its samples.
func (d *decoder) once(c ledger.Counter) {
	said := &d.trailing
	if c == ledger.DatagramsTruncated {
		said = &d.truncated
	}
	if !*said {
		*said = true
		d.counts.Inc(c)
	}
}

// wrongLength is what a sample counts as that says one end and has another.
func wrongLength(said, end int) ledger.Counter {
	if said < end {
		return ledger.DatagramsTrailing
	}
	return ledger.DatagramsTruncated
}
