package netflow_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/network"
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

func u64(values ...uint64) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func set(id uint16, parts ...[]byte) []byte {
	body := join(parts...)
	return join(u16(id, uint16(4+len(body))), body)
}

const (
	exported = 1_700_000_000
	uptime9  = 100_000
)

// station is a decoder with what it gave out.
type station struct {
	t        *testing.T
	decoder  *netflow.Decoder
	settings netflow.Settings
	counts   ledger.Counts
	totals   ledger.Totals
	book     ledger.Book
	records  []flow.Record
	sequence uint32
	problems []netflow.Problem
}

func newStation(t *testing.T, change ...func(*netflow.Settings)) *station {
	s := &station{t: t, settings: netflow.Settings{
		Hold: true, HeldBytes: 1 << 20, HeldBytesPerExporter: 1 << 16, HeldAge: int64(time.Minute), Sessions: 100,
	}}
	for _, f := range change {
		f(&s.settings)
	}
	store := template.NewStore(template.ModeAuto, template.Limits{Exporters: 100, Templates: 100, Fields: 100}, &s.totals, nil)
	s.decoder = netflow.New(store, &s.settings, &s.counts,
		func(netip.Addr, template.Version) *ledger.Holder { return &ledger.Holder{Book: &s.book} }, s, func(p netflow.Problem) { s.problems = append(s.problems, p) })
	return s
}

func (s *station) Record(r *flow.Record) {
	kept := *r
	kept.Extra = nil
	for _, x := range r.Extra {
		x.Value = append([]byte(nil), x.Value...)
		kept.Extra = append(kept.Extra, x)
	}
	kept.MPLSLabel = append([]uint32(nil), r.MPLSLabel...)
	kept.MPLSTTL = append([]uint32(nil), r.MPLSTTL...)
	kept.MPLSIP = append([]flow.Address(nil), r.MPLSIP...)
	s.records = append(s.records, kept)
}

var exporterPort = netip.MustParseAddrPort("192.0.2.1:4000")

func (s *station) send(from netip.AddrPort, received time.Duration, datagram []byte) {
	s.decoder.Decode(netflow.Datagram{Payload: datagram, Source: from, Received: int64(received)})
}

// ipfix sends a message with the given sets.
func (s *station) ipfix(sets ...[]byte) {
	s.sequence++
	body := join(sets...)
	s.send(exporterPort, time.Hour, join(u16(10, uint16(16+len(body))), u32(exported, s.sequence, 7), body))
}

// netflow9 does the same with NetFlow v9.
func (s *station) netflow9(sets ...[]byte) {
	s.sequence++
	s.send(exporterPort, time.Hour, join(u16(9, uint16(len(sets))), u32(uptime9, exported, s.sequence, 7), join(sets...)))
}

// only returns the one record that came.
func (s *station) only() flow.Record {
	s.t.Helper()
	if len(s.records) != 1 {
		s.t.Fatalf("%d records, want 1; problems %v", len(s.records), s.problems)
	}
	return s.records[0]
}

const second = uint64(time.Second)

func TestTimesInAllTheirForms(t *testing.T) {
	ntp := uint64(exported+2_208_988_800)<<32 | 1<<31 // half a second past
	for _, test := range []struct {
		name       string
		fields     []uint16
		values     []byte
		start, end uint64
	}{
		{"seconds", []uint16{150, 4, 151, 4}, u32(exported-10, exported-5), (exported - 10) * second, (exported - 5) * second},
		{"milliseconds", []uint16{152, 8, 153, 8}, u64((exported-10)*1000+1, (exported-5)*1000+2),
			(exported-10)*second + 1e6, (exported-5)*second + 2e6},
		{"microseconds as NTP", []uint16{154, 8, 155, 8}, u64(ntp, ntp+1<<32), exported*second + second/2, (exported+1)*second + second/2},
		{"nanoseconds as NTP", []uint16{156, 8, 157, 8}, u64(ntp, ntp+1<<32), exported*second + second/2, (exported+1)*second + second/2},
		{"delta microseconds", []uint16{158, 4, 159, 4}, u32(3_000_000, 1_000_000), (exported - 3) * second, (exported - 1) * second},
		{"duration after a start", []uint16{150, 4, 161, 4}, u32(exported-10, 4000), (exported - 10) * second, (exported - 6) * second},
		{"duration before an end", []uint16{153, 8, 162, 4}, join(u64(exported*1000), u32(2_000_000)), (exported - 2) * second, exported * second},
		{"uptime with the time of initialization", []uint16{160, 8, 22, 4, 21, 4}, join(u64((exported-100)*1000), u32(1000, 2000)),
			(exported - 99) * second, (exported - 98) * second},
		{"uptime without the time of initialization", []uint16{22, 4, 21, 4}, u32(5000, 12_000), (exported - 7) * second, exported * second},
		{"uptime that wraps, without the time of initialization", []uint16{22, 4, 21, 4}, u32(math.MaxUint32-999, 1000),
			(exported - 2) * second, exported * second},
		{"an observation in seconds", []uint16{322, 4}, u32(exported - 7), (exported - 7) * second, (exported - 7) * second},
		{"an observation", []uint16{323, 8}, u64(exported * 1000), exported * second, exported * second},
		{"an observation after a start", []uint16{152, 8, 323, 8}, u64((exported-10)*1000, exported*1000), (exported - 10) * second, exported * second},
		{"an observation beside start and end", []uint16{323, 8, 150, 4, 151, 4}, join(u64(exported*1000), u32(exported-10, exported-5)),
			(exported - 10) * second, (exported - 5) * second},
		{"an observation beside start and duration", []uint16{150, 4, 322, 4, 161, 4}, u32(exported-10, exported, 4000),
			(exported - 10) * second, (exported - 6) * second},
		{"none", []uint16{1, 4}, u32(1), exported * second, exported * second},
		{"an end only", []uint16{151, 4}, u32(exported - 5), (exported - 5) * second, (exported - 5) * second},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStation(t)
			s.ipfix(set(2, u16(300, uint16(1+len(test.fields)/2), 2, 1), u16(test.fields...)), set(300, []byte{6}, test.values))
			if r := s.only(); r.TimeFlowStartNs != test.start || r.TimeFlowEndNs != test.end {
				t.Errorf("%d to %d, want %d to %d", r.TimeFlowStartNs, r.TimeFlowEndNs, test.start, test.end)
			}
		})
	}
}

func TestUptimeWrapsEvery49Days(t *testing.T) {
	s := newStation(t)
	// The exporter's clock has just wrapped: the flow began 2 seconds before and ended 1 second after.
	s.send(exporterPort, time.Hour, join(u16(9, 2), u32(3000, exported, 1, 7),
		set(0, u16(300, 3, 22, 4, 21, 4, 1, 4)), set(300, u32(math.MaxUint32-1999, 1000, 1))))
	if r := s.only(); r.TimeFlowStartNs != (exported-5)*second || r.TimeFlowEndNs != (exported-2)*second {
		t.Errorf("%d to %d", r.TimeFlowStartNs, r.TimeFlowEndNs)
	}
}

func TestFieldsOfAllLengths(t *testing.T) {
	s := newStation(t, func(c *netflow.Settings) { c.Extra = true })
	name := "interface"
	s.ipfix(set(2, u16(300, 7), u16(1, 3, 82, 65535, 2, 1, 8, 4, 0x8001, 4, 0, 29305, 0x8007, 65535, 0, 9, 12, 4)),
		set(300, []byte{0, 1, 0}, []byte{byte(len(name))}, []byte(name), []byte{9}, []byte{10, 0, 0, 1}, u32(77),
			[]byte{255}, u16(300), make([]byte, 300), []byte{10, 0, 0, 2}))
	r := s.only()
	if r.Bytes != 256 || r.Packets != 9 || r.SrcAddr.Addr().String() != "10.0.0.1" || r.DstAddr.Addr().String() != "10.0.0.2" {
		t.Errorf("%+v", r)
	}
	if len(r.Extra) != 3 || string(r.Extra[0].Value) != name || r.Extra[1].Enterprise != 29305 || r.Extra[1].ID != 1 ||
		len(r.Extra[2].Value) != 300 || r.Extra[2].Enterprise != 9 {
		t.Errorf("extra fields are %v", r.Extra)
	}
}

func TestStructuredDataIsPassedOver(t *testing.T) {
	s := newStation(t)
	// RFC 6313: a basicList of variable length between two numbers.
	s.ipfix(set(2, u16(300, 3, 1, 4, 291, 65535, 2, 4)), set(300, u32(100), []byte{9, 3, 0, 1, 0, 4, 1, 2, 3, 4}, u32(5)))
	if r := s.only(); r.Bytes != 100 || r.Packets != 5 {
		t.Errorf("%d bytes, %d packets", r.Bytes, r.Packets)
	}
}

func TestTheFirstOfARepeatedElementCounts(t *testing.T) {
	s := newStation(t)
	// RFC 7011 section 8: the outer header comes first, also where its value is 0.
	s.ipfix(set(2, u16(300, 4, 7, 2, 7, 2, 8, 4, 8, 4)), set(300, u16(0, 80), u32(0x0a000001, 0x0a000002)))
	if r := s.only(); r.SrcPort != 0 || r.SrcAddr.Addr().String() != "10.0.0.1" {
		t.Errorf("port %d of %s", r.SrcPort, r.SrcAddr.Addr())
	}
}

func TestATemplateForBothFamiliesGivesTheAddressThatIsThere(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::1").As16()
	for _, test := range []struct {
		v6     [16]byte
		v4     uint32
		source string
		etype  uint32
	}{{[16]byte{}, 0x0a000001, "10.0.0.1", 0x800}, {v6, 0, "2001:db8::1", 0x86dd}} {
		s := newStation(t)
		s.ipfix(set(2, u16(300, 2, 27, 16, 8, 4)), set(300, test.v6[:], u32(test.v4)))
		if r := s.only(); r.SrcAddr.Addr().String() != test.source || r.EType != test.etype {
			t.Errorf("%s, %x; want %s, %x", r.SrcAddr.Addr(), r.EType, test.source, test.etype)
		}
	}
}

func TestAddressesAfterTreatmentStandInForThoseBefore(t *testing.T) {
	mac := func(n byte) []byte { return []byte{2, 0, 0, 0, 0, n} }
	for _, test := range []struct {
		fields              []uint16
		values              []byte
		source, destination uint64
	}{
		{[]uint16{81, 6, 57, 6, 56, 6, 80, 6}, join(mac(1), mac(2), mac(3), mac(4)), 0x020000000003, 0x020000000004},
		{[]uint16{56, 6, 80, 6, 81, 6, 57, 6}, join(mac(3), mac(4), mac(1), mac(2)), 0x020000000003, 0x020000000004},
		{[]uint16{81, 6, 57, 6, 56, 6, 80, 6}, join(mac(1), mac(2), make([]byte, 12)), 0x020000000001, 0x020000000002},
		{[]uint16{56, 6, 57, 6}, join(mac(3), mac(2)), 0x020000000003, 0x020000000002},
	} {
		s := newStation(t)
		s.netflow9(set(0, u16(300, uint16(len(test.fields)/2)), u16(test.fields...)), set(300, test.values))
		if r := s.only(); r.SrcMAC != test.source || r.DstMAC != test.destination {
			t.Errorf("%v: %012x to %012x", test.fields, r.SrcMAC, r.DstMAC)
		}
	}
}

func TestWhatATemplateHasRoomForIsNotThere(t *testing.T) {
	s := newStation(t)
	s.netflow9(set(0, u16(300, 6, 70, 3, 71, 3, 72, 3, 73, 3, 140, 16, 47, 4)),
		set(300, []byte{0, 0x01, 0x10, 0, 0, 0, 0, 0x02, 0x11, 0, 0, 0}, make([]byte, 16), u32(0x0a000001)))
	r := s.only()
	if !slices.Equal(r.MPLSLabel, []uint32{17, 0, 33}) { // an explicit null between two others is one (RFC 4182)
		t.Errorf("labels are %v", r.MPLSLabel)
	}
	if len(r.MPLSIP) != 1 || r.MPLSIP[0].Addr().String() != "10.0.0.1" {
		t.Errorf("addresses are %v", r.MPLSIP)
	}
}

func TestMPLSAndSampledSections(t *testing.T) {
	s := newStation(t)
	s.ipfix(set(2, u16(300, 2, 70, 3, 71, 3)), set(300, []byte{0, 0x01, 0x10, 0, 0x02, 0x11}))
	if r := s.only(); len(r.MPLSLabel) != 2 || r.MPLSLabel[0] != 17 || r.MPLSLabel[1] != 33 {
		t.Errorf("labels are %v", r.MPLSLabel)
	}
	s = newStation(t)
	frame := join([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2},
		u16(53, 4000, 20, 0))
	s.ipfix(set(2, u16(300, 1, 315, 65535)), set(300, []byte{byte(len(frame))}, frame))
	if r := s.only(); r.SrcAddr.Addr().String() != "10.0.0.1" || r.SrcPort != 53 || r.Proto != 17 || r.Packets != 1 || r.DstMAC != 0x020000000001 ||
		r.Bytes != 14+40 {
		t.Errorf("%+v", r)
	}
}

func TestSamplingRatesAreThoseOfTheRecordsOwnSampler(t *testing.T) {
	for _, test := range []struct {
		name    string
		send    func(s *station)
		want    uint64
		setting func(*netflow.Settings)
	}{
		{"34 of the system in NetFlow v9", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 8, 1, 4, 34, 4, 35, 1)), set(400, u32(1, 100), []byte{2}))
			s.netflow9(set(0, u16(300, 1, 1, 4)), set(300, u32(1)))
		}, 100, nil},
		{"48 to 50, two samplers", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 8, 1, 4, 48, 1, 50, 4)), set(400, u32(1), []byte{5}, u32(500), u32(1), []byte{6}, u32(600)))
			s.netflow9(set(0, u16(300, 2, 1, 4, 48, 1)), set(300, u32(1), []byte{6}))
		}, 600, nil},
		{"48 in the flow, 302 in the table", func(s *station) {
			s.ipfix(set(3, u16(400, 3, 1, 302, 4, 305, 4, 306, 4)), set(400, u32(9, 2, 198, 8, 1, 4)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 48, 1)), set(300, u32(1), []byte{9}))
		}, 100, nil},
		{"302 in the flow, 48 in the table", func(s *station) {
			s.ipfix(set(3, u16(400, 3, 1, 149, 4, 48, 1, 50, 4)), set(400, u32(7), []byte{9}, u32(100), u32(7), []byte{8}, u32(5)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 100, nil},
		{"48 in the flow, both in tables: its own counts", func(s *station) {
			s.ipfix(set(3, u16(400, 3, 1, 302, 4, 305, 4, 306, 4)), set(400, u32(9, 2, 198)))
			s.ipfix(set(3, u16(401, 3, 1, 149, 4, 48, 1, 50, 4)), set(401, u32(7), []byte{9}, u32(50)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 48, 1)), set(300, u32(1), []byte{9}))
		}, 50, nil},
		{"305 and 306: interval and space", func(s *station) {
			s.ipfix(set(3, u16(400, 3, 1, 302, 4, 305, 4, 306, 4)), set(400, u32(9, 2, 198)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 100, nil},
		{"305 and a space of 0: every packet", func(s *station) {
			s.ipfix(set(3, u16(400, 4, 1, 302, 4, 304, 2, 305, 4, 306, 4)), set(400, u32(9), u16(1), u32(100, 0)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 1, nil},
		{"329 to 332: a hash's ranges", func(s *station) {
			s.ipfix(set(3, u16(400, 6, 1, 302, 4, 304, 2, 329, 8, 330, 8, 331, 8, 332, 8)), set(400, u32(9), u16(6), u64(0, 1<<32-1, 0, 1<<25-1)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 128, nil},
		{"two ranges of a hash, without an algorithm", func(s *station) {
			s.ipfix(set(3, u16(400, 7, 1, 302, 4, 329, 4, 330, 4, 331, 2, 332, 2, 331, 2, 332, 2)), set(400, u32(9, 0, 9999), u16(0, 9, 20, 29)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 500, nil},
		{"all values of a hash of 64 bits", func(s *station) {
			s.ipfix(set(3, u16(400, 6, 1, 302, 4, 304, 2, 329, 8, 330, 8, 331, 8, 332, 8)), set(400, u32(9), u16(8), u64(0, math.MaxUint64, 0, math.MaxUint64)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 1, nil},
		{"a hash that selects nothing, and one without its range", func(s *station) {
			s.ipfix(set(3, u16(400, 6, 1, 302, 4, 304, 2, 329, 4, 330, 4, 331, 4, 332, 4)), set(400, u32(9), u16(6), u32(0, 99, 5, 4)))
			s.ipfix(set(3, u16(401, 4, 1, 302, 4, 304, 2, 331, 4, 332, 4)), set(401, u32(8), u16(7), u32(0, 9)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 0, nil},
		{"packets that match, with another algorithm's parameters", func(s *station) {
			s.ipfix(set(3, u16(400, 4, 1, 302, 4, 304, 2, 309, 4, 310, 4)), set(400, u32(9), u16(5), u32(1, 1)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 0, nil},
		{"an algorithm, and parameters of others beside its own", func(s *station) {
			s.ipfix(set(3, u16(400, 8, 1, 302, 4, 304, 2, 305, 4, 306, 4, 309, 4, 310, 4, 311, 4, 307, 4)),
				set(400, u32(9), u16(1), u32(1, 99, 1, 1, math.Float32bits(1), 5)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 100, nil},
		{"an algorithm without parameters of its own", func(s *station) {
			s.ipfix(set(3, u16(400, 4, 1, 302, 4, 304, 2, 309, 4, 310, 4)), set(400, u32(9), u16(1), u32(1, 50)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 50, nil},
		{"302 of several selectors, of 8 bytes", func(s *station) {
			s.ipfix(set(3, u16(400, 4, 1, 302, 8, 304, 2, 305, 4, 306, 4)),
				set(400, u64(9), u16(1), u32(1, 99), u64(10), u16(1), u32(2, 398)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 10)))
		}, 200, nil},
		{"several selectors that differ, and a record that names none", func(s *station) {
			s.ipfix(set(3, u16(400, 3, 1, 302, 4, 305, 4, 306, 4)), set(400, u32(9, 1, 99, 10, 1, 399)))
			s.ipfix(set(2, u16(300, 1, 1, 4)), set(300, u32(1)))
		}, 0, nil},
		{"305 alone is one of so many", func(s *station) {
			s.ipfix(set(3, u16(400, 2, 1, 302, 4, 305, 4)), set(400, u32(9, 64)))
			s.ipfix(set(2, u16(300, 2, 1, 4, 302, 4)), set(300, u32(1, 9)))
		}, 64, nil},
		{"309 of 310", func(s *station) {
			s.ipfix(set(3, u16(400, 3, 1, 302, 4, 309, 4, 310, 4)), set(400, u32(9, 1, 1024)))
			s.ipfix(set(2, u16(300, 1, 1, 4)), set(300, u32(1)))
		}, 1024, nil},
		{"311, a probability", func(s *station) {
			s.ipfix(set(3, u16(400, 2, 1, 302, 4, 311, 8)), set(400, u32(9), u64(math.Float64bits(0.001))))
			s.ipfix(set(2, u16(300, 1, 1, 4)), set(300, u32(1)))
		}, 1000, nil},
		{"34 and 50, of which one is not in use", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 12, 1, 4, 34, 4, 50, 4, 48, 1)), set(400, u32(1, 250, 0), []byte{1}))
			s.netflow9(set(0, u16(300, 2, 1, 4, 48, 1)), set(300, u32(1), []byte{1}))
		}, 250, nil},
		{"by interface", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 4, 2, 4, 34, 4)), set(400, u32(3, 30, 4, 40)))
			s.netflow9(set(0, u16(300, 2, 1, 4, 10, 4)), set(300, u32(1, 4)))
		}, 40, nil},
		{"in the record itself", func(s *station) {
			s.ipfix(set(2, u16(300, 2, 1, 4, 34, 4)), set(300, u32(1, 77)))
		}, 77, nil},
		{"a rate of one byte", func(s *station) {
			s.netflow9(set(1, u16(400, 4, 4, 1, 4, 34, 1)), set(400, u32(1), []byte{50}))
			s.netflow9(set(0, u16(300, 1, 1, 4)), set(300, u32(1)))
		}, 50, nil},
		{"nobody said", func(s *station) { s.ipfix(set(2, u16(300, 1, 1, 4)), set(300, u32(1))) }, 0, nil},
		{"the default", func(s *station) { s.ipfix(set(2, u16(300, 1, 1, 4)), set(300, u32(1))) }, 11, func(c *netflow.Settings) {
			c.Defaults = network.New([]network.Entry[uint32]{{Network: netip.MustParsePrefix("192.0.2.0/24"), Value: 11}})
		}},
		{"the override", func(s *station) { s.ipfix(set(2, u16(300, 2, 1, 4, 34, 4)), set(300, u32(1, 77))) }, 12,
			func(c *netflow.Settings) {
				c.Overrides = network.New([]network.Entry[uint32]{{Network: netip.MustParsePrefix("192.0.2.1/32"), Value: 12}})
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var changes []func(*netflow.Settings)
			if test.setting != nil {
				changes = append(changes, test.setting)
			}
			s := newStation(t, changes...)
			test.send(s)
			if r := s.only(); r.SamplingRate != test.want {
				t.Errorf("the rate is %d, want %d", r.SamplingRate, test.want)
			}
		})
	}
}

func TestOnlyTheUndecodableSetIsHeld(t *testing.T) {
	s := newStation(t)
	s.ipfix(set(2, u16(300, 1, 1, 4)), set(300, u32(1)), set(301, u32(2)), set(300, u32(3)))
	if len(s.records) != 2 {
		t.Fatalf("%d records at once", len(s.records))
	}
	s.ipfix(set(2, u16(301, 1, 1, 4)))
	if len(s.records) != 3 || s.records[2].Bytes != 2 {
		t.Errorf("%d records after the template", len(s.records))
	}
	if s.counts[ledger.SetsHeld] != 1 || s.counts[ledger.SetsReleased] != 1 || s.counts.SetsWaiting() != 0 {
		t.Errorf("held %d, released %d, waiting %d", s.counts[ledger.SetsHeld], s.counts[ledger.SetsReleased], s.counts.SetsWaiting())
	}
}

func TestHeldDataIsBoundedByBytesAndAge(t *testing.T) {
	s := newStation(t, func(c *netflow.Settings) { c.HeldBytesPerExporter = 1000 })
	for range 100 {
		s.ipfix(set(301, make([]byte, 40)))
	}
	if sets, bytes := s.decoder.Held(); sets != 5 || bytes > 1000 {
		t.Errorf("%d sets, %d bytes are held", sets, bytes)
	}
	if s.counts[ledger.SetsExpiredOverflow] != 95 {
		t.Errorf("%d pushed out", s.counts[ledger.SetsExpiredOverflow])
	}
	s.decoder.Tick(int64(time.Hour + 2*time.Minute))
	if sets, _ := s.decoder.Held(); sets != 0 || s.counts[ledger.SetsExpiredAge] != 5 {
		t.Errorf("%d sets are held, %d too old", sets, s.counts[ledger.SetsExpiredAge])
	}
	s.ipfix(set(301, make([]byte, 2000)))
	if s.counts[ledger.SetsDroppedNoTemplate] != 1 {
		t.Error("a set beyond the bound was held")
	}
	s.ipfix(set(302, make([]byte, 40)))
	s.decoder.Close()
	if s.counts[ledger.SetsExpiredShutdown] != 1 || s.counts.SetsWaiting() != 0 {
		t.Errorf("at the end %d wait", s.counts.SetsWaiting())
	}
}

func TestSequenceGapsAreCountedInTheProtocolsOwnUnits(t *testing.T) {
	s := newStation(t)
	ipfix := func(sequence uint32, sets ...[]byte) {
		body := join(sets...)
		s.send(exporterPort, time.Hour, join(u16(10, uint16(16+len(body))), u32(exported, sequence, 7), body))
	}
	ipfix(0, set(2, u16(300, 1, 1, 4)))
	ipfix(0, set(300, u32(1, 2, 3)))
	ipfix(3, set(300, u32(4)))
	if s.counts[ledger.SequenceSkipped] != 0 {
		t.Errorf("%d missed without a gap", s.counts[ledger.SequenceSkipped])
	}
	ipfix(14, set(300, u32(5))) // ten records are missing
	if s.counts[ledger.SequenceSkipped] != 10 {
		t.Errorf("%d missed", s.counts[ledger.SequenceSkipped])
	}
	ipfix(10, set(300, u32(6))) // late
	ipfix(15, set(300, u32(7)))
	if s.counts[ledger.SequenceReordered] != 1 || s.counts[ledger.SequenceSkipped] != 10 {
		t.Errorf("%d late, %d missed", s.counts[ledger.SequenceReordered], s.counts[ledger.SequenceSkipped])
	}
	ipfix(3_000_000_000, set(300, u32(8)))
	if s.counts[ledger.SequenceRestarted] != 1 {
		t.Errorf("%d restarts", s.counts[ledger.SequenceRestarted])
	}
}

// An exporter that restarts soon counts the same numbers again, and may send as many units with each: by its uptime that is no repetition. What is
// repeated or late has an uptime of before.
func TestARestartIsToldFromRepetitionByTheUptime(t *testing.T) {
	for name, send := range map[string]func(s *station, seconds, uptime, number uint32){
		"NetFlow v9": func(s *station, seconds, uptime, number uint32) {
			s.send(exporterPort, time.Duration(seconds)*time.Second, join(u16(9, 1), u32(uptime, exported+seconds, number, 7), set(0, u16(300, 1, 1, 4))))
		},
		"NetFlow v5": func(s *station, seconds, uptime, number uint32) {
			s.send(exporterPort, time.Duration(seconds)*time.Second, join(u16(5, 1), u32(uptime, exported+seconds, 0, number, 0), bytes.Repeat([]byte{1}, 48)))
		},
	} {
		s := newStation(t)
		for i := range uint32(40) {
			if i%10 == 5 {
				continue // lost: what comes again is not this one either
			}
			send(s, 10*i, 5000+10_000*i, i)
		}
		send(s, 380, 385_000, 38) // twice
		for i := range uint32(30) {
			send(s, 460+10*i, 5000+10_000*i, i)
		}
		send(s, 740, 285_000, 28) // twice
		if c := &s.counts; c[ledger.SequenceRestarted] != 1 || c[ledger.SequenceDuplicated] != 2 || c[ledger.SequenceReordered] != 0 ||
			c[ledger.SequenceSkipped] != 4 {
			t.Errorf("%s: %d restarts, %d repeated, %d late, %d skipped", name, c[ledger.SequenceRestarted], c[ledger.SequenceDuplicated],
				c[ledger.SequenceReordered], c[ledger.SequenceSkipped])
		}
	}
}

func TestNetFlow1And7(t *testing.T) {
	for _, length := range []int{48, 52} { // both are sent
		s := newStation(t)
		record := make([]byte, length)
		copy(record, []byte{10, 0, 0, 1, 10, 0, 0, 2})
		record[38], record[40] = 6, 0x12 // version 1: protocol, flags
		s.send(exporterPort, time.Hour, join(u16(1, 3), u32(uptime9, exported, 0), record, record, record))
		if len(s.records) != 3 || s.counts[ledger.DatagramsTruncated] != 0 {
			t.Fatalf("records of %d bytes: %d of 3", length, len(s.records))
		}
		for _, r := range s.records {
			if r.Proto != 6 || r.TCPFlags != 0x12 || r.SrcAddr.Addr().String() != "10.0.0.1" {
				t.Errorf("%+v", r)
			}
		}
	}
	s := newStation(t)
	record := make([]byte, 52)
	record[37], record[38] = 0x12, 17 // version 7
	binary.BigEndian.PutUint16(record[40:], 64500)
	s.send(exporterPort, time.Hour, join(u16(7, 1), u32(uptime9, exported, 0, 1, 0), record))
	if r := s.only(); r.Proto != 17 || r.TCPFlags != 0x12 || r.SrcAS != 64500 {
		t.Errorf("%+v", r)
	}
}

// Records of version 6 are those of version 5 with four more bytes, behind the same header.
func TestNetFlow6(t *testing.T) {
	record := join(ip4, u32(0xc6336414), u32(0), u16(1, 2), u32(10, 600, uptime9-10_000, uptime9-5000), u16(1024, 443),
		[]byte{0, 0x1b, 6, 0xb8}, u16(64500, 64501), []byte{24, 16, 1, 1}, ip4)
	s := newStation(t)
	s.send(exporterPort, time.Hour, join(u16(6, 2), u32(uptime9, exported, 0, 1), []byte{1, 2}, u16(1<<14|100), record, record))
	if len(s.records) != 2 || s.counts[ledger.DatagramsTrailing] != 0 {
		t.Fatalf("%d records; %v", len(s.records), s.problems)
	}
	for _, r := range s.records {
		if r.Type != flow.TypeNetFlowV5 || r.DstAddr.Addr().String() != "198.51.100.20" || r.Packets != 10 || r.Bytes != 600 || r.DstPort != 443 ||
			r.TCPFlags != 0x1b || r.IPTOS != 0xb8 || r.DstAS != 64501 || r.DstNet != 16 || r.SamplingRate != 100 ||
			r.TimeFlowEndNs != (exported-5)*second {
			t.Errorf("%+v", r)
		}
	}
}

func TestOtherCountersStandInForDeltaCounts(t *testing.T) {
	for _, test := range []struct {
		name           string
		fields         []uint16
		values         []byte
		bytes, packets uint64
	}{
		{"delta counts", []uint16{85, 4, 1, 4, 86, 4, 2, 4}, u32(5, 6, 7, 8), 6, 8},
		{"delta counts of 0", []uint16{85, 4, 1, 4, 86, 4, 2, 4}, u32(5, 0, 7, 0), 0, 0},
		{"after treatment", []uint16{23, 4, 24, 4, 85, 4}, u32(5, 6, 7), 5, 6},
		{"in total", []uint16{86, 4, 85, 8}, join(u32(5), u64(1<<40)), 1 << 40, 5},
		{"from the initiator, not the responder", []uint16{232, 4, 231, 4, 299, 4, 298, 4}, u32(1, 2, 3, 4), 2, 4},
		{"what a host sent, by Cisco's Network Visibility Module", []uint16{0x8000 | 12346, 8, 0, 9, 0x8000 | 12347, 8, 0, 9}, u64(100, 41), 41, 0},
		{"what a client sent, by Cisco's AVC", []uint16{0x8000 | 8337, 8, 0, 9, 0x8000 | 8338, 8, 0, 9, 299, 4, 298, 4}, join(u64(100, 41), u32(4, 3)), 41, 3},
		{"a total before that", []uint16{0x8000 | 12347, 8, 0, 9, 85, 4}, join(u64(41), u32(5)), 5, 0},
		{"of variable length", []uint16{85, 65535, 86, 65535}, []byte{2, 1, 0, 1, 9}, 256, 9},
		{"not in the reverse direction", []uint16{0x8000 | 85, 4, 0, 29305, 8, 4}, u32(5, 0x0a000001), 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, standIn := range []bool{true, false} {
				s := newStation(t, func(c *netflow.Settings) { c.StandInCounters = standIn; c.Extra = true })
				var count uint16
				for i := 0; i < len(test.fields); i += 2 {
					if test.fields[i]&0x8000 != 0 {
						i += 2
					}
					count++
				}
				s.ipfix(set(2, u16(300, count), u16(test.fields...)), set(300, test.values))
				r := s.only()
				want := [2]uint64{test.bytes, test.packets}
				if !standIn && test.fields[2] != 1 {
					want = [2]uint64{}
				}
				if got := [2]uint64{r.Bytes, r.Packets}; got != want {
					t.Errorf("standing in %v: %v, want %v", standIn, got, want)
				}
			}
		})
	}
}

func TestTablesOfNamesAreNoFlows(t *testing.T) {
	names := [][]byte{set(2, u16(300, 3, 138, 4, 323, 8, 96, 65535)), set(300, u32(1), u64(exported*1000), []byte("\x03dns"))}
	s := newStation(t)
	s.ipfix(names...)
	if len(s.records) != 0 || s.counts[ledger.RecordsNotFlows] != 1 || s.counts[ledger.RecordsDecoded] != 0 {
		t.Errorf("%d records, %d counted as none", len(s.records), s.counts[ledger.RecordsNotFlows])
	}
	s = newStation(t, func(c *netflow.Settings) { c.Extra = true })
	s.ipfix(names...)
	if r := s.only(); len(r.Extra) != 1 || string(r.Extra[0].Value) != "dns" || s.counts[ledger.RecordsDecoded] != 1 {
		t.Errorf("extra fields are %v", r.Extra)
	}
}

func TestSectionsDoNotReplaceTheFlowsOwnAddresses(t *testing.T) {
	s := newStation(t)
	ip := join([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, u16(53, 4000, 20, 0))
	s.ipfix(set(2, u16(300, 3, 8, 4, 1, 4, 313, uint16(len(ip)))), set(300, u32(0x0a090909, 777), ip))
	if r := s.only(); r.SrcAddr.Addr().String() != "10.9.9.9" || r.Bytes != 777 || r.SrcPort != 0 {
		t.Errorf("%+v", r)
	}
}
