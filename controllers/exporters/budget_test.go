package exporters

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// takes takes as many writes as there are.
func takes(b *budget, fleet string, now time.Time) (n int) {
	for b.take(types.NamespacedName{Name: fleet}, now) {
		n++
	}
	return n
}

func TestAFleetWithAStormDoesNotTakeTheWritesOfOthers(t *testing.T) {
	b := newBudget()
	for _, fleet := range []string{"storm", "small"} { // both are known
		b.take(types.NamespacedName{Name: fleet}, noon)
	}
	all := 2
	for look := range 60 {
		now := noon.Add(time.Duration(look) * interval)
		all += takes(b, "storm", now)
		n := takes(b, "small", now)
		if all += n; n < 10 {
			t.Fatalf("at look %d the small fleet has %d writes", look, n)
		}
	}
	if most := writesAtOnce + 59*writesPerSecond*int(interval/time.Second); all > most+1 {
		t.Errorf("%d writes, more than %d", all, most)
	}
}

func TestAFleetAloneHasAllWrites(t *testing.T) {
	b := newBudget()
	if n := takes(b, "a", noon); n != writesAtOnce {
		t.Errorf("%d at once", n)
	}
	if n := takes(b, "a", noon.Add(interval)); n != writesPerSecond*int(interval/time.Second) {
		t.Errorf("%d after %s", n, interval)
	}
	takes(b, "b", noon.Add(interval))
	b.leave(types.NamespacedName{Name: "b"}, noon.Add(interval))
	if n := takes(b, "a", noon.Add(2*interval)); n != writesPerSecond*int(interval/time.Second) {
		t.Errorf("%d after the other left", n)
	}
}

func TestTheCapHoldsForManyFleets(t *testing.T) {
	b := newBudget()
	for i := range 500 {
		b.take(types.NamespacedName{Name: fmt.Sprint(i)}, noon)
	}
	n := 0
	for look := range 100 {
		for i := range 500 {
			n += takes(b, fmt.Sprint(i), noon.Add(time.Duration(look+1)*interval))
		}
	}
	if most := 100*writesPerSecond*int(interval/time.Second) + writesAtOnce; n > most {
		t.Errorf("%d writes in 1000 s, more than %d", n, most)
	}
}

// Who may make FlowCollectors of a namespace does not take the writes of other namespaces by making many.
func TestANamespaceWithManyFleetsHasThePartOfOne(t *testing.T) {
	b := newBudget()
	honest := types.NamespacedName{Namespace: "honest", Name: "edge"}
	b.take(honest, noon)
	many := make([]types.NamespacedName, 500)
	for i := range many {
		many[i] = types.NamespacedName{Namespace: "many", Name: fmt.Sprint(i)}
		b.take(many[i], noon)
	}
	for look := range 60 {
		now := noon.Add(time.Duration(look+1) * interval)
		for _, fleet := range many {
			for b.take(fleet, now) {
			}
		}
		n := 0
		for b.take(honest, now) {
			n++
		}
		if half := writesPerSecond * int(interval/time.Second) / 4; n < half {
			t.Fatalf("at look %d the fleet of another namespace has %d writes, not %d", look, n, half)
		}
	}
	for _, fleet := range many {
		b.leave(fleet, noon.Add(time.Hour))
	}
	if len(b.fleets) != 1 {
		t.Errorf("%v are counted after they left", b.fleets)
	}
}
