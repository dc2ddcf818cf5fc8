package exporters

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// writesPerSecond and writesAtOnce bound what is written of all FlowExporters; what finds no room waits for the next look. Where a part of
	// writesAtOnce/2 is less than one, each fleet has one write at once all the same.
	writesPerSecond = 5
	writesAtOnce    = 50
)

// budget says who may write. Half of it is shared out among the namespaces in equal parts, and each of these among its fleets; whoever comes
// first has the other half: a fleet with much to write gets more than its part where others have little, and never takes theirs.
type budget struct {
	mu     sync.Mutex
	common *rate.Limiter
	own    map[types.NamespacedName]*rate.Limiter
	fleets map[string]int // of a namespace
}

func newBudget() *budget {
	return &budget{common: rate.NewLimiter(writesPerSecond/2., writesAtOnce/2), own: make(map[types.NamespacedName]*rate.Limiter), fleets: make(map[string]int)}
}

// take takes one write of a fleet at a time, and reports whether there was one.
func (b *budget) take(fleet types.NamespacedName, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.own[fleet]
	if own == nil {
		b.fleets[fleet.Namespace]++
		own = rate.NewLimiter(0, max(1, writesAtOnce/2/b.parts(fleet)))
		b.own[fleet] = own
		b.part(now)
	}
	return own.AllowN(now, 1) || b.common.AllowN(now, 1)
}

// leave gives a fleet's part to the others.
func (b *budget) leave(fleet types.NamespacedName, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own[fleet] == nil {
		return
	}
	delete(b.own, fleet)
	if b.fleets[fleet.Namespace]--; b.fleets[fleet.Namespace] == 0 {
		delete(b.fleets, fleet.Namespace)
	}
	b.part(now)
}

// parts is into how many parts the half is cut of which a fleet has one.
func (b *budget) parts(fleet types.NamespacedName) int {
	return len(b.fleets) * b.fleets[fleet.Namespace]
}

// part makes the parts equal.
func (b *budget) part(now time.Time) {
	for fleet, own := range b.own {
		own.SetLimitAt(now, writesPerSecond/2./rate.Limit(b.parts(fleet)))
		own.SetBurstAt(now, max(1, writesAtOnce/2/b.parts(fleet)))
	}
}
