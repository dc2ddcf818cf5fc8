package sflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// gateway reads "extended_gateway".
func (d *decoder) gateway(b []byte) bool {
	d.parts.gateway = true
	n := hop(b, &d.r.BGPNextHop)
	if n == 0 {
		return false
	}
	if d.options.Extra {
		d.keep(recordGateway, 0, b[4:n])
		if len(b) >= n+12 {
			d.keep(recordGateway, 1, b[n:n+4])
			d.keep(recordGateway, 3, b[n+8:n+12])
		}
	}
	rest, ok := d.asPath(b[n:], true)
	if ok && d.options.Extra && len(rest) >= 4 {
		d.keep(recordGateway, 4, rest[:4])
	}
	return ok
}

// lastAS is the highest number that an AS can have (RFC 7300): agents send all ones for an unknown one.
const lastAS = 1<<32 - 2

// isAS reports whether a number can be that of an AS. 0 is none's either (RFC 7607).
func isAS(n uint32) bool { return n != 0 && n <= lastAS }

// asPath reads an extended_gateway behind its next hop, and returns what follows the communities, or, in version 2, the path. The AS path
// comes in segments, all of which count, or, in version 2, as one list. The flow's destination is the last AS of the path, its next hop
// the first; without a path it is the router's own.
func (d *decoder) asPath(b []byte, segmented bool) (rest []byte, ok bool) {
	const head = 16 // with the source's peer
	if len(b) < head {
		return nil, false
	}
	r := d.r
	router, source := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if !isAS(router) {
		router = 0
	}
	if r.SrcAS = source; !isAS(source) {
		r.SrcAS = router
	}
	r.DstAS = router
	if segmented {
		b, ok = d.segments(b[12:])
	} else {
		b, ok = d.segment(b[12:])
	}
	switch {
	case !ok: // where the path leads is in what is not there
		r.DstAS = 0
		return nil, false
	case !segmented:
		return b, true
	}
	if len(b) < 4 {
		return nil, false
	}
	communities := binary.BigEndian.Uint32(b)
	if b = b[4:]; uint64(communities)*4 > uint64(len(b)) {
		return nil, false
	}
	for i := range min(communities, flow.MaxCommunities) {
		r.BGPCommunities = append(r.BGPCommunities, binary.BigEndian.Uint32(b[4*i:]))
	}
	return b[4*communities:], true
}

// segments takes the segments of a path, which are behind their number, from the front of b.
func (d *decoder) segments(b []byte) (rest []byte, ok bool) {
	count := binary.BigEndian.Uint32(b)
	b = b[4:]
	for range count {
		if len(b) < 8 {
			return nil, false
		}
		if b, ok = d.segment(b[4:]); !ok { // behind its type, a set or a sequence
			return nil, false
		}
	}
	return b, true
}

// segment takes a list of ASs from the front of b; they count even where what follows turns out to be damaged.
func (d *decoder) segment(b []byte) (rest []byte, ok bool) {
	count := binary.BigEndian.Uint32(b)
	if b = b[4:]; uint64(count)*4 > uint64(len(b)) {
		return nil, false
	}
	r := d.r
	for i := range count {
		as := binary.BigEndian.Uint32(b[4*i:])
		if !isAS(as) {
			continue // where nobody knows the path, agents send one of it
		}
		r.DstAS = as
		if len(r.ASPath) < flow.MaxASPath {
			r.ASPath = append(r.ASPath, as)
		}
	}
	if len(r.ASPath) > 0 {
		r.NextHopAS = r.ASPath[0]
	}
	return b[4*count:], true
}
