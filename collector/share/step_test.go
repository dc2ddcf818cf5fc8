package share

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/template"
)

// stepped is a memory that notes when it was last told that it has all of the bucket.
type stepped struct {
	*template.Store
	at atomic.Int64
}

func (s *stepped) InStep(now int64) {
	s.Store.InStep(now)
	s.at.Store(now)
}

// A memory learns that it has all of the bucket once that was read, and again and again while the bucket is followed; not while NATS is out of
// reach, though the connection seems to stand; and again when it is back and everything was read.
func TestMemoryLearnsWhenTheBucketIsInStep(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(*natstest.Proxy) (back func()){
		"cut":    func(p *natstest.Proxy) func() { p.Cut(); return p.Heal },
		"silent": func(p *natstest.Proxy) func() { p.Silence(); return p.Heal },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Start(t)
			p := natstest.NewProxy(t, s)
			m := &member{t: t}
			c := config.Default().Templates
			c.MaxBytes = -1
			stores := m.stores(c, template.Limits{Exporters: 1000, Templates: 1000, Fields: 100})
			memory := &stepped{Store: m.store}
			stores[template.FamilyTemplate] = memory
			var err error
			if m.bucket, err = New(c, t.Name(), natstest.Connect(t, p.URL()), stores, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			m.bucket.probeInterval = 50 * time.Millisecond
			m.observe()
			other := join(t, s)
			other.learn(1000, 256, 4, 100)
			other.settled()
			m.run()
			<-m.bucket.Loaded()
			m.eventually(1000, 256, 4)
			again := func(what string) {
				t.Helper()
				since := clock.Steady()
				natstest.Eventually(t, what, func() bool { return memory.at.Load() > since })
			}
			again("it is told while the bucket is followed")
			back := away(p)
			natstest.Eventually(t, "the bucket knows that it is out of step", func() bool { return m.bucket.Status().ReadError != "" })
			last := memory.at.Load()
			other.learn(1000, 256, 8, 200)
			other.settled()
			time.Sleep(20 * m.bucket.probeInterval)
			if at := memory.at.Load(); at != last {
				t.Errorf("it was told that it has all of the bucket while NATS was away")
			}
			back()
			again("it is told when the bucket is followed again")
			if n := m.length(1000, 256); n != 8 {
				t.Errorf("it was told before it had what was written meanwhile, but %d", n)
			}
		})
	}
}
