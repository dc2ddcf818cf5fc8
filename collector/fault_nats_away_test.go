package main

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 1: no NATS at the start, then there.
func TestNATSAwayAtTheStartForLong(t *testing.T) {
	t.Parallel()
	s := natstest.Prepare(t)
	began := time.Now()
	a := startConfigured(t, "a", configured("a", s.URL(), "", "templateStore: {maxBytes: -1, loadTimeout: 2s}\noutput: {stream: {maxBytes: -1}}"))
	figure(t, "sockets are bound %s after the start", time.Since(began).Round(time.Millisecond))
	e := newExporter(t, 1)
	if status, body := a.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "templates: not ready") {
		t.Errorf("at the start readiness is %d: %s", status, body)
	}
	e.send(a.port, 0, oldLayout.template())
	l := newLoad(e)
	l.run(200, long(4*time.Second, 5*time.Minute), a.port)
	if status, body := a.get("/readyz"); status != http.StatusOK || !strings.Contains(body, "not loaded after 2s, going on without") {
		t.Errorf("after the bound readiness is %d: %s", status, body)
	}
	s.Restart()
	a.atRest()
	natstest.Eventually(t, "the bucket is loaded", func() bool { return a.metric("store_loaded") == 1 })
	if o := outcomeOf(t, s.URL(), l); o.lost != 0 || o.twice != 0 || o.wrong != 0 {
		t.Errorf("%d records lost, %d twice, %d wrong", o.lost, o.twice, o.wrong)
	}
	b := startCollector(t, "b", s.URL(), "").awaitReady()
	if b.metric("templates") != 1 {
		t.Error("the bucket was not filled")
	}
	a.checkLedger()
}

// spooled is a collector with little memory and a spool.
func spooled(t *testing.T, name, url string) *process {
	t.Helper()
	return startConfigured(t, name, configured(name, url, "", `templateStore: {maxBytes: -1}
output:
  stream: {maxBytes: -1}
  batch: {maxAge: 50ms}
  buffer: {maxBytes: 16Mi, spool: {directory: "`+t.TempDir()+`", maxBytes: 4Gi, after: 500ms}}
`))
}

// Fault 2, and the buffer that outlives NATS: the server is killed under load and comes back with its store.
func TestNATSKilledUnderLoadWithASpoolLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	s := natstest.StartProcess(t)
	a := spooled(t, "a", s.URL()).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	l := newLoad(e)
	rate := long(2_000, 20_000)
	outage := long(6*time.Second, 10*time.Minute)
	l.run(rate, 2*time.Second, a.port)
	for range 2 {
		s.Stop() // SIGKILL
		l.run(rate, outage/2, a.port)
		if a.metric("records_spooled") == 0 {
			t.Error("nothing went to disk")
		}
		s.Restart()
		l.run(rate, time.Second, a.port)
	}
	a.atRest()
	o := outcomeOf(t, s.URL(), l)
	_, most := a.residentBytes()
	figure(t, "%d records at %d/s, NATS killed for %s: %d lost, %d twice, %d wrong, peak memory %d MiB", l.next, rate, outage,
		o.lost, o.twice, o.wrong, most>>20)
	if dropped := a.metric("kernel_dropped_datagrams_total"); o.lost != int(dropped)*l.perSend || o.twice != 0 || o.wrong != 0 {
		t.Errorf("%d records lost, %d twice, %d wrong; the kernel dropped %v datagrams", o.lost, o.twice, o.wrong, dropped)
	}
	if a.metric("spool_bytes") != 0 || a.metric("publish_unverified_total") != 0 {
		t.Errorf("%v bytes stay on disk", a.metric("spool_bytes"))
	}
}

// Without a spool, and with a buffer too small for the outage, what is lost is what the counters say.
func TestNATSKilledUnderLoadWithoutASpoolLosesWhatTheCountersSay(t *testing.T) {
	t.Parallel()
	s := natstest.StartProcess(t)
	a := startConfigured(t, "a", configured("a", s.URL(), "", `templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms, maxBytes: 4Ki}, buffer: {maxBytes: 256Ki, inFlightBytes: 64Ki}}`)).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	l := newLoad(e)
	rate := long(4_000, 20_000)
	l.run(rate, time.Second, a.port)
	s.Stop()
	l.run(rate, long(3*time.Second, time.Minute), a.port)
	s.Restart()
	l.run(rate, time.Second, a.port)
	a.atRest()
	o := outcomeOf(t, s.URL(), l)
	dropped := a.checkLoss(l, o)
	figure(t, "%d records at %d/s: %d lost, %d counted as dropped, %d twice, %d wrong", l.next, rate, o.lost, dropped, o.twice, o.wrong)
	if dropped == 0 {
		t.Error("the buffer was not too small")
	}
	a.checkBooks()
}

// Fault 2: the store is gone, or an older copy of it is back.
func TestNATSBackWithAnEmptyOrOlderStoreIsFilledAgain(t *testing.T) {
	for _, name := range []string{"empty", "older"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := natstest.StartProcess(t)
			a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
			e := newExporter(t, 1)
			e.send(a.port, 0, oldLayout.template())
			natstest.Eventually(t, "the other has the template", func() bool { return b.metric("templates") == 1 })
			s.Stop()
			store := t.TempDir()
			if name == "older" {
				if err := os.CopyFS(store, os.DirFS(s.Store())); err != nil {
					t.Fatal(err)
				}
			}
			s.Restart()
			natstest.Eventually(t, "the bucket is followed again", func() bool { return a.metric("nats_connected") == 2 && b.metric("nats_connected") == 2 })
			e.send(a.port, 0, newLayout.template())
			natstest.Eventually(t, "the other has the new layout", func() bool { return b.metric("templates_restored_total") >= 2 })
			e.send(b.port, 1, newLayout.data(1))
			natstest.Eventually(t, "it is published", func() bool { return b.metric("records_published_total") == 1 })

			s.Stop()
			time.Sleep(long(time.Second, time.Minute))
			e.send(b.port, 1, newLayout.data(2))
			s.UseStore(store)
			s.Restart()
			// The new definition wins over what the store has, in old collectors and in a new one.
			natstest.Eventually(t, "the bucket is filled again", func() bool {
				return a.metric("store_keys") == 1 && b.metric("store_keys") == 1 && a.metric("store_queue_length")+b.metric("store_queue_length") == 0
			})
			c := startCollector(t, "c", s.URL(), "").awaitReady()
			natstest.Eventually(t, "a new collector has a template", func() bool { return c.metric("templates") == 1 })
			var want []uint32
			for i, p := range []*process{a, b, c} {
				if p == c {
					// Until the collectors that know better have written, an older store has the old layout.
					natstest.Eventually(t, "the newer definition is back", func() bool {
						out, err := execute(t, "", "templates", "show", "--json", "--exporter", "127.0.0.1", "--server", s.URL())
						return err == nil && strings.Index(out, "octetDeltaCount") > strings.Index(out, "packetDeltaCount")
					})
					natstest.Eventually(t, "and known", func() bool { return name == "empty" || c.metric("templates_restored_total") >= 1 })
					time.Sleep(200 * time.Millisecond)
				}
				e.send(p.port, 1, newLayout.data(uint32(10+i)))
				want = append(want, uint32(10+i))
			}
			got := assertPublished(t, s, append(want, 2)...)
			figure(t, "%s store: all of %d records read with the layout in force", name, len(got))
			for _, p := range []*process{a, b, c} {
				p.checkLedger()
			}
		})
	}
}

// assertPublished waits for records with the given numbers, among others, none of them read with a wrong layout.
func assertPublished(t *testing.T, s *natstest.Server, want ...uint32) []uint32 {
	t.Helper()
	var got []uint32
	natstest.Eventually(t, "the records are published", func() bool {
		got = got[:0]
		for _, r := range published(t, s) {
			if r.Packets != packetsOfTest {
				t.Fatalf("a record was read with a wrong layout: %d bytes, %d packets", r.Bytes, r.Packets)
			}
			got = append(got, uint32(r.Bytes))
		}
		for _, n := range want {
			if !slices.Contains(got, n) {
				return false
			}
		}
		return true
	})
	return got
}
