package decode_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/decode/sflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/template"
)

func u16(values ...uint16) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func u32(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// ones are n bytes with one bit each, of which no record is padding.
func ones(n int) []byte { return bytes.Repeat([]byte{1}, n) }

// assertLedger checks that nothing was lost in silence.
func assertLedger(t *testing.T, c *ledger.Counts, held int) {
	t.Helper()
	if c[ledger.DatagramsReceived] != c[ledger.DatagramsDecoded]+c.Refused() {
		t.Errorf("%d datagrams received, %d decoded, %d refused", c[ledger.DatagramsReceived], c[ledger.DatagramsDecoded],
			c.Refused())
	}
	if c.SetsWaiting() != uint64(held) {
		t.Errorf("%d sets received, %d decoded, %d expired, %d dropped, but %d held", c[ledger.SetsReceived],
			c[ledger.SetsDecoded], c.SetsExpired(), c.SetsDropped(), held)
	}
}

func TestHostileDatagramsAreCountedAndHarmless(t *testing.T) {
	g := newGenerator(1)
	message := func(sets ...[]byte) []byte { return g.message(10, 0, sets...) }
	fields := []field{{1, 4}, {2, 4}}
	for _, test := range []struct {
		name      string
		datagrams [][]byte
		records   uint64
		counter   ledger.Counter
	}{
		{"withdrawal followed by data of its id", [][]byte{
			message(templateSet(10, 300, fields)),
			message(set(2, u16(300, 0)), g.dataSet(300, fields, 3)),
		}, 3, ledger.TemplatesWithdrawn}, // RFC 7011 section 8.4: ignored
		{"two messages in one datagram", [][]byte{
			append(message(templateSet(10, 300, fields), g.dataSet(300, fields, 2)), g.message(10, 0, g.dataSet(300, fields, 1))...),
		}, 3, ledger.RecordsDecoded},
		{"template without fields in NetFlow v9", [][]byte{g.message(9, 1, set(0, u16(300, 0)))}, 0, ledger.TemplatesRefusedInvalid},
		{"template whose records have no bytes", [][]byte{
			message(set(2, u16(300, 2, 1, 0, 2, 0))), message(set(300, make([]byte, 1000))),
		}, 0, ledger.TemplatesRefusedInvalid},
		{"template of variable fields only takes a byte each", [][]byte{
			message(set(2, u16(300, 1, 1, 65535))), message(set(300, []byte{1, 1, 0, 0, 0, 0, 0})),
		}, 1, ledger.RecordsDecoded},
		{"v5 header that claims records it does not carry", [][]byte{
			append(u16(5, 65535), make([]byte, 20)...),
		}, 0, ledger.DatagramsTruncated},
		{"template with 65535 fields", [][]byte{
			message(set(2, append(u16(300, 65535), make([]byte, 4000)...))),
		}, 0, ledger.TemplatesRefusedInvalid},
		{"template with more fields than allowed", [][]byte{
			message(templateSet(10, 300, make([]field, 200))),
		}, 0, ledger.TemplatesRefusedLimit},
		{"set longer than its message", [][]byte{message(u16(300, 2000, 1))}, 0, ledger.DatagramsTruncated},
		{"set shorter than its header", [][]byte{message(u16(300, 3, 1, 1))}, 0, ledger.SetsDroppedMalformed},
		{"reserved set id", [][]byte{message(set(77, make([]byte, 8)))}, 0, ledger.SetsDroppedReserved},
		{"message longer than its datagram", [][]byte{append(u16(10, 2000), make([]byte, 12)...)}, 0, ledger.DatagramsTruncated},
		{"message shorter than its datagram", [][]byte{append(message(templateSet(10, 300, fields)), "more"...)}, 0,
			ledger.DatagramsTrailing},
		{"v5 datagram with more records than its header says", [][]byte{slices.Concat(u16(5, 1), make([]byte, 20), ones(49))}, 1,
			ledger.DatagramsTrailing},
		{"message shorter than its header", [][]byte{append(u16(10, 3), make([]byte, 12)...)}, 0, ledger.RefusedHeader},
		{"unknown version", [][]byte{append(u16(4), make([]byte, 12)...)}, 0, ledger.RefusedVersion},
		{"empty", [][]byte{{}}, 0, ledger.RefusedTooShort},
		{"expanded sample of 80 bytes that announces billions", [][]byte{append(append(
			u32(5, 1, 0x01020304, 0, 1, 1, 1, 3, 80, 1, 0, 3, 1, 1, 0, 0, 5, 0, 6, 0xffffffff),
			u32(1003, 32, 1, 0, 1, 1, 1, 0xffffffff, 2, 0xffffffff)...), 0, 0, 0, 0)}, 0, ledger.SamplesDroppedNoPacket},
		{"sFlow with four billion samples", [][]byte{u32(5, 1, 0x01020304, 0, 1, 1, 0xffffffff)}, 0, ledger.DatagramsTruncated},
		{"sFlow sample longer than its datagram", [][]byte{u32(5, 1, 0x01020304, 0, 1, 1, 1, 1, 0xffffffff, 0)}, 0,
			ledger.SamplesDroppedMalformed},
		{"sFlow datagram with more samples than its header says", [][]byte{u32(5, 1, 0x01020304, 0, 1, 1, 1, 2, 12, 1, 1, 0, 2, 12, 2, 1, 0)}, 0,
			ledger.DatagramsTrailing},
		{"NetFlow v8 with an unknown aggregation", [][]byte{append(u16(8, 1), make([]byte, 100)...)}, 0, ledger.RefusedHeader},
		{"NetFlow v8 that promises more than it carries", [][]byte{append(u16(8, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0102), ones(60)...)}, 2,
			ledger.DatagramsTruncated},
		{"sFlow version 4 with four billion samples", [][]byte{u32(4, 1, 0x01020304, 1, 1, 0xffffffff)}, 0, ledger.DatagramsTruncated},
		{"sFlow version 4 with four billion labels", [][]byte{u32(4, 1, 0x01020304, 1, 1, 1, 1, 1, 3, 9, 9, 0, 1, 2, 1, 1, 60, 0xffffffff)}, 0,
			ledger.SamplesDroppedMalformed},
		{"sFlow version 3", [][]byte{u32(3, 1, 0x01020304, 1, 1, 0)}, 0, ledger.RefusedVersion},
		{"sFlow with an unknown kind of address", [][]byte{u32(5, 9, 0, 0, 0, 0, 0, 0)}, 0, ledger.RefusedHeader},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newOurs()
			var totals ledger.Totals
			o.decoder = newDecoder(o, &totals)
			for _, datagram := range test.datagrams {
				o.decode(datagram)
			}
			counts := o.counts
			sets, _ := o.decoder.Held()
			assertLedger(t, &counts, sets)
			assertBooks(t, o.decoder, &counts)
			counts.MoveTo(&totals)
			if all := totals.Load(); all[test.counter] == 0 {
				t.Errorf("%v is not counted", ledger.Infos[test.counter])
			}
			if o.records != int(test.records) {
				t.Errorf("%d records, want %d", o.records, test.records)
			}
			for _, m := range o.messages(t) {
				if m.Bytes > 1<<32 {
					t.Errorf("an invented record: %v", m)
				}
			}
		})
	}
}

func newDecoder(o *ours, totals *ledger.Totals) *decode.Decoder {
	store := template.NewStore(template.ModeAuto, template.Limits{Exporters: 1000, Templates: 100, Fields: 100}, totals, nil)
	return decode.New(config.ProtocolAuto, store, &decode.Settings{MaxSamples: 100, Exporters: 50, Settings: netflow.Settings{
		Hold: true, HeldBytes: 1 << 20, HeldBytesPerExporter: 1 << 16, HeldAge: 1 << 40, Sessions: 1000,
	}}, &o.counts, o, nil)
}

// TestEveryPrefixOfADatagramIsHarmless cuts valid datagrams at each byte: no more records than the whole has, and none lost
// from the books.
func TestEveryPrefixOfADatagramIsHarmless(t *testing.T) {
	for _, w := range workloads() {
		o := newOurs()
		if w.before != nil {
			o.decode(w.before)
		}
		for n := range w.datagram {
			before := o.records
			o.decode(w.datagram[:n:n])
			if o.records-before > w.records {
				t.Fatalf("%s: %d bytes of %d give %d records", w.name, n, len(w.datagram), o.records-before)
			}
			o.buffer = o.buffer[:0]
		}
		sets, _ := o.decoder.Held()
		assertLedger(t, &o.counts, sets)
		assertBooks(t, o.decoder, &o.counts)
	}
}

func TestAHundredTimesAsManySpoofedExportersAsTheLimitAreBounded(t *testing.T) {
	const n = 100_000
	o := newOurs()
	var totals ledger.Totals
	o.decoder = newDecoder(o, &totals)
	g := newGenerator(1)
	fields := []field{{1, 4}, {2, 4}}
	datagram := g.message(10, 0, templateSet(10, 300, fields), g.dataSet(300, fields, 1), g.dataSet(999, fields, 1))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		address := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		o.decoder.Decode(decode.Datagram{Payload: datagram, Source: netip.AddrPortFrom(address, 1), Received: int64(i)})
		o.buffer = o.buffer[:0]
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("%d exporters take %d bytes, with a limit of 1000", n, grown)
	}
	sets, bytes := o.decoder.Held()
	if bytes > 1<<20 {
		t.Errorf("%d bytes are held", bytes)
	}
	assertLedger(t, &o.counts, sets)
	if exporters := assertBooks(t, o.decoder, &o.counts); len(exporters) != 51 { // with the one of all the others
		t.Errorf("%d exporters have books, with a limit of 50", len(exporters))
	}
	all := totals.Load()
	if all[ledger.ExportersEvicted] != uint64(n-1000) {
		t.Errorf("%d exporters evicted", all[ledger.ExportersEvicted])
	}
	if o.counts[ledger.RecordsDecoded] != uint64(n) {
		t.Errorf("%d records decoded", o.counts[ledger.RecordsDecoded])
	}
}

// sink counts records and checks what must hold for each.
type sink struct {
	t       *testing.T
	records int
	volume  ledger.Volume
}

func (s *sink) Record(r *flow.Record) {
	s.records++
	s.volume.Record(r.Bytes, r.SamplingRate)
	if len(r.ASPath) > flow.MaxASPath || len(r.BGPCommunities) > flow.MaxCommunities || len(r.LayerStack) > flow.MaxLayers ||
		len(r.MPLSLabel) > flow.MaxMPLSLabels || len(r.IPv6RoutingHeaderAddresses) > flow.MaxSegments {
		s.t.Error("a list is longer than its bound")
	}
	if len(r.LayerStack) != len(r.LayerSize) {
		s.t.Error("layers and their sizes differ in number")
	}
	for _, name := range r.Names {
		if text, refusal := names.Clean([]byte(name.String())); refusal != names.Accepted || text != name.String() {
			s.t.Errorf("%s is %q", name.Name(), name)
		}
	}
	r.AppendJSON(nil, nil)
}

// fuzz decodes two datagrams of one exporter after what they may need, and checks what must hold whatever they are.
func fuzz(f *testing.F, protocol config.Protocol, seeds ...[]byte) {
	for _, seed := range seeds {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var counts ledger.Counts
		s := &sink{t: t}
		store := template.NewStore(template.ModeAuto, template.Limits{Exporters: 10, Templates: 10, Fields: 50}, &ledger.Totals{}, nil)
		d := decode.New(protocol, store, &decode.Settings{Names: allNames, MaxSamples: 50, Exporters: 10, Settings: netflow.Settings{Names: true,
			Hold: true, HeldBytes: 1 << 16, HeldBytesPerExporter: 1 << 16, HeldAge: 1 << 40, Sessions: 10, Extra: true, Inner: true, Biflows: true,
		}}, &counts, s, nil)
		d.ShowCounters(func(c sflow.CounterSample) {
			for format, body := range c.Records {
				if len(body) > len(first)+len(second) {
					t.Errorf("a counter record of format %d has %d bytes", format, len(body))
				}
			}
		})
		for i, datagram := range [][]byte{first, second, first} {
			d.Decode(decode.Datagram{Payload: datagram, Source: source, Received: int64(i)})
			d.Tick(int64(i))
		}
		sets, _ := d.Held()
		assertLedger(t, &counts, sets)
		assertBooks(t, d, &counts)
		// A record takes at least a byte of a datagram; what is held comes out once.
		if limit := 2 * (2*len(first) + len(second)); s.records > limit {
			t.Errorf("%d records out of %d bytes", s.records, len(first)+len(second))
		}
		if uint64(s.records) != counts[ledger.RecordsDecoded] {
			t.Errorf("%d records, %d counted", s.records, counts[ledger.RecordsDecoded])
		}
		d.Close()
		assertLedger(t, &counts, 0)
		assertBooks(t, d, &counts)
	})
}

func FuzzNetFlow5(f *testing.F) {
	g := newGenerator(1)
	fuzz(f, config.ProtocolNetFlow, g.netflow5(2), append(u16(5, 65535), make([]byte, 20)...), append(u16(7, 1), make([]byte, 80)...),
		append(u16(8, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0e02), make([]byte, 80)...), append(u16(8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0602), make([]byte, 36)...))
}

func FuzzNetFlow9(f *testing.F) {
	g := newGenerator(1)
	options := set(1, append(u16(400, 4, 8, 1, 4, 48, 4, 50, 4), 0, 0))
	fuzz(f, config.ProtocolNetFlow,
		g.message(9, 2, templateSet(9, 300, fieldsIPv4), g.dataSet(300, fieldsIPv4, 2)),
		g.message(9, 1, g.dataSet(300, fieldsIPv4, 2)),
		g.message(9, 2, options, set(400, u32(1, 5, 100))),
		g.message(9, 1, templateSet(9, 300, []field{{1, 0}, {8, 65535}})))
}

func FuzzIPFIX(f *testing.F) {
	g := newGenerator(1)
	fuzz(f, config.ProtocolIPFIX,
		g.message(10, 0, templateSet(10, 300, fieldsIPFIX6), g.dataSet(300, fieldsIPFIX6, 2)),
		g.message(10, 0, set(2, u16(300, 0)), set(2, u16(2, 0))),
		g.message(10, 0, set(2, u16(300, 2, 82, 65535, 0x8001, 4, 0, 29305)), set(300, []byte{3, 'a', 'b', 'c', 0, 0, 0, 1})),
		g.message(10, 0, set(3, u16(400, 3, 1, 302, 4, 305, 4, 306, 4)), set(400, u32(1, 1, 99))),
		g.message(10, 0, templateSet(10, 300, []field{{315, 65535}}), set(300, append([]byte{60}, g.packet()[:60]...))))
}

// FuzzNames looks at tables of names, in options and in data records.
func FuzzNames(f *testing.F) {
	g := newGenerator(1)
	flows := g.message(10, 0, templateSet(10, 300, flowFields), oneFlow(5, 6, 3<<24|53, 7, 8, 2))
	f9 := g.message(9, 2, templateSet(9, 300, flowFields), oneFlow(5, 6, 3<<24|53, 7, 8, 2))
	fuzz(f, config.ProtocolAuto, flows, f9,
		interfaceTable(g, 1000, 5, "five", 6, "six"),
		g.message(10, 0, optionsSet(10, 400, []field{{95, 65535}}, []field{{96, 65535}, {94, 4}}), set(400, concat([]byte{3, 3, 0, 53, 3}, []byte("dnsdesc")))),
		g.message(10, 0, optionsSet(10, 400, []field{{234, 4}}, []field{{236, 4}, {90, 8}}), set(400, concat(u32(7), []byte("red\x00"), u16(0, 65000), u32(7)))),
		g.message(10, 0, optionsSet(10, 400, []field{{144, 4}}, []field{{300, 4}}), set(400, concat(u32(7), []byte("doma")))),
		g.message(10, 0, optionsSet(10, 401, []field{{346, 4}, {303, 2}}, []field{{341, 65535}, {41, 4}}), set(401, concat(u32(9), u16(5), []byte("\x03one"), u32(1)))),
		g.message(9, 2, optionsSet(9, 401, []field{{1, 2}}, []field{{51, 2}, {100, 3}, {50001, 1}}), set(401, concat(u16(9), u16(5), []byte("one\x03")))),
		g.message(9, 2, optionsSet(9, 400, []field{{1, 4}}, []field{{48, 1}, {84, 3}}), set(400, concat(u32(7), []byte("\x02one")))),
		g.message(10, 0, templateSet(10, 400, []field{{10, 4}, {82, 4}}), set(400, concat(u32(5), []byte("vlan")))))
}

// FuzzLists looks at structured data (RFC 6313), biflows and options that say since when uptimes count.
func FuzzLists(f *testing.F) {
	g := newGenerator(1)
	set := func(id uint16, parts ...[]byte) []byte { return set(id, slices.Concat(parts...)) }
	inner := set(2, u16(301, 2, 8, 4, 1, 4), u16(302, 1, 6, 1), u16(303, 1, 291, 65535))
	fuzz(f, config.ProtocolIPFIX,
		g.message(10, 0, inner, set(2, u16(300, 2, 1, 4, 292, 65535)), set(300, u32(9), []byte{19, 3, 1, 45}, u32(0x0a000001, 5, 0x0a000002, 6))),
		g.message(10, 0, inner, set(2, u16(300, 2, 8, 4, 293, 65535)), set(300, u32(0x0a000001), []byte{6, 3, 1, 46, 0, 5, 0x1b})),
		g.message(10, 0, inner, set(2, u16(300, 1, 293, 65535)), set(300, []byte{17, 3, 1, 47, 0, 16, 11, 3, 0, 82, 0xff, 0xff, 2, 'a', 'b', 1, 'c', 0})),
		g.message(10, 0, inner, set(2, u16(300, 2, 1, 4, 291, 65535)), set(300, u32(9), []byte{28, 3, 1, 36, 0xff, 0xff, 11, 3, 1, 45}, u32(0x0a000001, 5),
			[]byte{11, 3, 1, 45}, u32(0x0a000002, 6))),
		g.message(10, 0, set(2, u16(300, 2, 291, 65535, 483, 65535)), set(300, []byte{9, 3, 0, 2, 0, 4}, u32(1), []byte{9, 3, 1, 0xe2, 0, 4}, u32(7))),
		g.message(10, 0, set(2, u16(300, 4, 7, 2, 11, 2, 1, 4, 0x8001, 4, 0, 29305)), set(300, u16(1000, 443), u32(10, 90))),
		g.message(10, 0, set(2, u16(300, 2, 22, 4, 21, 4)), set(300, u32(1, 2)), set(3, u16(400, 2, 1, 149, 4, 160, 8)), set(400, u32(7, 1, 2))))
}

func FuzzSFlow(f *testing.F) {
	g := newGenerator(1)
	fuzz(f, config.ProtocolSFlow, g.sflow(2), g.sflow(1)[:100], u32(5, 1, 0x01020304, 0, 1, 1, 1, 2, 4, 0),
		u32(5, 1, 0x01020304, 0, 1, 1, 1, 5, 92, 9, 0, 5, 0, 12, 34, 258, 2, 3, 32, 100, 6, 1, 2, 80, 443, 0, 0, 1037, 12, 3, 0, 1),
		u32(5, 1, 0x01020304, 0, 1, 1, 1, 1, 104, 1, 3, 9, 9, 0, 1, 2, 3, 1004, 16, 106, 0, 106, 0, 1006, 24, 1, 1, 1, 4096, 1, 8192, 2100, 20, 6, 1, 2, 3, 4),
		u32(4, 1, 0x01020304, 1, 1, 2, 2, 1, 3, 20, 7, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3, 1000, 9, 0, 1, 2, 2, 100, 6, 1, 2, 80, 443, 0, 0, 2, 3, 1, 2, 3, 1, 2, 1, 9, 1, 7, 100, 5, 1, 0),
		u32(2, 1, 0x01020304, 1, 1, 1, 1, 1, 3, 1000, 9, 0, 1, 2, 1, 1, 60, 4, 0xdeadbeef, 1, 3, 1, 2, 3, 1, 9))
}
