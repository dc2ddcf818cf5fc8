package main

import (
	"slices"
	"strings"
	"testing"
)

func TestDecodePrintsCounterSamplesWhereAsked(t *testing.T) {
	datagram := func(sample ...uint32) []byte {
		return octets32(append([]uint32{5, 1, 0xc0000201, 3, 1, 9, 1}, sample...)...)
	}
	vlan := []uint32{5, 28, 100, 1, 0, 2, 3, 4, 5}
	compact := append([]uint32{2, 12 + 4*2*9, 7, 2<<24 | 5, 2}, slices.Concat(vlan, vlan)...)
	expanded := append([]uint32{4, 16 + 4*9 + 12, 8, 0, 1 << 24, 3}, append(slices.Clone(vlan), 8800<<12|1, 4, 0x0102abcd, 1, 999)...)
	expanded[1] = 4 * uint32(len(expanded)-2) // the third record is cut short
	// Version 4 (RFC 3176): those of a VLAN, and of an Ethernet interface.
	old := append([]uint32{4, 1, 0xc0000201, 1, 9, 2, 2, 7, 1<<24 | 100, 20, 7}, vlan[2:]...)
	ethernet := make([]uint32, 35)
	ethernet[0], ethernet[34] = 5, 13
	old = append(append(old, 2, 8, 5, 20, 2), ethernet...)

	path := writeCapture(t, "counters.pcap", false, datagram(compact...), datagram(expanded...), octets32(old...))
	out, err := execute(t, "", "decode", "--counters", path)
	if err != nil {
		t.Fatal(err)
	}
	counters := `{"vlan_id":100,"octets":4294967296,"ucastPkts":2,"multicastPkts":3,"broadcastPkts":4,"discards":5}`
	for _, want := range []string{
		`"sub_agent":3,"sequence_num":7,"source_id":"2:5","counters":{"vlan_counters":` + counters + `,"vlan_counters#2":` + counters + `}}`,
		`"sequence_num":8,"source_id":"0:16777216","counters":{"vlan_counters":` + counters + `,"sflow8800.1":"0102abcd"}}`,
		`"sequence_num":7,"source_id":"1:100","counters":{"vlan_counters":` + counters + `}}`,
		`"sequence_num":8,"source_id":"0:5","counters":{"if_counters":{"ifIndex":5,`,
		`"dot3StatsSymbolErrors":13}}}`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
	if out, err := execute(t, "", "decode", "-q", path); err != nil || strings.Contains(out, "COUNTERS") {
		t.Errorf("unasked: %v\n%s", err, out)
	}
}
