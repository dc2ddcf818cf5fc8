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

// oneFlow is a datagram of NetFlow v5 with so many flows.
func oneFlow(flows int) []byte {
	b := make([]byte, 24+48*flows)
	b[1], b[3] = 5, byte(flows)
	for i := range flows {
		b[24+48*i+19] = 1 // a packet: records of zeros are no flows
	}
	return b
}

// junkOf has a decoder hear so many senders of nothing, from a number on.
func junkOf(d *decode.Decoder, payload []byte, from, n int) {
	for i := from; i < from+n; i++ {
		d.Decode(decode.Datagram{Payload: payload, Source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 5000), Steady: clock.Steady()})
	}
}

func TestSendersOfNothingTakeNoFiguresFromWhoSendsFlowsAndNoneGoesBackwards(t *testing.T) {
	for name, junk := range map[string][]byte{"refused": {0, 77, 1, 2, 3, 4}, "without flows": oneFlow(0)} {
		t.Run(name, func(t *testing.T) {
			var counts ledger.Counts
			const limit = 10
			settings := &decode.Settings{Settings: netflow.Settings{Sessions: 10000}, Exporters: limit}
			store := template.NewStore(template.ModeAuto, template.Limits{Exporters: 10, Templates: 10, Fields: 10}, &ledger.Totals{}, nil)
			workers := []*decode.Decoder{decode.New(config.ProtocolAuto, store, settings, &counts, nowhere{}, nil),
				decode.New(config.ProtocolAuto, store, settings, &counts, nowhere{}, nil)}
			all := &traffic{limit: limit}
			before := make(map[string]ledger.Exporter)
			number := 0
			look := func() {
				for _, d := range workers {
					all.take(d)
				}
				exporters, _, _ := all.account()
				own, received := 0, uint64(0)
				now := make(map[string]ledger.Exporter)
				for _, e := range exporters {
					now[e.Address+e.Protocol] = e
					received += e.Datagrams.Received
					if e.Address != "" {
						own++
					}
					if was := before[e.Address+e.Protocol]; was.Records > 0 && (e.Datagrams.Received < was.Datagrams.Received || e.Records < was.Records) ||
						e.Address == "" && e.Datagrams.Received < was.Datagrams.Received {
						t.Errorf("%+v goes backwards to %+v", was, e)
					}
				}
				if own > limit || received != counts[ledger.DatagramsReceived] {
					t.Errorf("%d have figures of their own; all have %d of %d datagrams", own, received, counts[ledger.DatagramsReceived])
				}
				before = now
			}
			for range 5 {
				for _, d := range workers {
					junkOf(d, junk, number, 3*limit)
					number += 3 * limit
				}
				look()
			}
			for i := range 20 {
				for r := range 4 { // heard without flows first
					workers[r%2].Decode(decode.Datagram{Payload: oneFlow(min(i, 1)), Source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r)}), 5000), Steady: clock.Steady()})
				}
				if i%3 == 0 {
					junkOf(workers[i%2], junk, number, 3*limit)
					number += 3 * limit
				}
				look()
			}
			_, streams, _ := all.account()
			followed := make(map[string]bool)
			for _, s := range streams {
				followed[s.Exporter] = true
			}
			for _, a := range []string{"192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"} {
				if e := before[a+"netflow5"]; e.Records < 10 || !followed[a] {
					t.Errorf("%s has %+v; its sequence is followed: %t", a, e, followed[a])
				}
			}
		})
	}
}

// floodOf has a decoder hear flows of so many invented addresses, from a number on.
func floodOf(d *decode.Decoder, from, n int) { junkOf(d, oneFlow(1), from, n) }

func TestAFloodOfInventedAddressesKeepsNoDeclaredExporterFromFiguresOfItsOwn(t *testing.T) {
	const limit = 10
	router, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for name, declared := range map[string]map[netip.Addr]struct{}{"declared": {router: {}}, "not declared": nil} {
		t.Run(name, func(t *testing.T) {
			var counts ledger.Counts
			settings := &decode.Settings{Settings: netflow.Settings{Sessions: 10000}, Exporters: limit, Declared: declared}
			store := template.NewStore(template.ModeAuto, template.Limits{Exporters: 10, Templates: 10, Fields: 10}, &ledger.Totals{}, nil)
			workers := []*decode.Decoder{decode.New(config.ProtocolAuto, store, settings, &counts, nowhere{}, nil),
				decode.New(config.ProtocolAuto, store, settings, &counts, nowhere{}, nil)}
			all := &traffic{}
			all.setLimit(limit, declared)
			hear := func(address netip.Addr, payload []byte) {
				for _, d := range workers {
					d.Decode(decode.Datagram{Payload: payload, Source: netip.AddrPortFrom(address, 5000), Steady: clock.Steady()})
				}
			}
			number := 0
			flood := func() {
				for _, d := range workers {
					floodOf(d, number, 20*limit)
					number += 20 * limit
					all.take(d)
				}
			}
			flood() // all there is to have is taken
			hear(router, oneFlow(0))
			hear(other, oneFlow(1))
			flood()
			for range 5 {
				hear(router, oneFlow(1))
				flood()
			}
			exporters, streams, _ := all.account()
			own, of, followed := 0, make(map[string]ledger.Exporter), make(map[string]bool)
			for _, e := range exporters {
				of[e.Address] = e
				if e.Address != "" {
					own++
				}
			}
			for _, s := range streams {
				followed[s.Exporter] = true
			}
			if own > limit+len(declared) || len(streams) > limit+declaredStreams*len(declared) {
				t.Errorf("%d have figures of their own, %d streams are followed", own, len(streams))
			}
			if e := of[router.String()]; declared != nil && (e.Records != 10 || e.Datagrams.Received != 12 || !followed[router.String()]) {
				t.Errorf("of 12 datagrams it has %+v; followed: %t", e, followed[router.String()])
			}
			if e := of[router.String()]; declared == nil && e.Records != 0 {
				t.Errorf("nobody declared it, and there was room: the flood was none: %+v", e)
			}
			if of[other.String()].Records != 0 {
				t.Error("there was room for another one")
			}
		})
	}
}
