package run

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

type nowhere struct{}

func (nowhere) Record(*flow.Record) {}

// agentOf sends datagrams without samples of one sFlow agent to a decoder, from a port.
func agentOf(d *decode.Decoder, port uint16, first, last uint32) {
	for number := first; number <= last; number++ {
		b := binary.BigEndian.AppendUint32(nil, 5)
		b = append(b, 0, 0, 0, 1, 192, 0, 2, 1)
		for _, v := range []uint32{0, number, 1000, 0} { // sub-agent, sequence, uptime, samples
			b = binary.BigEndian.AppendUint32(b, v)
		}
		d.Decode(decode.Datagram{Payload: b, Source: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port), Steady: clock.Steady()})
	}
}

// A switch that restarts sends from another port, which the kernel hands to another worker.
func TestAnAgentThatComesToTwoWorkersIsOneStreamWithoutAFalseGap(t *testing.T) {
	var counts ledger.Counts
	settings := &decode.Settings{Settings: netflow.Settings{Sessions: 100}, Exporters: 100}
	store := template.NewStore(template.ModeAuto, template.Limits{Exporters: 10, Templates: 10, Fields: 10}, &ledger.Totals{}, nil)
	first := decode.New(config.ProtocolSFlow, store, settings, &counts, nowhere{}, nil)
	second := decode.New(config.ProtocolSFlow, store, settings, &counts, nowhere{}, nil)
	all := &traffic{limit: 10}
	agentOf(first, 1000, 1, 10)
	agentOf(second, 2000, 11, 25)
	agentOf(first, 1000, 26, 30)
	for _, looks := range [][]*decode.Decoder{{first, second}, {second, first}, {first}} {
		for _, d := range looks {
			all.take(d)
		}
		_, streams, _ := all.account()
		if len(streams) != 1 {
			t.Fatalf("%d streams", len(streams))
		}
		if s := streams[0]; s.Length() != 30 || s.Units != 30 || s.TotalUnits != 30 || s.Missed() != 0 {
			t.Errorf("it is %+v", s)
		}
	}
}
