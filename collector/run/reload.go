package run

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/names"
)

// settleTime lets an editor, or the kubelet's exchange of symbolic links, finish.
const settleTime = 300 * time.Millisecond

// watchConfiguration reads the file again when it changes, and on SIGHUP.
func (k *Collector) watchConfiguration(ctx context.Context) {
	signals, stop := hangUps()
	defer stop()
	if k.path == "" {
		return
	}
	var events chan fsnotify.Event
	var failures chan error
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer func() { _ = watcher.Close() }() // nothing depends on it any more
		// The folder rather than the file: editors and kubelets put another file in its place.
		if err = watcher.Add(filepath.Dir(k.path)); err == nil {
			events, failures = watcher.Events, watcher.Errors
		}
	}
	if err != nil {
		k.log.Warn("the configuration's file cannot be watched; SIGHUP still works", "error", err)
	}
	k.reloadAfter(ctx, signals, events, failures)
}

// reloadAfter reads the file again after each signal, and where its folder has changed. Failures of the watch have to be taken, or
// it ends there: what they tell is that changes were missed.
func (k *Collector) reloadAfter(ctx context.Context, signals <-chan os.Signal, events <-chan fsnotify.Event, failures <-chan error) {
	before := k.file
	k.file = nil
	again := func(asked bool) {
		after, err := os.ReadFile(k.path)
		switch {
		case err != nil && asked:
			k.log.Error("the configuration is not read again", "error", err)
		case err == nil && (asked || !bytes.Equal(before, after)):
			before = after
			k.reload(after)
		}
	}
	again(false) // it may have changed before it was watched
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-signals:
			asked = true
		case err := <-failures:
			k.log.Warn("watching the configuration's file; it is read again", "error", err)
		case <-events:
		}
		for settled := time.After(settleTime); !asked && settled != nil; {
			select {
			case <-ctx.Done():
				return
			case <-events:
			case <-failures: //nolint:errcheck // the file is read again in any case
			case <-settled:
				settled = nil
			}
		}
		again(asked)
	}
}

// reload takes from a changed file what can change live, and says what cannot.
func (k *Collector) reload(file []byte) {
	next, problems := config.Parse(file)
	if len(problems) > 0 {
		k.log.Error("the changed configuration is invalid; the former one stays in force",
			"error", (&config.Invalid{Problems: problems}).Error())
		return
	}
	if k.instance != "" {
		next.Instance = k.instance
	}
	live, restart := config.Changes(k.fileConfig(), next)
	k.config = config.TakeLive(k.config, next)
	workers := 0
	for _, l := range k.listeners {
		workers += len(l.sockets)
	}
	k.settings.Store(settings(k.config, workers))
	k.store.SetLimits(templateLimits(k.config))
	k.rates.SetLimits(rateLimits(k.config))
	k.clocks.SetLimit(k.config.Exporters.Limits.Exporters)
	k.traffic.setLimit(k.config.Exporters.Limits.ExporterMetrics, declared(&k.config.Exporters))
	if k.names != nil {
		k.names.SetLimits(names.LimitsFor(k.config.Exporters.Limits.Exporters))
		k.saying.Store(sayingOf(k.config))
	}
	k.version.Store(new(config.FileVersion(file)))
	k.devices.Store(new(config.DevicesVersion(k.config.Exporters.Devices)))
	SetLevel(k.level, k.config.Log.Level)
	k.log.Info("the configuration was read again", "changed", strings.Join(live, " "))
	if len(restart) > 0 {
		k.log.Warn("some changes need a restart of the collector", "fields", strings.Join(restart, " "))
	}
}

// fileConfig is the configuration as its file had it: an embedded server's address was added to it.
func (k *Collector) fileConfig() *config.Config {
	c := *k.config
	for _, section := range []**config.NATS{&c.Templates.NATS, &c.Output.NATS} {
		if *section != nil {
			copied := **section
			*section = &copied
		}
	}
	for _, n := range natsSections(&c) {
		if n.Embedded != nil {
			n.URLs = nil
		}
	}
	return &c
}

// natsSections are the sections of c that name a server.
func natsSections(c *config.Config) []*config.NATS {
	sections := []*config.NATS{&c.NATS}
	for _, n := range []*config.NATS{c.Templates.NATS, c.Output.NATS} {
		if n != nil {
			sections = append(sections, n)
		}
	}
	return sections
}

// SetLevel sets a logger's level by its name in the configuration.
func SetLevel(level *slog.LevelVar, name string) {
	// Check has seen to it that the name is one of slog's.
	_ = level.UnmarshalText([]byte(name))
}
