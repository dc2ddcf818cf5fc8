package netflow

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// record8 has the bytes 1, 2, 3, ..., so that each field's value tells where it stands.
func record8(length int) []byte {
	b := make([]byte, length)
	for i := range b {
		b[i] = byte(i + 1)
	}
	return b
}

func word(at int) uint32 {
	return binary.BigEndian.Uint32([]byte{byte(at + 1), byte(at + 2), byte(at + 3), byte(at + 4)})
}
func half(at int) uint32 { return word(at) >> 16 }

// Cisco, "NetFlow Export Datagram Format", version 8: the fields of each aggregation scheme.
func TestEachAggregationOfVersion8FillsItsFields(t *testing.T) {
	type want struct {
		flows, packets, bytes  int
		srcAddr, dstAddr       int
		srcNet, dstNet         uint32
		srcAS, dstAS           uint32
		srcPort, dstPort       uint32
		inIf, outIf, proto, to uint32
	}
	for method, w := range map[byte]struct {
		length int
		want
	}{
		1:  {28, want{flows: 0, packets: 4, bytes: 8, srcAddr: -1, dstAddr: -1, srcAS: half(20), dstAS: half(22), inIf: half(24), outIf: half(26)}},
		2:  {28, want{flows: 0, packets: 4, bytes: 8, srcAddr: -1, dstAddr: -1, proto: 21, srcPort: half(24), dstPort: half(26)}},
		3:  {32, want{flows: 0, packets: 4, bytes: 8, srcAddr: 20, dstAddr: -1, srcNet: 25, srcAS: half(26), inIf: half(28)}},
		4:  {32, want{flows: 0, packets: 4, bytes: 8, srcAddr: -1, dstAddr: 20, dstNet: 25, dstAS: half(26), outIf: half(28)}},
		5:  {40, want{flows: 0, packets: 4, bytes: 8, srcAddr: 20, dstAddr: 24, dstNet: 29, srcNet: 30, srcAS: half(32), dstAS: half(34), inIf: half(36), outIf: half(38)}},
		6:  {32, want{flows: -1, packets: 4, bytes: 8, srcAddr: -1, dstAddr: 0, outIf: half(20), to: 23}},
		7:  {40, want{flows: -1, packets: 8, bytes: 12, srcAddr: 4, dstAddr: 0, outIf: half(24), inIf: half(26), to: 29}},
		8:  {44, want{flows: -1, packets: 12, bytes: 16, srcAddr: 4, dstAddr: 0, dstPort: half(8), srcPort: half(10), outIf: half(28), inIf: half(30), to: 33, proto: 34}},
		9:  {32, want{flows: 0, packets: 4, bytes: 8, srcAddr: -1, dstAddr: -1, srcAS: half(20), dstAS: half(22), inIf: half(24), outIf: half(26), to: 29}},
		10: {32, want{flows: 0, packets: 4, bytes: 8, srcAddr: -1, dstAddr: -1, proto: 21, to: 22, srcPort: half(24), dstPort: half(26), inIf: half(28), outIf: half(30)}},
		11: {32, want{flows: 0, packets: 4, bytes: 8, srcAddr: 20, dstAddr: -1, srcNet: 25, to: 26, srcAS: half(26), inIf: half(28)}},
		12: {32, want{flows: 0, packets: 4, bytes: 8, srcAddr: -1, dstAddr: 20, dstNet: 25, to: 26, dstAS: half(26), outIf: half(28)}},
		13: {40, want{flows: 0, packets: 4, bytes: 8, srcAddr: 20, dstAddr: 24, dstNet: 29, srcNet: 30, to: 31, srcAS: half(32), dstAS: half(34), inIf: half(36), outIf: half(38)}},
		14: {40, want{flows: 0, packets: 4, bytes: 8, srcAddr: 20, dstAddr: 24, dstNet: 29, srcNet: 30, to: 31, proto: 32, srcPort: half(32), dstPort: half(34), inIf: half(36), outIf: half(38)}},
	} {
		t.Run(fmt.Sprint("method ", method), func(t *testing.T) {
			l := &schemes[method]
			if l.length != w.length {
				t.Fatalf("records of %d bytes, want %d", l.length, w.length)
			}
			var r flow.Record
			v := record8(l.length)
			l.fill(&r, v)
			address := func(at int) (a flow.Address) {
				if at >= 0 {
					a.Set4(v[at:])
				}
				return a
			}
			if r.SrcAddr != address(w.srcAddr) || r.DstAddr != address(w.dstAddr) {
				t.Errorf("from %s to %s", r.SrcAddr.Addr(), r.DstAddr.Addr())
			}
			got := want{w.flows, w.packets, w.bytes, w.srcAddr, w.dstAddr, r.SrcNet, r.DstNet, r.SrcAS, r.DstAS, r.SrcPort, r.DstPort,
				r.InIf, r.OutIf, r.Proto, r.IPTOS}
			if got != w.want {
				t.Errorf("%+v\nwant %+v", got, w.want)
			}
			counters := l.counters
			if l.hasFlows != (w.flows >= 0) {
				t.Errorf("flows: %t", l.hasFlows)
			}
			if l.hasFlows {
				counters += 4
			}
			if counters != w.packets || counters+4 != w.bytes {
				t.Errorf("packets at %d", counters)
			}
		})
	}
}
