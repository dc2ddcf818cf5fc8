package sflow

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// text is a string of XDR.
func text(s string) []byte { return join(u32(uint32(len(s))), []byte(s), make([]byte, -len(s)&3)) }

// old is a datagram of version 2 or 4.
func old(version uint32, samples ...[]byte) []byte {
	return join(u32(version, 1, 0xc0000201, 99, 5000, uint32(len(samples))), join(samples...))
}

func oldSample(output uint32, packet []byte, extended ...[]byte) []byte {
	return join(u32(oldFlowSample, 1, 3, 1000, 50000, 0, 7, output), packet, u32(uint32(len(extended))), join(extended...))
}

// RFC 3176 section 5: nothing has a length of its own, so that what follows is only found where all before it is read right.
func TestVersions2And4AreRead(t *testing.T) {
	frame := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
		0x45, 0, 0, 182, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20, 3, 0xe8, 7, 0xd0, 0, 162, 0, 0}
	header := join(u32(oldHeader, 1, 200, uint32(len(frame))), frame, []byte{0, 0})
	ip4 := u32(oldIPv4, 100, 6, 0x0a000001, 0x0a000002, 80, 443, 0x12, 0x20)
	v6 := make([]byte, 16)
	v6[0], v6[15] = 0x20, 1
	ip6 := join(u32(oldIPv6, 120, 17), v6, v6, u32(53, 5353, 0, 0))
	switched, routed := u32(oldSwitch, 10, 0, 20, 0), u32(oldRouter, 1, 0xcb007109, 24, 16)
	people, url := join(u32(oldUser), text("alice"), text("bob")), join(u32(oldURL, 1), text("/index.html"))
	for version, gateway := range map[uint32][]byte{
		2: u32(oldGateway, 65000, 65001, 65002, 2, 64500, 64501),
		4: u32(oldGateway, 65000, 65001, 65002, 1, 2, 2, 64500, 64501, 1, 77, 100),
	} {
		counters := join(u32(oldCounterSample, 1, 3, 20, 2), make([]byte, 140))
		c, counts, h, outcome := decode(old(version, oldSample(8, header, switched, routed, gateway, people, url), counters,
			oldSample(1<<31|3, ip4, gateway), oldSample(0x3fffffff, ip6)), Options{})
		if outcome != ledger.DatagramsDecoded || len(c.records) != 3 || h.Sequence != 99 || h.SubAgent != 0 ||
			counts[ledger.SamplesFlow] != 3 || counts[ledger.SamplesCounter] != 1 || counts[ledger.DatagramsTruncated] != 0 {
			t.Fatalf("version %d: %v, %d records, %+v", version, ledger.Infos[outcome], len(c.records), h)
		}
		r := c.records[0]
		if r.Bytes != 200 || r.SrcPort != 1000 || r.SamplingRate != 1000 || r.InIf != 7 || r.OutIf != 8 || r.SrcVLAN != 10 ||
			r.DstVLAN != 20 || r.NextHop.Addr().String() != "203.0.113.9" || r.SrcNet != 24 || r.SrcAS != 65001 || r.DstAS != 64501 ||
			r.NextHopAS != 64500 || r.SamplerAddress.Addr().String() != "192.0.2.1" {
			t.Errorf("version %d: %+v", version, r)
		}
		if r := c.records[1]; r.Bytes != 100 || r.TCPFlags != 0x12 || r.OutIf != 0 || r.DstAS != 64501 || r.EType != 0x800 {
			t.Errorf("version %d: %+v", version, r)
		}
		if r := c.records[2]; r.Bytes != 120 || r.Proto != 17 || r.OutIf != 0 || r.SrcAddr.Addr().String() != "2000::1" {
			t.Errorf("version %d: %+v", version, r)
		}
		// What is not known ends the datagram, and is counted; what came before it counts.
		c, counts, _, _ = decode(old(version, oldSample(8, header), u32(9, 1, 2), oldSample(8, header)), Options{})
		if len(c.records) != 1 || counts[ledger.SamplesDroppedMalformed] != 1 || counts[ledger.DatagramsTruncated] != 1 {
			t.Errorf("version %d: %d records", version, len(c.records))
		}
		var r2 flow.Record
		Decode(old(version, oldSample(8, header, people, url, routed, gateway)), 5, flow.Address{}, Options{Extra: true}, &r2, &counts, &collected{})
		if kept := keptFields(&r2); kept["extended_user.src_user"] != `"alice"` || kept["extended_user.dst_user"] != `"bob"` ||
			kept["extended_url.url"] != `"/index.html"` || kept["sample.sequence_number"] != "1" || kept["sample.source_id"] != `"0:3"` ||
			kept["sample.sample_pool"] != "50000" || kept["sampled_header.protocol"] != "1" ||
			kept["extended_router.nexthop"] != `"203.0.113.9"` || kept["extended_gateway.as"] != "65000" || kept["extended_gateway.src_peer_as"] != "65002" ||
			version == 4 && kept["extended_gateway.localpref"] != "100" {
			t.Errorf("version %d: %v", version, kept)
		}
	}
}

// What a sample of an old version counts as is what one of version 5 does.
func TestSamplesOfVersion4CountAsThoseOfVersion5(t *testing.T) {
	ip4 := u32(oldIPv4, 100, 6, 0x0a000001, 0x0a000002, 80, 443, 0x12, 0x20)
	nothing := u32(oldHeader, 1, 0, 0)
	unknown := oldSample(8, ip4, u32(99, 1, 2, 3))
	for _, test := range []struct {
		name                                           string
		samples                                        [][]byte
		records, flows, noPacket, malformed, shortened uint64
	}{
		{"a packet", [][]byte{oldSample(8, ip4)}, 1, 1, 0, 0, 0},
		{"no packet", [][]byte{oldSample(8, nothing), oldSample(8, ip4)}, 1, 2, 1, 0, 0},
		{"further information that nobody knows", [][]byte{unknown, oldSample(8, ip4)}, 1, 1, 0, 0, 1},
		{"a packet of a kind that nobody knows", [][]byte{oldSample(8, u32(9, 1))}, 0, 0, 0, 1, 0},
	} {
		_, counts, _, _ := decode(old(4, test.samples...), Options{})
		got := [...]uint64{counts[ledger.RecordsDecoded], counts[ledger.SamplesFlow], counts[ledger.SamplesDroppedNoPacket],
			counts[ledger.SamplesDroppedMalformed], counts[ledger.RecordsTruncated]}
		if want := [...]uint64{test.records, test.flows, test.noPacket, test.malformed, test.shortened}; got != want {
			t.Errorf("%s: %v, want %v", test.name, got, want)
		}
	}
}
