package main

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 6: exporters that share an address, and exporters whose ports change.

func startScoped(t *testing.T, name, url, scope string) *process {
	t.Helper()
	return startConfigured(t, name, configured(name, url, "",
		"templateStore: {maxBytes: -1}\noutput: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}}\nexporters: {templateScope: "+scope+"}")).awaitReady()
}

func TestTwoExportersBehindOneAddressWithEachScope(t *testing.T) {
	for _, scope := range []string{"Auto", "AddressPort", "Address"} {
		t.Run(scope, func(t *testing.T) {
			s := natstest.Start(t)
			a, b := startScoped(t, "a", s.URL(), scope), startScoped(t, "b", s.URL(), scope)
			one, two := newExporter(t, 1), newExporter(t, 1)
			one.send(a.port, 0, oldLayout.template())
			natstest.Eventually(t, "the first is known", func() bool { return b.metric("templates") == 1 })
			two.send(b.port, 0, newLayout.template())
			if scope == "Address" {
				// Both cannot be right: the newest counts, and the change is reported.
				natstest.Eventually(t, "the conflict is reported", func() bool {
					return b.metric("templates_changed_total")+b.metric("templates_conflicting_total") > 0
				})
				a.checkLedger()
				b.checkLedger()
				return
			}
			for _, p := range []*process{a, b} {
				natstest.Eventually(t, "both are known", func() bool { return p.metric("templates") == 2 })
			}
			var want []uint32
			for i := range uint32(100) {
				one.send([]string{a.port, b.port}[i%2], 1, oldLayout.data(i))
				two.send([]string{b.port, a.port}[i%2], 1, newLayout.data(1000+i))
				want = append(want, i, 1000+i)
			}
			assertNumbers(t, s, want...)
			a.checkLedger()
			b.checkLedger()
		})
	}
}

func TestALineCardThatNeverSendsTemplatesFromItsOwnPort(t *testing.T) {
	s := natstest.Start(t)
	a, b := startScoped(t, "a", s.URL(), "Auto"), startScoped(t, "b", s.URL(), "Auto")
	supervisor, card := newExporter(t, 1), newExporter(t, 1)
	card.send(b.port, 1, oldLayout.data(1)) // waits
	supervisor.send(a.port, 0, oldLayout.template())
	assertNumbers(t, s, 1)
	supervisor.send(a.port, 0, newLayout.template())
	natstest.Eventually(t, "the change is known", func() bool { return b.metric("templates_restored_total") >= 2 })
	card.send(b.port, 1, newLayout.data(2))
	assertNumbers(t, s, 1, 2)
	a.checkLedger()
	b.checkLedger()
}

func TestAnExporterThatRebootsWithANewPortAndNewLayouts(t *testing.T) {
	s := natstest.Start(t)
	a, b := startScoped(t, "a", s.URL(), "Auto"), startScoped(t, "b", s.URL(), "Auto")
	var want []uint32
	layouts := [2]layout{oldLayout, newLayout}
	clock := uint32(1_700_000_000)
	for boot := range uint32(6) {
		e := newExporter(t, 1)
		e.now = clock
		restored := b.metric("templates_restored_total")
		e.send(a.port, 0, layouts[boot%2].template())
		for i := range uint32(5) {
			e.send(a.port, 1, layouts[boot%2].data(boot*100+i))
			want = append(want, boot*100+i)
		}
		natstest.Eventually(t, "the other knows the new layout", func() bool {
			return b.metric("templates") >= float64(min(boot+1, 2)) && b.metric("store_keys") == a.metric("store_keys") &&
				a.metric("store_queue_length") == 0 && (b.metric("templates_restored_total") > restored || boot > 0)
		})
		e.send(b.port, 1, layouts[boot%2].data(boot*100+50))
		want = append(want, boot*100+50)
		assertNumbers(t, s, want...) // before the next layout, which may overtake it
		clock = e.now + 60
	}
	assertNumbers(t, s, want...)
	a.checkLedger()
	b.checkLedger()
}
