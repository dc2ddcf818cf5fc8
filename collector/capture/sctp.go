package capture

import (
	"encoding/binary"
	"net/netip"
)

// Chunks of SCTP (RFC 9260 sections 3.2 and 3.3.1).
const (
	sctpHeader     = 12
	sctpData       = 0
	sctpDataHeader = 16
	sctpEnd        = 1
	sctpBegin      = 2
)

// association is one direction of an SCTP association: which chunks came, and a message of several.
type association struct {
	// seen are the numbers of chunks that came lately: what is sent again counts once.
	seen map[uint32]struct{}
	// parts are chunks of messages that have several, by number, which follow each other (RFC 9260 section 6.9); size is that of all.
	parts map[uint32]part
	size  int
	// file and frame are where the last of them came.
	file  string
	frame int
}

// part is a chunk of a message that has several.
type part struct {
	flags byte
	data  []byte
}

// Bounds of SCTP: associations, chunks that are remembered of each, and bytes of chunks that wait for others.
const (
	maxAssociations = 256
	maxSeen         = 4096
	maxParts        = 1 << 18
	partCost        = 1024 // for each beside its bytes: the neighbours of each one that comes are walked over
)

// sctp queues the messages of IPFIX (RFC 7011 section 10.2) and NetFlow v9 (RFC 3954 section 3.1 leaves the transport open) in a packet.
func (r *Reader) sctp(f *frame, source, destination netip.Addr, b []byte) bool {
	if len(b) < sctpHeader {
		r.problem(r.frame, "an SCTP header is cut short")
		return false
	}
	key := pair{netip.AddrPortFrom(source.Unmap(), binary.BigEndian.Uint16(b)),
		netip.AddrPortFrom(destination.Unmap(), binary.BigEndian.Uint16(b[2:]))}
	foreign := false
	for b = b[sctpHeader:]; len(b) >= 4; {
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < 4 || length > len(b) {
			r.problem(r.frame, "an SCTP chunk is cut short")
			break
		}
		chunk := b[:length]
		b = b[min((length+3)&^3, len(b)):]
		if chunk[0] != sctpData || length <= sctpDataHeader {
			continue
		}
		if message := r.chunk(key, chunk); message != nil {
			if beginsFlows(message) {
				r.enqueue(f, key, message)
			} else {
				foreign = true
			}
		}
	}
	if foreign {
		r.pass("SCTP")
	}
	return r.dequeue()
}

// beginsFlows tells a message by its version.
func beginsFlows(b []byte) bool {
	return len(b) >= 4 && (binary.BigEndian.Uint16(b) == 9 || beginsMessage(b))
}

// chunk takes a data chunk and returns the message that it completes, nil for none.
func (r *Reader) chunk(key pair, chunk []byte) []byte {
	a := r.associations[key]
	if a == nil {
		if r.associations == nil || len(r.associations) >= maxAssociations {
			r.associations = make(map[pair]*association)
		}
		a = &association{seen: make(map[uint32]struct{})}
		r.associations[key] = a
	}
	number, flags, data := binary.BigEndian.Uint32(chunk[4:]), chunk[1], chunk[sctpDataHeader:]
	if _, again := a.seen[number]; again {
		return nil
	}
	if len(a.seen) >= maxSeen {
		clear(a.seen)
	}
	a.seen[number] = struct{}{}
	if flags&sctpBegin != 0 && flags&sctpEnd != 0 {
		return data
	}
	if a.size += len(data) + partCost; a.size > maxParts {
		r.giveUpParts(a)
		a.size = len(data) + partCost
	}
	if a.parts == nil {
		a.parts = make(map[uint32]part)
	}
	a.file, a.frame = r.path, r.frame
	a.parts[number] = part{flags, append([]byte(nil), data...)}
	return a.complete(number)
}

// complete takes the message that a chunk belongs to, nil where it is not whole.
func (a *association) complete(number uint32) (message []byte) {
	first := number
	for a.parts[first].flags&sctpBegin == 0 {
		if _, ok := a.parts[first-1]; !ok {
			return nil
		}
		first--
	}
	last := number
	for a.parts[last].flags&sctpEnd == 0 {
		if _, ok := a.parts[last+1]; !ok {
			return nil
		}
		last++
	}
	for n := first; n != last+1; n++ {
		message = append(message, a.parts[n].data...)
		a.size -= len(a.parts[n].data) + partCost
		delete(a.parts, n)
	}
	if len(message) > maxDatagram {
		return nil // no message of IPFIX is as long
	}
	return message
}

// giveUpParts drops the chunks of messages that are not whole.
func (r *Reader) giveUpParts(a *association) {
	if len(a.parts) > 0 {
		path := r.path
		r.path = a.file
		r.problem(a.frame, "a message over SCTP is not whole in the capture")
		r.path = path
	}
	clear(a.parts)
	a.size = 0
}
