package netflow_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// message of an exporter's life.
type message struct {
	life, number, units int
	uptime, sent        time.Duration
	arrives             time.Duration
}

// encodings of messages as they are sent, at a time.
var encodings = map[string]func(m *message) []byte{
	"NetFlow v9": func(m *message) []byte {
		return join(u16(9, 1), u32(uint32(m.uptime/time.Millisecond), exported+uint32(m.sent/time.Second), uint32(m.number), 7), set(0, u16(300, 1, 1, 4)))
	},
	"NetFlow v5": func(m *message) []byte {
		return join(u16(5, uint16(m.units)), u32(uint32(m.uptime/time.Millisecond), exported+uint32(m.sent/time.Second), 0, uint32(m.number), 0),
			bytes.Repeat([]byte{1}, 48*m.units))
	},
	"IPFIX": func(m *message) []byte {
		sets := join(set(2, u16(300, 1, 1, 4)), set(300, bytes.Repeat([]byte{1}, 4*m.units)))
		return join(u16(10, uint16(16+len(sets))), u32(exported+uint32(m.sent/time.Second), uint32(m.number), 7), sets)
	},
}

// Exporters restart after a few hundred messages, which a balancer spreads over the collectors, so that each of them has gaps; some messages are lost,
// some come twice, and neighbours change places. The fleet knows exactly what is missed of the last life, and each collector how often it began.
func TestRestartsOfExportersThatManyCollectorsHearAreSeen(t *testing.T) {
	for name, encode := range encodings {
		for _, collectors := range []int{1, 3} {
			t.Run(fmt.Sprint(name, ", collectors: ", collectors), func(t *testing.T) {
				for seed := range uint64(20) {
					random := rand.New(rand.NewPCG(seed, uint64(collectors)))
					const lives = 4
					all, want := livesOf(random, lives, name == "NetFlow v9")
					var stations []*station
					heard := make([]time.Duration, collectors)
					for range collectors {
						stations = append(stations, newStation(t))
					}
					for i := range all {
						to := random.IntN(collectors)
						heard[to] = all[i].arrives
						for range 1 + random.IntN(20)/19 { // twice
							stations[to].send(exporterPort, all[i].arrives, encode(&all[i]))
						}
					}
					var parts []ledger.Part
					for i, s := range stations {
						if n := s.counts[ledger.SequenceRestarted]; n != lives-1 {
							t.Errorf("seed %d: collector %d saw %d restarts, want %d", seed, i, n, lives-1)
						}
						s.decoder.Streams(0, func(_ template.Version, stream netflow.Stream) {
							parts = append(parts, ledger.Part{Span: stream.Span, Heard: time.Unix(0, int64(heard[i]))})
						})
					}
					if sum, _ := ledger.Union(parts); sum.Missed() != want {
						t.Errorf("seed %d: %d are missed, want %d", seed, int64(sum.Missed()), want)
					}
				}
			})
		}
	}
}

// livesOf are the messages of some lives that arrive, in this order, and how many units of the last one do not.
func livesOf(random *rand.Rand, lives int, single bool) (all []message, missed uint64) {
	now := time.Duration(0)
	for life := range lives {
		boot, number := now, 0
		for range 100 + random.IntN(300) {
			now += time.Duration(1+random.IntN(200)) * time.Millisecond
			m := message{life: life, number: number, units: 1, uptime: now - boot, sent: now, arrives: now + time.Duration(random.IntN(50))*time.Millisecond}
			if !single {
				m.units = 1 + random.IntN(5)
			}
			number += m.units
			if random.IntN(20) != 0 {
				all = append(all, m)
			}
		}
		now += time.Duration(1+random.IntN(60)) * time.Second
	}
	slices.SortStableFunc(all, func(a, b message) int { return cmp.Compare(a.arrives, b.arrives) })
	first, next, units := 1<<30, 0, 0
	for _, m := range all {
		if m.life == lives-1 {
			first, next, units = min(first, m.number), max(next, m.number+m.units), units+m.units
		}
	}
	return all, uint64(next - first - units)
}
