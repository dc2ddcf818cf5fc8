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
func (c *cursor) address(a *flow.Address) []byte {
	n := address(c.b, a)
	if c.bad || n == 0 {
		c.bad = true
		return nil
	}
	bytes := c.b[4:n:n]
	c.b = c.b[n:]
	return bytes
}

// hop reads the address of a next hop as address does. The unspecified one says that there is none (RFC 4291 section 2.5.2).
func hop(b []byte, a *flow.Address) int {
	n := address(b, a)
	if a.IsZero() {
		a.Clear()
	}
	return n
}

// address reads an address union (sFlow version 5, "enum address_type") from the front of b and returns its length with its type, 0
// where it is cut short or of an unknown type.
func address(b []byte, a *flow.Address) int {
	if len(b) < 4 {
		return 0
	}
	switch binary.BigEndian.Uint32(b) {
	case addressUnknown:
		a.Clear()
		return 4
	case addressIPv4:
		if len(b) < 8 {
			return 0
		}
		a.Set4(b[4:])
		return 8
	case addressIPv6:
		if len(b) < 20 {
			return 0
		}
		a.Set16(b[4:])
		return 20
	}
	return 0
}
