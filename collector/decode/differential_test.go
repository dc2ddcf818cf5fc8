package decode_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	flowpb "github.com/netsampler/goflow2/v2/pb"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// ours decodes into protobuf, as the collector does.
type ours struct {
	decoder *decode.Decoder
	counts  ledger.Counts
	encoder flow.Encoder
	buffer  []byte
	records int
}

func newOurs(change ...func(*decode.Settings)) *ours {
	o := &ours{}
	store := template.NewStore(template.ModeAuto, template.Limits{Exporters: 100, Templates: 100, Fields: 100}, &ledger.Totals{}, nil)
	settings := &decode.Settings{MaxSamples: 100, Exporters: 100, Settings: netflow.Settings{
		StandInCounters: true, Hold: true, HeldBytes: 1 << 20, HeldBytesPerExporter: 1 << 20, HeldAge: 1 << 40, Sessions: 100,
	}}
	for _, f := range change {
		f(settings)
	}
	o.decoder = decode.New(config.ProtocolAuto, store, settings, &o.counts, o, nil)
	return o
}

func (o *ours) Record(r *flow.Record) {
	o.buffer = o.encoder.AppendDelimited(o.buffer, r)
	o.records++
}

func (o *ours) decode(datagram []byte) {
	o.decoder.Decode(decode.Datagram{Payload: datagram, Source: source, Received: received.UnixNano()})
}

// messages takes what was decoded so far as a plain reader of flowpb.FlowMessage would.
func (o *ours) messages(t *testing.T) []*flowpb.FlowMessage {
	t.Helper()
	var out []*flowpb.FlowMessage
	for b := o.buffer; len(b) > 0; {
		message, rest, err := flow.Split(b)
		if err != nil {
			t.Fatal(err)
		}
		m := &flowpb.FlowMessage{}
		if err := proto.Unmarshal(message, m); err != nil {
			t.Fatal(err)
		}
		out, b = append(out, m), rest
	}
	o.buffer = o.buffer[:0]
	return out
}

// generated are datagrams of each protocol, with the templates they need before them.
func generated(seed uint64) map[string][][]byte {
	g := newGenerator(seed)
	out := make(map[string][][]byte)
	out["NetFlow v5"] = [][]byte{g.netflow5(1 + g.IntN(30))}
	for _, v := range []struct { // in an order, so that a seed always gives the same
		name    string
		version uint16
		fields  []field
	}{
		{"NetFlow v9", 9, fieldsIPv4},
		{"IPFIX, IPv4", 10, fieldsIPFIX4},
		{"IPFIX, IPv6", 10, fieldsIPFIX6},
		{"NetFlow, all", 9, append(fieldsIPv4[:len(fieldsIPv4):len(fieldsIPv4)], fieldsMore...)},
	} {
		name := v.name
		fields := append([]field(nil), v.fields...)
		g.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		if name == "NetFlow, all" {
			// Both times, always: goflow2 takes the time of export for one that is missing, so that a flow may end before it
			// starts; we take the other one.
			fields = slices.DeleteFunc(fields, func(f field) bool { return f.id == 21 || f.id == 22 })
			fields = append(fields[:5+g.IntN(len(fields)-5)], field{21, 4}, field{22, 4})
		}
		records := 1 + g.IntN(8)
		out[name] = [][]byte{
			g.message(v.version, 1, templateSet(v.version, 300, fields)),
			g.message(v.version, records, g.dataSet(300, fields, records)),
		}
	}
	out["sFlow"] = [][]byte{g.sflow(1 + g.IntN(5))}
	return out
}

func TestFlowsAreThoseOfGoflow2(t *testing.T) {
	for seed := range uint64(200) {
		for name, datagrams := range generated(seed) {
			reference, mine := newGoflow2(t), newOurs()
			var want []*flowpb.FlowMessage
			for _, datagram := range datagrams {
				messages, err := reference.produce(datagram)
				if err != nil {
					t.Fatalf("%s: goflow2: %v", name, err)
				}
				for _, m := range messages {
					want = append(want, proto.CloneOf(&m.(*protoproducer.ProtoProducerMessage).FlowMessage))
				}
				mine.decode(datagram)
			}
			if want = slices.DeleteFunc(want, saysNothing); len(want) == 0 {
				want = nil
			}
			for _, m := range want {
				correct(m)
			}
			if diff := cmp.Diff(want, mine.messages(t), protocmp.Transform()); diff != "" {
				t.Fatalf("%s, seed %d (-goflow2 +ours):\n%s", name, seed, diff)
			}
		}
	}
}

// correct puts right what goflow2 v2.2.6 has wrong, or leaves to its readers.
func correct(m *flowpb.FlowMessage) {
	if m.Type != flowpb.FlowMessage_SFLOW_5 {
		// Values that mean no interface, and that are no VLANs (IEEE 802.1Q).
		for _, index := range []*uint32{&m.InIf, &m.OutIf} {
			if *index == 0xffffffff || *index == 0x3fffffff {
				*index = 0
			}
		}
		for _, vlan := range []*uint32{&m.SrcVlan, &m.DstVlan, &m.VlanId} {
			if *vlan > 4094 {
				*vlan = 0
			}
		}
		for _, count := range []*uint64{&m.Bytes, &m.Packets} {
			if *count > math.MaxInt64 { // RFC 7012 section 3.2.3: a delta counter counts what was added; this is a negative difference
				*count = 0
			}
		}
		m.Ipv6FlowLabel &= 0xfffff // RFC 8200 section 3: it has 20 bits
		m.TcpFlags &= 0x0fff       // RFC 9565 section 3: the bits above are to be ignored
		// Cisco, "NetFlow Export Datagram Format": the destination port of ICMP is type * 256 + code.
		if (m.Proto == 1 || m.Proto == 58) && m.IcmpType == 0 && m.IcmpCode == 0 {
			m.IcmpType, m.IcmpCode = m.DstPort>>8&0xff, m.DstPort&0xff
		}
	}
	m.TimeFlowStartNs = min(m.TimeFlowStartNs, m.TimeFlowEndNs) // no flow ends before it begins
	for i, layer := range m.LayerStack {
		if layer == flowpb.FlowMessage_TCP {
			// RFC 9293 section 3.1: the data offset stands in the 13th byte; goflow2 takes the flags for it and adds 20.
			m.LayerSize[i] = 20
		}
	}
}

// saysNothing: a record without any address, port, byte or packet is no flow; goflow2 makes one of it.
func saysNothing(m *flowpb.FlowMessage) bool {
	return m.Type != flowpb.FlowMessage_SFLOW_5 && m.Bytes == 0 && m.Packets == 0 && m.SrcPort == 0 && m.DstPort == 0 &&
		len(m.SrcAddr) == 0 && len(m.DstAddr) == 0 && m.SrcMac == 0 && m.DstMac == 0
}

func ExampleDecoder() {
	o := newOurs()
	o.decode(newGenerator(1).netflow5(3))
	fmt.Println(o.records, o.counts[ledger.DatagramsDecoded])
	// Output: 3 1
}
