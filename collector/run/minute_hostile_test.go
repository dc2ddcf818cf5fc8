package run

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// workersFor are decoders with room for so many exporters and sequences.
func workersFor(n, exporters, sessions int, counts *ledger.Counts) (workers []*decode.Decoder) {
	settings := &decode.Settings{Settings: netflow.Settings{Sessions: sessions}, Exporters: exporters}
	store := template.NewStore(template.ModeAuto, template.Limits{Exporters: 10, Templates: 10, Fields: 10}, &ledger.Totals{}, nil)
	for range n {
		workers = append(workers, decode.New(config.ProtocolAuto, store, settings, counts, nowhere{}, nil))
	}
	return workers
}

// Senders with many addresses, ports and domains, of flows and of nothing, more than there is room for anywhere, between looks, minutes and
// changes of the limit: minutes add up to what came, to the last datagram, and none has a figure below zero.
func TestMinutesAddUpWhateverIsSent(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var counts ledger.Counts
		workers := workersFor(2, 4+r.IntN(10), 4+r.IntN(20), &counts)
		all := &traffic{limit: 3 + r.IntN(10)}
		all.keepMinutes()
		var datagrams, refused, records, bytes, sent uint64
		closeMinute := func() {
			keys := make(map[string]bool)
			for _, m := range all.closeMinute() {
				key := fmt.Sprint(m.Kind, m.Exporter, m.Protocol, m.Port, m.Domain)
				if keys[key] {
					t.Fatalf("seed %d: two records have the same key: %s", seed, key)
				}
				keys[key] = true
				for _, n := range []uint64{m.Datagrams, m.Records, m.Sets, m.Units, m.Duplicated, m.Restarts, ledger.Sum(m.DatagramsRefused), m.Bytes, m.ScaledBytes} {
					if n > 1<<32 { // it wrapped
						t.Fatalf("seed %d: below zero: %+v", seed, m)
					}
				}
				datagrams, refused, records = datagrams+m.Datagrams, refused+ledger.Sum(m.DatagramsRefused), records+m.Records
				bytes += m.Bytes
			}
		}
		for range 2000 {
			w := workers[r.IntN(2)]
			source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(1 + r.IntN(60)))}), uint16(1000+r.IntN(3)))
			switch r.IntN(20) {
			case 0:
				all.take(w)
			case 1:
				if r.IntN(3) == 0 {
					closeMinute()
				}
			case 2:
				all.setLimit(2+r.IntN(12), nil)
			case 3, 4, 5:
				w.Decode(decode.Datagram{Payload: []byte{0, 77, 1, 2, 3, 4}, Source: source, Steady: clock.Steady()})
			case 6, 7, 8, 9:
				w.Decode(decode.Datagram{Payload: oneFlow(0), Source: source, Steady: clock.Steady()})
			default:
				flow := oneFlow(1 + r.IntN(3))
				flow[24+23] = 100 // bytes of the first
				sent += 100
				flow[20], flow[21] = byte(r.IntN(2)), byte(r.IntN(4)) // the engine, which is the domain
				flow[16], flow[17], flow[18], flow[19] = 0, byte(r.IntN(2)), byte(r.IntN(256)), byte(r.IntN(256))
				w.Decode(decode.Datagram{Payload: flow, Source: source, Steady: clock.Steady()})
			}
		}
		for _, w := range workers {
			all.take(w)
		}
		closeMinute()
		if datagrams != counts[ledger.DatagramsReceived] || refused != counts.Refused() || records != counts[ledger.RecordsDecoded] {
			t.Errorf("seed %d: minutes have %d datagrams, %d refused, %d records; the ledger has %d, %d, %d", seed, datagrams, refused, records,
				counts[ledger.DatagramsReceived], counts.Refused(), counts[ledger.RecordsDecoded])
		}
		if bytes == 0 || bytes > sent { // those of exporters that are not told apart are not told
			t.Errorf("seed %d: minutes have %d bytes, of %d", seed, bytes, sent)
		}
	}
}

// Tables have no zones: a link-local exporter has one record, by the address that its flows have, whatever link it is on.
func TestMinutesOfLinkLocalExportersHaveTheAddressThatFlowsHave(t *testing.T) {
	var counts ledger.Counts
	w := workersFor(1, 10, 10, &counts)[0]
	all := &traffic{limit: 10}
	all.keepMinutes()
	for _, zone := range []string{"eth0", "eth1"} {
		w.Decode(decode.Datagram{Payload: oneFlow(2), Source: netip.MustParseAddrPort("[fe80::1%" + zone + "]:4000"), Steady: clock.Steady()})
		w.Decode(decode.Datagram{Payload: []byte{0, 77}, Source: netip.MustParseAddrPort("[fe80::1%" + zone + "]:4000"), Steady: clock.Steady()})
	}
	all.take(w)
	records, refused := uint64(0), uint64(0)
	keys := make(map[string]bool)
	for _, m := range all.closeMinute() {
		key := fmt.Sprint(m.Kind, m.Protocol)
		if m.Exporter != "fe80::1" || keys[key] {
			t.Errorf("it is %+v", m)
		}
		keys[key] = true
		records, refused = records+m.Records, refused+ledger.Sum(m.DatagramsRefused)
	}
	if records != 4 || refused != 2 {
		t.Errorf("%d records and %d refused datagrams are told", records, refused)
	}
}

// The clock was wrong when the process began, and is right since: what others are told is by the clock as it is.
func TestWhenAStreamWasHeardIsToldByTheClockAsItIs(t *testing.T) {
	var counts ledger.Counts
	w := workersFor(1, 10, 10, &counts)[0]
	all := &traffic{limit: 10}
	all.keepMinutes()
	clock.SetWall(func() time.Time { return time.Now().Add(5 * time.Hour) })
	defer clock.SetWall(time.Now)
	w.Decode(decode.Datagram{Payload: oneFlow(1), Source: netip.MustParseAddrPort("192.0.2.1:4000"), Steady: clock.Steady()})
	all.take(w)
	off := func(told time.Time) bool { return clock.Wall().Sub(told).Abs() > time.Hour }
	_, streams, _ := all.account()
	if len(streams) != 1 || off(streams[0].LastSeen) {
		t.Errorf("at %s it was heard: %+v", clock.Wall(), streams)
	}
	for _, m := range all.closeMinute() {
		if off(time.UnixMilli(m.LastSeen)) {
			t.Errorf("at %s it was heard: %+v", clock.Wall(), m)
		}
	}
}
