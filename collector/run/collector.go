// Package run is the collector as a service: it puts the stages together, watches over them, and ends them in order.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/flowfleet/flowfleet/collector/boot"
	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/listen"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/publish"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/share"
	"github.com/flowfleet/flowfleet/collector/tap"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Bounds of the end, after the drain time.
const (
	// flushTime is for learned definitions and for records that wait for their acknowledgement.
	flushTime = 10 * time.Second
	httpTime  = 2 * time.Second
	// besideTime is for the last records of the ledger and changes of names.
	besideTime = 3 * time.Second
)

// Names of the readiness checks.
const (
	checkListeners = "listeners"
	checkTemplates = "templates"
	checkDraining  = "draining"
)

// Collector is a running service.
type Collector struct {
	log      *slog.Logger
	level    *slog.LevelVar
	path     string
	file     []byte // that the configuration was first read from
	instance string
	named    string // the instance in force
	started  time.Time
	config   *config.Config
	ready    *observe.Readiness
	settings atomic.Pointer[decode.Settings]
	// version of the file whose configuration is in force; empty without a file.
	version atomic.Pointer[string]
	// devices is the version of the settings of devices in force.
	devices atomic.Pointer[string]
	stopAt  atomic.Int64
	shared  ledger.Totals
	store   *template.Store
	rates   *sampling.Store
	clocks  *boot.Store
	names   *names.Store
	saying  atomic.Pointer[saying]
	// fileNames are what the file with names said when it was read last, and said what is in force; they belong to who says names.
	fileNames []names.Line
	said      inForce
	traffic   traffic
	tap       tap.Tap
	minutes   minutes
	// nameRecords is nil where changes of names are not published.
	nameRecords *publish.Names
	// begun: all of what follows is made.
	begun atomic.Bool

	http      *observe.Server
	captures  *tap.Server
	embedded  *connect.Server
	conns     []*nats.Conn
	listeners []*listener
	bucket    *share.Bucket
	publisher publish.Publisher
}

// listener is one port with its workers.
type listener struct {
	config  *config.Listener
	sockets []*listen.Socket
	totals  ledger.Totals
	delays  listen.Delays
	workers []*worker
}

// Run runs a collector until ctx ends, and then drains it. path is the configuration's file, which is watched, and file what it held when c was
// read from it; instance, where it is not empty, holds in place of the file's; level is the logger's. An error means that it could not begin.
func Run(ctx context.Context, path string, file []byte, instance string, c *config.Config, level *slog.LevelVar, log *slog.Logger) error {
	k := &Collector{
		log:      log,
		level:    level,
		path:     path,
		file:     file,
		instance: instance,
		named:    c.Instance,
		started:  clock.Wall(),
		config:   c,
		ready:    observe.NewReadiness(checkListeners, checkTemplates),
	}
	defer k.close()
	if err := k.begin(); err != nil {
		return err
	}
	// The bucket outlives ctx: what is learned while draining is still written.
	following, stopFollowing := context.WithCancel(context.WithoutCancel(ctx))
	var background, workers sync.WaitGroup
	if k.bucket != nil {
		background.Go(func() { k.bucket.Run(following) })
		background.Go(func() { k.awaitTemplates(following, c.Templates.LoadTimeout.Std()) })
	} else {
		k.ready.Set(checkTemplates, true, "not shared: templateStore.disabled")
	}
	background.Go(func() { k.watchConfiguration(following) })
	if k.minutes.publisher != nil {
		background.Go(func() { k.keepMinutes(following) })
	}
	if k.names != nil {
		background.Go(func() { k.followNames(following) })
	}
	if k.nameRecords != nil {
		background.Go(func() { k.keepNameRecords(following) })
	}
	for _, l := range k.listeners {
		for _, w := range l.workers {
			workers.Go(w.run)
		}
	}
	k.ready.Set(checkListeners, true, "")
	log.Info("collecting", "version", observe.Version(), "name", c.Name, "namespace", c.Namespace, "instance", c.Instance)

	<-ctx.Done()
	log.Info("draining", "time", c.DrainTime.String())
	// Not at once: Kubernetes lets a collector that ends have datagrams until another one is ready on its node, unless it says
	// that it is not ready. Balancers would leave the node, and come back to it before it takes datagrams again.
	defer time.AfterFunc(c.DrainTime.Std()/3, func() { k.ready.Set(checkDraining, false, "the collector is ending") }).Stop()
	k.stopAt.Store(clock.Steady() + int64(c.DrainTime))
	// A worker that waits for room in the buffer would not see the end.
	defer time.AfterFunc(c.DrainTime.Std(), k.publisher.StopWaiting).Stop()
	workers.Wait()
	if k.captures != nil {
		k.captures.Close()
	}
	k.flush()
	stopFollowing()
	background.Wait()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), besideTime)
	defer cancel()
	var beside sync.WaitGroup
	if k.minutes.publisher != nil {
		beside.Go(func() { k.endMinutes(ending) })
	}
	if k.nameRecords != nil {
		beside.Go(func() { k.endNameRecords(ending) })
	}
	beside.Wait()
	k.logLedger()
	return nil
}

// begin makes everything that can fail. Nothing here waits for a server elsewhere.
func (k *Collector) begin() (err error) {
	c := k.config
	if k.http, err = observe.Listen(c.HTTP, observe.NewRegistry(k.source()), k.ready, k.account, k.statusDocument, k.exporters, k.log); err != nil {
		return err
	}
	k.http.Serve() // only now: what is asked for has k.http in it
	if address := k.http.Address(); address != "" {
		k.log.Info("serving metrics and health", "address", address)
	}
	workers := 0
	for i := range c.Listeners {
		l := &listener{config: &c.Listeners[i]}
		var spreading error
		l.sockets, spreading, err = listen.Open(l.config.Address, l.config.Workers, l.config.Sockets, int(l.config.ReceiveBuffer))
		if err != nil {
			return fmt.Errorf("listener %s: %w", l.config.Name, err)
		}
		if spreading != nil {
			k.log.Warn("the kernel does not spread datagrams over the sockets of a worker; each exporter has the room of one of them",
				"listener", l.config.Name, "sockets", l.sockets[0].Sockets(), "error", spreading)
		}
		workers += len(l.sockets)
		k.listeners = append(k.listeners, l)
		k.announce(l)
	}
	if err := k.startEmbedded(); err != nil {
		return err
	}
	next := settings(c, workers)
	k.settings.Store(next)
	if k.file != nil {
		k.version.Store(new(config.FileVersion(k.file)))
	}
	k.devices.Store(new(config.DevicesVersion(k.config.Exporters.Devices)))
	k.traffic.setLimit(c.Exporters.Limits.ExporterMetrics, declared(&c.Exporters))
	k.store = template.NewStore(TemplateModes[c.Exporters.TemplateScope], templateLimits(c), &k.shared, nil)
	k.rates = sampling.NewStore(TemplateModes[c.Exporters.TemplateScope], rateLimits(c), &k.shared)
	k.clocks = boot.NewStore(TemplateModes[c.Exporters.TemplateScope], c.Exporters.Limits.Exporters, c.Templates.TTL.Std())
	k.clocks.Count(&k.shared)
	k.beginNames()
	if err := k.share(); err != nil {
		return err
	}
	if err := k.publish(); err != nil {
		return err
	}
	for _, l := range k.listeners {
		for _, socket := range l.sockets {
			w := newWorker(c, l.config, socket, k.store, &l.totals, &l.delays, &k.tap, k.publisher, &k.traffic, &k.settings, &k.stopAt, k.log)
			w.share(decode.Shared{Rates: k.rates, Clocks: k.clocks, Names: k.names})
			l.workers = append(l.workers, w)
		}
	}
	k.serveCaptures()
	k.begun.Store(true)
	return nil
}

// serveCaptures lets "collector capture" on this machine, or in this container, ask for raw datagrams. Collectors collect without it, too.
func (k *Collector) serveCaptures() {
	address, err := netip.ParseAddrPort(k.http.Address())
	if err != nil {
		return // without an HTTP server there is no port to name it by
	}
	k.captures, err = tap.Serve(&k.tap, int(address.Port()), "flowfleet collector "+observe.Version(), k.config.Instance, k.log)
	if err != nil {
		k.log.Warn("raw datagrams cannot be captured", "error", err)
	}
}

// announce logs a listener, with a warning where its buffer is smaller than asked for.
func (k *Collector) announce(l *listener) {
	address := l.sockets[0].Address()
	size, err := l.sockets[0].ReceiveBuffer()
	if err == nil && size < int(l.config.ReceiveBuffer) {
		k.log.Warn("the kernel gives a smaller receive buffer than configured; bursts may be dropped (and are counted)",
			"listener", l.config.Name, "bytes", size, "sockets", l.sockets[0].Sockets(), "configured", l.config.ReceiveBuffer.String(),
			"hint", fmt.Sprintf("sysctl -w net.core.rmem_max=%d", l.config.ReceiveBuffer))
	}
	k.log.Info("listening", "listener", l.config.Name, "address", address.String(), "protocol", l.config.Protocol,
		"workers", len(l.sockets), "socketsPerWorker", l.sockets[0].Sockets())
}

// startEmbedded starts the server inside the process where one is configured.
func (k *Collector) startEmbedded() (err error) {
	for _, n := range natsSections(k.config) {
		if n.Embedded == nil {
			continue
		}
		if k.embedded, err = connect.StartEmbedded(*n.Embedded, k.log); err != nil {
			return err
		}
		n.URLs = []string{k.embedded.URL()}
		k.log.Info("the embedded NATS server takes connections", "url", k.embedded.URL())
	}
	return nil
}

func (k *Collector) dial(purpose string, own *config.NATS) (*nats.Conn, error) {
	if own == nil {
		own = &k.config.NATS
	}
	nc, err := connect.Dial(purpose, *own, k.log)
	if err != nil {
		return nil, err
	}
	k.conns = append(k.conns, nc)
	return nc, nil
}

// section is the one that connects: its own, or the file's.
func (k *Collector) section(own *config.NATS) *config.NATS {
	if own == nil {
		return &k.config.NATS
	}
	return own
}

func (k *Collector) share() error {
	c := &k.config.Templates
	if c.Disabled {
		return nil
	}
	nc, err := k.dial("templates", c.NATS)
	if err != nil {
		return err
	}
	templates := *c
	templates.NATS = k.section(c.NATS)
	stores := share.Stores{template.FamilyTemplate: k.store, template.FamilySampling: k.rates, template.FamilyClock: k.clocks}
	if k.names != nil {
		stores[template.FamilyNames], stores[template.FamilyPage] = names.Manifests{Store: k.names}, names.BucketPages{Store: k.names}
	}
	if k.bucket, err = share.New(templates, k.config.Instance, nc, stores, k.log); err != nil {
		return err
	}
	k.store.Await(clock.Steady() + int64(c.LoadTimeout))
	k.store.Observe(k.bucket)
	k.rates.Observe(k.bucket)
	k.clocks.Observe(k.bucket)
	if k.names != nil {
		k.names.Observe(k.bucket)
	}
	return nil
}

func (k *Collector) publish() (err error) {
	var nc *nats.Conn
	if k.config.Output.Kind == config.OutputJetStream {
		if nc, err = k.dial("flows", k.config.Output.NATS); err != nil {
			return err
		}
	}
	output := k.config.Output
	output.NATS = k.section(output.NATS)
	if k.publisher, err = publish.New(output, k.config.Instance, nc, k.log); err != nil {
		return err
	}
	if err = k.publishNames(output, nc); err != nil {
		return err
	}
	return k.publishMinutes(output, nc)
}

// awaitTemplates makes the collector ready when the bucket is loaded, or when waiting for it would help nobody any more:
// what it holds is then missing, but what exporters send again is decoded.
func (k *Collector) awaitTemplates(ctx context.Context, timeout time.Duration) {
	select {
	case <-ctx.Done():
		return
	case <-k.bucket.Loaded():
	case <-time.After(timeout):
		reason := fmt.Sprintf("not loaded after %s, going on without: %s", timeout, k.bucket.Status().LastError)
		k.ready.Set(checkTemplates, true, reason)
		k.log.Warn("ready without the template bucket; data waits for templates to be sent again",
			"after", timeout.String(), "error", k.bucket.Status().LastError)
		select {
		case <-ctx.Done():
			return
		case <-k.bucket.Loaded():
		}
	}
	k.ready.Set(checkTemplates, true, "")
}

// flush hands on what is waiting: learned definitions, and records.
func (k *Collector) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	var both sync.WaitGroup // they may be on two servers, of which one is away
	both.Go(func() {
		if k.names != nil {
			k.names.Flush(clock.Steady())
		}
		if k.bucket == nil {
			return
		}
		if left := k.bucket.Flush(ctx); left > 0 {
			k.log.Warn("learned definitions could not be written to the template bucket; their exporters send them again",
				"count", left)
		}
	})
	both.Go(func() {
		if err := k.publisher.Close(ctx); err != nil {
			k.log.Error("flows were lost at the end", "error", err)
		}
	})
	both.Wait()
}

func (k *Collector) close() {
	for _, l := range k.listeners {
		for _, s := range l.sockets {
			_ = s.Close() // nothing more is read
		}
	}
	for _, nc := range k.conns {
		nc.Close()
	}
	if k.embedded != nil {
		k.embedded.Shutdown()
	}
	if k.http != nil {
		ctx, cancel := context.WithTimeout(context.Background(), httpTime)
		defer cancel()
		if err := k.http.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			k.log.Warn("ending the HTTP server", "error", err)
		}
	}
}

// logLedger leaves the final account in the log.
func (k *Collector) logLedger() {
	stats := k.publisher.Stats()
	for _, l := range k.listeners {
		c := l.totals.Load()
		k.log.Info("ledger of the listener", "listener", l.config.Name,
			"datagrams", c[ledger.DatagramsReceived], "decoded", c[ledger.DatagramsDecoded], "refused", c.Refused(),
			"kernelDrops", c[ledger.DatagramsKernelDrops],
			"sets", c[ledger.SetsReceived], "setsDecoded", c[ledger.SetsDecoded], "setsExpired", c.SetsExpired(),
			"setsDropped", c.SetsDropped(), "records", c[ledger.RecordsDecoded])
	}
	k.log.Info("ledger of the output", "records", stats.Submitted, "published", stats.Published,
		"waiting", stats.Waiting, "recovered", stats.Recovered, "spooled", stats.Spooled, "dropped", stats.DroppedRecords())
}

// hangUps returns a channel of SIGHUP, and what ends it.
func hangUps() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}
