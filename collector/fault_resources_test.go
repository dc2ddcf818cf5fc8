package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 11: what the machine gives runs out.

// smallDisk mounts a file system of its own, where this process may.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("mounting a small disk needs root and the right to mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestDiskFullUnderTheSpool(t *testing.T) {
	disk := smallDisk(t, 4<<20)
	s := natstest.StartProcess(t)
	a := startConfigured(t, "a", configured("a", s.URL(), "", `templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}, buffer: {maxBytes: 1Mi, spool: {directory: "`+disk+`/spool", after: 200ms}}}`)).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	l := newLoad(e)
	l.perSend = 100
	rate := long(40_000, 100_000)
	l.run(rate, 500*time.Millisecond, a.port)
	s.Stop()
	l.run(rate, long(4*time.Second, time.Minute), a.port) // more than disk and memory hold
	if a.metric("spool_errors_total") == 0 || a.metric("spool_usable") != 0 || a.metric("records_dropped_total", "oldest") == 0 {
		t.Errorf("full: %v errors, usable %v, %v records dropped", a.metric("spool_errors_total"), a.metric("spool_usable"),
			a.metric("records_dropped_total"))
	}
	if a.logs.find("the spool cannot be used; batches stay in memory, up to output.buffer.maxBytes; trying again") == nil {
		t.Error("the log does not say so")
	}
	s.Restart()
	a.atRest()
	l.run(rate, 500*time.Millisecond, a.port)
	a.atRest()
	o := outcomeOf(t, s.URL(), l)
	dropped := a.checkLoss(l, o)
	figure(t, "disk full: %d records, %d lost, %d counted as dropped, %d twice, %d wrong, %v errors counted", l.next, o.lost, dropped,
		o.twice, o.wrong, a.metric("spool_errors_total"))
	a.checkBooks()
}

func TestReadOnlySpoolLeavesMemoryAndIsUsedOnceItCanBe(t *testing.T) {
	disk := smallDisk(t, 64<<20)
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("no remounting here: %v", err)
	}
	s := natstest.Prepare(t)
	a := startConfigured(t, "a", configured("a", s.URL(), "", `templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}, buffer: {spool: {directory: "`+disk+`/spool", after: 200ms}}}`))
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	l := newLoad(e)
	l.run(1_000, time.Second, a.port)
	natstest.Eventually(t, "the error is counted", func() bool {
		return a.metric("spool_errors_total") > 0 && a.metric("records_waiting") == float64(l.next) && a.metric("spool_usable") == 0
	})
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it is used once it can be", func() bool {
		return a.metric("records_spooled") == float64(l.next) && a.metric("spool_usable") == 1
	})
	s.Restart()
	a.atRest()
	if o := outcomeOf(t, s.URL(), l); o.lost != 0 || o.twice != 0 || o.wrong != 0 {
		t.Errorf("%d lost, %d twice, %d wrong", o.lost, o.twice, o.wrong)
	}
	a.checkLedger()
}

// The spool's disk breaks in the midst of a run: what comes goes through memory, what is on the disk is in the books, and the
// next process sends it once the disk can be read.
func TestDiskThatBreaksUnderTheSpoolLeavesMemory(t *testing.T) {
	disk := newDisk(t)
	s := natstest.StartProcess(t)
	a := startConfigured(t, "a", configured("a", s.URL(), "", `templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}, buffer: {maxBytes: 64Mi, spool: {directory: "`+disk.dir+`/spool", after: 200ms}}}`)).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	l := newLoad(e)
	rate, during := long(2_000, 20_000), long(time.Second, 10*time.Second)
	l.run(rate, during, a.port)
	published := func() bool {
		return a.metric("datagrams_received_total") == float64(sentCount(a.port).Load()) && a.metric("records_waiting") == 0
	}
	// A batch that the server stores as it ends, without an answer, would be in the stream and on disk.
	natstest.Eventually(t, "all is published", published)
	s.Stop()
	l.run(rate, during, a.port)
	natstest.Eventually(t, "all is on disk", func() bool { return a.metric("records_spooled") > 0 && a.metric("records_waiting") == 0 })
	onDisk := int(a.metric("records_spooled"))
	disk.fail()
	l.run(rate, during, a.port)
	natstest.Eventually(t, "the error is counted", func() bool {
		return a.metric("spool_errors_total") > 0 && a.metric("spool_usable") == 0
	})
	if a.logs.find("the spool cannot be used; batches stay in memory, up to output.buffer.maxBytes; trying again") == nil {
		t.Error("the log does not say so")
	}
	s.Restart()
	l.run(rate, during, a.port)
	natstest.Eventually(t, "what memory has is published", published)
	o := outcomeOf(t, s.URL(), l)
	if spooled := int(a.metric("records_spooled")); o.lost != onDisk || spooled != onDisk || o.twice != 0 || o.wrong != 0 {
		t.Errorf("%d were on disk and %d are in the books; %d lacking, %d twice, %d wrong", onDisk, spooled, o.lost, o.twice, o.wrong)
	}
	errorsCounted := a.metric("spool_errors_total")
	a.checkBooks()

	a.kill()
	disk.unmount()
	disk.repair() // its journal may not have all that was made before it broke
	disk.mount()
	a = a.restart(t, "a").awaitReady()
	natstest.Eventually(t, "the spool is read", func() bool { return int(a.metric("records_recovered_total")) == onDisk })
	a.atRest()
	o = outcomeOf(t, s.URL(), l)
	figure(t, "the spool's disk breaks: %d records at %d/s, %d of them on it and sent by the next process; %d lost, %d twice, %d wrong, "+
		"%v errors counted", l.next, rate, onDisk, o.lost, o.twice, o.wrong, errorsCounted)
	a.checkLoss(l, o)
	a.checkBooks()
}

// The spool is what outlives the collector: killed while NATS is away, the next process sends what is on disk.
func TestCollectorKilledWithASpoolWhileNATSIsAway(t *testing.T) {
	s := natstest.StartProcess(t)
	a := spooled(t, "a", s.URL()).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	l := newLoad(e)
	rate := long(2_000, 20_000)
	l.run(rate, time.Second, a.port)
	s.Stop()
	for range long(3, 50) {
		l.run(rate, 2*time.Second, a.port)
		a.kill()
		a = a.restart(t, "a")
		e.send(a.port, 0, oldLayout.template()) // it cannot be had from the bucket
	}
	kept := a.metric("records_recovered_total")
	natstest.Eventually(t, "the spool is open", func() bool { kept = a.metric("records_recovered_total"); return kept > 0 })
	s.Restart()
	a.awaitReady()
	a.atRest()
	o := outcomeOf(t, s.URL(), l)
	figure(t, "killed %d times with NATS away, %d records at %d/s: %.0f ms of each two seconds lost, %d twice, %d wrong", long(3, 50),
		l.next, rate, float64(o.lost)/float64(rate)*1000/float64(long(3, 50)), o.twice, o.wrong)
	if o.twice != 0 || o.wrong != 0 || kept == 0 {
		t.Errorf("%d records twice, %d wrong, %v kept", o.twice, o.wrong, kept)
	}
	a.checkBooks()
}

func TestCorruptSpoolCostsWhatItHitsAndIsCounted(t *testing.T) {
	s := natstest.Prepare(t)
	a := spooled(t, "a", s.URL())
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	l := newLoad(e)
	l.run(2_000, 3*time.Second, a.port)
	natstest.Eventually(t, "all is on disk", func() bool { return a.metric("records_spooled") == float64(l.next) })
	a.kill()
	directory := ""
	content, err := os.ReadFile(a.command.Args[3])
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(content), `directory: "`)
	directory, _, _ = strings.Cut(after, `"`)
	files, err := filepath.Glob(filepath.Join(directory, "*.segment"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	segment, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		segment[len(segment)/3+i] ^= 0x5a
	}
	if err := os.WriteFile(files[0], segment[:len(segment)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	a = a.restart(t, "a").awaitReady()
	natstest.Eventually(t, "the rest is recovered", func() bool { return a.metric("records_recovered_total") > 0 })
	a.atRest()
	o := outcomeOf(t, s.URL(), l)
	damaged := int(a.metric("records_dropped_total", "spool_damaged"))
	figure(t, "corrupt spool: %d of %d records lost, %d counted in records, %v bytes torn or damaged", o.lost, l.next, damaged,
		a.metric("spool_discarded_bytes_total"))
	if o.lost == 0 || o.lost > int(l.next)/2 || a.metric("spool_discarded_bytes_total") == 0 || o.twice != 0 || o.wrong != 0 {
		t.Errorf("%d lost, %d twice, %d wrong", o.lost, o.twice, o.wrong)
	}
	a.checkBooks()
}

func TestFewFileDescriptorsLeaveACollectorThatWorks(t *testing.T) {
	s := natstest.Start(t)
	a := startConfigured(t, "a", configured("a", s.URL(), "", "templateStore: {maxBytes: -1}\noutput: {stream: {maxBytes: -1}}"),
		func(c *exec.Cmd) {
			c.Args = append([]string{"sh", "-c", `ulimit -n 24; exec "$0" "$@"`}, c.Args...)
			c.Path = "/bin/sh"
		}).awaitReady()
	var held []net.Conn
	for range 40 { // more than it has
		if conn, err := net.DialTimeout("tcp", a.http, time.Second); err == nil {
			held = append(held, conn)
		}
	}
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	l := newLoad(e)
	l.run(500, time.Second, a.port)
	for _, c := range held {
		_ = c.Close()
	}
	natstest.Eventually(t, "it answers again", func() bool { return a.metric("datagrams_received_total") > 0 })
	a.atRest()
	if o := outcomeOf(t, s.URL(), l); o.lost != 0 || o.twice != 0 || o.wrong != 0 {
		t.Errorf("%+v", o)
	}
	a.checkLedger()
}

func TestMemoryLimitNearLeavesACollectorThatWorks(t *testing.T) {
	s := natstest.Prepare(t)
	a := startConfigured(t, "a", configured("a", s.URL(), "", `templateStore: {maxBytes: -1}
exporters: {heldData: {maxBytes: 16Mi, maxBytesPerExporter: 16Mi, maxAge: 10s}}
output: {stream: {maxBytes: -1}, buffer: {maxBytes: 16Mi}}`), func(c *exec.Cmd) { c.Env = append(c.Env, "GOMEMLIMIT=64MiB") })
	e, unknown := newExporter(t, 1), newExporter(t, 2)
	e.send(a.port, 0, oldLayout.template())
	l := newLoad(e)
	l.perSend = 100
	payload := make([]byte, 1400)
	for range long(4, 60) { // both bounds are reached: what waits for NATS, and what waits for its template
		l.run(100_000, time.Second, a.port)
		for range 3_000 {
			unknown.send(a.port, 0, set(999, payload))
		}
	}
	held := a.metric("held_bytes")
	s.Restart()
	natstest.Eventually(t, "what waited for the bucket is read, and what waited for its template is given up", func() bool {
		return a.metric("sets_waiting") == 0
	})
	a.atRest()
	_, most := a.residentBytes()
	o := outcomeOf(t, s.URL(), l)
	dropped := a.checkLoss(l, o)
	figure(t, "GOMEMLIMIT 64 MiB, %.0f MiB held, 16 MiB buffer: peak %d MiB; %d of %d records lost, %d counted", held/(1<<20), most>>20,
		o.lost, l.next, dropped)
	a.checkBooks()
}
