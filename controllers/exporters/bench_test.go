package exporters

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
)

// cached reads from a cache and writes to the API server, as the operator's client does.
type cached struct {
	client.Client
	reader client.Reader
}

func (c cached) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	return c.reader.Get(ctx, key, o, options...)
}

func (c cached) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return c.reader.List(ctx, list, options...)
}

// TestOneFleetWithManyExporters measures; it asserts nothing about time. "make bench-exporters" runs it.
func TestOneFleetWithManyExporters(t *testing.T) {
	if os.Getenv("FLOWFLEET_BENCH_EXPORTERS") == "" {
		t.Skip(`measures for some minutes: run "make bench-exporters"`)
	}
	const exporters = 10000
	w := newWorld(t, func(fc *v1alpha1.FlowCollector) { fc.Spec.Exporters.MaxObjects = exporters })
	s := controllertest.Start(t)
	informers, err := cache.New(s.Config, cache.Options{Scheme: s.Scheme, DefaultNamespaces: map[string]cache.Config{w.fc.Namespace: {}}})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = informers.Start(t.Context()) }() // until the test ends
	direct := w.keeper.Client
	w.keeper.Client = cached{direct, informers}
	w.keeper.Exporters = NewLister(informers, informers)
	send := func(lost uint64) {
		for i := range exporters {
			w.send(fmt.Sprintf("10.0.%d.%d", i/250, i%250), 100, lost)
		}
	}
	has := func(n int) {
		t.Helper()
		natstest.Eventually(t, "the cache has what was written", func() bool {
			objects, err := w.keeper.Exporters.List(t.Context(), client.ObjectKeyFromObject(w.fc))
			return err == nil && len(objects) >= n
		})
	}
	// look tells what so many looks, ten seconds of the Keeper's clock each, cost.
	look := func(what string, looks int, lost uint64) {
		t.Helper()
		var before, after runtime.MemStats
		writes, most := 0, 0
		var longest, all time.Duration
		runtime.ReadMemStats(&before)
		for range looks {
			send(lost)
			began := time.Now()
			n := w.pass()
			took := time.Since(began)
			writes, most, longest, all = writes+n, max(most, n), max(longest, took), all+took
			time.Sleep(200 * time.Millisecond) // the cache hears of the writes
		}
		runtime.ReadMemStats(&after)
		t.Logf("%s: %d writes in %v, %.1f a second, %d at most in one look; a look takes %v, %v at most, and allocates %d MiB, the collector that answers included",
			what, writes, time.Duration(looks)*interval, float64(writes)/(float64(looks)*interval.Seconds()), most, (all / time.Duration(looks)).Round(time.Millisecond),
			longest.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)/uint64(looks)>>20)
	}
	// All are made at once: at 5 a second of the Keeper's clock it would take hours of this one.
	made := time.Now()
	fc := w.fc
	for i := range exporters {
		a, _ := parse(fmt.Sprintf("10.0.%d.%d", i/250, i%250))
		if err := direct.Create(t.Context(), object(fc, a)); err != nil {
			t.Fatal(err)
		}
	}
	has(exporters)
	t.Logf("%d objects made in %v", exporters, time.Since(made).Round(time.Second))
	look("no status is written yet", 210, 0)
	look("all send as before", 40, 0)
	look("all lose 5 %", 40, 5)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("heap in use: %d MiB, of the cache, the Keeper and the collector that answers", m.HeapInuse>>20)
	listing := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.keeper.Exporters.List(b.Context(), client.ObjectKeyFromObject(fc)); err != nil {
				b.Fatal(err)
			}
		}
	})
	t.Logf("listing the fleet's objects: %v, %d KiB allocated", time.Duration(listing.NsPerOp()).Round(time.Microsecond), listing.AllocedBytesPerOp()>>10)
	copying := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := informers.List(b.Context(), &v1alpha1.FlowExporterList{}, client.InNamespace(fc.Namespace)); err != nil {
				b.Fatal(err)
			}
		}
	})
	t.Logf("listing and copying those of the namespace, as before: %v, %d KiB allocated", time.Duration(copying.NsPerOp()).Round(time.Microsecond), copying.AllocedBytesPerOp()>>10)
}
