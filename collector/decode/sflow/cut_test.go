package sflow

import (
	"bytes"
	"testing"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Captures hold the first bytes of a datagram. What they have of a sampled header is the packet's, as the header itself is its first bytes.
func TestASampledHeaderThatTheDatagramCutsIsReadAsFarAsItGoes(t *testing.T) {
	packet := join([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
		0x45, 0, 0, 182, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20, 3, 0xe8, 7, 0xd0, 0, 162, 0, 0}, make([]byte, 86))
	raw := tagged(recordRawHeader, u32(1, 200, 4, uint32(len(packet))), packet)
	switched := tagged(recordSwitch, u32(10, 0, 20, 0))
	for name, datagram := range map[string][]byte{
		"version 5": datagram(sample(raw, switched)),
		"expanded":  datagram(tagged(formatExpandedFlow, u32(1, 0, 3, 1000, 50_000, 0, 0, 7, 0, 8, 2), raw, switched)),
		"version 4": old(4, oldSample(8, join(u32(oldHeader, 1, 200, uint32(len(packet))), packet), u32(oldSwitch, 10, 0, 20, 0))),
	} {
		begin := bytes.Index(datagram, packet)
		for _, has := range []int{14, 34, 42, 60, len(packet) - 1} {
			c, counts, _, _ := decode(datagram[:begin+has], Options{})
			if len(c.records) != 1 || counts[ledger.RecordsDecoded] != 1 || counts[ledger.DatagramsTruncated] != 1 {
				t.Errorf("%s, %d bytes: %d records, %d truncated", name, has, len(c.records), counts[ledger.DatagramsTruncated])
				continue
			}
			r := c.records[0]
			if r.Bytes != 200 || r.SrcMAC != 0x020000000002 || (r.SrcAddr.Len() == 4) != (has >= 34) || (r.DstPort == 2000) != (has >= 42) || r.InIf != 7 {
				t.Errorf("%s, %d bytes: %d bytes from %s to port %d", name, has, r.Bytes, r.SrcAddr.Addr(), r.DstPort)
			}
		}
		if c, _, _, _ := decode(datagram[:begin], Options{}); len(c.records) != 0 {
			t.Errorf("%s: a flow of none of the header", name)
		}
	}
	// A record that says more than its header has is damaged, and so is one that is longer than a sample that is whole.
	damaged := join(u32(recordRawHeader, 1<<20), raw[8:])
	for _, b := range [][]byte{datagram(sample(damaged)), datagram(sample(damaged), sample(switched))} {
		if c, counts, _, _ := decode(b, Options{}); counts[ledger.SamplesDroppedNoPacket] != 1 {
			t.Errorf("damaged: %d records", len(c.records))
		}
	}
}

// A datagram lies in a buffer where longer ones were before: what they left behind it is another exporter's.
func TestNothingBehindADatagramIsRead(t *testing.T) {
	whole := datagram(sample(tagged(recordSwitch, u32(10, 0, 20, 0)), header(), tagged(recordRouter, u32(1, 0xcb007109, 24, 16))),
		tagged(formatCounter, counterSample(false, 0, 5, genericCounters(5, 1e9), portName("eth5"))), sample(header(), tagged(recordSwitch, u32(10, 0, 20, 0))))
	for n := range whole {
		got, gotCounts, _, _ := decode(whole[:n], Options{Extra: true})
		want, wantCounts, _, _ := decode(bytes.Clone(whole[:n]), Options{Extra: true})
		if len(got.records) != len(want.records) || gotCounts != wantCounts {
			t.Errorf("%d bytes: %d records, want %d", n, len(got.records), len(want.records))
			continue
		}
		for i := range want.records {
			if g, w := got.records[i].AppendJSON(nil, nil), want.records[i].AppendJSON(nil, nil); string(g) != string(w) {
				t.Errorf("%d bytes: %s\nwant %s", n, g, w)
			}
		}
	}
}
