package run

import (
	"net/netip"
	"sync"

	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/observe"
)

// trafficKey names a series of an exporter's own.
type trafficKey struct {
	exporter netip.Addr // invalid for all the others
	protocol decode.Protocol
}

// traffic sums up what came from each exporter. The first exporters up to a limit have series of their own, for as long as
// the collector runs, so that no counter goes backwards; the others share one a protocol.
type traffic struct {
	mu    sync.Mutex
	limit int
	sums  map[trafficKey]*decode.Traffic
}

func (t *traffic) setLimit(limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit = limit
}

func (t *traffic) take(from *decode.Decoder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sums == nil {
		t.sums = make(map[trafficKey]*decode.Traffic)
	}
	from.TakeTraffic(func(exporter netip.Addr, p decode.Protocol, more decode.Traffic) {
		key := trafficKey{exporter, p}
		if t.sums[key] == nil && len(t.sums) >= t.limit {
			key.exporter = netip.Addr{}
		}
		sum := t.sums[key]
		if sum == nil {
			sum = &decode.Traffic{}
			t.sums[key] = sum
		}
		sum.Add(more)
	})
}

func (t *traffic) exporters() []observe.Exporter {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]observe.Exporter, 0, len(t.sums))
	for key, sum := range t.sums {
		e := observe.Exporter{Protocol: key.protocol.String(), Datagrams: sum.Datagrams, Records: sum.Records, Missed: sum.Missed}
		if key.exporter.IsValid() {
			e.Address = key.exporter.String()
		}
		out = append(out, e)
	}
	return out
}
