package sflow

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// XDR fills opaque data up to four bytes (RFC 4506 section 4.10), which its length does not count. Some agents count what they fill up,
// some do not fill up: what follows is found in all three.
func TestRecordsAndSamplesOfOddLengthAreFollowedByTheNext(t *testing.T) {
	packet := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
		0x45, 0, 0, 182, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20, 3, 0xe8, 7, 0xd0, 0, 162, 0, 0}
	for cut := range 4 {
		header := packet[:len(packet)-cut]
		body := join(u32(1, 200, 4, uint32(len(header))), header)
		padding := make([]byte, -len(body)&3)
		switched := tagged(recordSwitch, u32(10, 0, 20, 0))
		for name, odd := range map[string][]byte{
			"padding that is not counted": join(u32(recordRawHeader, uint32(len(body))), body, padding),
			"padding of other bytes":      join(u32(recordRawHeader, uint32(len(body))), body, []byte{0xde, 0xad, 0xbe}[:len(padding)]),
			"padding that is counted":     tagged(recordRawHeader, body, padding),
			"no padding":                  tagged(recordRawHeader, body),
		} {
			whole := sample(odd, switched)
			last := sample(switched, odd) // its length may be odd, too
			length := u32(uint32(len(last) - 8 - len(padding)))
			uncounted := join(last[:4], length, last[8:])
			samples := [][]byte{whole, last, whole, whole}
			if name == "padding that is not counted" {
				samples = append(samples, uncounted, whole)
			}
			c, counts, _, _ := decode(datagram(samples...), Options{})
			if len(c.records) != len(samples) || counts[ledger.RecordsTruncated] != 0 || counts[ledger.DatagramsTruncated] != 0 {
				t.Errorf("%s, %d bytes: %d records of %d", name, len(body), len(c.records), len(samples))
				continue
			}
			for i, r := range c.records {
				if r.SrcVLAN != 10 || r.SrcPort != 1000 || r.SamplingRate != 1000 {
					t.Errorf("%s, %d bytes: record %d: %+v", name, len(body), i, r)
				}
			}
		}
	}
}

// XDR pads the MAC addresses of sampled_ethernet to eight bytes each. Agents leave that out, and say so by the length.
func TestSampledEthernetWithoutPadding(t *testing.T) {
	unpadded := tagged(recordEthernet, u32(64), []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, u32(0x86dd))
	c, counts, _, _ := decode(datagram(sample(unpadded)), Options{})
	if r := c.records[0]; r.Bytes != 64 || r.SrcMAC != 0x020000000001 || r.DstMAC != 0x020000000002 || r.EType != 0x86dd ||
		counts[ledger.RecordsTruncated] != 0 {
		t.Errorf("%+v", r)
	}
}

// Open vSwitch says Ethernet of what came out of a tunnel without a link layer. Only where the frame has the length that the IP header says
// it is taken for that.
func TestAFrameWithoutItsLinkLayer(t *testing.T) {
	ip6 := join([]byte{0x60, 6, 0xb7, 0xf3, 0, 16, 17, 64}, []byte{0xfd, 0x9d, 0x3a, 0x19, 0xde, 0xfa}, make([]byte, 9), []byte{1},
		[]byte{0xfd, 0x9d}, make([]byte, 13), []byte{2, 3, 0xe8, 7, 0xd0, 0, 16, 0, 0}, make([]byte, 8))
	ip4 := []byte{0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20, 3, 0xe8, 7, 0xd0, 0, 8, 0, 0}
	for _, test := range []struct {
		name            string
		packet          []byte
		frame, stripped uint32
		want            string
	}{
		{"IPv6 behind a check sum", ip6, uint32(len(ip6)) + 4, 4, "fd9d:3a19:defa::1"},
		{"IPv4", ip4, uint32(len(ip4)), 0, "192.0.2.10"},
		{"an Ethernet frame that begins like IPv6", ip6, 80, 4, "invalid IP"},
	} {
		header := tagged(recordRawHeader, u32(1, test.frame, test.stripped, uint32(len(test.packet))), test.packet)
		c, _, _, _ := decode(datagram(sample(header)), Options{})
		r := c.records[0]
		if r.SrcAddr.Addr().String() != test.want || test.want != "invalid IP" && (r.SrcPort != 1000 || r.SrcMAC != 0) {
			t.Errorf("%s: %+v", test.name, r)
		}
	}
}

// What collectors were reported to misread of the samples themselves.
func TestSamplesAreReadAsAgentsMeanThem(t *testing.T) {
	v6 := make([]byte, 16)
	v6[0], v6[15] = 0x20, 1
	for _, test := range []struct {
		name   string
		sample []byte
		right  func(r *flow.Record) bool
	}{
		{"several outputs, compact", tagged(formatFlow, u32(1, 3, 1000, 50000, 0, 7, 1<<31|3, 1), frame),
			func(r *flow.Record) bool { return r.InIf == 7 && r.OutIf == 0 && r.ForwardingStatus == 0 }},
		{"several outputs, expanded", tagged(formatExpandedFlow, u32(1, 0, 3, 1000, 50000, 0, 0, 7, 2, 3, 1), frame),
			func(r *flow.Record) bool { return r.InIf == 7 && r.OutIf == 0 && r.ForwardingStatus == 0 }},
		{"discarded, compact", tagged(formatFlow, u32(1, 3, 1000, 50000, 0, 7, 1<<30|258, 1), frame),
			func(r *flow.Record) bool { return r.OutIf == 0 && r.ForwardingStatus == 129 }},
		{"an index that needs the expanded form", tagged(formatExpandedFlow, u32(1, 0, 1<<25, 1000, 50000, 0, 0, 1<<30|5, 0, 9, 1), frame),
			func(r *flow.Record) bool { return r.InIf == 1<<30|5 && r.OutIf == 9 }},
		{"a router without next hop", sample(frame, tagged(recordRouter, u32(0, 24, 16))),
			func(r *flow.Record) bool { return r.NextHop.Len() == 0 && r.SrcNet == 24 }},
		{"a rate of zero", tagged(formatFlow, u32(1, 3, 0, 50000, 0, 7, 8, 1), frame), func(r *flow.Record) bool { return r.SamplingRate == 0 }},
		{"a header of IPv6", sample(tagged(recordRawHeader, u32(12, 60, 0, 48), []byte{0x60, 0, 0, 0, 0, 20, 6, 64}, v6, v6, u32(0x03e807d0, 1))),
			func(r *flow.Record) bool {
				return r.Bytes == 60 && r.SrcPort == 1000 && r.EType == 0x86dd && r.Proto == 6
			}},
		{"bytes between the records and the end of a sample", tagged(formatFlow, u32(1, 3, 1000, 50000, 0, 7, 8, 1), frame, u32(0)),
			func(r *flow.Record) bool { return r.OutIf == 8 }},
	} {
		c, counts, _, _ := decode(datagram(test.sample, test.sample), Options{})
		if len(c.records) != 2 || counts[ledger.DatagramsTruncated]+counts[ledger.RecordsTruncated] != 0 {
			t.Errorf("%s: %d records", test.name, len(c.records))
			continue
		}
		for _, r := range c.records {
			if !test.right(&r) {
				t.Errorf("%s: %+v", test.name, r)
			}
		}
	}
}

// host-sflow says when the kernel sampled a packet, which may have waited before it was sent.
func TestAPacketsOwnTimeIsTheFlows(t *testing.T) {
	const received, second = 1_700_000_100_000_000_000, 1_000_000_000
	for _, test := range []struct {
		name     string
		at, want uint64
	}{
		{"earlier", received - 3*second, received - 3*second},
		{"a clock that is a little fast", received + 5*second, received + 5*second},
		{"a clock that is never right", received + 3600*second, received},
		{"a clock that is slow by an hour", received - 3600*second, received},
		{"a clock that is not set", 1000 * second, received},
		{"none", 0, received},
		{"the highest number", 1<<64 - 1, received},
	} {
		own := tagged(recordTimestamp, u32(uint32(test.at>>32), uint32(test.at)))
		for _, records := range [][][]byte{{frame, own}, {own, frame}} {
			var r flow.Record
			var counts ledger.Counts
			Decode(datagram(sample(records...)), received, flow.Address{}, Options{}, &r, &counts, &collected{})
			if r.TimeFlowStartNs != test.want || r.TimeFlowEndNs != test.want || r.TimeReceivedNs != received || counts[ledger.RecordsTruncated] != 0 {
				t.Errorf("%s: from %d to %d, want %d", test.name, r.TimeFlowStartNs, r.TimeFlowEndNs, test.want)
			}
		}
	}
	c, counts, _, _ := decode(datagram(sample(frame, tagged(recordTimestamp, u32(1)))), Options{})
	if len(c.records) != 1 || counts[ledger.RecordsTruncated] != 1 {
		t.Errorf("cut short: %d records, %d truncated", len(c.records), counts[ledger.RecordsTruncated])
	}
}
