package names

import (
	"fmt"
	"testing"

	"github.com/flowfleet/flowfleet/collector/template"
)

// bucket is a bucket between stores: the later stamp of a key stays, and a watcher is told of it.
type bucket struct {
	values map[template.Key]template.Definition
	writes int
	stores []*Store
	// pending is what watchers have not been told of.
	pending []template.Definition
}

type writer struct {
	*bucket
	own *Store
}

func (w writer) Learned(d template.Definition) {
	have, ok := w.values[d.Key]
	switch {
	case ok && string(have.Record) == string(d.Record):
		return
	case ok && (have.Stamp > d.Stamp || have.Stamp == d.Stamp && string(have.Record) > string(d.Record)):
		d = have
	default:
		w.values[d.Key] = d
		w.writes++
	}
	w.pending = append(w.pending, d)
}

func (b *bucket) deliver(now int64) {
	for len(b.pending) > 0 {
		list := b.pending
		b.pending = nil
		for _, d := range list {
			for _, s := range b.stores {
				restore(s, d, now)
			}
		}
	}
}

func restore(s *Store, d template.Definition, now int64) {
	if d.Key.Family == template.FamilyPage {
		BucketPages{s}.Restore(d, now)
	} else {
		Manifests{s}.Restore(d, now)
	}
}

func newBucket(n int) *bucket {
	b := &bucket{values: make(map[template.Key]template.Definition)}
	for range n {
		s := newStore()
		s.Observe(writer{b, s})
		b.stores = append(b.stores, s)
	}
	return b
}

// settle lets time pass until nobody has anything to write.
func (b *bucket) settle(from int64) int64 {
	now := from
	for range 100 {
		now += second
		for _, s := range b.stores {
			s.Tick(now)
		}
		b.deliver(now)
	}
	return now
}

func at(n uint64) Key { return Key{main0, Interfaces, n} }

func TestOneLearnsAndAllKnow(t *testing.T) {
	b := newBucket(3)
	for n := range uint64(500) {
		b.stores[0].Learn(at(n+1), Row{Name: fmt.Sprint("if", n+1)}, 1000, 0)
	}
	b.settle(0)
	late := newStore()
	for _, d := range b.values {
		if d.Key.Family == template.FamilyNames {
			restore(late, d, 0) // before its pages
		}
	}
	for _, d := range b.values {
		restore(late, d, 0)
	}
	for i, s := range append(b.stores, late) {
		for n := range uint64(500) {
			if got := nameOf(s, at(n+1)); got != fmt.Sprint("if", n+1) {
				t.Fatalf("collector %d: row %d is %q", i, n+1, got)
			}
		}
	}
	writes := b.writes
	for n := range uint64(500) {
		b.stores[2].Learn(at(500-n), Row{Name: fmt.Sprint("if", 500-n)}, 1600, 600*second)
	}
	b.settle(600 * second)
	if b.writes != writes {
		t.Errorf("a table sent again, through another collector and in another order, caused %d writes", b.writes-writes)
	}
}

func TestTwoCollectorsAgreeRowByRow(t *testing.T) {
	b := newBucket(2)
	one, other := b.stores[0], b.stores[1]
	one.Learn(at(1), Row{Name: "a1"}, 1000, 0)
	one.Learn(at(2), Row{Name: "a2"}, 1005, 0)
	other.Learn(at(1), Row{Name: "b1"}, 1003, 0)
	other.Learn(at(2), Row{Name: "b2"}, 1001, 0)
	other.Learn(at(3), Row{Name: "same second, b"}, 1001, 0)
	one.Learn(at(3), Row{Name: "same second, a"}, 1001, 0)
	one.Learn(at(4), Row{Name: "a alone"}, 1001, 0)
	b.settle(0)
	for n, want := range map[uint64]string{1: "b1", 2: "a2", 3: "same second, b", 4: "a alone"} {
		if nameOf(one, at(n)) != want || nameOf(other, at(n)) != want {
			t.Errorf("row %d: %q and %q, want %q", n, nameOf(one, at(n)), nameOf(other, at(n)), want)
		}
	}
	writes := b.writes
	b.settle(200 * second)
	if b.writes != writes {
		t.Errorf("%d writes at rest", b.writes-writes)
	}
}

func TestAReassignmentThroughOneIsInForceInAll(t *testing.T) {
	b := newBucket(2)
	for n := range uint64(200) {
		b.stores[0].Learn(at(n+1), Row{Name: fmt.Sprint("if", n+1)}, 1000, 0)
	}
	now := b.settle(0)
	generation := b.stores[1].Find(router).Generation()
	b.stores[0].Learn(at(7), Row{Name: "another"}, 1500, now)
	b.settle(now)
	if got := nameOf(b.stores[1], at(7)); got != "another" || b.stores[1].Find(router).Generation() == generation {
		t.Errorf("row 7 is %q", got)
	}
	if got := nameOf(b.stores[1], at(8)); got != "if8" {
		t.Errorf("row 8 is %q", got)
	}
}

func TestABucketThatIsLostIsFilledFromMemory(t *testing.T) {
	b := newBucket(1)
	for n := range uint64(2000) {
		b.stores[0].Learn(at(n+1), Row{Name: fmt.Sprint("if", n+1)}, 1000, 0)
	}
	now := b.settle(0)
	fresh := newStore()
	for d := range (Manifests{b.stores[0]}).Definitions(now) {
		restore(fresh, d, now)
	}
	for d := range (BucketPages{b.stores[0]}).Definitions(now) {
		restore(fresh, d, now)
	}
	for n := range uint64(2000) {
		if got := nameOf(fresh, at(n+1)); got != fmt.Sprint("if", n+1) {
			t.Fatalf("row %d is %q", n+1, got)
		}
	}
}

func TestWhatNobodySaidForTheTTLIsGone(t *testing.T) {
	s := NewStore(LimitsFor(10), 100*1e9)
	s.Learn(at(1), Row{Name: "a"}, 1000, 0)
	s.Tick(second)
	for range (Manifests{s}).Definitions(101 * second) {
		t.Error("the bucket is to have it")
	}
	m := newStore()
	m.Learn(at(1), Row{Name: "a"}, 1000, 0)
	m.Tick(second)
	for d := range (Manifests{m}).Definitions(second) {
		if (Manifests{s}).Restore(d, 200*second) {
			t.Error("it was restored")
		}
	}
}

// A table that goes asks for no page any more, whoever wrote that it has one.
func TestATableThatIsDroppedWaitsForNoPage(t *testing.T) {
	m, s := newStore(), newStore()
	m.Learn(at(1), Row{Name: "a"}, 1000, 0)
	m.Tick(second)
	for about, drop := range map[string]func(template.Key){
		"deleted": func(k template.Key) { Manifests{s}.Forget(k) },
		"evicted": func(k template.Key) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.evict(s.exporters[k.Scope.Exporter])
		},
	} {
		for d := range (Manifests{m}).Definitions(second) {
			Manifests{s}.Restore(d, second)
			if len((BucketPages{s}).Wants(10, second)) != 1 {
				t.Fatal("nothing is waited for")
			}
			drop(d.Key)
		}
		if len(s.chunks.waiting) != 0 {
			t.Errorf("%s: it still waits for %d pages", about, len(s.chunks.waiting))
		}
	}
}
