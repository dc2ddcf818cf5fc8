package network

import "testing"

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
