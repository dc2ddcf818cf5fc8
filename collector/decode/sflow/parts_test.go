package sflow

import (
	"slices"
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// header is a sampled header of an Ethernet frame of 200 bytes with IPv4 and UDP from 192.0.2.10:1000 to 198.51.100.20:2000.
func header() []byte {
	packet := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
		0x45, 0, 0, 182, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20, 3, 0xe8, 7, 0xd0, 0, 162, 0, 0}
	return tagged(recordRawHeader, u32(1, 200, 4, uint32(len(packet))), packet, []byte{0, 0})
}

// sFlow version 5, sampled_header: frame_length is the packet's original length; sampled_ipv4 and sampled_ethernet have shorter ones.
func TestTheFramesLengthCountsWhateverTheOrder(t *testing.T) {
	ip := tagged(recordIPv4, u32(182, 17, 0xc000020a, 0xc6336414, 1000, 2000, 0, 0))
	ethernet := tagged(recordEthernet, u32(196, 0x02000000, 0x00020000, 0x02000000, 0x00010000, 0x800))
	for _, records := range [][][]byte{{header(), ip, ethernet}, {ip, ethernet, header()}, {ethernet, header(), ip}} {
		c, _, _, _ := decode(datagram(sample(records...)), Options{})
		if r := c.records[0]; r.Bytes != 200 || r.SrcPort != 1000 || r.SrcMAC != 0x020000000002 || len(r.LayerStack) != 3 {
			t.Errorf("%+v", r)
		}
	}
	c, _, _, _ := decode(datagram(sample(ip, ethernet)), Options{})
	if r := c.records[0]; r.Bytes != 196 || r.SrcMAC != 0x020000000002 {
		t.Errorf("without a sampled header: %+v", r)
	}
}

// sFlow version 5, "interface": 0x3FFFFFFF is the device itself; "interface_expanded" has 0xFFFFFFFF for that.
func TestWhatIsNoInterfaceOrVLANIsNone(t *testing.T) {
	for _, none := range []uint32{0x3fffffff, 0xffffffff, 0x80000002, 0x40000102, 0xc0000001} {
		compact := tagged(formatFlow, u32(1, 3, 1000, 50000, 0, none, none, 1), frame)
		c, _, _, _ := decode(datagram(compact), Options{})
		if r := c.records[0]; r.InIf != 0 || r.OutIf != 0 {
			t.Errorf("%x: in %d, out %d", none, r.InIf, r.OutIf)
		}
	}
	for _, none := range [][2]uint32{{0, 0x3fffffff}, {0, 0xffffffff}, {1, 258}, {2, 3}, {3, 7}} {
		expanded := tagged(formatExpandedFlow, u32(1, 0, 3, 1000, 50000, 0, none[0], none[1], none[0], none[1], 1), frame)
		c, _, _, _ := decode(datagram(expanded), Options{})
		if r := c.records[0]; r.InIf != 0 || r.OutIf != 0 {
			t.Errorf("%v: in %d, out %d", none, r.InIf, r.OutIf)
		}
	}
	switched := tagged(recordSwitch, u32(0xffffffff, 0, 4095, 0))
	routed := tagged(recordRouter, u32(0, 0xffffffff, 200))
	gateway := tagged(recordGateway, u32(0, 65000, 0xffffffff, 0, 0, 0, 0))
	c, _, _, _ := decode(datagram(sample(frame, switched, routed, gateway)), Options{})
	if r := c.records[0]; r.SrcVLAN != 0 || r.DstVLAN != 0 || r.SrcNet != 0 || r.DstNet != 0 || r.SrcAS != 65000 || r.NextHop.Len() != 0 {
		t.Errorf("%+v", r)
	}
}

// RFC 7300, RFC 7607: no AS has all bits set, or none.
func TestWhatIsNoASIsNone(t *testing.T) {
	const none = 0xffffffff
	for _, test := range []struct {
		name                string
		gateway             []uint32
		source, destination uint32
		path                int
	}{
		{"a path that nobody knows", []uint32{0, 65000, 64500, 64501, 1, 2, 1, none, 0, 100}, 64500, 65000, 0},
		{"a path that ends with nobody", []uint32{0, 65000, 64500, 64501, 1, 2, 3, 64502, 64503, none, 0, 100}, 64500, 64503, 2},
		{"a router that does not know its own", []uint32{0, none, none, 64501, 0, 0, 100}, 0, 0, 0},
	} {
		c, _, _, _ := decode(datagram(sample(frame, tagged(recordGateway, u32(test.gateway...)))), Options{})
		if r := c.records[0]; r.SrcAS != test.source || r.DstAS != test.destination || len(r.ASPath) != test.path {
			t.Errorf("%s: %d to %d by %v", test.name, r.SrcAS, r.DstAS, r.ASPath)
		}
	}
}

// The destination is the last AS of the path: of one that breaks off nobody can tell it. The router's own AS is that of a path without any.
func TestAPathThatBreaksOffHasNoDestination(t *testing.T) {
	for _, test := range []struct {
		name                 string
		gateway              []uint32
		destination, nextHop uint32
	}{
		{"a list longer than the record", []uint32{1, 0xcb007101, 65000, 64500, 0, 1, 2, 1 << 30, 100}, 0, 0},
		{"a segment that is not there", []uint32{1, 0xcb007101, 65000, 64500, 0, 1}, 0, 0},
		{"a second segment that is not there", []uint32{1, 0xcb007101, 65000, 64500, 0, 2, 2, 1, 64501, 2, 9}, 0, 64501},
		{"communities that are not there", []uint32{1, 0xcb007101, 65000, 64500, 0, 1, 2, 1, 64501, 99}, 64501, 64501},
		{"no path, and communities that are not there", []uint32{1, 0xcb007101, 65000, 64500, 0, 0, 99}, 65000, 0},
	} {
		c, counts, _, _ := decode(datagram(sample(header(), tagged(recordGateway, u32(test.gateway...)))), Options{})
		if r := c.records[0]; r.SrcAS != 64500 || r.DstAS != test.destination || r.NextHopAS != test.nextHop || counts[ledger.RecordsTruncated] != 1 {
			t.Errorf("%s: from %d to %d by %d", test.name, r.SrcAS, r.DstAS, r.NextHopAS)
		}
	}
	whole := u32(oldGateway, 65000, 65001, 65002, 2, 64500, 64501)
	b := old(2, oldSample(8, u32(oldIPv4, 100, 6, 0x0a000001, 0x0a000002, 80, 443, 0x12, 0x20), whole))
	if c, _, _, _ := decode(b[:len(b)-4], Options{}); c.records[0].DstAS != 0 || c.records[0].SrcAS != 65001 {
		t.Errorf("version 2: to %d", c.records[0].DstAS)
	}
}

func TestIPv4HasNoPrefixOfMoreBitsThanAnAddress(t *testing.T) {
	address := make([]byte, 16)
	four := tagged(recordIPv4, u32(60, 6, 0xc000020a, 0xc6336414, 1, 2, 0, 0))
	six := tagged(recordIPv6, u32(60, 6), address, address, u32(1, 2, 0, 0))
	routed := tagged(recordRouter, u32(1, 0xc6336414, 33, 32))
	for _, test := range []struct {
		name    string
		sample  []byte
		srcMask uint32
	}{
		{"IPv4, the router's record behind", sample(four, routed), 0},
		{"IPv4, the router's record before", sample(routed, four), 0},
		{"IPv6", sample(six, routed), 33},
	} {
		c, _, _, _ := decode(datagram(test.sample), Options{})
		if r := c.records[0]; r.SrcNet != test.srcMask || r.DstNet != 32 {
			t.Errorf("%s: prefixes of %d and %d bits", test.name, r.SrcNet, r.DstNet)
		}
	}
}

func TestWhatSaysNothingOfAPacketIsNoFlow(t *testing.T) {
	operation := tagged(2202, text("shop"), text("pay"), text(""), text("OK"), u32(0, 100, 0, 200, 5000, 0))
	socket := tagged(recordSocketIPv4, u32(6, 0xc6336414, 0xc000020a, 443, 50000))
	for _, test := range []struct {
		name    string
		sample  []byte
		flows   int
		dropped uint64
	}{
		{"two records announced, none there", tagged(formatFlow, u32(1, 3, 1000, 50000, 0, 7, 8, 2)), 0, 1},
		{"the same, expanded", tagged(formatExpandedFlow, u32(1, 0, 3, 1000, 50000, 0, 0, 7, 0, 8, 2)), 0, 1},
		{"an expanded sample of 80 bytes with a damaged record", tagged(formatExpandedFlow, u32(1, 0, 3, 1000, 50000, 0, 0, 7, 0, 8, 2,
			recordGateway, 28, 1, 0, 65000, 0, 0, 1<<30, 0)), 0, 1},
		{"a transaction without addresses", sample(operation), 0, 1},
		{"a transaction with addresses", sample(operation, socket), 1, 0},
		{"a header of no bytes", sample(tagged(recordRawHeader, u32(1, 0, 0, 0))), 0, 1},
		{"zeros where a record was to be", sample(u32(0, 0)), 0, 1},
		{"addresses of zeros", sample(tagged(recordIPv4, make([]byte, 32)), tagged(recordIPv6, make([]byte, 56))), 0, 1},
		{"a switch's record beside them", sample(tagged(recordIPv4, make([]byte, 32)), tagged(recordSwitch, u32(3, 0, 5, 0))), 1, 0},
		{"a header that says a length only", sample(tagged(recordRawHeader, u32(1, 64, 0, 0))), 1, 0},
		{"a switch's record alone", sample(tagged(recordSwitch, u32(3, 0, 5, 0))), 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, counts, _, _ := decode(datagram(test.sample), Options{})
			if len(c.records) != test.flows || counts[ledger.SamplesDroppedNoPacket] != test.dropped ||
				counts[ledger.RecordsDecoded] != uint64(test.flows) || counts[ledger.SamplesFlow] != 1 {
				t.Errorf("%d flows, counted %d, without a packet %d", len(c.records), counts[ledger.RecordsDecoded],
					counts[ledger.SamplesDroppedNoPacket])
			}
		})
	}
	c, _, _, _ := decode(datagram(sample(operation, socket)), Options{})
	if r := c.records[0]; r.SrcAddr.Addr().String() != "192.0.2.10" || r.DstAddr.Addr().String() != "198.51.100.20" || r.DstPort != 443 ||
		r.SrcPort != 50000 || r.Proto != 6 {
		t.Errorf("%+v", r)
	}
}

func TestWhatASampleWithAWrongLengthHasWholeIsRead(t *testing.T) {
	long := sample(frame, tagged(recordSwitch, u32(3, 0, 5, 0)))
	for _, length := range []int{len(long) - 8 - 12, len(long) - 8 + 40} { // too short, too long
		s := slices.Clone(long)
		copy(s[4:], u32(uint32(length)))
		c, _, _, _ := decode(datagram(s), Options{})
		if len(c.records) != 1 || c.records[0].SrcVLAN != 3 {
			t.Errorf("length %d of %d: %+v", length, len(long)-8, c.records)
		}
	}
	// What belongs to the next sample is not taken for this one's.
	s := slices.Clone(long)
	copy(s[len(s)-20:], u32(20))
	if c, counts, _, _ := decode(datagram(s, long), Options{}); len(c.records) != 2 || c.records[0].SrcVLAN != 0 || c.records[1].SrcVLAN != 3 ||
		counts[ledger.RecordsTruncated] != 1 {
		t.Errorf("%+v", c.records)
	}
}

func TestMPLSAndTagsThatWereTakenOffHaveTheirPlaces(t *testing.T) {
	mpls := tagged(recordMPLS, u32(1, 0xcb007101, 1, 16001<<12|0x1ff, 1, 24002<<12|0x1fe))
	pushed := tagged(recordMPLS, u32(1, 0xcb007101, 0, 1, 24002<<12|0x1fe))
	tunnel := tagged(recordVLANTunnel, u32(2, 0x81000064, 0x810000c8))
	c, _, _, _ := decode(datagram(sample(mpls, tunnel, header())), Options{})
	r := c.records[0]
	if r.NextHop.Addr().String() != "203.0.113.1" || r.VLANID != 100 {
		t.Errorf("next hop %s, VLAN %d", r.NextHop.Addr(), r.VLANID)
	}
	for _, stack := range [][]uint32{{2, 0x81006000, 0x810000c8}, {2, 0x81000fff, 0x810000c8}, {1, 0x810000c8}} { // tags of a priority alone are none of a VLAN
		c, _, _, _ := decode(datagram(sample(header(), tagged(recordVLANTunnel, u32(stack...)))), Options{})
		if r := c.records[0]; r.VLANID != 200 {
			t.Errorf("%x: VLAN %d", stack, r.VLANID)
		}
	}
	for _, test := range []struct {
		records [][]byte
		label   uint32
		next    string
	}{
		{[][]byte{header(), mpls}, 16001, "203.0.113.1"},
		{[][]byte{header(), pushed}, 24002, "203.0.113.1"},
		{[][]byte{header(), mpls, tagged(recordRouter, u32(1, 0xcb007109, 24, 24))}, 16001, "203.0.113.9"},
	} {
		var counts ledger.Counts
		var got flow.Record
		Decode(datagram(sample(test.records...)), 5, flow.Address{}, Options{}, &got, &counts, &collected{})
		if !slices.Equal(got.MPLSLabel, []uint32{test.label}) || got.NextHop.Addr().String() != test.next || len(got.MPLSIP) != 1 {
			t.Errorf("%v %s %v", got.MPLSLabel, got.NextHop.Addr(), got.MPLSIP)
		}
	}
}

// sflow.org, "sFlow 802.11 Structures", extended_80211_payload: what a frame carried comes beside its header where that is encrypted.
func TestWhatAnEncryptedFrameCarriedIsTheFlows(t *testing.T) {
	encrypted := []byte{8, 0x41, 0, 0, 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0, 0, 1, 2, 3, 4}
	frame := tagged(recordRawHeader, u32(15, 200, 4, uint32(len(encrypted))), encrypted)
	packet := []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20, 3, 0xe8, 7, 0xd0, 0, 12, 0, 0}
	payload := tagged(recordPayload, u32(0x000fac04, uint32(len(packet))), packet)
	for _, records := range [][][]byte{{frame, payload}, {payload, frame}} {
		c, counts, _, _ := decode(datagram(sample(records...)), Options{})
		if r := c.records[0]; r.Bytes != 200 || r.SrcMAC != 0x020000000001 || r.DstMAC != 0x020000000002 || r.EType != 0x800 || r.DstPort != 2000 ||
			r.SrcAddr.Addr().String() != "192.0.2.10" || counts[ledger.RecordsTruncated]+counts[ledger.SampleRecordsUnknown] != 0 {
			t.Errorf("%+v", r)
		}
	}
	c, counts, _, _ := decode(datagram(sample(header(), payload, tagged(recordPayload, u32(1, 100)))), Options{})
	if r := c.records[0]; len(r.LayerStack) != 3 || counts[ledger.RecordsTruncated] != 1 {
		t.Errorf("beside a header that shows it, and cut short: %+v", r)
	}
	if c, _, _, _ := decode(datagram(sample(frame)), Options{}); c.records[0].SrcAddr.Len() != 0 {
		t.Errorf("the sample before it: %+v", c.records[0])
	}
}

// IEEE 802.3 clause 3.2.6: below 0x0600 it is the length of a frame of spanning tree, say, in the frame and in what an agent says of it.
func TestALengthIsNoEtherTypeOfSampledEthernet(t *testing.T) {
	for kind, want := range map[uint32]uint32{0x26: 0, 0x5ff: 0, 0x600: 0x600, 0x88cc: 0x88cc, 0x10800: 0} {
		c, _, _, _ := decode(datagram(sample(tagged(recordEthernet, u32(60, 0x02000000, 0x00020000, 0x02000000, 0x00010000, kind)))), Options{})
		if r := c.records[0]; r.EType != want || r.Bytes != 60 {
			t.Errorf("%#x: %+v", kind, r)
		}
	}
}

// A sample is of one packet (sFlow version 5, "flow_sample"): what a second header or gateway says is not mixed with what the first said.
func TestOfTwoHeadersOrGatewaysTheFirstIsThePackets(t *testing.T) {
	other := []byte{2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 4, 0x88, 0xcc, 0, 0}
	second := tagged(recordRawHeader, u32(1, 99, 0, uint32(len(other))), other)
	gateway := func(as uint32) []byte {
		return tagged(recordGateway, u32(1, 0xcb007100|as, 65000, as, 0, 1, 2, 1, as, 1, as, 100))
	}
	for _, extra := range []bool{false, true} {
		alone, _, _, _ := decode(datagram(sample(header(), gateway(7))), Options{Extra: extra})
		both, counts, _, _ := decode(datagram(sample(header(), second, gateway(7), gateway(8))), Options{Extra: extra})
		want, got := alone.records[0].AppendJSON(nil, nil), both.records[0].AppendJSON(nil, nil)
		if string(want) != string(got) || counts[ledger.SampleRecordsUnknown] != 2 {
			t.Errorf("%s\nbeside others: %s, %d skipped", want, got, counts[ledger.SampleRecordsUnknown])
		}
		if c, _, _, _ := decode(datagram(sample(header()), sample(second)), Options{Extra: extra}); c.records[1].Bytes != 99 {
			t.Errorf("the next sample: %+v", c.records[1])
		}
	}
}
