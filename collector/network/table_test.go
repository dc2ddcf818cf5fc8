package network

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestLongestNetworkWins(t *testing.T) {
	table := New([]Entry[int]{
		{netip.MustParsePrefix("0.0.0.0/0"), 1},
		{netip.MustParsePrefix("10.0.0.0/8"), 2},
		{netip.MustParsePrefix("10.1.2.3/32"), 3},
		{netip.MustParsePrefix("2001:db8::/32"), 4},
		{netip.MustParsePrefix("::ffff:192.0.2.0/120"), 5},
		{netip.MustParsePrefix("10.9.9.9/8"), 6}, // the same network again: the last counts
	})
	for address, want := range map[string]int{
		"192.168.0.1":        1,
		"10.200.0.1":         6,
		"10.1.2.3":           3,
		"::ffff:10.1.2.3":    3,
		"192.0.2.77":         5,
		"2001:db8::1":        4,
		"2001:db8::1%eth0":   4,
		"2001:db9::1":        0,
		"::ffff:192.0.2.200": 5,
	} {
		got, ok := table.Lookup(netip.MustParseAddr(address))
		if got != want || ok != (want != 0) {
			t.Errorf("Lookup(%s) = %d, %t; want %d", address, got, ok, want)
		}
	}
	if _, ok := (*Table[int])(nil).Lookup(netip.MustParseAddr("10.0.0.1")); ok {
		t.Error("a nil table found something")
	}
}

func TestOfTwoAddressesTheSmallerNetworkCounts(t *testing.T) {
	table := New([]Entry[int]{
		{netip.MustParsePrefix("0.0.0.0/0"), 1}, {netip.MustParsePrefix("10.0.0.0/8"), 2}, {netip.MustParsePrefix("10.1.2.3/32"), 3},
		{netip.MustParsePrefix("192.0.2.1/32"), 4}, {netip.MustParsePrefix("2001:db8::1/128"), 5}, {netip.MustParsePrefix("2001:db8::/64"), 6},
	})
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"10.1.2.3", "192.0.2.1", 3}, {"192.0.2.1", "10.1.2.3", 4}, {"10.2.2.2", "192.0.2.1", 4}, {"198.51.100.1", "10.2.2.2", 2},
		{"198.51.100.1", "198.51.100.2", 1}, {"2001:db8::2", "10.2.2.2", 2}, {"10.2.2.2", "2001:db8::1", 5}, {"2001:db9::1", "10.1.2.3", 3},
		{"10.1.2.3", "2001:db9::1", 3}, {"", "10.1.2.3", 3}, {"10.1.2.3", "", 3}, {"2001:db9::1", "", 0}, {"", "", 0},
	} {
		a, _ := netip.ParseAddr(test.a)
		b, _ := netip.ParseAddr(test.b)
		if got, ok := table.LookupEither(a, b); got != test.want || ok != (test.want != 0) {
			t.Errorf("%q or %q: %d, %t; want %d", test.a, test.b, got, ok, test.want)
		}
	}
	if _, ok := (*Table[int])(nil).LookupEither(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")); ok {
		t.Error("a nil table found something")
	}
}

func TestLookupAgreesWithASearchThroughAllNetworks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var entries []Entry[int]
	for i := range 200 {
		a := netip.AddrFrom4([4]byte{10, byte(random.IntN(4)), byte(random.IntN(4)), byte(random.IntN(256))})
		entries = append(entries, Entry[int]{netip.PrefixFrom(a, 8+random.IntN(25)), i})
	}
	table := New(entries)
	for range 2000 {
		a := netip.AddrFrom4([4]byte{10, byte(random.IntN(5)), byte(random.IntN(5)), byte(random.IntN(256))})
		best, bits := -1, -1
		for i, e := range entries {
			if e.Network.Contains(a) && e.Network.Bits() >= bits {
				best, bits = i, e.Network.Bits()
			}
		}
		got, ok := table.Lookup(a)
		if ok != (best >= 0) || ok && got != best {
			t.Fatalf("Lookup(%s) = %d, %t; want %d", a, got, ok, best)
		}
	}
	address := netip.MustParseAddr("10.1.1.1")
	if n := testing.AllocsPerRun(100, func() { table.Lookup(address) }); n != 0 {
		t.Errorf("a look-up allocates %v times", n)
	}
}
