package decode_test

import (
	"net/netip"
	"testing"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/network"
	"github.com/flowfleet/flowfleet/collector/template"
)

// sampled are the sampling rates of flows.
type sampled []uint64

func (s *sampled) Record(r *flow.Record) { *s = append(*s, r.SamplingRate) }

// A switch's agent has the address of its loopback, which its flows have, and sends from another one, by which FlowExporters know it: rates for
// either hold, those of the smaller network first.
func TestRatesOfAnAgentStandUnderItsAddressOrThatOfItsSender(t *testing.T) {
	const agent, said = "192.0.2.9/32", 1000 // of the generated datagram
	rates := func(list ...any) *network.Table[uint32] {
		var entries []network.Entry[uint32]
		for i := 0; i < len(list); i += 2 {
			entries = append(entries, network.Entry[uint32]{Network: netip.MustParsePrefix(list[i].(string)), Value: uint32(list[i+1].(int))})
		}
		return network.New(entries)
	}
	for name, test := range map[string]struct {
		overrides *network.Table[uint32]
		want      uint64
		source    string
	}{
		"of the agent":  {rates(agent, 7), 7, "override"},
		"of the sender": {rates("192.0.2.7/32", 8), 8, "override"},
		"of both":       {rates(agent, 7, "192.0.2.7/32", 8), 7, "override"},
		"of the agent's network, and of the sender": {rates("192.0.2.8/29", 7, "192.0.2.7/32", 8), 8, "override"},
		"of another": {rates("192.0.2.6/32", 8), said, "record"},
		"of nobody":  {nil, said, "record"},
	} {
		var counts ledger.Counts
		var got sampled
		settings := settingsFor(0)
		settings.Overrides, settings.Defaults = test.overrides, rates("0.0.0.0/0", 9)
		decoder := decode.New(config.ProtocolAuto, template.NewStore(template.ModeAuto, template.Limits{Exporters: 1, Templates: 1, Fields: 1, Bytes: 1 << 10},
			&ledger.Totals{}, nil), settings, &counts, &got, nil)
		decoder.Decode(decode.Datagram{Payload: newGenerator(1).sflow(1), Source: router, Received: exportSeconds * 1e9})
		if len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: rates %v, want %d", name, got, test.want)
		}
		decoder.Streams(0, func(_ decode.Protocol, s decode.Stream) {
			if s.Said.Source.String() != test.source {
				t.Errorf("%s: the rate is said to be %s", name, s.Said.Source)
			}
		})
	}
}
