package observe

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Readiness gathers what must hold before traffic is wanted. It is safe for concurrent use.
type Readiness struct {
	mu     sync.Mutex
	checks map[string]check
}

type check struct {
	ready  bool
	reason string
}

// NewReadiness returns a Readiness that waits for the named checks.
func NewReadiness(names ...string) *Readiness {
	r := &Readiness{checks: make(map[string]check)}
	for _, name := range names {
		r.checks[name] = check{false, "not yet"}
	}
	return r
}

// Set says how a check is; the reason is shown either way.
func (r *Readiness) Set(name string, ready bool, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks[name] = check{ready, reason}
}

// Leave leaves a check out until it is set again: it cannot be told how that is, because of another one that is not ready.
func (r *Readiness) Leave(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.checks, name)
}

// State reports whether all checks are ready, with a line for each.
func (r *Readiness) State() (ready bool, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ready = true
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.checks)) {
		c := r.checks[name]
		mark := "ok"
		if !c.ready {
			ready, mark = false, "not ready"
		}
		fmt.Fprintf(&b, "%s: %s", name, mark)
		if c.reason != "" {
			fmt.Fprintf(&b, " (%s)", c.reason)
		}
		b.WriteByte('\n')
	}
	return ready, b.String()
}
