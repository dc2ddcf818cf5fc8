package share

import (
	"net/netip"
	"testing"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Exporters made room for others in a collector. As soon as one of them sends, if only data, the collector has from the bucket what it taught: all of
// its keys, and nobody else's. It need not wait for the next listing.
func TestTheBucketIsAskedForAnExporterThatMadeRoom(t *testing.T) {
	s := natstest.Start(t)
	m := join(t, s)
	m.learn(2055, 256, 4, 100)
	m.learn(2055, 257, 8, 100)
	m.rates.Exporter(scope, clock.Steady()).Learn(scope.Domain, 2055, uint64(sampling.System), 100, 100, clock.Steady())
	m.say("if", 100, 1000)
	m.tell()
	m.store.SetLimits(template.Limits{Exporters: 1, Templates: 1000, Fields: 100})
	m.rates.SetLimits(sampling.Limits{Exporters: 1, Rates: 100, Total: 100})
	other := scope
	other.Exporter = netip.MustParseAddr("198.51.100.7")
	m.store.Exporter(other, clock.Steady())
	m.rates.Exporter(other, clock.Steady()).Learn(1, 2055, uint64(sampling.System), 5, 100, clock.Steady())
	m.settled()
	if m.store.Find(scope) != nil || m.rates.Find(scope) != nil {
		t.Fatal("it has not made room")
	}
	sequence := lastSequence(t, s)
	m.store.Miss(scope)
	m.rates.Miss(scope)
	natstest.Eventually(t, "it is known again", func() bool {
		e := m.rates.Find(scope)
		if e == nil || m.length(2055, 256) != 4 || m.length(2055, 257) != 8 {
			return false
		}
		rate, _ := e.Standard(scope.Domain, 2055, clock.Steady())
		return rate == 100
	})
	if n := lastSequence(t, s) - sequence; n > 0 {
		t.Errorf("to ask caused %d writes", n)
	}
	if rows := m.names.Rows(ports, names.Interfaces); len(rows) != 100 {
		t.Errorf("%d names", len(rows))
	}
}
