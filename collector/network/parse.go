package network

import "net/netip"

// Parse reads a network, which it masks, or an address, which is the network of itself alone; an IPv4-mapped address is an IPv4 one, and a
// zone is left out. It is false for anything else.
func Parse(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	return Alone(a), true
}

// Is reports whether a text is an address; an IPv4-mapped address is an IPv4 one.
func Is(s string, a netip.Addr) bool {
	one, err := netip.ParseAddr(s)
	return err == nil && one.Unmap() == a.Unmap()
}

// Alone is the network of one address; an IPv4-mapped address is an IPv4 one, and a zone is left out.
func Alone(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen())
}
