package decode_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/names"
)

// workload is one datagram that is decoded again and again, after what it needs to be known.
type workload struct {
	name     string
	before   []byte
	datagram []byte
	records  int
}

func workloads() []workload {
	g := newGenerator(1)
	return []workload{
		{"NetFlow-v5", nil, g.netflow5(30), 30},
		{"NetFlow-v9", g.message(9, 1, templateSet(9, 300, fieldsIPv4)), g.message(9, 24, g.dataSet(300, fieldsIPv4, 24)), 24},
		{"IPFIX-IPv4", g.message(10, 1, templateSet(10, 300, fieldsIPFIX4)), g.message(10, 20, g.dataSet(300, fieldsIPFIX4, 20)), 20},
		{"IPFIX-IPv6", g.message(10, 1, templateSet(10, 300, fieldsIPFIX6)), g.message(10, 14, g.dataSet(300, fieldsIPFIX6, 14)), 14},
		{"sFlow", nil, g.sflow(6), 6},
	}
}

func TestDecodingToProtobufAllocatesNothing(t *testing.T) {
	for _, w := range workloads() {
		o := newOurs()
		if w.before != nil {
			o.decode(w.before)
		}
		o.decode(w.datagram)
		o.buffer = make([]byte, 0, 1<<16)
		if n := testing.AllocsPerRun(100, func() {
			o.buffer = o.buffer[:0]
			o.decode(w.datagram)
		}); n != 0 {
			t.Errorf("%s: %v allocations a datagram", w.name, n)
		}
		if o.counts[ledger.RecordsDecoded] != uint64(102*w.records) {
			t.Errorf("%s: %d records decoded, want %d", w.name, o.counts[ledger.RecordsDecoded], 102*w.records)
		}
	}
}

// BenchmarkDecode measures from datagram to delimited protobuf, ours beside goflow2's decode, produce and marshal:
//
//	go test ./collector/decode -run '^$' -bench Decode -count 6 | benchstat -col /by -
func BenchmarkDecode(b *testing.B) {
	for _, w := range workloads() {
		b.Run(w.name+"/by=goflow2", func(b *testing.B) {
			g := newGoflow2(b)
			if w.before != nil {
				if _, err := g.produce(w.before); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				messages, err := g.produce(w.datagram)
				if err != nil || len(messages) != w.records {
					b.Fatal(len(messages), err)
				}
				for _, m := range messages {
					if _, err := m.(interface{ MarshalBinary() ([]byte, error) }).MarshalBinary(); err != nil {
						b.Fatal(err)
					}
				}
				g.producer.Commit(messages)
			}
			report(b, w.records)
		})
		b.Run(w.name+"/by=flowfleet-named", func(b *testing.B) {
			o := newNaming(b, w)
			b.ReportAllocs()
			for b.Loop() {
				o.buffer = o.buffer[:0]
				o.decode(w.datagram)
			}
			report(b, w.records)
		})
		b.Run(w.name+"/by=flowfleet", func(b *testing.B) {
			o := newOurs()
			if w.before != nil {
				o.decode(w.before)
			}
			b.ReportAllocs()
			for b.Loop() {
				o.buffer = o.buffer[:0]
				o.decode(w.datagram)
			}
			report(b, w.records)
		})
	}
}

// BenchmarkNames measures what names cost a record, decoding with and without them by turns: whatever slows a turn on a busy machine slows
// the one beside it too, and the median of all turns tells.
//
//	go test ./collector/decode -run '^$' -bench Names -benchtime 4000x -count 6
func BenchmarkNames(b *testing.B) {
	for _, w := range workloads() {
		b.Run(w.name, func(b *testing.B) {
			plain, named := newOurs(), newNaming(b, w)
			if w.before != nil {
				plain.decode(w.before)
			}
			turn := func(o *ours) float64 {
				const datagrams = 20
				begun := time.Now()
				for range datagrams {
					o.buffer = o.buffer[:0]
					o.decode(w.datagram)
				}
				return float64(time.Since(begun).Nanoseconds()) / float64(datagrams*w.records)
			}
			var without, more, share []float64
			for b.Loop() {
				before, with, after := turn(plain), turn(named), turn(plain)
				base := (before + after) / 2
				without, more, share = append(without, base), append(more, with-base), append(share, 100*(with/base-1))
			}
			median := func(list []float64) float64 {
				slices.Sort(list)
				return list[len(list)/2]
			}
			b.ReportMetric(median(without), "ns/record")
			b.ReportMetric(median(more), "ns-more/record")
			b.ReportMetric(median(share), "%-more")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// newNaming names the interfaces of all flows of a workload, and their exporter.
func newNaming(b *testing.B, w workload) *ours {
	plain := newOurs()
	if w.before != nil {
		plain.decode(w.before)
	}
	plain.decode(w.datagram)
	var lines []names.Line
	for rest := plain.buffer; len(rest) > 0; {
		message, following, err := flow.Split(rest)
		var r flow.Record
		if err != nil || flow.Decode(message, &r) != nil {
			b.Fatal("a record cannot be read")
		}
		rest = following
		exporter := netip.PrefixFrom(r.SamplerAddress.Addr(), r.SamplerAddress.Addr().BitLen())
		for _, index := range []uint32{r.InIf, r.OutIf} {
			lines = append(lines, names.Line{Network: exporter, Table: names.Interfaces, Number: uint64(index),
				Row: names.Row{Name: fmt.Sprint("Te0/0/0/", index%64)}})
		}
		lines = append(lines, names.Line{Network: exporter, Table: names.Exporters, Row: names.Row{Name: "edge-berlin-1"}})
	}
	o := newOurs(func(s *decode.Settings) {
		s.Settings.Names = true
		s.Names = s.Names.With(flow.InIfName, flow.OutIfName, flow.ApplicationName, flow.IngressVRFName, flow.EgressVRFName, flow.ExporterName)
	})
	shared := netflow.OwnShared()
	shared.Names.Say(names.NewSaid(lines), false)
	o.decoder.Share(shared)
	if w.before != nil {
		o.decode(w.before)
	}
	return o
}

func report(b *testing.B, records int) {
	total := float64(b.N) * float64(records)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/total, "ns/record")
	b.ReportMetric(total/b.Elapsed().Seconds(), "records/s")
}
