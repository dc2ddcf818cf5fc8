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
	// askedAtOnce are the collectors that are asked at a time, ofFleet those of one fleet, and lookTime bounds one look at all of them.
	askedAtOnce = 32
	ofFleet     = 8
	lookTime    = 20 * time.Second
)

// gather asks the collectors of a fleet, and takes what they say into memory.
func (k *Keeper) gather(ctx context.Context, pods []observation.Pod, m *memory) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	var (
		mu       sync.Mutex
		s        = newSum()
		began    = make(map[string]time.Time) // zero for one that did not answer
		failure  string
		failures int
		asking   sync.WaitGroup
	)
	known := func(a netip.Addr) bool { return m.senders[a] != nil }
	turns := make(chan struct{}, ofFleet)
	for _, pod := range pods {
		turns <- struct{}{}
		asking.Go(func() {
			defer func() { <-turns }()
			select {
			case k.slots <- struct{}{}:
				defer func() { <-k.slots }()
			case <-ctx.Done():
			}
			var started time.Time
			err := walk(ctx, k.http, pod, func(page *status.Exporters) {
				mu.Lock()
				defer mu.Unlock()
				started = page.Started
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
			began[pod.Name] = started
		})
	}
	asking.Wait()
	m.take(s, began, k.Clock.Now(), Look{Collectors: len(pods), Unanswered: failures, Reason: failure})
}
