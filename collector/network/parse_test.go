package network

import (
	"net/netip"
	"testing"
)

func TestParseReadsNetworksAndAddresses(t *testing.T) {
	for s, want := range map[string]string{
		"10.20.30.40/16": "10.20.0.0/16", "192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8::1": "2001:db8::1/128",
		"fe80::1%eth0": "fe80::1/128", "0.0.0.0/0": "0.0.0.0/0", "10.0.0.0/40": "", "router-1": "", "": "",
	} {
		p, ok := Parse(s)
		if got := p.String(); ok != (want != "") || ok && got != want {
			t.Errorf("%q is %s, %v; want %q", s, got, ok, want)
		}
	}
}

func TestAnAddressIsTheSameHoweverItIsWritten(t *testing.T) {
	a := netip.MustParseAddr("192.0.2.1")
	for text, want := range map[string]bool{"192.0.2.1": true, "::ffff:192.0.2.1": true, "192.0.2.10": false, "192.0.2.0/24": false, "": false} {
		if Is(text, a) != want || Is(text, netip.AddrFrom16(a.As16())) != want {
			t.Errorf("%q is %s: %t", text, a, !want)
		}
	}
}
