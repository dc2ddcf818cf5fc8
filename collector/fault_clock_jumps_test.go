package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

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
	const hour, year = 3600, 365 * 86400 // of the exporter
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

// clockVariable names a file that says how far a collector's clock is off.
const clockVariable = "FLOWFLEET_TEST_CLOCK"

func clockOffset(file string) time.Duration {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	offset, _ := time.ParseDuration(string(text)) // empty while it is being written
	return offset
}

// jumping is a collector whose clock can be set with the function returned.
func jumping(t *testing.T, name, url, more string) (*process, func(time.Duration)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clock")
	setClock := func(offset time.Duration) {
		t.Helper()
		write(t, file+".new", offset.String())
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	setClock(0)
	return startConfigured(t, name, configured(name, url, "", "templateStore: {maxBytes: -1}\n"+more),
		func(c *exec.Cmd) { c.Env = append(c.Env, clockVariable+"="+file) }), setClock
}

const hour, year = time.Hour, 365 * 24 * time.Hour

// Fault 9: the clock of a collector jumps, both ways. No definition falls back to a former one, whichever collector hears of a
// change, sampling rates stay, and records tell the time that the clock shows.
func TestClockOfACollectorJumpsBothWays(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	a, setClock := jumping(t, "a", s.URL(), "output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}}")
	b := startCollector(t, "b", s.URL(), "").awaitReady()
	a.awaitReady()
	e := newExporter(t, 1)
	e.send(b.port, 0, oldLayout.template())
	e.send(a.port, 1, selectorOptions(512)...)
	for _, p := range []*process{a, b} {
		natstest.Eventually(t, "both are known to both", func() bool { return p.metric("templates") == 2 && p.metric("sampling_rates") == 1 })
	}
	layouts := [2]layout{newLayout, oldLayout}
	var want []uint32
	jumps := []time.Duration{hour, -hour, year, -2 * year, 3 * time.Second, -50 * year, 50 * year, 0}
	for i, offset := range jumps {
		setClock(offset)
		before, after := uint32(100*i), uint32(100*i+10)
		current := layouts[(i+1)%2] // of the round before
		e.send(a.port, 1, current.data(before))
		e.send(b.port, 1, current.data(before+1))
		want = append(want, before, before+1)
		assertNumbers(t, s, want...)
		from, to := a, b // the change reaches the collector whose clock jumped, or it tells of it
		if i%2 == 1 {
			from, to = b, a
		}
		changed := to.metric("templates_restored_total")
		e.send(from.port, 1, layouts[i%2].template(), layouts[i%2].data(after))
		natstest.Eventually(t, "the other knows the new layout", func() bool { return to.metric("templates_restored_total") > changed })
		e.send(to.port, 1, layouts[i%2].data(after+1))
		want = append(want, after, after+1)
		for _, r := range assertNumbers(t, s, want...) {
			if r.SamplingRate != 512 {
				t.Errorf("record %d has a sampling rate of %d", r.Bytes, r.SamplingRate)
			}
			if r.Bytes != uint64(before) {
				continue
			}
			if off := time.Until(time.Unix(0, int64(r.TimeReceivedNs))) - offset; off.Abs() > time.Minute {
				t.Errorf("with the clock %s off a record's time is %s off", offset, off+offset)
			}
		}
	}
	// A collector that starts with such a clock reads what the others wrote.
	setClock(-10 * year)
	a.kill()
	a = startFile(t, "a", a.command.Args[3], func(c *exec.Cmd) { c.Env = a.command.Env }).awaitReady()
	e.send(a.port, 1, layouts[(len(jumps)-1)%2].data(5000))
	assertNumbers(t, s, append(want, 5000)...)
	figure(t, "%d jumps of up to 50 years, both ways: %d records, none wrong", len(jumps)+1, len(want)+1)
	a.checkLedger()
	b.checkLedger()
}

// What waits for its template waits for as long as is configured: a clock that is set forward does not end it, one that is
// set back does not prolong it.
func TestClockOfACollectorThatJumpsLeavesWhatWaits(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{hour, -hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			s := natstest.Start(t)
			patient, setPatient := jumping(t, "patient", s.URL(), "output: {stream: {maxBytes: -1}}")
			brief, setBrief := jumping(t, "brief", s.URL(), "output: {stream: {maxBytes: -1}}\nexporters: {heldData: {maxAge: 2s}}")
			e, other := newExporter(t, 1), newExporter(t, 2)
			e.send(patient.port, 1, oldLayout.data(1))
			natstest.Eventually(t, "it waits", func() bool { return patient.metric("sets_waiting") == 1 })
			setPatient(jump)
			time.Sleep(4 * longestTick)
			if patient.metric("sets_waiting") != 1 {
				t.Error("it waits no longer")
			}
			e.send(patient.port, 0, oldLayout.template())
			natstest.Eventually(t, "it is published", func() bool { return patient.metric("records_published_total") == 1 })

			other.send(brief.port, 1, oldLayout.data(1))
			natstest.Eventually(t, "it waits", func() bool { return brief.metric("sets_waiting") == 1 })
			setBrief(jump)
			natstest.Eventually(t, "it expires all the same", func() bool { return brief.metric("sets_expired_total", "age") == 1 })
			patient.checkLedger()
			brief.checkLedger()
		})
	}
}

// longestTick is how often a collector looks at what waits.
const longestTick = 100 * time.Millisecond

// What waits for JetStream, in memory and on disk, is neither lost nor sent twice when the clock jumps, nor when the next
// process has another clock than the one that wrote it.
func TestClockOfACollectorThatJumpsWithASpool(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{hour, -hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			s := natstest.StartProcess(t)
			a, setClock := jumping(t, "a", s.URL(), `output:
  stream: {maxBytes: -1}
  batch: {maxAge: 50ms}
  buffer: {maxBytes: 16Mi, spool: {directory: "`+t.TempDir()+`", maxBytes: 4Gi, after: 200ms}}
`)
			a.awaitReady()
			e := newExporter(t, 1)
			e.send(a.port, 0, oldLayout.template())
			l := newLoad(e)
			l.run(2_000, time.Second, a.port)
			s.Stop() // with something in flight
			l.run(2_000, time.Second, a.port)
			setClock(jump)
			l.run(2_000, time.Second, a.port)
			natstest.Eventually(t, "all is on disk", func() bool {
				return a.metric("datagrams_received_total") == float64(sentCount(a.port).Load()) &&
					a.metric("records_waiting") == 0 && a.metric("records_spooled") > 0
			})
			a.kill()
			setClock(-jump)
			a = startFile(t, "a", a.command.Args[3], func(c *exec.Cmd) { c.Env = a.command.Env })
			s.Restart()
			a.awaitReady()
			natstest.Eventually(t, "the spool is read", func() bool { return a.metric("records_recovered_total") > 0 })
			a.atRest()
			o := outcomeOf(t, s.URL(), l)
			figure(t, "clock set by %s while NATS is away, and by %s for the next process: %d records, %d lost, %d twice, %d wrong", jump,
				-2*jump, l.next, o.lost, o.twice, o.wrong)
			if o.lost != 0 || o.twice != 0 || o.wrong != 0 {
				t.Errorf("%d records lost, %d twice, %d wrong", o.lost, o.twice, o.wrong)
			}
			if n := a.metric("publish_unverified_total"); n != 0 {
				t.Errorf("%v batches were sent without asking the stream", n)
			}
			a.checkBooks()
		})
	}
}
