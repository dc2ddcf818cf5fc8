package sflow

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Agents count the length of a sample wrongly: with a next hop of IPv4 where they send one of IPv6, or with the sample's own format and length.
// The samples behind it are whole: what they carry says where they begin.
func TestASampleWithAWrongLengthDoesNotCostThoseBehindIt(t *testing.T) {
	switched := tagged(recordSwitch, u32(10, 0, 20, 0))
	v6 := make([]byte, 16)
	v6[0], v6[15] = 0x20, 1
	routed := tagged(recordRouter, u32(2), v6, u32(24, 16))
	for name, s := range map[string][]byte{
		"compact":  sample(header(), switched, routed),
		"expanded": tagged(formatExpandedFlow, u32(1, 0, 3, 1000, 50_000, 0, 0, 7, 0, 8, 3), header(), switched, routed),
		"a next hop that is longer than the agent believes": sample(switched, routed),
		"counters":          tagged(formatCounter, counterSample(false, 0, 5, genericCounters(5, 1e9), portName("eth5"))),
		"expanded counters": tagged(formatExpandedCounter, counterSample(true, 0, 5, genericCounters(5, 1e9), portName("eth5"))),
		"discarded packets": tagged(formatDiscarded, u32(9, 0, 5, 1, 12, 34, 258, 2), header(), switched),
	} {
		for _, wrong := range []int{-40, -12, -8, -4, 4, 8, 12, 40, 1 << 20} {
			bad := join(s[:4], u32(uint32(len(s)-8+wrong)), s[8:])
			good := sample(header(), routed)
			c, counts, _, _ := decode(datagram(bad, good, bad, good), Options{Extra: true})
			want := 4
			if counts[ledger.SamplesCounter] != 0 {
				want = 2
			}
			if len(c.records) != want || counts[ledger.SamplesFlow]+counts[ledger.SamplesDiscard]+counts[ledger.SamplesCounter] != 4 || counts[ledger.RecordsTruncated] != 0 {
				t.Errorf("%s, %d bytes: %d records, %d truncated", name, wrong, len(c.records), counts[ledger.RecordsTruncated])
				continue
			}
			for _, r := range c.records {
				if r.SrcNet != 24 && (r.SrcVLAN != 10 || r.ForwardingStatus != 129) {
					t.Errorf("%s, %d bytes: VLAN %d, prefix %d", name, wrong, r.SrcVLAN, r.SrcNet)
				}
			}
			if counts[ledger.DatagramsTrailing]+counts[ledger.DatagramsTruncated] == 0 {
				t.Errorf("%s, %d bytes: not counted", name, wrong)
			}
		}
	}
}

func TestASampleThatSaysItHasNoLengthIsReadWhereItsRecordsEndTheDatagram(t *testing.T) {
	for _, length := range []uint32{0, 4, 28} {
		s := sample(header(), tagged(recordSwitch, u32(10, 0, 20, 0)))
		bad := join(s[:4], u32(length), s[8:])
		for name, samples := range map[string][][]byte{"alone": {bad}, "the last": {s, bad}, "before another": {bad, s}} {
			c, counts, _, _ := decode(datagram(samples...), Options{})
			if len(c.records) != len(samples) || c.records[0].SrcVLAN != 10 || counts[ledger.SamplesDroppedMalformed] != 0 || counts[ledger.DatagramsTrailing] != 1 {
				t.Errorf("%d, %s: %d records", length, name, len(c.records))
			}
		}
		if c, _, _, _ := decode(datagram(bad[:len(bad)-4]), Options{}); len(c.records) != 0 {
			t.Errorf("%d, cut: %d records", length, len(c.records))
		}
	}
}

// Padding is no sample, of whatever length.
func TestZerosBetweenSamplesArePadding(t *testing.T) {
	for words := range 17 {
		s := join(sample(header(), tagged(recordSwitch, u32(10, 0, 20, 0))), make([]byte, 4*words))
		c, counts, _, _ := decode(datagram(s, s, s), Options{})
		if len(c.records) != 3 || c.records[1].SrcVLAN != 10 || c.records[2].SrcVLAN != 10 || counts[ledger.SamplesUnknown]+counts[ledger.DatagramsTruncated]+
			counts[ledger.DatagramsTrailing] != 0 {
			t.Errorf("%d words: %d records, %d unknown", words, len(c.records), counts[ledger.SamplesUnknown])
		}
	}
}
