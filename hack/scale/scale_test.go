// Package scale measures what sharing templates costs a fleet: real sharers, each with a memory and a connection of its own, against
// a real nats-server. Counts and bytes are asserted in a short form; "make scale" prints them, with times, for large fleets.
package scale

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjetstream "github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/share"
	"github.com/flowfleet/flowfleet/collector/template"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

const (
	templates = 8  // of each exporter
	fields    = 20 // of each template
)

func TestMain(m *testing.M) {
	natstest.ServeIfAsked()
	os.Exit(m.Run())
}

// setting is a number from the environment, as "make scale" sets it.
func setting(t *testing.T, name string, short int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: want a number above 0", name, text)
	}
	return n
}

// sharer is what a collector has for sharing.
type sharer struct {
	store  *template.Store
	bucket *share.Bucket
	nc     *nats.Conn
}

func join(t *testing.T, s *natstest.Server, name string, exporters int) *sharer {
	t.Helper()
	c := config.Default().Templates
	c.MaxBytes = -1
	m := &sharer{nc: s.Connect()}
	m.store = template.NewStore(template.ModeAuto,
		template.Limits{Exporters: 2 * exporters, Templates: 2 * templates * exporters, Fields: 2 * fields, TTL: c.TTL.Std()}, new(ledger.Totals), nil)
	var err error
	m.bucket, err = share.New(c, name, m.nc, share.Stores{template.FamilyTemplate: m.store}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m.store.Observe(m.bucket)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.bucket.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return m
}

// allow lets the bucket have a consumer for each collector, as the operator does once it has many.
func allow(t *testing.T, nc *nats.Conn) {
	t.Helper()
	js, err := natsjetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(context.Background(), "KV_"+config.Default().Templates.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	next := stream.CachedInfo().Config
	next.MaxConsumers = jetstream.MostConsumers
	if _, err := js.UpdateStream(context.Background(), next); err != nil {
		t.Fatal(err)
	}
}

func scopeOf(exporter int) template.Scope {
	address := netip.AddrFrom4([4]byte{10, byte(exporter >> 16), byte(exporter >> 8), byte(exporter)})
	return template.Scope{Version: template.IPFIX, Exporter: address, Domain: 1}
}

// length is that of a template's fields, 0 where it is not known.
func (m *sharer) length(exporter, id int) uint16 {
	e := m.store.Find(scopeOf(exporter))
	if e == nil {
		return 0
	}
	if known, _ := e.Template(2055, uint16(id), clock.Steady()); known != nil {
		return known.Fields[0].Length
	}
	return 0
}

// learn teaches one template, whose fields have the given length.
func (m *sharer) learn(t *testing.T, exporter, id int, length uint16, stamp uint64) {
	t.Helper()
	record := binary.BigEndian.AppendUint16(nil, uint16(id))
	record = binary.BigEndian.AppendUint16(record, fields)
	for f := range fields {
		record = binary.BigEndian.AppendUint16(record, uint16(f+1))
		record = binary.BigEndian.AppendUint16(record, length)
	}
	parsed, _, err := template.Parse(template.IPFIX, template.KindData, record, 2*fields)
	if err != nil {
		t.Fatal(err)
	}
	m.store.Exporter(scopeOf(exporter), clock.Steady()).LearnTemplate(2055, parsed, stamp, clock.Steady())
}

// loaded waits until all of the bucket was read once.
func (m *sharer) loaded(t *testing.T) {
	t.Helper()
	select {
	case <-m.bucket.Loaded():
	case <-time.After(10 * time.Minute):
		t.Fatal("the bucket is not loaded")
	}
}

// A collector that starts reads each key once, in a fixed number of requests; a change reaches each collector once; at rest a
// collector asks for the stream once a probe, and nothing else is sent.
func TestCostOfSharingGrowsWithWhatChangesOnly(t *testing.T) {
	exporters := setting(t, "SCALE_EXPORTERS", 50)
	collectors := setting(t, "SCALE_COLLECTORS", 10)
	rest := time.Duration(setting(t, "SCALE_REST_SECONDS", 11)) * time.Second
	keys := exporters * templates
	s := natstest.StartProcess(t)

	first := join(t, s, "first", exporters)
	first.loaded(t)
	allow(t, first.nc)
	for exporter := range exporters {
		for id := range templates {
			first.learn(t, exporter, 256+id, 1, 1)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if left := first.bucket.Flush(ctx); left != 0 {
		t.Fatalf("%d changes are not written", left)
	}

	// served is how much processor time the server has taken since it was last asked.
	var last time.Duration
	served := func() time.Duration {
		all, _ := s.Used()
		since := all - last
		last = all
		return since
	}
	before, _ := heap(), served()
	var fleet []*sharer
	grow := func(n int, what string) {
		began := time.Now()
		from := len(fleet)
		for range n {
			fleet = append(fleet, join(t, s, fmt.Sprint("collector-", len(fleet)), exporters))
		}
		for _, m := range fleet[from:] {
			m.loaded(t)
		}
		took := time.Since(began)
		var bytes uint64
		for _, m := range fleet[from:] {
			stats := m.nc.Stats()
			bytes += stats.InBytes
			if got := m.bucket.Status().Keys; got != keys {
				t.Errorf("%s: a collector knows %d keys, want %d", what, got, keys)
			}
			// Keys, answers and, where the server's pace is kept, some flow control.
			if most := uint64(keys + keys/20 + 50); stats.InMsgs > most {
				t.Errorf("%s: a collector took %d messages to load %d keys, want at most %d", what, stats.InMsgs, keys, most)
			}
			if stats.OutMsgs > 50+uint64(keys/20) {
				t.Errorf("%s: a collector sent %d messages to load", what, stats.OutMsgs)
			}
		}
		t.Logf("figure: %s: %d collectors load %d keys in %s, %d bytes each, %d a key; the server takes %s of a processor", what, n, keys,
			took.Round(time.Millisecond), bytes/uint64(n), bytes/uint64(n*keys), served())
	}
	grow(1, "one")
	grow(collectors-1, "the rest")
	grow(max(1, collectors/10), "a surge of 10%")

	traffic := func() (in, out, bytes uint64) {
		for _, m := range fleet {
			stats := m.nc.Stats()
			in, out, bytes = in+stats.InMsgs, out+stats.OutMsgs, bytes+stats.InBytes+stats.OutBytes
		}
		return in, out, bytes
	}
	n := uint64(len(fleet))
	t.Logf("figure: what it loaded takes %d bytes of memory in a collector", (heap()-before)/n)
	served()
	in, out, bytes := traffic()
	time.Sleep(rest)
	in2, out2, bytes2 := traffic()
	t.Logf("figure: at rest %d collectors send %.1f messages and move %.0f bytes a second; the server takes %s of a processor a second", n,
		float64(out2-out)/rest.Seconds(), float64(bytes2-bytes)/rest.Seconds(), (served() / time.Duration(rest.Seconds())).Round(10*time.Microsecond))
	// One probe each 5 s, and a heartbeat of the watch.
	if most := n * (uint64(rest/(5*time.Second)) + 2); out2-out > most || in2-in > 2*most {
		t.Errorf("at rest %d collectors sent %d messages and took %d in %s, want at most %d and %d", n, out2-out, in2-in, rest, most, 2*most)
	}

	in, _, bytes = traffic()
	first.learn(t, 0, 256, 2, 2)
	natstest.Eventually(t, "all have the change", func() bool {
		return !slices.ContainsFunc(fleet, func(m *sharer) bool { return m.length(0, 256) != 2 })
	})
	in2, _, bytes2 = traffic()
	// A probe and a heartbeat may fall into the same moment.
	if in2-in > 3*n {
		t.Errorf("a change cost %d messages for %d collectors, want at most 3 each", in2-in, n)
	}
	t.Logf("figure: a change costs %d bytes for each of %d collectors; the server takes %s of a processor", (bytes2-bytes)/n, n, served())
	_, memory := s.Used()
	t.Logf("figure: the server took %d bytes of memory at most", memory)
}
