package flow

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	flowpb "github.com/netsampler/goflow2/v2/pb"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// randomRecord fills about half of the fields.
func randomRecord(g *rand.Rand) *Record {
	r := &Record{}
	v := reflect.ValueOf(r).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		if g.IntN(2) == 0 {
			continue
		}
		switch f.Interface().(type) {
		case Type:
			f.Set(reflect.ValueOf(Type(1 + g.IntN(4))))
		case Address:
			f.Set(reflect.ValueOf(randomAddress(g)))
		case uint64:
			f.SetUint(g.Uint64() >> g.IntN(64))
		case uint32:
			f.SetUint(uint64(g.Uint32() >> g.IntN(32)))
		case []uint32:
			for range g.IntN(5) {
				f.Set(reflect.Append(f, reflect.ValueOf(g.Uint32()>>g.IntN(32))))
			}
		case []Address:
			for range g.IntN(4) {
				f.Set(reflect.Append(f, reflect.ValueOf(randomAddress(g))))
			}
		case []Layer:
			for range g.IntN(4) {
				f.Set(reflect.Append(f, reflect.ValueOf(Layer(g.IntN(14)))))
			}
		case []Extra:
			for _, enterprise := range []uint32{0, ReverseEnterprise, 9} {
				f.Set(reflect.Append(f, reflect.ValueOf(Extra{Enterprise: enterprise, ID: uint16(g.IntN(500)), Value: []byte("value")})))
			}
		case []*Text:
			for n := range NumNames {
				if g.IntN(2) == 0 {
					r.Names = append(r.Names, NewText(n, n.String()))
				}
			}
		}
	}
	r.SrcMAC &= 1<<48 - 1
	r.DstMAC &= 1<<48 - 1
	return r
}

func randomAddress(g *rand.Rand) Address {
	b := make([]byte, 16)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	var a Address
	if g.IntN(2) == 0 {
		a.Set4(b)
	} else {
		a.Set16(b)
	}
	return a
}

func addresses(list []Address) (out [][]byte) {
	for i := range list {
		out = append(out, list[i].Bytes())
	}
	return out
}

// message is what goflow2 would say of a record.
func message(r *Record) *flowpb.FlowMessage {
	m := &flowpb.FlowMessage{
		Type: flowpb.FlowMessage_FlowType(r.Type), TimeReceivedNs: r.TimeReceivedNs, SequenceNum: r.SequenceNum,
		SamplingRate: r.SamplingRate, SamplerAddress: r.SamplerAddress.Bytes(), TimeFlowStartNs: r.TimeFlowStartNs,
		TimeFlowEndNs: r.TimeFlowEndNs, Bytes: r.Bytes, Packets: r.Packets, SrcAddr: r.SrcAddr.Bytes(),
		DstAddr: r.DstAddr.Bytes(), Etype: r.EType, Proto: r.Proto, SrcPort: r.SrcPort, DstPort: r.DstPort, InIf: r.InIf,
		OutIf: r.OutIf, SrcMac: r.SrcMAC, DstMac: r.DstMAC, SrcVlan: r.SrcVLAN, DstVlan: r.DstVLAN, VlanId: r.VLANID,
		IpTos: r.IPTOS, ForwardingStatus: r.ForwardingStatus, IpTtl: r.IPTTL, IpFlags: r.IPFlags, TcpFlags: r.TCPFlags,
		IcmpType: r.ICMPType, IcmpCode: r.ICMPCode, Ipv6FlowLabel: r.IPv6FlowLabel, FragmentId: r.FragmentID,
		FragmentOffset: r.FragmentOffset, SrcAs: r.SrcAS, DstAs: r.DstAS, NextHop: r.NextHop.Bytes(), NextHopAs: r.NextHopAS,
		SrcNet: r.SrcNet, DstNet: r.DstNet, BgpNextHop: r.BGPNextHop.Bytes(), BgpCommunities: r.BGPCommunities,
		AsPath: r.ASPath, MplsTtl: r.MPLSTTL, MplsLabel: r.MPLSLabel, MplsIp: addresses(r.MPLSIP),
		ObservationDomainId: r.ObservationDomainID, ObservationPointId: r.ObservationPointID, LayerSize: r.LayerSize,
		Ipv6RoutingHeaderAddresses: addresses(r.IPv6RoutingHeaderAddresses),
		Ipv6RoutingHeaderSegLeft:   r.IPv6RoutingHeaderSegLeft,
	}
	for _, l := range r.LayerStack {
		m.LayerStack = append(m.LayerStack, flowpb.FlowMessage_LayerStack(l))
	}
	for _, b := range []*[]byte{&m.SamplerAddress, &m.SrcAddr, &m.DstAddr, &m.NextHop, &m.BgpNextHop} {
		if len(*b) == 0 {
			*b = nil
		}
	}
	return m
}

func TestAPlainReaderOfFlowMessageReadsEveryField(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 1))
	var e Encoder
	var batch []byte
	var want []*flowpb.FlowMessage
	for range 2000 {
		r := randomRecord(g)
		batch = e.AppendDelimited(batch, r)
		want = append(want, message(r))
	}
	in := bytes.NewReader(batch)
	for i := range want {
		got := &flowpb.FlowMessage{}
		if err := protodelim.UnmarshalFrom(in, got); err != nil {
			t.Fatal(err)
		}
		got.ProtoReflect().SetUnknown(nil) // the extra fields, which it keeps but does not know
		if diff := cmp.Diff(want[i], got, protocmp.Transform()); diff != "" {
			t.Fatalf("record %d (-want +got):\n%s", i, diff)
		}
	}
	if in.Len() != 0 {
		t.Errorf("%d bytes are left", in.Len())
	}
}

func TestWhatIsEncodedDecodesToTheSame(t *testing.T) {
	g := rand.New(rand.NewPCG(2, 2))
	var e Encoder
	for range 2000 {
		want := randomRecord(g)
		var got Record
		if err := Decode(e.AppendMessage(nil, want), &got); err != nil {
			t.Fatal(err)
		}
		// A nil list and an empty one are the same here.
		if diff := cmp.Diff(message(want), message(&got), protocmp.Transform()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if len(got.Extra) != len(want.Extra) || len(want.Extra) > 0 && !reflect.DeepEqual(got.Extra, want.Extra) {
			t.Fatalf("extra fields are %v, want %v", got.Extra, want.Extra)
		}
		if len(got.Names) != len(want.Names) || len(want.Names) > 0 && !reflect.DeepEqual(got.Names, want.Names) {
			t.Fatalf("names are %v, want %v", got.Names, want.Names)
		}
	}
}

func TestLongMessagesHaveTheirLength(t *testing.T) {
	var e Encoder
	for _, n := range []int{0, 50, 100, 127, 128, 16000, 16383, 16384, 60000} {
		r := &Record{Extra: []Extra{{ID: 1, Value: make([]byte, n)}}}
		batch := e.AppendDelimited([]byte("before"), r)
		m, rest, err := Split(batch[len("before"):])
		if err != nil || len(rest) != 0 || proto.Unmarshal(m, &flowpb.FlowMessage{}) != nil {
			t.Errorf("%d bytes: %v, %d left", n, err, len(rest))
		}
	}
}

// TestJSONIsThatOfGoflow2 compares with goflow2's own formatter, byte by byte.
func TestJSONIsThatOfGoflow2(t *testing.T) {
	config, err := (&protoproducer.ProducerConfig{}).Compile()
	if err != nil {
		t.Fatal(err)
	}
	g := rand.New(rand.NewPCG(3, 3))
	for range 1000 {
		r := randomRecord(g)
		r.Extra, r.Names = nil, nil // goflow2 has none
		// Where the number itself is printed, see appendProtocol, there is nothing to compare.
		r.Proto = []uint32{0, 1, 2, 6, 17, 41, 47, 50, 51, 58, 88, 97, 103, 112, 115, 132}[g.IntN(16)]
		got := r.AppendJSON(nil, nil)
		if !json.Valid(got) {
			t.Fatalf("no JSON: %s", got)
		}
		if want := goflow2JSON(t, config, message(r)); string(got) != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// A volume that is not known is none, rather than a wrong one.
func TestVolumesBeforeSamplingInJSON(t *testing.T) {
	for _, test := range []struct {
		bytes, packets, rate uint64
		want                 string
	}{
		{1500, 1, 1000, `"scaled_bytes":1500000,"scaled_packets":1000`},
		{1500, 1, 1, `"scaled_bytes":1500,"scaled_packets":1`},
		{0, 0, 1000, `"scaled_bytes":0,"scaled_packets":0`},
		{1500, 1, 0, `"scaled_bytes":null,"scaled_packets":null`},
		{1 << 63, 1, 2, `"scaled_bytes":null,"scaled_packets":2`},
		{math.MaxUint64, math.MaxUint64, 1, `"scaled_bytes":18446744073709551615,"scaled_packets":18446744073709551615`},
	} {
		r := Record{Bytes: test.bytes, Packets: test.packets, SamplingRate: test.rate}
		plain := string(r.AppendJSON(nil, nil))
		got := string(r.AppendScaled([]byte(plain)))
		if want := strings.TrimSuffix(plain, "}") + "," + test.want + "}"; got != want || !json.Valid([]byte(got)) {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestExtraFieldsInJSON(t *testing.T) {
	r := &Record{Extra: []Extra{{ID: 1, Value: []byte("a")}, {ID: 2, Value: []byte("b")}, {ID: 1, Value: []byte("c")}}}
	out := r.AppendJSON(nil, func(dst []byte, _ *Record, x *Extra) ([]byte, string) {
		return append(append(append(dst, '"'), x.Value...), '"'), map[uint16]string{1: "one", 2: "two"}[x.ID]
	})
	if !json.Valid(out) || !strings.HasSuffix(string(out), `,"fields":{"one":"a","two":"b","one#2":"c"}}`) {
		t.Errorf("%s", out)
	}
}

func TestProtocolsWithoutAWellKnownNameAreNumbers(t *testing.T) {
	for protocol, want := range map[uint32]string{6: "TCP", 4: "4", 89: "89", 94: "94", 200: "200", 255: "255"} {
		r := &Record{Proto: protocol}
		if out := string(r.AppendJSON(nil, nil)); !strings.Contains(out, `"proto":"`+want+`"`) {
			t.Errorf("protocol %d: %s", protocol, out)
		}
	}
}

func typicalRecord() *Record {
	r := &Record{Type: TypeIPFIX, TimeReceivedNs: 1_700_000_000_000_000_000, SequenceNum: 12345, SamplingRate: 1000,
		TimeFlowStartNs: 1_700_000_000_000_000_000, TimeFlowEndNs: 1_700_000_001_000_000_000, Bytes: 123456, Packets: 120,
		EType: 0x800, Proto: 6, SrcPort: 443, DstPort: 50000, InIf: 10, OutIf: 20, TCPFlags: 0x1b, SrcAS: 64500, DstAS: 64501,
		SrcNet: 24, DstNet: 16, ObservationDomainID: 7}
	r.SamplerAddress = AddressFrom(netip.MustParseAddr("192.0.2.1"))
	r.SrcAddr = AddressFrom(netip.MustParseAddr("198.51.100.7"))
	r.DstAddr = AddressFrom(netip.MustParseAddr("203.0.113.9"))
	r.NextHop = AddressFrom(netip.MustParseAddr("192.0.2.254"))
	return r
}

func TestEncodingAllocatesNothing(t *testing.T) {
	r, buffer := typicalRecord(), make([]byte, 0, 1<<16)
	var e Encoder
	if n := testing.AllocsPerRun(100, func() { buffer = e.AppendDelimited(buffer[:0], r) }); n != 0 {
		t.Errorf("protobuf: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { buffer = r.AppendJSON(buffer[:0], nil) }); n != 0 {
		t.Errorf("JSON: %v allocations", n)
	}
}

func TestRowsAlignWithTheirHeading(t *testing.T) {
	row := string(typicalRecord().AppendRow(nil))
	for _, column := range []struct{ heading, value string }{{"EXPORTER", "192.0.2.1"}, {"PROTO", "TCP"},
		{"SOURCE", "198.51.100.7:443"}, {"DESTINATION", "203.0.113.9:50000"}, {"IN/OUT", "10/20"}} {
		if at := strings.Index(Heading, column.heading); at < 0 || strings.Index(row, column.value) != at {
			t.Errorf("%s is not below %s:\n%s\n%s", column.value, column.heading, Heading, row)
		}
	}
	for _, column := range []struct{ heading, value string }{{"BYTES", "123456"}, {"PACKETS", "120"}, {"RATE", "1000"}} {
		end := strings.Index(Heading, column.heading) + len(column.heading)
		if !strings.HasSuffix(row[:end], " "+column.value) {
			t.Errorf("%s does not end below %s:\n%s\n%s", column.value, column.heading, Heading, row)
		}
	}
}

func TestRowsOfJSONAreThoseOfProtobuf(t *testing.T) {
	g := rand.New(rand.NewPCG(4, 4))
	for range 500 {
		want := randomRecord(g)
		want.Extra = nil
		want.Proto %= 256
		var got Record
		if err := DecodeJSON(want.AppendJSON(nil, nil), &got); err != nil {
			t.Fatal(err)
		}
		if a, b := string(want.AppendRow(nil)), string(got.AppendRow(nil)); a != b {
			t.Fatalf("protobuf %s\nJSON     %s", a, b)
		}
	}
	if err := DecodeJSON([]byte("no JSON"), &Record{}); err == nil {
		t.Error("no JSON is no error")
	}
}

func FuzzDecode(f *testing.F) {
	var e Encoder
	f.Add(e.AppendMessage(nil, typicalRecord()))
	f.Add(e.AppendMessage(nil, randomRecord(rand.New(rand.NewPCG(1, 1)))))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		if Decode(b, &r) != nil {
			return
		}
		again := e.AppendMessage(nil, &r)
		var second Record
		if err := Decode(again, &second); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e.AppendMessage(nil, &second), again) {
			t.Error("it changes each time it is read")
		}
	})
}

func BenchmarkProtobuf(b *testing.B) {
	r := typicalRecord()
	b.Run("by=flowfleet", func(b *testing.B) {
		var e Encoder
		var buffer []byte
		for b.Loop() {
			buffer = e.AppendDelimited(buffer[:0], r)
		}
	})
	b.Run("by=goflow2", func(b *testing.B) {
		m := message(r)
		for b.Loop() {
			var buffer bytes.Buffer
			if _, err := protodelim.MarshalTo(&buffer, m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	r := typicalRecord()
	var buffer []byte
	for b.Loop() {
		buffer = r.AppendJSON(buffer[:0], nil)
	}
}

// goflow2JSON renders a message with goflow2's formatter, which only its producer can hand over.
func goflow2JSON(t *testing.T, config protoproducer.ProtoProducerConfig, m *flowpb.FlowMessage) string {
	t.Helper()
	p, err := protoproducer.CreateProtoProducer(config, protoproducer.CreateSamplingSystem)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := p.Produce(&netflowlegacy.PacketNetFlowV5{Version: 5, Records: make([]netflowlegacy.RecordsNetFlowV5, 1)},
		&producer.ProduceArgs{SamplerAddress: netip.MustParseAddr("192.0.2.1")})
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	produced := messages[0].(*protoproducer.ProtoProducerMessage)
	proto.Reset(&produced.FlowMessage)
	proto.Merge(&produced.FlowMessage, m)
	out, err := produced.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
