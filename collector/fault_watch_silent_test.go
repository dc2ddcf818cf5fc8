package main

import (
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 4: the connection for templates stays open and nothing comes any more. Two pings of ten seconds without an answer
// end it, and what was missed is listed: within 35 seconds, the longest pause between attempts included.
func TestWatchThatDiesInSilenceIsHealed(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	proxy := natstest.NewProxy(t, s)
	a := startCollector(t, "a", s.URL(), "").awaitReady()
	b := startConfigured(t, "b", configured("b", s.URL(), "",
		`templateStore: {maxBytes: -1, nats: {urls: ["`+proxy.URL()+`"]}}
output: {stream: {maxBytes: -1}}`)).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the other has the template", func() bool { return b.metric("templates") == 1 })
	proxy.Silence()
	e.send(a.port, 0, layout{301, oldLayout.fields}.template())
	began := time.Now()
	// New connections pass: it is this one that is dead.
	proxy.HealNew()
	natstest.Eventually(t, "the other has the second template", func() bool { return b.metric("templates") == 2 })
	figure(t, "a connection that is dead in silence is healed after %s", time.Since(began).Round(100*time.Millisecond))
	e.send(b.port, 1, layout{301, oldLayout.fields}.data(1))
	assertNumbers(t, s, 1)
	b.checkLedger()
}
