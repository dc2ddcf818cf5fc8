package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 11: the spool's file system is lost under a running collector, and comes back.

// disk is a file system of its own on a device of its own.
type disk struct {
	t          *testing.T
	dir, image string
}

// newDisk makes and mounts one, where this process may.
func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{t, t.TempDir(), filepath.Join(t.TempDir(), "image")}
	write(t, d.image, "")
	for _, err := range []error{
		os.Truncate(d.image, 64<<20), d.run("mkfs.ext4", "-q", d.image), d.run("mount", "-o", "loop", d.image, d.dir),
	} {
		if err != nil {
			t.Skipf("a disk that can be broken needs root, mkfs.ext4 and a loop device: %v", err)
		}
	}
	t.Cleanup(func() { _ = d.run("umount", "-l", d.dir) })
	return d
}

func (d *disk) run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// fail makes every access an error from then on, as the kernel does where a disk breaks.
func (d *disk) fail() {
	d.t.Helper()
	const shutdown = 0x8004587d // EXT4_IOC_SHUTDOWN
	root, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if err := unix.IoctlSetPointerInt(int(root.Fd()), shutdown, 0); err != nil {
		d.t.Skipf("this kernel does not break a disk when asked to: %v", err)
	}
}

// turnReadOnly is what the kernel does when it finds an error in the file system, whoever has files open for writing.
func (d *disk) turnReadOnly() error { return d.run("mount", "-o", "remount,abort", d.dir) }

// unmount waits until nobody has it open any more.
func (d *disk) unmount() {
	d.t.Helper()
	natstest.Eventually(d.t, "the disk is unmounted", func() bool { return d.run("umount", d.dir) == nil })
	for range 100 { // its device goes with its last mount
		if out, err := exec.Command("losetup", "-j", d.image).Output(); err == nil && len(out) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.t.Skip("another mount namespace, such as a container's that was made meanwhile, keeps the disk as it was")
}

func (d *disk) repair() {
	d.t.Helper()
	var exit *exec.ExitError
	if err := d.run("e2fsck", "-p", d.image); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: repaired
		d.t.Fatal(err)
	}
}

func (d *disk) mount() {
	d.t.Helper()
	if err := d.run("mount", "-o", "loop", d.image, d.dir); err != nil {
		d.t.Fatal(err)
	}
}

// spoolingTo is a collector with its spool below dir, and its exporter's load.
func spoolingTo(t *testing.T, url, dir string) (*process, *load) {
	t.Helper()
	a := startConfigured(t, "a", configured("a", url, "", `templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}, buffer: {maxBytes: 64Mi, spool: {directory: "`+dir+`/spool", after: 200ms}}}`)).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	return a, newLoad(e)
}

// awaitSpooled waits until all that was sent and neither published nor lost is on disk, and returns how many records that are.
func (p *process) awaitSpooled(l *load) (records int) {
	p.t.Helper()
	natstest.Eventually(p.t, "all is on disk", func() bool {
		records = int(p.metric("records_spooled"))
		elsewhere := p.metric("records_published_total") + p.metric("records_dropped_total") +
			p.metric("kernel_dropped_datagrams_total")*float64(l.perSend)
		return records > 0 && float64(records)+elsewhere == float64(l.next)
	})
	return records
}

// awaitUnusable waits until the collector says for a reason that it cannot use its spool.
func (p *process) awaitUnusable(reason string) {
	p.t.Helper()
	natstest.Eventually(p.t, "it is noticed", func() bool {
		return p.metric("spool_errors_total", reason) > 0 && p.metric("spool_usable") == 0
	})
	line := p.logs.find("the spool cannot be used; batches stay in memory, up to output.buffer.maxBytes; trying again")
	if line == nil || line["hint"] == nil {
		p.t.Errorf("the log does not say what to do: %v", line)
	}
}

func (p *process) awaitUsable() {
	p.t.Helper()
	natstest.Eventually(p.t, "it is used again", func() bool { return p.metric("spool_usable") == 1 })
}

func TestSpoolThatTurnsReadOnlyAndBackUnderTheCollector(t *testing.T) {
	dir := smallDisk(t, 256<<20)
	remount := func(flags uintptr) error { return syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, "") }
	s := natstest.StartProcess(t)
	a, l := spoolingTo(t, s.URL(), dir)
	rate, during := long(2_000, 20_000), long(time.Second, 10*time.Second)
	l.run(rate, during, a.port)
	a.atRest() // else NATS may have what is on its way
	s.Stop()
	l.run(rate, during, a.port)
	held := a.awaitSpooled(l)
	natstest.Eventually(t, "nobody writes, so that it can be made read-only", func() bool { return remount(syscall.MS_RDONLY) == nil })
	a.awaitUnusable("read_only")
	l.run(rate, during, a.port)
	s.Restart()
	l.run(rate, during, a.port)
	natstest.Eventually(t, "what memory has is published", func() bool {
		return a.metric("datagrams_received_total") == float64(sentCount(a.port).Load()) && a.metric("records_waiting") == 0
	})
	// What cannot be marked as sent is not sent: whoever reads the disk next would send it again.
	if o := outcomeOf(t, s.URL(), l); o.lost != held || int(a.metric("records_spooled")) != held || o.twice != 0 {
		t.Errorf("%d records are on disk, %v in the books; %d lacking, %d twice", held, a.metric("records_spooled"), o.lost, o.twice)
	}
	if err := remount(0); err != nil {
		t.Fatal(err)
	}
	a.awaitUsable()
	a.atRest()
	s.Stop()
	l.run(rate, during, a.port)
	a.awaitSpooled(l)
	s.Restart()
	a.atRest()
	o := outcomeOf(t, s.URL(), l)
	figure(t, "read-only and back: %d records at %d/s, %d of them on disk meanwhile: %d lost, %d twice, %d wrong, %v errors counted",
		l.next, rate, held, o.lost, o.twice, o.wrong, a.metric("spool_errors_total"))
	if dropped := a.checkLoss(l, o); dropped != 0 {
		t.Errorf("%d records dropped", dropped)
	}
	a.checkBooks()
}

// The kernel makes a file system read-only where it finds an error in it. The running collector lets go of it, so that it can be
// repaired, and then goes on with what is there.
func TestSpoolsFileSystemWithAnErrorIsRepairedUnderTheCollector(t *testing.T) {
	d := newDisk(t)
	s := natstest.StartProcess(t)
	a, l := spoolingTo(t, s.URL(), d.dir)
	rate, during := long(2_000, 10_000), long(time.Second, 10*time.Second)
	l.run(rate, during, a.port)
	a.atRest() // else NATS may have what is on its way
	s.Stop()
	l.run(rate, during, a.port)
	a.awaitSpooled(l)
	time.Sleep(3 * time.Second) // all of it is synced
	readOnly := make(chan error)
	go func() { // the error comes in the midst of writing
		time.Sleep(during / 2)
		readOnly <- d.turnReadOnly()
	}()
	l.run(rate, during, a.port)
	if err := <-readOnly; err != nil {
		t.Skipf("this kernel does not give up a file system when asked to: %v", err)
	}
	a.awaitUnusable("read_only")
	d.unmount()
	a.awaitUnusable("moved")
	l.run(rate, during, a.port)
	if files, err := os.ReadDir(d.dir); err != nil || len(files) != 0 {
		t.Errorf("what is below the disk was used: %v, %v", files, err)
	}
	d.repair()
	d.mount()
	a.awaitUsable()
	l.run(rate, during, a.port)
	held := a.awaitSpooled(l)
	s.Restart()
	a.atRest()
	o := outcomeOf(t, s.URL(), l)
	dropped := a.checkLoss(l, o)
	figure(t, "an error in the file system, and its repair: %d records at %d/s, %d on disk at the end: %d lost, %d counted, %d twice, "+
		"%d wrong, %v errors counted", l.next, rate, held, o.lost, dropped, o.twice, o.wrong, a.metric("spool_errors_total"))
	if most := rate * 3; o.lost > most { // what was not synced
		t.Errorf("%d records are lost, more than %d", o.lost, most)
	}
	a.checkBooks()
}

func TestSpoolThatIsMountedAnewUnderTheCollector(t *testing.T) {
	dir, kept := smallDisk(t, 256<<20), t.TempDir()
	mount := func(source, target, kind string, flags uintptr) {
		t.Helper()
		if err := syscall.Mount(source, target, kind, flags, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(target, syscall.MNT_DETACH) })
	}
	unmount := func() {
		t.Helper()
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
	}
	mount(dir, kept, "", syscall.MS_BIND) // the first file system goes on to be somewhere
	s := natstest.StartProcess(t)
	a, l := spoolingTo(t, s.URL(), dir)
	rate, during := long(2_000, 20_000), long(time.Second, 10*time.Second)
	l.run(rate, during, a.port)
	a.atRest() // else NATS may have what is on its way
	s.Stop()
	l.run(rate, during, a.port)
	gone := a.awaitSpooled(l)
	unmount()
	a.awaitUnusable("moved")
	l.run(rate, during, a.port)
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("what is below the disk was used: %v, %v", files, err)
	}
	mount("tmpfs", dir, "tmpfs", 0) // an empty one
	a.awaitUsable()
	l.run(rate, during, a.port)
	held := a.awaitSpooled(l)
	if counted := int(a.metric("records_dropped_total", "spool_gone")); counted != gone || held == 0 {
		t.Errorf("%d records were on the former file system, %d count as gone; %d are on the new one", gone, counted, held)
	}
	s.Restart()
	a.atRest()
	o := outcomeOf(t, s.URL(), l)
	if dropped := a.checkLoss(l, o); dropped != gone {
		t.Errorf("%d records are lost, %d were on the former file system", dropped, gone)
	}
	unmount()
	mount(kept, dir, "", syscall.MS_BIND) // the first one is back
	natstest.Eventually(t, "what it holds is found", func() bool { return int(a.metric("records_recovered_total")) == gone })
	a.atRest()
	back := outcomeOf(t, s.URL(), l)
	figure(t, "mounted anew: %d records at %d/s, %d of them on the former file system: %d lost until that is back, then %d; %d twice, "+
		"%d wrong, %v errors counted", l.next, rate, gone, o.lost, back.lost, back.twice, back.wrong, a.metric("spool_errors_total"))
	if back.lost != 0 || back.twice != 0 || back.wrong != 0 {
		t.Errorf("%d lost, %d twice, %d wrong", back.lost, back.twice, back.wrong)
	}
	a.checkBooks()
}
