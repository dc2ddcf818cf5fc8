package flow_test

import (
	"net/netip"
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
)

func TestAFilterMatchesEitherEndOfAFlow(t *testing.T) {
	r := &flow.Record{SamplerAddress: flow.AddressFrom(netip.MustParseAddr("192.0.2.1")), SrcAddr: flow.AddressFrom(netip.MustParseAddr("10.0.0.1")),
		DstAddr: flow.AddressFrom(netip.MustParseAddr("10.1.0.1")), SrcPort: 443, DstPort: 50000, InIf: 7, OutIf: 9,
		Names: []*flow.Text{flow.NewText(flow.OutIfName, "Gi0/9")}}
	for name, test := range map[string]struct {
		filter flow.Filter
		want   bool
	}{
		"everything":        {flow.Filter{}, true},
		"its exporter":      {flow.Filter{Exporter: netip.MustParseAddr("192.0.2.1")}, true},
		"another exporter":  {flow.Filter{Exporter: netip.MustParseAddr("192.0.2.2")}, false},
		"its source":        {flow.Filter{Network: netip.MustParsePrefix("10.0.0.0/24")}, true},
		"its destination":   {flow.Filter{Network: netip.MustParsePrefix("10.1.0.1/32")}, true},
		"another network":   {flow.Filter{Network: netip.MustParsePrefix("2001:db8::/32")}, false},
		"its source port":   {flow.Filter{Port: 443}, true},
		"its other port":    {flow.Filter{Port: 50000}, true},
		"another port":      {flow.Filter{Port: 80}, false},
		"interface in":      {flow.Filter{Interface: "7", InterfaceNumber: 7}, true},
		"interface's name":  {flow.Filter{Interface: "Gi0/9"}, true},
		"another interface": {flow.Filter{Interface: "Gi0/8"}, false},
		"both of two":       {flow.Filter{Port: 443, Exporter: netip.MustParseAddr("192.0.2.1")}, true},
		"one of two":        {flow.Filter{Port: 80, Exporter: netip.MustParseAddr("192.0.2.1")}, false},
	} {
		if got := test.filter.Match(r); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
