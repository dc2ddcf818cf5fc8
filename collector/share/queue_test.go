package share

import (
	"net/netip"
	"sync"
	"testing"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Somebody forges exporters with large templates while NATS is away. What waits to be written is bounded in bytes, also where a large change takes the place
// of a small one; what is written makes room.
func TestWhatWaitsToBeWrittenIsBoundedInBytes(t *testing.T) {
	const large = 4 << 10
	q := newQueue()
	q.work = sync.NewCond(&sync.Mutex{})
	change := func(n, size int) operation {
		exporter := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		key := template.Key{Scope: template.Scope{Version: template.IPFIX, Exporter: exporter}, Port: 1000, ID: 256}
		return operation{definition: template.Definition{Key: key, Kind: template.KindData, Record: make([]byte, size)}}
	}
	const some = 40_000
	for n := range some {
		if !q.put(change(n, 8)) {
			t.Fatalf("small change %d finds no room", n)
		}
	}
	refused := 0
	for n := range some {
		if !q.put(change(n, large)) {
			refused++
		}
	}
	held := 0
	for _, o := range q.operations {
		held += len(o.definition.Record)
	}
	if held > maxQueueBytes || held != q.bytes || refused == 0 || len(q.operations) != some {
		t.Errorf("%d bytes of %d changes wait, counted as %d; %d refused", held, len(q.operations), q.bytes, refused)
	}
	for {
		if _, ok := q.take(func() {}); !ok {
			break
		}
	}
	if q.bytes != 0 || !q.put(change(some, large)) {
		t.Errorf("%d bytes count when nothing waits", q.bytes)
	}
}
