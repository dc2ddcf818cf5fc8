package exporters

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// see lets a memory look at a pod that gives so many addresses from one on, and at the router.
func see(m *memory, from netip.Addr, n int, now time.Time) netip.Addr {
	s := newSum()
	known := func(a netip.Addr) bool { return m.senders[a] != nil }
	for range n {
		from = from.Next()
		s.take(observation.Pod{Name: "b"}, &status.Exporters{Exporters: []status.Exporter{{Address: from.String(), Received: 1}}}, now, known)
	}
	s.take(observation.Pod{Name: "a"}, page(10, 1, 2, 1, 0), now, known)
	m.take(s, nil, now, Look{Collectors: 3, Unanswered: 1})
	return from
}

func TestAPodThatHasOtherAddressesAtEachLookFillsNoMemory(t *testing.T) {
	m := newMemory()
	from := netip.MustParseAddr("2001:db8::")
	see(m, from, 0, noon)
	for i := range 5 {
		from = see(m, from, maxAddresses, noon.Add(time.Duration(i)*interval))
		if len(m.senders) > maxAddresses {
			t.Fatalf("%d addresses after %d looks", len(m.senders), i+1)
		}
		if m.senders[router] == nil {
			t.Fatal("one that is heard at each look is forgotten")
		}
	}
	if !m.look.NoRoom {
		t.Error("the look does not say that it has no room")
	}
	if m.senders[from] == nil && m.senders[from.Prev()] == nil && m.senders[from.Prev().Prev()] == nil {
		t.Error("none of the last ones found room")
	}
}

func TestThoseHeardLongestAgoMakeRoom(t *testing.T) {
	m := newMemory()
	a := netip.MustParseAddr("2001:db8::")
	for i := range maxAddresses {
		a = a.Next()
		m.senders[a] = &sender{figures: &Figures{}, heard: noon.Add(-time.Duration(i) * time.Millisecond)}
	}
	see(m, a, 2, noon)
	if len(m.senders) != maxAddresses || m.senders[a] != nil || m.senders[a.Prev().Prev()] != nil || m.senders[a.Prev().Prev().Prev()] == nil ||
		m.senders[a.Next()] == nil || m.senders[router] == nil {
		t.Errorf("%d addresses", len(m.senders))
	}
}

func TestPortsAndDomainsOfAnAddressAreBounded(t *testing.T) {
	s := newSum()
	one := page(1, 1, 2, 1, 0)
	for i := range 5000 {
		one.Exporters[0].Streams[0].Port, one.Exporters[0].Streams[0].Domain = uint16(i), uint32(i)
		s.take(observation.Pod{}, one, noon, all)
	}
	if f := s.end()[router]; len(f.Ports) > maxPorts || len(f.Domains) > maxPorts {
		t.Errorf("%d ports, %d domains", len(f.Ports), len(f.Domains))
	}
}

// The names of protocols are those of collectors: what a pod says otherwise is counted as unknown.
func TestNoWordOfAPodBecomesAProtocol(t *testing.T) {
	for p := decode.Protocol(0); p < 100; p++ {
		if !slices.Contains(protocols, p.String()) {
			t.Errorf("%s is missing", p)
		}
	}
	s := newSum()
	for _, said := range []string{"netflow9", "carrier pigeon", "NETFLOW9", "", "netflow9,ipfix"} {
		one := page(1, 1, 2, 1, 0)
		one.Exporters[0].Protocol = said
		s.take(observation.Pod{}, one, noon, all)
	}
	if f := s.end()[router]; len(f.Protocols) != 2 || !f.Protocols["netflow9"] || !f.Protocols["unknown"] || f.Received != 5 {
		t.Errorf("%+v", f)
	}
}

func TestAFloodOfAddressesKeepsNoDeclaredOneOutOfALook(t *testing.T) {
	router, other := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("203.0.113.10")
	m := newMemory()
	m.declared = map[netip.Addr]bool{router: true}
	look := func(n int, late ...netip.Addr) {
		s := newSum()
		s.declared = m.declared
		known := func(a netip.Addr) bool { return m.senders[a] != nil || m.declared[a] }
		page := &status.Exporters{Time: noon}
		for i := range n {
			page.Exporters = append(page.Exporters, status.Exporter{Address: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String(),
				Protocol: "netflow5", Received: 5, Records: 5})
		}
		for _, a := range late { // in the order of addresses they come last
			page.Exporters = append(page.Exporters, status.Exporter{Address: a.String(), Protocol: "netflow5", Received: 5, Records: 5})
		}
		s.take(observation.Pod{Name: "a"}, page, noon, known)
		m.take(s, map[string]time.Time{"a": noon}, noon, Look{Collectors: 1})
	}
	look(maxAddresses + 1000)
	look(maxAddresses+1000, router, other)
	if m.senders[router] == nil || m.senders[other] != nil || len(m.senders) > maxAddresses+1 {
		t.Errorf("the declared one is there: %t, another: %t, of %d", m.senders[router] != nil, m.senders[other] != nil, len(m.senders))
	}
}
