package sflow

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// What counts datagrams counts each of them once, however many of its samples have a wrong length.
func TestADatagramOfWrongLengthsCountsOnce(t *testing.T) {
	s := sample(header(), tagged(recordSwitch, u32(10, 0, 20, 0)))
	for wrong, counter := range map[int]ledger.Counter{-8: ledger.DatagramsTrailing, 8: ledger.DatagramsTruncated} {
		bad := join(s[:4], u32(uint32(len(s)-8+wrong)), s[8:])
		if c, counts, _, _ := decode(datagram(bad, bad, bad, bad, bad, bad), Options{}); len(c.records) != 6 || counts[counter] != 1 {
			t.Errorf("%d bytes: %d records, one datagram counts as %d", wrong, len(c.records), counts[counter])
		}
	}
}

// Of the last sample of a datagram as much is read as of one before another.
func TestTheLastSampleWithAWrongLengthIsReadAsTheOthersAre(t *testing.T) {
	v6 := make([]byte, 16)
	v6[0], v6[15] = 0x20, 1
	s := sample(tagged(recordRouter, u32(2), v6, u32(24, 16)), header(), tagged(recordSwitch, u32(10, 0, 20, 0)), tagged(recordVLANTunnel, u32(1, 0x810000c8)))
	for _, wrong := range []int{-4, -8, -12, -20, -24, -40} {
		bad := join(s[:4], u32(uint32(len(s)-8+wrong)), s[8:])
		for name, samples := range map[string][][]byte{"before another": {bad, s}, "last": {s, bad}, "alone": {bad}} {
			c, counts, _, _ := decode(datagram(samples...), Options{})
			for _, r := range c.records {
				if r.SrcVLAN != 10 || r.VLANID != 200 || counts[ledger.RecordsTruncated] != 0 {
					t.Errorf("%s, %d bytes: VLANs %d and %d, %d truncated", name, wrong, r.SrcVLAN, r.VLANID, counts[ledger.RecordsTruncated])
				}
			}
		}
	}
}

// A payload that ends before its ports leaves them to sampled_ipv4, as a header does.
func TestAPayloadThatEndsBeforeThePortsIsFilledIn(t *testing.T) {
	payload := []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45, 0, 0, 182, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20}
	said := tagged(recordIPv4, u32(182, 17, 0xc000020a, 0xc6336414, 1000, 2000, 0, 0))
	c, _, _, _ := decode(datagram(sample(tagged(recordPayload, u32(4, uint32(len(payload))), payload), said)), Options{})
	if r := c.records[0]; r.SrcAddr.Len() != 4 || r.DstPort != 2000 {
		t.Errorf("from %s to port %d", r.SrcAddr.Addr(), r.DstPort)
	}
}
