package decode_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	"github.com/netsampler/goflow2/v2/decoders/sflow"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
)

// goflow2 is the reference: its own decoders and producer.
type goflow2 struct {
	templates netflow.NetFlowTemplateSystem
	producer  producer.ProducerInterface
}

func newGoflow2(t testing.TB) *goflow2 {
	t.Helper()
	g, err := makeGoflow2()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func makeGoflow2() (*goflow2, error) {
	config, err := (&protoproducer.ProducerConfig{}).Compile()
	if err != nil {
		return nil, err
	}
	p, err := protoproducer.CreateProtoProducer(config, protoproducer.CreateSamplingSystem)
	if err != nil {
		return nil, err
	}
	return &goflow2{templates: netflow.CreateTemplateSystem(), producer: p}, nil
}

var (
	source   = netip.MustParseAddrPort("192.0.2.9:40000")
	received = time.Unix(exportSeconds+1, 5)
)

// produce decodes a datagram into goflow2's messages.
func (g *goflow2) produce(datagram []byte) ([]producer.ProducerMessage, error) {
	var decoded any
	buffer := bytes.NewBuffer(datagram)
	switch {
	case datagram[1] == 5:
		packet := &netflowlegacy.PacketNetFlowV5{}
		if err := netflowlegacy.DecodeMessageVersion(buffer, packet); err != nil {
			return nil, err
		}
		decoded = packet
	case datagram[0] == 0 && datagram[1] == 0:
		packet := &sflow.Packet{}
		if err := sflow.DecodeMessageVersion(buffer, packet); err != nil {
			return nil, err
		}
		decoded = packet
	default:
		var v9 netflow.NFv9Packet
		var ipfix netflow.IPFIXPacket
		if err := netflow.DecodeMessageVersion(buffer, g.templates, &v9, &ipfix); err != nil {
			return nil, err
		}
		if decoded = &v9; v9.Version == 0 {
			decoded = &ipfix
		}
	}
	return g.producer.Produce(decoded, &producer.ProduceArgs{Src: source, SamplerAddress: source.Addr(), TimeReceived: received})
}
