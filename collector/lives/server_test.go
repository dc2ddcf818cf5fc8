package lives

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/share"
)

// connected is a collector whose stores a real bucket keeps in step, over a network that fails.
type connected struct {
	*collector
	bucket *share.Bucket
	proxy  *natstest.Proxy
	end    func()
}

func settings() config.TemplateStore {
	s := config.Default().Templates
	s.MaxBytes = -1
	return s
}

func (f *fleet) connect(s *natstest.Server) *connected {
	c := &connected{collector: f.memory(), proxy: natstest.NewProxy(f.t, s)}
	var err error
	if c.bucket, err = share.New(settings(), "c", natstest.Connect(f.t, c.proxy.URL()), c.stores, slog.New(slog.DiscardHandler)); err != nil {
		f.t.Fatal(err)
	}
	for _, store := range c.stores {
		store.(observable).Observe(c.bucket)
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.bucket.Run(ctx)
	}()
	c.end = func() {
		cancel()
		<-done
	}
	natstest.Eventually(f.t, "the bucket is loaded", func() bool {
		select {
		case <-c.bucket.Loaded():
			return true
		default:
			return false
		}
	})
	return c
}

// Through a real server: whoever of the collectors hears a change, cut off or not, and whatever becomes of them and of the bucket, what is
// heard is read at once by who hears it, and by all others once they are in reach; nothing is read with what another device says.
func TestLivesThroughAServer(t *testing.T) {
	t.Parallel()
	const members, rounds = 3, 80
	random := rand.New(rand.NewPCG(7, 12))
	s := natstest.Start(t)
	f := newFleet(t, 0)
	f.now = clock.Steady()
	var all []*connected
	for range members {
		all = append(all, f.connect(s))
	}
	defer func() {
		for _, c := range all {
			c.end()
		}
	}()
	var devices []*device
	for i := range 12 { // some of them neighbours
		devices = append(devices, &device{address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i / 2 * 2)}), domain: uint32(i % 4 / 3), port: uint16(1000 + i),
			layout: i % len(layouts), rate: uint32(i + 1)})
	}
	cut, heard, changes := make([]bool, members), make([]int, len(devices)), make([]int, len(devices))
	var log []string
	reads := func(c *connected, d *device, at uint16) (right bool) {
		f.now = clock.Steady()
		ok, wrong, rate := d.data(c.collector, at)
		return ok && !wrong && rate == uint64(d.rate)
	}
	// A collector that heard a port itself may hold its data when another one hears a change, see docs/sharing.md; it reads it right, or not.
	agree := func() {
		t.Helper()
		for i, d := range devices {
			for n, c := range all {
				if cut[n] && n != heard[i] || cut[heard[i]] && n != heard[i] {
					continue
				}
				natstest.Eventually(t, fmt.Sprintf("collector %d reads device %d after %v", n, i, log[max(0, len(log)-20):]), func() bool {
					f.now = clock.Steady()
					ok, wrong, rate := d.data(c.collector, d.port)
					return !wrong && (!ok && n != heard[i] || ok && rate == uint64(d.rate))
				})
			}
		}
		if slices.Contains(cut, true) {
			return
		}
		c := f.connect(s)
		defer c.end()
		for i, d := range devices {
			natstest.Eventually(t, fmt.Sprintf("one that starts reads device %d after %v", i, log[max(0, len(log)-20):]), func() bool {
				return reads(c, d, d.port)
			})
		}
	}
	hear := func(n int, d *device) {
		t.Helper()
		f.now = clock.Steady()
		d.ahead += time.Second // changes within a second have no order that two collectors could know
		d.announce(all[n].collector)
		if !reads(all[n], d, d.port) {
			t.Fatalf("collector %d does not read what it heard, after %v", n, log)
		}
	}
	for i, d := range devices {
		heard[i] = i % members
		hear(heard[i], d)
	}
	agree()
	for range rounds {
		n, i := random.IntN(members), random.IntN(len(devices))
		d := devices[i]
		switch event := random.IntN(20); {
		case event < 14:
			// What came back, another device would say: see docs/sharing.md.
			if changes[i]++; changes[i] < len(layouts) {
				d.layout = (d.layout + 1) % len(layouts)
			}
			d.rate = uint32(1000*changes[i] + i)
			if event < 4 {
				d.port += 100
			}
			log = append(log, fmt.Sprintf("device %d has port %d, layout %d and rate %d at %d", i, d.port, d.layout, d.rate, n))
			heard[i] = n
			hear(n, d)
		case event < 16 && !cut[n]:
			log = append(log, fmt.Sprintf("collector %d is cut off", n))
			cut[n] = true
			all[n].proxy.Cut()
		case event < 18:
			for n := range all {
				if cut[n] {
					log = append(log, fmt.Sprintf("collector %d is back", n))
					cut[n] = false
					all[n].proxy.Heal()
				}
			}
		case event == 18 && !cut[n]:
			log = append(log, fmt.Sprintf("collector %d is replaced", n))
			ctx, cancel := context.WithCancel(t.Context())
			all[n].bucket.Flush(ctx)
			cancel()
			all[n].end()
			all[n] = f.connect(s)
		case event == 19 && !slices.Contains(cut, true):
			log = append(log, "the bucket is lost")
			js, err := jetstream.New(s.Connect())
			if err != nil {
				t.Fatal(err)
			}
			if err := js.DeleteKeyValue(t.Context(), settings().Bucket); err != nil {
				t.Fatal(err)
			}
		}
		agree()
	}
}
