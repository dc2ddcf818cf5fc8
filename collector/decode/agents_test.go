package decode_test

import (
	"encoding/binary"
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

// What an agent's stream says of rates is of its samples, of all in a datagram: its ports may have rates of their own, or none. Notifications
// of packets that it dropped are no samples, and samples that are no flows say nothing of those that are.
func TestAStreamHasTheRatesOfAllItsSamples(t *testing.T) {
	const rateAt = 8 + 8 // of a sample, behind its tag, its sequence number and its source
	flowSample := func(rate uint32) []byte {
		b := newGenerator(1).sflow(1)[28:]
		copy(b[rateAt:], u32(rate))
		return b
	}
	dropped := concat(u32(5, 32+8+32), u32(1, 0, 5, 0, 3, 4, 258, 1), u32(3, 32), make([]byte, 32))
	operation := concat(u32(1, 32+8+4), u32(1, 3<<24|80, 0, 1, 0, 0, 0, 1), u32(2203, 4, 0))
	for name, test := range map[string]struct {
		samples [][]byte
		standIn uint32
		rated   bool
		unrated bool
		rate    uint64
		source  string
	}{
		"one":                            {[][]byte{flowSample(1000)}, 0, true, false, 1000, "record"},
		"none":                           {[][]byte{flowSample(0)}, 0, false, true, 0, "unknown"},
		"one that stands in":             {[][]byte{flowSample(0)}, 9, true, false, 9, "default"},
		"a port without one, first":      {[][]byte{flowSample(0), flowSample(1000)}, 0, true, true, 1000, "record"},
		"a port without one, last":       {[][]byte{flowSample(1000), flowSample(0)}, 0, true, true, 1000, "record"},
		"a dropped packet behind it":     {[][]byte{flowSample(1000), dropped}, 0, true, false, 1000, "record"},
		"a dropped packet alone":         {[][]byte{dropped}, 0, false, false, 0, "unknown"},
		"a sample that is no flow":       {[][]byte{flowSample(1000), operation}, 0, true, false, 1000, "record"},
		"a sample that is no flow alone": {[][]byte{operation}, 0, false, false, 0, "unknown"},
	} {
		var counts ledger.Counts
		var got sampled
		settings := settingsFor(0)
		settings.Extra = true
		if test.standIn != 0 {
			settings.Defaults = network.New([]network.Entry[uint32]{{Network: netip.MustParsePrefix("0.0.0.0/0"), Value: test.standIn}})
		}
		decoder := decode.New(config.ProtocolAuto, template.NewStore(template.ModeAuto, template.Limits{Exporters: 1, Templates: 1, Fields: 1, Bytes: 1 << 10},
			&ledger.Totals{}, nil), settings, &counts, &got, nil)
		for range 3 {
			payload := concat(newGenerator(1).sflow(1)[:24], u32(uint32(len(test.samples))), concat(test.samples...))
			decoder.Decode(decode.Datagram{Payload: payload, Source: router, Received: exportSeconds * 1e9})
		}
		decoder.Streams(0, func(_ decode.Protocol, s decode.Stream) {
			if s := s.Said; s.Rated != test.rated || s.Unrated != test.unrated || s.Rate != test.rate || s.Source.String() != test.source {
				t.Errorf("%s: %+v of flows with %v", name, s, got)
			}
		})
	}
}

// An agent that restarts soon counts the same numbers again: by its uptime that is no repetition. What is repeated has an uptime of before.
func TestAnAgentThatRestartsSoonIsNotTakenToRepeat(t *testing.T) {
	var counts ledger.Counts
	decoder := decode.New(config.ProtocolAuto, template.NewStore(template.ModeAuto, template.Limits{Exporters: 1, Templates: 1, Fields: 1, Bytes: 1 << 10},
		&ledger.Totals{}, nil), settingsFor(0), &counts, new(sampled), nil)
	for _, life := range []uint32{40, 20} {
		for i := range life {
			b := newGenerator(1).sflow(0)
			binary.BigEndian.PutUint32(b[16:], i+1)
			binary.BigEndian.PutUint32(b[20:], 20_000*i)
			for range 1 + i%2 { // every other one comes twice
				decoder.Decode(decode.Datagram{Payload: b, Source: router, Received: exportSeconds * 1e9})
			}
		}
	}
	if counts[ledger.SequenceRestarted] != 1 || counts[ledger.SequenceDuplicated] != 30 || counts[ledger.SequenceReordered] != 0 {
		t.Errorf("%d restarts, %d repeated, %d late", counts[ledger.SequenceRestarted], counts[ledger.SequenceDuplicated], counts[ledger.SequenceReordered])
	}
}
