package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Not all that is kept of exports has frames around it: IPFIX files are messages one behind the other (RFC 5655 section 6), and tests of
// collectors have the payloads of single datagrams.

// linkPayload is the link type of what begins with the export itself; those of captures have 16 bits.
const linkPayload = 1 << 16

// maxExport is the longest that a UDP datagram or an IPFIX message can be.
const maxExport = 1<<16 - 1

// noSender stands for the address and port that such a file does not tell.
var noSender = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)

// isPayload reports whether a file with these first four bytes begins with an export: a version of NetFlow or IPFIX, or one of sFlow.
func isPayload(first [4]byte) bool {
	switch version := binary.BigEndian.Uint16(first[:]); version {
	case 1, 5, 6, 7, 8, 9, 10:
		return true
	case 0:
		sflow := binary.BigEndian.Uint16(first[2:])
		return sflow == 2 || sflow == 4 || sflow == 5
	}
	return false
}

// payloads reads a file of exports: messages of IPFIX and packets of NetFlow v5 to v7 until there is none, or the payload of one datagram
// of another version, which does not say where it ends.
type payloads struct {
	in     *bufio.Reader
	buffer []byte
	// saved is when the file was saved: when it was received, for all that is known of exports that do not say when they were sent.
	saved time.Time
}

func (p *payloads) next() (frame, error) {
	head, err := p.in.Peek(4)
	if len(head) == 0 {
		return frame{}, err
	}
	var data []byte
	cut := false
	if n := length(head); n != 0 {
		if data, err = p.take(n); len(data) < n {
			cut = true
		}
	} else if data, err = p.take(maxExport + 1); len(data) > maxExport {
		return frame{}, fmt.Errorf("it is no capture, and more than the %d bytes that a datagram can have", maxExport)
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return frame{}, err
	}
	return frame{data: data, linkType: linkPayload, time: sent(data, p.saved), cut: cut}, nil
}

// take reads n bytes, or those that are left.
func (p *payloads) take(n int) ([]byte, error) {
	if cap(p.buffer) < n {
		p.buffer = make([]byte, n)
	}
	read, err := io.ReadFull(p.in, p.buffer[:n])
	return p.buffer[:read], err
}

// length is how long the export is whose first four bytes these are, 0 where they do not tell.
func length(head []byte) int {
	if len(head) < 4 {
		return 0
	}
	const header = 24
	switch version, n := binary.BigEndian.Uint16(head), int(binary.BigEndian.Uint16(head[2:])); version {
	case 10:
		if n >= 16 { // its header (RFC 7011 section 3.1); less contradicts it
			return n
		}
	case 5, 6, 7:
		if n = header + recordLengths[version]*n; n <= maxExport {
			return n
		}
	}
	return 0
}

// recordLengths are those of the versions of NetFlow whose header says how many records follow (Cisco's "NetFlow Export Datagram Format").
var recordLengths = map[uint16]int{5: 48, 6: 52, 7: 52}

// clockSet is when there was no NetFlow yet, in seconds since 1970: a header that shows less is of a clock that was never set.
const clockSet = 757_382_400

// sent is the time of export of a header, and otherwise where there is none: sFlow counts from the agent's start only.
func sent(b []byte, otherwise time.Time) time.Time {
	at := 8 // of NetFlow (Cisco's "NetFlow Export Datagram Format"; RFC 3954 section 5.1)
	if len(b) < 12 || binary.BigEndian.Uint16(b) == 0 {
		return otherwise
	}
	if binary.BigEndian.Uint16(b) == 10 {
		at = 4
	}
	seconds := binary.BigEndian.Uint32(b[at:])
	if seconds < clockSet {
		return otherwise
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// payload hands over a frame that is an export itself.
func (r *Reader) payload(f *frame) bool {
	r.found = Datagram{File: r.path, Frame: r.frame, Time: f.time, Source: noSender, Destination: noSender, Payload: f.data, Truncated: f.cut}
	if f.cut {
		r.problem(r.frame, fmt.Sprintf("it ends within an export, of which %d bytes are there", len(f.data)))
	}
	return true
}
