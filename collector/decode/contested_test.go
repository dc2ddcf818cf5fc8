package decode_test

import (
	"net/netip"
	"testing"

	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/names"
)

// Flows of an interface that two ports of an address name differently in turn have no name of it, neither what flows between the same interfaces
// had before nor what another domain says. They have what the operator says, and count as unnamed.
func TestFlowsOfAContestedInterfaceHaveWhatTheOperatorSaysOnly(t *testing.T) {
	r, g := newReader(decode.NameSet(0).With(flow.InIfName, flow.OutIfName)), newGenerator(1)
	other := netip.AddrPortFrom(router.Addr(), router.Port()+1)
	r.decode(router, g.message(10, 1, templateSet(10, 300, flowFields)))
	seconds := uint32(exportSeconds)
	say := func(from netip.AddrPort, name string) {
		seconds += 60
		r.decode(from, interfaceTable(g, seconds, 5, name))
	}
	want := func(names map[string]string) {
		t.Helper()
		for range 3 {
			r.decode(router, g.message(10, 1, oneFlow(5, 6, 0, 0, 0, 0)))
			assertNames(t, r.last(t), names)
		}
	}
	r.decode(router, interfaceTable(g, seconds, 6, "ge-0/0/6"))
	say(router, "ge-0/0/5")
	want(map[string]string{"in_if_name": "ge-0/0/5", "out_if_name": "ge-0/0/6"})
	say(other, "Ethernet5")
	want(map[string]string{"in_if_name": "Ethernet5", "out_if_name": "ge-0/0/6"})
	say(router, "ge-0/0/5")
	want(map[string]string{"in_if_name": "ge-0/0/5", "out_if_name": "ge-0/0/6"})
	for range 3 {
		say(other, "Ethernet5")
		want(map[string]string{"out_if_name": "ge-0/0/6"})
		say(router, "ge-0/0/5")
		want(map[string]string{"out_if_name": "ge-0/0/6"})
	}
	r.store.Learn(names.Key{Scope: names.Scope{Exporter: router.Addr(), Domain: 78}, Table: names.Interfaces, Number: 5}, names.Row{Name: "other domain"},
		uint64(seconds), 1)
	want(map[string]string{"out_if_name": "ge-0/0/6"})
	r.decoder.Tick(1)
	if c := r.store.Coverage(); c.Unnamed[names.Interfaces] != 7*3 {
		t.Errorf("%d flows are counted as unnamed", c.Unnamed[names.Interfaces])
	}
	if n := r.store.Refused()["contested"]; n != 6 {
		t.Errorf("%d rows are counted as contested", n)
	}
	r.store.Say(names.NewSaid([]names.Line{{Network: netip.PrefixFrom(router.Addr(), 32), Table: names.Interfaces, Number: 5,
		Row: names.Row{Name: "uplink"}}}), false)
	want(map[string]string{"in_if_name": "uplink", "out_if_name": "ge-0/0/6"})
}
