package publish

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/spool"
)

// spooling is an output with little memory and a spool in dir.
func spooling(dir string, change func(*config.Output)) config.Output {
	return output(func(o *config.Output) {
		o.Buffer.MaxBytes = 64 << 10
		o.Buffer.InFlightBytes = 16 << 10
		o.Buffer.Spool = &config.Spool{
			Directory: dir, MaxBytes: 64 << 20, After: config.Duration(200 * time.Millisecond), ResendBytesPerSecond: 64 << 20,
		}
		if change != nil {
			change(o)
		}
	})
}

// submitSlowly submits batches no faster than the disk takes them.
func submitSlowly(t *testing.T, p Publisher, first, n, size int) {
	t.Helper()
	for i := range n {
		natstest.Eventually(t, "there is room", func() bool { return p.Stats().BufferBytes < 48<<10 })
		submit(p, first+i, 1, size)
	}
}

func TestAnOutageLongerThanMemoryGoesToDiskAndLosesNothing(t *testing.T) {
	s := natstest.Start(t)
	p := start(t, s, spooling(t.TempDir(), nil))
	submit(p, 0, 10, 1000)
	natstest.Eventually(t, "the first are published", func() bool { return p.Stats().Published == 10 })
	s.Stop()
	submitSlowly(t, p, 10, 500, 1000)
	natstest.Eventually(t, "all is on disk", func() bool { return check(t, p).Spooled == 500 })
	if stats := check(t, p); stats.Waiting != 0 || stats.BufferBytes != 0 || stats.Spool.Bytes < 500_000 {
		t.Errorf("stats are %+v", stats)
	}
	s.Restart()
	natstest.Eventually(t, "all are published", func() bool { return check(t, p).Published == 510 })
	natstest.Eventually(t, "the disk is empty", func() bool { return check(t, p).Spool.Bytes == 0 })
	if stats := check(t, p); stats.Spooled != 0 || stats.DroppedRecords() != 0 {
		t.Errorf("stats are %+v", stats)
	}
	assertAllOnce(t, stored(t, s), 510)
}

// As by default where somebody lowers buffer.maxBytes only: all of the memory may be in flight.
func TestAServerThatDoesNotAnswerLeavesRoomInMemoryForWhatGoesToDisk(t *testing.T) {
	s := natstest.Start(t)
	proxy := natstest.NewProxy(t, s)
	c := spooling(t.TempDir(), func(o *config.Output) { o.Buffer.InFlightBytes = 16 << 20 })
	p, err := New(c, "test", natstest.Connect(t, proxy.URL()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	submit(p, 0, 5, 1000)
	natstest.Eventually(t, "the first are published and the spool is open", func() bool {
		return p.Stats().Published == 5 && p.(*jetStream).spoolerUsable()
	})
	proxy.Silence()
	for i := range 300 {
		natstest.Eventually(t, "the disk keeps up", func() bool { return p.Stats().BufferBytes-p.Stats().InFlightBytes < 32<<10 })
		submit(p, 5+i, 1, 1000)
	}
	if stats := check(t, p); stats.Spooled == 0 || stats.DroppedRecords() != 0 {
		t.Errorf("stats are %+v", stats)
	}
	proxy.Cut()
	proxy.Heal()
	natstest.Eventually(t, "all are published", func() bool { return check(t, p).Published == 305 })
	assertAllOnce(t, stored(t, s), 305)
}

func TestWhatIsLeftAtTheEndIsSentByTheNextProcess(t *testing.T) {
	s := natstest.Prepare(t)
	dir := t.TempDir()
	p := start(t, s, spooling(dir, nil))
	natstest.Eventually(t, "the spool is open", func() bool { return p.(*jetStream).spoolerUsable() })
	submit(p, 0, 20, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if stats := check(t, p); stats.Spooled != 20 || stats.Waiting != 0 || stats.DroppedRecords() != 0 {
		t.Errorf("stats are %+v", stats)
	}
	s.Restart()
	p = start(t, s, spooling(dir, nil))
	natstest.Eventually(t, "all are published", func() bool { return check(t, p).Published == 20 })
	if stats := check(t, p); stats.Recovered != 20 || stats.Submitted != 0 {
		t.Errorf("stats are %+v", stats)
	}
	assertAllOnce(t, stored(t, s), 20)
}

func (p *jetStream) spoolerUsable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spooler.usable()
}

// The stream has forgotten the ids of what it stored when it is sent again: whether it has it is asked, not guessed.
func TestAcknowledgementsLostForLongerThanTheDuplicateWindowLeaveNoDuplicates(t *testing.T) {
	for _, spooled := range []bool{false, true} {
		t.Run(fmt.Sprintf("spool %t", spooled), func(t *testing.T) {
			s := natstest.Start(t)
			js, err := jetstream.New(s.Connect())
			if err != nil {
				t.Fatal(err)
			}
			const window = time.Second
			stream, err := js.CreateStream(context.Background(), jetstream.StreamConfig{
				Name: "flows", Subjects: []string{"flows.>"}, Duplicates: window,
			})
			if err != nil {
				t.Fatal(err)
			}
			proxy := natstest.NewProxy(t, s)
			c := spooling(t.TempDir(), nil)
			if !spooled {
				c.Buffer.Spool = nil
			}
			p, err := New(c, "test", natstest.Connect(t, proxy.URL()), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close(context.Background()) })
			submit(p, 0, 5, 100)
			natstest.Eventually(t, "the first are published", func() bool { return p.Stats().Published == 5 })
			proxy.Silence()
			submit(p, 5, 5, 100)
			natstest.Eventually(t, "the stream has them", func() bool {
				info, err := stream.Info(context.Background())
				return err == nil && info.State.Msgs == 10
			})
			proxy.Cut()
			submit(p, 10, 5, 100)
			time.Sleep(window + 500*time.Millisecond) // the stream forgets the ids
			proxy.Heal()
			natstest.Eventually(t, "all are published", func() bool { return check(t, p).Published == 15 })
			if stats := check(t, p); stats.Duplicates != 5 || stats.Unverified != 0 {
				t.Errorf("stats are %+v", stats)
			}
			assertAllOnce(t, stored(t, s), 15)
		})
	}
}

func TestAFullSpoolFollowsThePolicy(t *testing.T) {
	for _, test := range []struct {
		policy config.DropPolicy
		reason Reason
	}{{config.DropOldest, DroppedSpoolFull}, {config.DropNewest, DroppedNewest}} {
		t.Run(string(test.policy), func(t *testing.T) {
			s := natstest.Prepare(t)
			p := start(t, s, spooling(t.TempDir(), func(o *config.Output) {
				o.Buffer.MaxBytes = 4 << 20
				o.Buffer.Spool.MaxBytes = 8 << 20
				o.Buffer.Policy = test.policy
			}))
			natstest.Eventually(t, "the spool is open", func() bool { return p.(*jetStream).spoolerUsable() })
			for i := range 400 {
				submit(p, i, 1, 50_000)
				time.Sleep(time.Millisecond)
			}
			natstest.Eventually(t, "something is dropped", func() bool { return check(t, p).Dropped[test.reason] > 0 })
			if stats := check(t, p); stats.Spool.Bytes > 8<<20 || stats.BufferBytes > 4<<20 {
				t.Errorf("stats are %+v", stats)
			}
			s.Restart()
			natstest.Eventually(t, "the rest is published", func() bool {
				stats := check(t, p)
				return stats.Waiting+stats.Spooled == 0
			})
			stats := check(t, p)
			got := stored(t, s)
			assertAllOnce(t, got, 400-int(stats.DroppedRecords()))
			newest := false
			for _, number := range got {
				newest = newest || number == "000399"
			}
			if newest != (test.policy == config.DropOldest) {
				t.Errorf("the newest was kept: %t", newest)
			}
		})
	}
}

func TestASpoolThatCannotBeUsedLeavesMemoryAndIsCounted(t *testing.T) {
	s := natstest.Prepare(t)
	dir := filepath.Join(t.TempDir(), "spool")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file in the directory's place
		t.Fatal(err)
	}
	p := start(t, s, spooling(dir, nil))
	submit(p, 0, 100, 1000)
	natstest.Eventually(t, "the error is counted", func() bool { return p.Stats().Spool.Errors[SpoolFailing] > 0 })
	stats := check(t, p)
	if stats.Spooled != 0 || stats.Dropped[DroppedOldest] != 100-stats.Waiting || p.Status().SpoolError == "" {
		t.Errorf("stats are %+v, status %+v", stats, p.Status())
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it is used once it can be", func() bool { return check(t, p).Spooled > 0 })
	s.Restart()
	natstest.Eventually(t, "the rest is published", func() bool {
		stats := check(t, p)
		return stats.Waiting+stats.Spooled == 0
	})
	if p.Status().SpoolError != "" {
		t.Errorf("the status is %+v", p.Status())
	}
}

func TestADirectoryInThePlaceOfTheSpoolsIsUsedAndTheFormerIsSentWhenItIsBack(t *testing.T) {
	s := natstest.Prepare(t)
	dir := filepath.Join(t.TempDir(), "spool")
	p := start(t, s, spooling(dir, nil))
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	submitSlowly(t, p, 0, 200, 1000)
	natstest.Eventually(t, "all is on disk", func() bool { return check(t, p).Spooled == 200 })
	rename(dir, dir+".first")
	natstest.Eventually(t, "another directory is used", func() bool {
		stats := check(t, p)
		return stats.Dropped[DroppedSpoolGone] == 200 && stats.Spool.Errors[SpoolMoved] > 0 && p.Status().SpoolError == ""
	})
	submitSlowly(t, p, 200, 100, 1000)
	natstest.Eventually(t, "all is on disk", func() bool { return check(t, p).Spooled == 100 })
	rename(dir, dir+".second")
	rename(dir+".first", dir)
	natstest.Eventually(t, "the former is found", func() bool {
		stats := check(t, p)
		return stats.Dropped[DroppedSpoolGone] == 300 && stats.Recovered == 200 && stats.Spooled == 200
	})
	s.Restart()
	natstest.Eventually(t, "it is published", func() bool { return check(t, p).Published == 200 })
	got := stored(t, s)
	assertAllOnce(t, got, 200)
	if slices.Max(got) != "000199" {
		t.Errorf("the last is %s", slices.Max(got))
	}
}

func TestDamageOnDiskIsCountedInRecords(t *testing.T) {
	s := natstest.Prepare(t)
	dir := t.TempDir()
	held, err := spool.Open(dir, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		e := &spool.Entry{Subject: "flows.default.collector.ipfix", ID: fmt.Sprint("old-", i), Encoding: EncodingProtobuf,
			Records: 1, Payload: []byte(fmt.Sprintf("%06d", i) + strings.Repeat(".", 1000))}
		if err := held.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.segment"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2+200] ^= 1 // in a body
	if err := os.WriteFile(files[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	p := start(t, s, spooling(dir, nil))
	natstest.Eventually(t, "the rest is published", func() bool { return check(t, p).Published == 9 })
	natstest.Eventually(t, "the loss is counted", func() bool { return check(t, p).Dropped[DroppedSpoolDamaged] == 1 })
}
