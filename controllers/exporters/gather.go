package exporters

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

const (
	// looksAtOnce are the fleets that are looked at at a time, askedAtOnce the collectors of one that are asked, and lookTime bounds one
	// look, from when its turn came.
	looksAtOnce = 4
	askedAtOnce = 8
	lookTime    = 20 * time.Second
)

// gather waits for a turn, asks the collectors of a fleet, and takes what they say into memory. It reports whether it came to that.
func (k *Keeper) gather(ctx context.Context, pods []observation.Pod, m *memory) bool {
	select {
	case k.looks <- struct{}{}:
		defer func() { <-k.looks }()
	case <-ctx.Done():
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	var (
		mu       sync.Mutex
		s        = newSum()
		began    = make(map[string]time.Time) // zero for one that did not answer
		devices  []string
		failure  string
		failures int
		asking   sync.WaitGroup
	)
	known := func(a netip.Addr) bool { return m.senders[a] != nil || m.declared[a] }
	s.declared = m.declared
	turns := make(chan struct{}, askedAtOnce)
	for _, pod := range pods {
		turns <- struct{}{}
		asking.Go(func() {
			defer func() { <-turns }()
			var started time.Time
			version := ""
			err := walk(ctx, k.http, pod, func(page *status.Exporters) {
				mu.Lock()
				defer mu.Unlock()
				started, version = page.Started, page.Devices
				s.take(pod, page, k.Clock.Now(), known)
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures++
				failure = status.Text(err.Error())
				if !started.IsZero() {
					started = k.Clock.Now() // of what it said, a part is missing: no look before was the same
				}
			}
			if err == nil {
				devices = append(devices, version)
			}
			began[pod.Name] = started
		})
	}
	asking.Wait()
	m.devices = devices
	m.take(s, began, k.Clock.Now(), Look{Collectors: len(pods), Unanswered: failures, Reason: failure})
	return true
}
