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
	data []byte
	next uint32
	open bool
}

// Bounds of SCTP: associations, and chunks that are remembered of each.
const (
	maxAssociations = 256
	maxSeen         = 4096
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
	switch {
	case flags&sctpBegin != 0 && flags&sctpEnd != 0:
		return data
	case flags&sctpBegin != 0:
		a.data, a.next, a.open = append(a.data[:0], data...), number+1, true
		return nil
	case !a.open || number != a.next || len(a.data)+len(data) > maxDatagram:
		if a.open {
			r.problem(r.frame, "a message over SCTP is not whole in the capture")
		}
		a.open = false
		return nil
	}
	a.data, a.next = append(a.data, data...), number+1
	if flags&sctpEnd == 0 {
		return nil
	}
	a.open = false
	return a.data
}
