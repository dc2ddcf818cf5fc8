package main

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 9: the clock of an exporter jumps, both ways, while it redefines a template. What it says last holds, in every
// collector. (The wrap of sysUptime is tested beside the decoder.)
func TestClockOfAnExporterJumpsBothWays(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the template is known", func() bool { return b.metric("templates") == 1 })
	layouts := [2]layout{newLayout, oldLayout}
	const hour, year = 3600, 365 * 86400
	var want []uint32
	jumps := []int64{hour, -hour, year, -2 * year, year, -1_600_000_000, 1_600_000_000}
	for i, jump := range jumps {
		e.now = uint32(int64(e.now) + jump)
		n := uint32(100 * i)
		changed := b.metric("templates_restored_total")
		e.send(a.port, 1, layouts[i%2].template(), layouts[i%2].data(n))
		natstest.Eventually(t, "the other knows the new layout", func() bool { return b.metric("templates_restored_total") > changed })
		e.send(b.port, 1, layouts[i%2].data(n+1))
		want = append(want, n, n+1)
		assertNumbers(t, s, want...) // before the next change, which may overtake it
	}
	figure(t, "%d jumps of up to 50 years, both ways: %d records, none wrong", len(jumps), len(want))
	a.checkLedger()
	b.checkLedger()
}
