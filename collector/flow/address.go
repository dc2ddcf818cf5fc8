package flow

import "net/netip"

// Address is an IPv4 or IPv6 address as flat bytes, so that a Record holds no pointers for it. The zero Address is none.
type Address struct {
	bytes  [16]byte
	length uint8 // 0, 4 or 16
}

// AddressFrom converts a; an IPv4-mapped IPv6 address becomes IPv4.
func AddressFrom(a netip.Addr) Address {
	var out Address
	switch a = a.Unmap(); {
	case a.Is4():
		b := a.As4()
		out.Set4(b[:])
	case a.Is6():
		out.Set16(a.AsSlice())
	}
	return out
}

// Set4 takes the first 4 bytes of b, which must have them.
func (a *Address) Set4(b []byte) { *(*[4]byte)(a.bytes[:4]) = [4]byte(b); a.length = 4 }

// Set16 takes the first 16 bytes of b, which must have them.
func (a *Address) Set16(b []byte) { a.bytes = [16]byte(b); a.length = 16 }

// Clear makes a none.
func (a *Address) Clear() { a.length = 0 }

// IsZero reports whether a is none, or consists of zero bits only.
func (a *Address) IsZero() bool {
	return a.length == 0 || a.bytes == [16]byte{} || (a.length == 4 && [4]byte(a.bytes[:4]) == [4]byte{})
}

// Len is 0, 4 or 16.
func (a *Address) Len() int { return int(a.length) }

// Bytes are the address's own bytes (0, 4 or 16), valid until a changes.
func (a *Address) Bytes() []byte { return a.bytes[:a.length] }

// Addr converts to netip; none becomes the invalid netip.Addr.
func (a *Address) Addr() netip.Addr {
	addr, _ := netip.AddrFromSlice(a.Bytes())
	return addr
}
