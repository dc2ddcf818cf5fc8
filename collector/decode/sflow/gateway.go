package sflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// gateway reads "extended_gateway".
func (d *decoder) gateway(b []byte) bool {
	c := cursor{b: b}
	d.keep(recordGateway, 0, c.address(&d.r.BGPNextHop))
	if c.bad {
		d.r.BGPNextHop.Clear()
		return false
	}
	if len(c.b) >= 12 {
		d.keep(recordGateway, 1, c.b[:4])
		d.keep(recordGateway, 3, c.b[8:12])
	}
	if !d.asPath(&c, true) {
		return false
	}
	if len(c.b) >= 4 {
		d.keep(recordGateway, 4, c.b[:4])
	}
	return true
}

// lastAS is the highest number that an AS can have (RFC 7300): agents send all ones for an unknown one.
const lastAS = 1<<32 - 2

// asPath reads an extended_gateway behind its next hop. The AS path comes in segments, all of which count, or, in version 2, as one
// list. The flow's destination is the last AS of the path, its next hop the first; without a path it is the router's own.
func (d *decoder) asPath(c *cursor, segmented bool) bool {
	r := d.r
	router, source := c.word(), c.word()
	c.word() // the source's peer
	count := c.word()
	if c.bad {
		return false
	}
	if r.SrcAS = source; source == 0 || source > lastAS {
		r.SrcAS = router
	}
	r.DstAS = router
	if !segmented {
		return d.appendPath(c.take(uint64(count)*4), c)
	}
	for range count {
		c.word() // a set or a sequence
		if !d.appendPath(c.counted(4), c) {
			return false
		}
	}
	communities := c.counted(4)
	if c.bad {
		return false
	}
	for ; len(communities) >= 4 && len(r.BGPCommunities) < flow.MaxCommunities; communities = communities[4:] {
		r.BGPCommunities = append(r.BGPCommunities, binary.BigEndian.Uint32(communities))
	}
	return true
}

// appendPath takes a segment, whose numbers stand even where what follows turns out to be damaged.
func (d *decoder) appendPath(segment []byte, c *cursor) bool {
	if c.bad {
		return false
	}
	r := d.r
	for ; len(segment) >= 4; segment = segment[4:] {
		r.DstAS = binary.BigEndian.Uint32(segment)
		if len(r.ASPath) < flow.MaxASPath {
			r.ASPath = append(r.ASPath, r.DstAS)
		}
		r.NextHopAS = r.ASPath[0]
	}
	return true
}
