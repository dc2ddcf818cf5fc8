package capture

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// IPFIX runs over TCP, whose stream its messages' lengths divide (RFC 7011 section 10.4), and over SCTP, which keeps messages apart
// (section 10.2).

// pair is one direction of a connection.
type pair struct {
	source, destination netip.AddrPort
}

// stream is one direction of a TCP connection.
type stream struct {
	// next is the sequence number of the first byte that has not come; known says that it is known.
	next  uint32
	known bool
	// data is what came in order and is no whole message yet, early what came before its turn.
	data  []byte
	early []segment
	size  int // of early
	// isIPFIX: messages of IPFIX were found in it. foreign: its first bytes are none.
	isIPFIX, foreign bool
	last             time.Time
	file             string
	frame            int
}

// segment is a part of a stream that came before its turn.
type segment struct {
	sequence uint32
	data     []byte
}

// Bounds of reassembly: connections, and of each what came before its turn. A message has at most 64 KiB.
const (
	maxStreams  = 256
	maxEarly    = 128
	maxEarlySum = 1 << 18
)

// Flags of TCP (RFC 9293 section 3.1).
const (
	tcpFIN = 1
	tcpSYN = 2
	tcpRST = 4
)

// tcp takes a segment, and queues the messages that it completes.
func (r *Reader) tcp(f *frame, source, destination netip.Addr, b []byte, cut bool) bool {
	const shortest = 20
	if len(b) < shortest || len(b) < int(b[12]>>4)*4 || b[12]>>4 < shortest/4 {
		r.problem(r.frame, "a TCP header is cut short")
		return false
	}
	key := pair{netip.AddrPortFrom(source.Unmap(), binary.BigEndian.Uint16(b)),
		netip.AddrPortFrom(destination.Unmap(), binary.BigEndian.Uint16(b[2:]))}
	sequence, flags, data := binary.BigEndian.Uint32(b[4:]), b[13], b[int(b[12]>>4)*4:]
	s := r.streams[key]
	if flags&tcpSYN != 0 {
		if s != nil {
			r.leave(key, s)
		}
		s = r.beginStream(key, f.time)
		s.next, s.known = sequence+1, true
		r.pass("TCP segments without data")
		return r.dequeue() // data with it is rare, and comes again
	}
	if len(data) > 0 {
		if s == nil {
			s = r.beginStream(key, f.time)
		}
		s.last, s.file, s.frame = f.time, r.path, r.frame
		r.segment(f, key, s, sequence, data)
		if cut && s.isIPFIX {
			r.problem(r.frame, "the capture holds less of a TCP segment than was sent")
		}
		if s.foreign {
			r.pass("TCP")
		}
	}
	if len(data) == 0 {
		r.pass("TCP segments without data")
	}
	if flags&(tcpFIN|tcpRST) != 0 && s != nil {
		r.leave(key, s)
	}
	return r.dequeue()
}

// segment puts data where it belongs in the stream.
func (r *Reader) segment(f *frame, key pair, s *stream, sequence uint32, data []byte) {
	if s.foreign {
		return
	}
	if !s.known { // the capture began within the connection, or lost a part of it
		at := s.firstMessage(key, data, f.time)
		if at < 0 {
			r.pass("TCP")
			return
		}
		sequence, data = sequence+uint32(at), data[at:]
		s.next, s.known = sequence, true
	}
	if ahead := int32(sequence - s.next); ahead > 0 {
		s.early = append(s.early, segment{sequence, append([]byte(nil), data...)})
		if s.size += len(data); len(s.early) > maxEarly || s.size > maxEarlySum {
			r.skipGap(f, key, s)
		}
		return
	}
	r.append(f, key, s, sequence, data)
	for taken := true; taken && !s.foreign; {
		taken = false
		for i, e := range s.early {
			if int32(e.sequence-s.next) <= 0 {
				s.early = append(s.early[:i], s.early[i+1:]...)
				s.size -= len(e.data)
				r.append(f, key, s, e.sequence, e.data)
				taken = true
				break
			}
		}
	}
}

// append takes data that begins at or before the next byte, and queues the messages that are whole.
func (r *Reader) append(f *frame, key pair, s *stream, sequence uint32, data []byte) {
	behind := s.next - sequence
	if uint64(behind) >= uint64(len(data)) {
		return // it was sent again
	}
	data = data[behind:]
	s.next += uint32(len(data))
	s.data = append(s.data, data...)
	for len(s.data) >= messageHeader+setHeader {
		length := int(binary.BigEndian.Uint16(s.data[2:]))
		if !beginsMessage(s.data) {
			if s.isIPFIX {
				r.problem(r.frame, fmt.Sprintf("the TCP stream from %s is no IPFIX from here on", key.source))
			}
			s.foreign, s.data, s.early, s.size = !s.isIPFIX, nil, nil, 0
			s.known = false
			return
		}
		s.isIPFIX = true
		if len(s.data) < length {
			return
		}
		r.enqueue(f, key, s.data[:length])
		s.data = append(s.data[:0], s.data[length:]...)
	}
	if len(s.data) == messageHeader && beginsMessage(s.data) && binary.BigEndian.Uint16(s.data[2:]) == messageHeader {
		r.enqueue(f, key, s.data)
		s.data = s.data[:0]
	}
}

// Lengths of IPFIX's headers (RFC 7011 sections 3.1 and 3.3.2), and the ids that sets can have.
const (
	messageHeader = 16
	setHeader     = 4
	firstDataSet  = 256
)

// beginsMessage reports whether b begins as a message of IPFIX does, as far as it is there: with a header, and a set within its length.
func beginsMessage(b []byte) bool {
	if len(b) < 4 || binary.BigEndian.Uint16(b) != 10 {
		return false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length == messageHeader || length > messageHeader && len(b) < messageHeader+setHeader {
		return true
	}
	if length < messageHeader+setHeader {
		return false
	}
	id, size := binary.BigEndian.Uint16(b[messageHeader:]), int(binary.BigEndian.Uint16(b[messageHeader+2:]))
	return (id == 2 || id == 3 || id >= firstDataSet) && size >= setHeader && size <= length-messageHeader
}

// portIPFIX is where IPFIX is collected (RFC 7011 section 10.1).
const portIPFIX = 4739

// longestAge is how far the time of export of a message that is looked for may be from that of its frame.
const longestAge = 24 * time.Hour

// firstMessage is where the first message begins in a segment of a stream whose place is not known, -1 where none does. It is looked for
// within the segment where IPFIX is to be expected.
func (s *stream) firstMessage(key pair, b []byte, now time.Time) int {
	if beginsMessage(b) {
		return 0
	}
	if !s.isIPFIX && key.source.Port() != portIPFIX && key.destination.Port() != portIPFIX {
		return -1
	}
	for at := 1; at+messageHeader+setHeader <= len(b); at++ {
		if !beginsMessage(b[at:]) {
			continue
		}
		if age := now.Sub(time.Unix(int64(binary.BigEndian.Uint32(b[at+4:])), 0)); age.Abs() <= longestAge {
			return at
		}
	}
	return -1
}

// skipGap gives up bytes that never came: the stream goes on at the first message in what came early.
func (r *Reader) skipGap(f *frame, key pair, s *stream) {
	if s.isIPFIX {
		r.problem(r.frame, fmt.Sprintf("bytes of the TCP stream from %s are not in the capture", key.source))
	}
	early, next := s.early, s.next
	s.data, s.early, s.size, s.known = nil, nil, 0, false
	slices.SortStableFunc(early, func(a, b segment) int { return cmp.Compare(a.sequence-next, b.sequence-next) })
	for _, e := range early {
		r.segment(f, key, s, e.sequence, e.data)
	}
}

// beginStream keeps a new stream, in place of the one that was heard of longest ago where there are too many.
func (r *Reader) beginStream(key pair, now time.Time) *stream {
	if r.streams == nil {
		r.streams = make(map[pair]*stream)
	}
	if len(r.streams) >= maxStreams {
		var oldest pair
		var found *stream
		for k, s := range r.streams {
			if found == nil || s.last.Before(found.last) {
				oldest, found = k, s
			}
		}
		r.leave(oldest, found)
	}
	s := &stream{last: now, file: r.path, frame: r.frame}
	r.streams[key] = s
	return s
}

// leave forgets a stream, with what came behind gaps in it, and reports what is unfinished of it.
func (r *Reader) leave(key pair, s *stream) {
	delete(r.streams, key)
	path, at := r.path, r.frame
	r.path, r.frame = s.file, s.frame // what is found now came there at the latest
	defer func() { r.path, r.frame = path, at }()
	for !s.foreign && len(s.early) > 0 {
		r.skipGap(&frame{time: s.last}, key, s) // each takes a segment at least
	}
	if !s.isIPFIX && !s.foreign && len(s.data)+len(s.early) > 0 {
		r.pass("TCP")
	}
	if !s.isIPFIX || len(s.data) == 0 && len(s.early) == 0 {
		return
	}
	r.problem(r.frame, fmt.Sprintf("%d bytes of the TCP stream from %s are no whole message", len(s.data)+s.size, key.source))
}

// enqueue keeps a message until it is asked for.
func (r *Reader) enqueue(f *frame, key pair, payload []byte) {
	r.queue = append(r.queue, Datagram{
		File: r.path, Frame: r.frame, Time: f.time, Source: key.source, Destination: key.destination,
		Payload: append([]byte(nil), payload...),
	})
}

// dequeue makes the first message that waits the one found.
func (r *Reader) dequeue() bool {
	if len(r.queue) == 0 {
		return false
	}
	r.found, r.queue = r.queue[0], r.queue[1:]
	return true
}
