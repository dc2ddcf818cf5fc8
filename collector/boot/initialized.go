package boot

import (
	"slices"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Initialized is when the exporting process of a scope was initialized, for flows from port at now, in milliseconds since 1970: what
// the port itself said; else what began last, unless something else was heard since; else 0. So it is where devices that share the port dispute
// it, and for an hour after ports that said something else made room for others. What is an hour older than the newest that its scope said does
// not count. Where a scope said nothing, or nothing for an hour while domain 0 did, that holds, which is no domain's own but the whole
// exporting process's (RFC 7011 section 3.1).
func (s *Store) Initialized(scope template.Scope, port uint16, now int64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.clocks[scope]
	initialized, known := s.initialized(scope, port, now)
	if scope.Domain == 0 {
		return initialized
	}
	scope.Domain = 0
	process := s.clocks[scope]
	if process != nil && (!known || own.lapsed(process)) {
		if of, ok := s.initialized(scope, port, now); ok {
			return of
		}
	}
	return initialized
}

// initialized is what a scope itself says; known tells a time that nobody can know from none.
func (s *Store) initialized(scope template.Scope, port uint16, now int64) (initialized uint64, known bool) {
	all := s.clocks[scope]
	if all == nil {
		return 0, false
	}
	groups := all.groups(now, s.ttl)
	if c := all.of(port); c != nil {
		if all.counts(c, now, s.ttl) || slices.ContainsFunc(groups, func(g *group) bool { return same(g.newest.initialized, c.initialized) }) {
			return c.undisputed(now), true
		}
	}
	switch {
	case s.ownPort:
		return 0, false
	case now-s.forgotten[scope] <= silence, len(groups) > maxGroups:
		return 0, true // what made room may be the port's own
	case len(groups) == 0:
		return 0, false
	}
	last := groups[0]
	for _, g := range groups {
		if g.since > last.since {
			last = g
		}
	}
	for _, g := range groups {
		if g != last && g.newest.heard >= last.since {
			return 0, true
		}
	}
	return last.newest.undisputed(now), true
}

func (c *clock) undisputed(now int64) uint64 {
	if c.inDispute(now) {
		return 0
	}
	return c.initialized
}

// Differ reports whether ports of a scope say different times in turn: one was heard since another one, which says something else, began;
// or one port does.
func (s *Store) Differ(scope template.Scope, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.clocks[scope]
	if all == nil {
		return false
	}
	if slices.ContainsFunc(all.clocks, func(c *clock) bool { return c.inDispute(now) }) {
		return true
	}
	groups := all.groups(now, s.ttl)
	for _, a := range groups {
		for _, b := range groups {
			if a != b && a.since <= b.since && a.newest.heard >= b.since {
				return true
			}
		}
	}
	return false
}
