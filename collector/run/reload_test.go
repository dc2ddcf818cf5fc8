package run

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/flowfleet/flowfleet/collector/boot"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// A folder in which much happens has the kernel drop events, which the watch reports as a failure and then waits for somebody to take.
func TestAFailureOfTheWatchNeitherEndsItNorMissesAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "collector.yaml")
	write := func(level string) {
		if err := os.WriteFile(path, []byte("nats: {urls: [nats://127.0.0.1]}\nlog: {level: "+level+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("info")
	c, file, err := config.LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	k := &Collector{log: slog.New(slog.DiscardHandler), level: new(slog.LevelVar), path: path, file: file, config: c,
		store:  template.NewStore(template.ModeAuto, templateLimits(c), &ledger.Totals{}, nil),
		rates:  sampling.NewStore(template.ModeAuto, rateLimits(c), &ledger.Totals{}),
		clocks: boot.NewStore(template.ModeAuto, c.Exporters.Limits.Exporters, 0)}
	ctx, cancel := context.WithCancel(context.Background())
	failures, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		k.reloadAfter(ctx, nil, nil, failures)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	fail := func() {
		t.Helper()
		select {
		case failures <- fsnotify.ErrEventOverflow:
		case <-time.After(30 * time.Second):
			t.Fatal("nobody takes the failure")
		}
	}
	fail()
	fail() // while the folder settles
	write("debug")
	fail()
	natstest.Eventually(t, "the change is taken", func() bool { return k.level.Level() == slog.LevelDebug })
}

// What collectors say tells the operator whether they have taken a change up: a file that is wrong is not in force, and neither is its version.
func TestTheVersionIsThatOfTheFileInForce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "collector.yaml")
	first := []byte("nats: {urls: [nats://127.0.0.1]}\n")
	c, problems := config.Parse(first)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	k := &Collector{log: slog.New(slog.DiscardHandler), level: new(slog.LevelVar), path: path, file: first, config: c, ready: observe.NewReadiness(),
		store:  template.NewStore(template.ModeAuto, templateLimits(c), &ledger.Totals{}, nil),
		rates:  sampling.NewStore(template.ModeAuto, rateLimits(c), &ledger.Totals{}),
		clocks: boot.NewStore(template.ModeAuto, c.Exporters.Limits.Exporters, 0)}
	// It changed between its first reading and the watch.
	second := append(first, "log: {level: debug}\n"...)
	if err := os.WriteFile(path, second, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	signals, done := make(chan os.Signal), make(chan struct{})
	go func() {
		defer close(done)
		k.reloadAfter(ctx, signals, nil, nil)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	natstest.Eventually(t, "it says the second", func() bool { return k.statusDocument().Configuration == config.FileVersion(second) })
	if err := os.WriteFile(path, []byte("log: {level: loud}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second is taken once the first is done with
		signals <- os.Interrupt
	}
	if said := k.statusDocument().Configuration; said != config.FileVersion(second) {
		t.Errorf("it says %s of a file that it refuses", said)
	}
}
