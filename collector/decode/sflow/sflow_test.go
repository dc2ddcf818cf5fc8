package sflow

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

func u32(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// tagged puts a body behind its format and length, as samples and records are.
func tagged(format uint32, parts ...[]byte) []byte {
	body := join(parts...)
	return join(u32(format, uint32(len(body))), body)
}

// frame is a record that describes a packet, without which there is no flow.
var frame = tagged(recordEthernet, u32(unknownLength, 0, 0, 0, 0, 0x88cc))

func sample(records ...[]byte) []byte {
	return tagged(formatFlow, u32(1, 3, 1000, 50000, 0, 7, 8, uint32(len(records))), join(records...))
}

func datagram(samples ...[]byte) []byte {
	return join(u32(5, 1, 0xc0000201, 2, 99, 5000, uint32(len(samples))), join(samples...))
}

type collected struct {
	records []flow.Record
}

func (c *collected) Record(r *flow.Record, _ Chosen) {
	kept := *r
	kept.ASPath = append([]uint32(nil), r.ASPath...)
	c.records = append(c.records, kept)
}

func decode(b []byte, o Options) (collected, ledger.Counts, Header, ledger.Counter) {
	var c collected
	var counts ledger.Counts
	var r flow.Record
	h, outcome := Decode(b, 5, flow.Address{}, o, &r, &counts, &c)
	return c, counts, h, outcome
}

func TestEachFormatFillsItsFields(t *testing.T) {
	v6 := make([]byte, 16)
	v6[0], v6[15] = 0x20, 1
	for _, test := range []struct {
		name   string
		record []byte
		check  func(r *flow.Record) bool
	}{
		{"sampled IPv4", tagged(recordIPv4, u32(100, 6, 0x0a000001, 0x0a000002, 80, 443, 0x12, 0x20)), func(r *flow.Record) bool {
			return r.Bytes == 100 && r.Proto == 6 && r.SrcAddr.Addr().String() == "10.0.0.1" && r.DstPort == 443 &&
				r.TCPFlags == 0x12 && r.IPTOS == 0x20 && r.EType == 0x800
		}},
		{"sampled IPv6", tagged(recordIPv6, u32(100, 17), v6, v6, u32(80, 443, 0, 1)), func(r *flow.Record) bool {
			return r.Bytes == 100 && r.Proto == 17 && r.SrcAddr.Addr().String() == "2000::1" && r.SrcPort == 80 && r.EType == 0x86dd
		}},
		{"sampled Ethernet", tagged(recordEthernet, u32(64, 0x02000000, 0x00010000, 0x02000000, 0x00020000, 0x88cc)), func(r *flow.Record) bool {
			return r.Bytes == 64 && r.SrcMAC == 0x020000000001 && r.DstMAC == 0x020000000002 && r.EType == 0x88cc
		}},
		{"switch", tagged(recordSwitch, u32(10, 0, 20, 0)), func(r *flow.Record) bool { return r.SrcVLAN == 10 && r.DstVLAN == 20 }},
		{"router with IPv6", tagged(recordRouter, u32(2), v6, u32(48, 32)), func(r *flow.Record) bool {
			return r.NextHop.Addr().String() == "2000::1" && r.SrcNet == 48 && r.DstNet == 32
		}},
		{"gateway without a path", tagged(recordGateway, u32(1, 0xcb007101, 65000, 0, 65001, 0, 0, 100)), func(r *flow.Record) bool {
			return r.SrcAS == 65000 && r.DstAS == 65000 && r.BGPNextHop.Addr().String() == "203.0.113.1"
		}},
		{"gateway with two segments", tagged(recordGateway, u32(1, 0xcb007101, 65000, 65009, 65001, 2, 2, 2, 1, 2, 1, 1, 3, 1, 77, 100)),
			func(r *flow.Record) bool {
				return r.SrcAS == 65009 && r.DstAS == 3 && r.NextHopAS == 1 && len(r.ASPath) == 3 && r.BGPCommunities[0] == 77
			}},
		{"raw header of another protocol", tagged(recordRawHeader, u32(4, 500, 4, 4, 0xdeadbeef)), func(r *flow.Record) bool {
			return r.Bytes == 500 && len(r.LayerStack) == 0
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, counts, h, outcome := decode(datagram(sample(frame, test.record)), Options{})
			if outcome != ledger.DatagramsDecoded || len(c.records) != 1 || counts[ledger.RecordsTruncated] != 0 {
				t.Fatalf("%v, %d records, %d truncated", ledger.Infos[outcome], len(c.records), counts[ledger.RecordsTruncated])
			}
			r := c.records[0]
			if !test.check(&r) {
				t.Errorf("%+v", r)
			}
			if r.SamplingRate != 1000 || r.Packets != 1 || r.InIf != 7 || r.OutIf != 8 || r.SequenceNum != 99 ||
				r.SamplerAddress.Addr().String() != "192.0.2.1" || r.TimeFlowStartNs != 5 || h.SubAgent != 2 {
				t.Errorf("%+v of %+v", r, h)
			}
			// A record that is cut short is left out, the sample is not.
			body := test.record[8:]
			short := sample(frame, tagged(binary.BigEndian.Uint32(test.record), body[:len(body)-4]))
			if c, counts, _, _ := decode(datagram(short), Options{}); len(c.records) != 1 || counts[ledger.RecordsTruncated] == 0 &&
				test.name != "gateway without a path" && test.name != "gateway with two segments" {
				t.Errorf("cut short: %d records, %d truncated", len(c.records), counts[ledger.RecordsTruncated])
			}
		})
	}
}

func TestOnlyASingleOutputIsAnInterface(t *testing.T) {
	for _, test := range []struct {
		name                 string
		format, value        uint32
		wantOut, wantForward uint32
	}{
		{"single", 0, 8, 8, 0},
		{"none: the device itself", 0, 0x3fffffff, 0, 0},
		{"discarded by an access list", 1, 258, 0, 129},
		{"discarded, host unreachable", 1, 1, 0, 131},
		{"discarded, unknown", 1, 256, 0, 128},
		{"multiple", 2, 3, 0, 0},
	} {
		compact := tagged(formatFlow, u32(1, 3, 1000, 50000, 0, 7, test.format<<30|test.value, 1), frame)
		expanded := tagged(formatExpandedFlow, u32(1, 0, 3, 1000, 50000, 0, 0, 7, test.format, test.value, 1), frame)
		c, _, _, _ := decode(datagram(compact, expanded), Options{})
		if len(c.records) != 2 {
			t.Fatalf("%s: %d records", test.name, len(c.records))
		}
		for _, r := range c.records {
			if r.InIf != 7 || r.OutIf != test.wantOut || r.ForwardingStatus != test.wantForward {
				t.Errorf("%s: in %d, out %d, forwarding status %d", test.name, r.InIf, r.OutIf, r.ForwardingStatus)
			}
		}
	}
}

func TestOneBadSampleDoesNotCostTheOthers(t *testing.T) {
	good := sample(tagged(recordIPv4, u32(100, 6, 1, 2, 80, 443, 0, 0)))
	c, counts, _, outcome := decode(datagram(good, tagged(formatFlow, u32(1, 2)), tagged(formatCounter, u32(1, 2, 0)),
		tagged(4096, u32(1)), good), Options{})
	if outcome != ledger.DatagramsDecoded || len(c.records) != 2 {
		t.Fatalf("%d records", len(c.records))
	}
	for counter, want := range map[ledger.Counter]uint64{ledger.SamplesFlow: 2, ledger.SamplesDroppedMalformed: 1,
		ledger.SamplesCounter: 1, ledger.SamplesUnknown: 1} {
		if counts[counter] != want {
			t.Errorf("%v is %d, want %d", ledger.Infos[counter], counts[counter], want)
		}
	}
	// A format nobody knows within a sample is skipped.
	c, counts, _, _ = decode(datagram(sample(frame, tagged(3999, u32(1)), tagged(recordSwitch, u32(10, 0, 20, 0)))), Options{})
	if len(c.records) != 1 || c.records[0].SrcVLAN != 10 || counts[ledger.SampleRecordsUnknown] != 1 {
		t.Errorf("%d records, %d skipped", len(c.records), counts[ledger.SampleRecordsUnknown])
	}
}

func TestSamplesBeyondTheBoundAreCounted(t *testing.T) {
	s := sample(frame)
	odd := join(u32(formatCounter, 9), make([]byte, 12)) // its padding is not counted
	for name, samples := range map[string][][]byte{"even": {s, s, s, s, s}, "odd": {s, s, odd, s, odd}} {
		c, counts, _, _ := decode(datagram(samples...), Options{MaxSamples: 2})
		if len(c.records) != 2 || counts[ledger.SamplesDroppedLimit] != 3 {
			t.Errorf("%s: %d records, %d dropped", name, len(c.records), counts[ledger.SamplesDroppedLimit])
		}
	}
}

// rates are the same for each agent.
func rates(override, standIn uint64) func(netip.Addr) (uint64, uint64) {
	return func(netip.Addr) (uint64, uint64) { return override, standIn }
}

func TestRatesOfTheConfiguration(t *testing.T) {
	silent := tagged(formatFlow, u32(1, 3, 0, 50000, 0, 7, 8, 1), frame)
	for _, test := range []struct {
		name     string
		datagram []byte
		rates    func(netip.Addr) (uint64, uint64)
		want     uint64
	}{
		{"an override", datagram(sample(frame)), rates(5, 6), 5},
		{"the sample's before a default", datagram(sample(frame)), rates(0, 6), 1000},
		{"a default", datagram(silent), rates(0, 6), 6},
		{"none", datagram(silent), nil, 0},
	} {
		if c, _, _, _ := decode(test.datagram, Options{Rates: test.rates}); c.records[0].SamplingRate != test.want {
			t.Errorf("%s: the rate is %d", test.name, c.records[0].SamplingRate)
		}
	}
}

func TestAnAgentWithIPv6OrNoAddress(t *testing.T) {
	v6 := make([]byte, 16)
	v6[0], v6[15] = 0x20, 1
	var counts ledger.Counts
	var r flow.Record
	var c collected
	if h, outcome := Decode(join(u32(5, 2), v6, u32(0, 1, 0, 0)), 5, flow.Address{}, Options{}, &r, &counts, &c); outcome !=
		ledger.DatagramsDecoded || h.Agent.Addr().String() != "2000::1" {
		t.Errorf("%v, %s", ledger.Infos[outcome], h.Agent.Addr())
	}
	var source flow.Address
	source.Set4([]byte{192, 0, 2, 9})
	if h, outcome := Decode(u32(5, 0, 0, 1, 0, 0), 5, source, Options{}, &r, &counts, &c); outcome !=
		ledger.DatagramsDecoded || h.Agent.Addr().String() != "192.0.2.9" {
		t.Errorf("%v, %s", ledger.Infos[outcome], h.Agent.Addr())
	}
}
