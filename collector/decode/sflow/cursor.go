package sflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// cursor reads XDR (RFC 4506) from the front of b. Once something does not fit it is bad, and reads nothing but zeros.
type cursor struct {
	b   []byte
	bad bool
}

// take returns the next n bytes, nil where they are not there. The parts of XDR have multiples of four bytes: what is less at the
// end may be missing, as some agents leave the last padding out.
func (c *cursor) take(n uint64) []byte {
	if c.bad || n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[min((n+3)&^3, uint64(len(c.b))):]
	return out
}

func (c *cursor) word() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// counted returns bytes behind their number, and words behind theirs where size is 4.
func (c *cursor) counted(size uint64) []byte { return c.take(uint64(c.word()) * size) }

// address reads an address and returns its bytes, none for an unknown one.
func (c *cursor) address(a *flow.Address) (bytes []byte) {
	a.Clear()
	switch c.word() {
	case addressUnknown:
	case addressIPv4:
		if bytes = c.take(4); bytes != nil {
			a.Set4(bytes)
		}
	case addressIPv6:
		if bytes = c.take(16); bytes != nil {
			a.Set16(bytes)
		}
	default:
		c.bad = true
	}
	return bytes
}
