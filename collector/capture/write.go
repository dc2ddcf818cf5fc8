package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// What follows writes "PCAP Next Generation Capture File Format" (draft-ietf-opsawg-pcapng), of the kind that collectors make: one
// section, an interface for each collector, datagrams with the time in nanoseconds, and in the end what did not fit. It is the other side
// of the reader here; the libraries that write it bring dissectors of some hundred protocols along.

// Options (sections 3.5, 4.1, 4.2 and 4.6).
const (
	optionComment     = 1
	optionApplication = 4
	optionName        = 2
	optionDescription = 3
	optionStart       = 2
	optionEndTime     = 3
	optionReceived    = 4
	optionDropped     = 5
)

// nanoseconds is the value of optionTSResol: 10^-9 seconds.
const nanoseconds = 9

// maxText bounds a text of a file, in bytes.
const maxText = 1024

// PacketOverhead is how many bytes a packet takes in a file beside its payload, at most.
const PacketOverhead = 32 + headIPv6 + headUDP + 3

// Statistics are what became of the datagrams that a collector should have captured.
type Statistics struct {
	// Received are those of the exporter that came; Dropped those of them that are not in the file, since who reads was too slow, or since
	// they are more than the size that was asked for.
	Received, Dropped uint64
	Begin, End        time.Time
	// Comment says why it ended.
	Comment string
}

// Remark is what who reads a file should know.
const Remark = "IP and UDP headers are made up from what the socket told; a destination of zeros is not known."

// AppendSection begins a file. application wrote it; comment is for people.
func AppendSection(b []byte, application, comment string) []byte {
	b, start := openBlock(b, blockSection)
	b = binary.LittleEndian.AppendUint32(b, byteOrderMagic)
	b = append(b, 1, 0, 0, 0)                                     // version 1.0
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // how long the section is, is not known yet
	return endOptions(text(text(b, optionApplication, application), optionComment, comment), start)
}

// AppendInterface describes the next interface; the first is number 0.
func AppendInterface(b []byte, name, description string) []byte {
	b, start := openBlock(b, blockInterface)
	b = append(b, linkRaw, 0, 0, 0, 0, 0, 0, 0) // packets have any length
	b = text(text(b, optionName, name), optionDescription, description)
	return endOptions(option(b, optionTSResol, []byte{nanoseconds}), start)
}

// AppendPacket appends a datagram that an interface received. Its payload has up to 65,506 bytes; what is longer is left out.
func AppendPacket(b []byte, number uint32, p *Packet) []byte {
	cut := *p
	if len(cut.Payload) > maxPayload {
		cut.Payload, cut.Cut = cut.Payload[:maxPayload], true
	}
	b, start := openBlock(b, blockEnhancedPacket)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = stamp(b, cut.Time)
	lengths := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = appendIP(b, &cut)
	length := uint32(len(b) - lengths - 8)
	binary.LittleEndian.PutUint32(b[lengths:], length)
	if cut.Cut {
		length++
	}
	binary.LittleEndian.PutUint32(b[lengths+4:], length)
	return closeBlock(pad(b), start)
}

// AppendStatistics says in the end what an interface received.
func AppendStatistics(b []byte, number uint32, s Statistics) []byte {
	b, start := openBlock(b, blockStatistics)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = stamp(b, s.End)
	b = text(b, optionComment, s.Comment)
	b = option(b, optionStart, stamp(nil, s.Begin))
	b = option(b, optionEndTime, stamp(nil, s.End))
	b = option(b, optionReceived, binary.LittleEndian.AppendUint64(nil, s.Received))
	return endOptions(option(b, optionDropped, binary.LittleEndian.AppendUint64(nil, s.Dropped)), start)
}

// stamp is a time in nanoseconds since 1970, the upper half first.
func stamp(b []byte, t time.Time) []byte {
	n := uint64(max(t.UnixNano(), 0))
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, uint32(n>>32)), uint32(n))
}

func text(b []byte, code uint16, s string) []byte {
	if s == "" {
		return b
	}
	return option(b, code, []byte(s[:min(len(s), maxText)]))
}

func option(b []byte, code uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

// pad fills up to 32 bits: all that a file consists of is as long as that, and begins at 0.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// openBlock begins a block at b's end, which must be a multiple of 32 bits; the block begins at start.
func openBlock(b []byte, kind uint32) (_ []byte, start int) {
	start = len(b)
	return append(binary.LittleEndian.AppendUint32(b, kind), 0, 0, 0, 0), start
}

// endOptions ends a block that has options.
func endOptions(b []byte, start int) []byte { return closeBlock(append(b, optionEnd, 0, 0, 0), start) }

// closeBlock writes a block's length, at its beginning and at its end.
func closeBlock(b []byte, start int) []byte {
	length := uint32(len(b) - start + 4)
	binary.LittleEndian.PutUint32(b[start+4:], length)
	return binary.LittleEndian.AppendUint32(b, length)
}

// Summary says for people what was captured of an address.
func Summary(of netip.Addr, s *Statistics) string {
	within := ""
	if s.End.After(s.Begin) { // not where a clock was set back
		within = fmt.Sprintf(" in %s", s.End.Sub(s.Begin).Round(time.Millisecond))
	}
	if s.Received == 0 {
		return fmt.Sprintf("nothing was heard of %s%s", of, within)
	}
	text := fmt.Sprintf("captured %d datagrams of %s%s: %s", s.Received-min(s.Dropped, s.Received), of, within, s.Comment)
	if s.Dropped > 0 {
		text += fmt.Sprintf("; %d more came that are not in it: they could not be written fast enough, or are more than the size", s.Dropped)
	}
	return text
}
