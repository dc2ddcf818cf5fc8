package names

import (
	"strings"
	"testing"
)

// An exporter that changes long names to short ones, and has a row change each time, does not have its collectors keep the long ones: they are
// bounded, and where the bucket has a change, what was before goes.
func TestFormerRowsAreBoundedAndGoOnceTheBucketHasTheChange(t *testing.T) {
	b := newBucket(1)
	s := b.stores[0]
	long := strings.Repeat("n", 255)
	const domains, rows = 8, 2000
	say := func(r Row, exported uint64, now int64) {
		for i := range uint64(domains * rows) {
			if got := s.Learn(Key{Scope{main0.Exporter, uint32(i / rows)}, Interfaces, i}, r, exported, now); got == RefusedRoom {
				t.Fatal(got)
			}
		}
	}
	say(Row{Name: long, Description: long}, 1000, second)
	now := b.settle(second)
	former := func() int64 {
		e := s.Find(main0.Exporter)
		e.mu.Lock()
		defer e.mu.Unlock()
		var each, fresh int64
		for _, t := range e.tables.all() {
			var size int64
			for _, r := range t.former {
				size += r.size()
			}
			each, fresh = each+size, fresh+t.freshBytes+int64(len(t.turns))*turnsBytes
		}
		if got := e.tables.sumOf(Interfaces).former; got != each || s.chunks.fresh.Load() != each+fresh {
			t.Errorf("%d bytes of former rows are counted of %d, and %d of all that is in no page of %d", got, each, s.chunks.fresh.Load(), each+fresh)
		}
		return each
	}
	limit := s.limits.Load().ExporterBytes / formerShare
	say(Row{Name: "x"}, 1001, now)
	if got := former(); got == 0 || got > limit {
		t.Errorf("former rows take %d bytes, with a limit of %d", got, limit)
	}
	s.Tick(now + 60*second)
	for d := range uint32(domains) {
		s.Learn(Key{Scope{main0.Exporter, d}, Interfaces, 1 << 20}, Row{Name: "new, and not told yet"}, 1002, now+60*second) // the bucket does not have all
	}
	b.deliver(now + 61*second)
	if got := former(); got != 0 {
		t.Errorf("the bucket has all changes, and former rows take %d bytes", got)
	}
}
