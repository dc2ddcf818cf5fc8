package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 5: a collector is killed at random moments while exporters redefine their templates. After each restart it knows
// what they said last, at once: no set has to wait, and none is read with a former layout.
func TestCollectorKilledWhileTemplatesChange(t *testing.T) {
	t.Parallel()
	s := natstest.StartProcess(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	random := rand.New(rand.NewPCG(1, 2))
	const exporters = 5
	var fleet []*exporter
	for i := range exporters {
		fleet = append(fleet, newExporter(t, uint32(i)))
	}
	layouts := [2]layout{oldLayout, newLayout}
	current := make([]int, exporters)
	number := uint32(0)
	var want []uint32
	var has [3]float64
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("definitions that wait, keys and datagrams of b at last: %v; %d datagrams were sent", has, fleetSent(fleet, b.port))
		}
	})
	rounds := long(8, 50)
	for range rounds {
		// The survivor hears of changes; the other may be killed in the midst of learning them.
		for range 1 + random.IntN(20) {
			i := random.IntN(exporters)
			current[i] = 1 - current[i]
			fleet[i].send(b.port, 0, layouts[current[i]].template())
			if random.IntN(3) == 0 {
				fleet[i].send(a.port, 0, layouts[current[i]].template())
			}
			time.Sleep(time.Duration(random.IntN(3)) * time.Millisecond)
		}
		a.kill()
		for i := range fleet {
			fleet[i].send(b.port, 0, layouts[current[i]].template())
		}
		natstest.Eventually(t, "what the exporters said last is in the bucket", func() bool {
			has = [3]float64{b.metric("store_queue_length"), b.metric("store_keys"), b.metric("datagrams_received_total")}
			return has == [3]float64{0, exporters, float64(fleetSent(fleet, b.port))}
		})
		a = a.restart(t, "a").awaitReady()
		for i := range fleet {
			fleet[i].send(a.port, 1, layouts[current[i]].data(number))
			want = append(want, number)
			number++
		}
		natstest.Eventually(t, "it is published", func() bool { return a.metric("records_published_total") == exporters })
		if held := a.metric("sets_held_total"); held != 0 {
			t.Errorf("%v sets had to wait after a restart", held)
		}
	}
	assertNumbers(t, s, want...)
	figure(t, "killed %d times: %d records right after it, none lost, held or wrong", rounds, len(want))
	a.checkLedger()
	b.checkLedger()
}

// fleetSent is how many datagrams went to an address.
func fleetSent(exporters []*exporter, to string) (n int) {
	for _, e := range exporters {
		n += e.sent[to]
	}
	return n
}
