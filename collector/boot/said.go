package boot

import (
	"iter"
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/template"
)

// exporterKey is an exporter with all its domains.
type exporterKey struct {
	version template.Version
	address netip.Addr
}

// said is what the ports of a scope say. A time counts while it is said, compared with the newest of its scope: else what a supervisor said that
// is gone for weeks would stand beside what the other one says.
type said struct {
	clocks []*clock
	// newest is when something was last said. run is when something was after an hour without, 0 where that was not seen: who was silent
	// with all others, as behind a link that was down, has an hour to be heard again. began is when the scope became known.
	newest, run, began int64
}

// maxGroups bounds the times that are told apart; beyond it none of them counts for ports that say none.
const maxGroups = 16

// maxRivals bounds the domains that are compared with domain 0.
const maxRivals = 64

// group is what ports say that say the same, of those that count.
type group struct {
	// newest was heard last, keeper is the one of which the bucket was told last, nil for none.
	newest, keeper *clock
	// since is when the first of them began.
	since int64
}

func (all *said) of(port uint16) *clock {
	for _, c := range all.clocks {
		if c.port == port {
			return c
		}
	}
	return nil
}

// hears notes that something was said at a time, and reports whether others may count no more, or again.
func (all *said) hears(at int64) bool {
	if at <= all.newest {
		return false
	}
	if at-all.newest > silence && all.newest != 0 && at > all.began { // not what is only loaded
		all.run = at
	}
	all.newest = at
	return len(all.clocks) > 1
}

// counts reports whether what c says counts at now.
func (all *said) counts(c *clock, now, ttl int64) bool {
	return all.newest-max(c.heard, all.run) <= silence && now-c.heard <= ttl
}

// lapsed reports whether nothing of a scope was heard for an hour while another one went on.
func (all *said) lapsed(other *said) bool { return other.newest-max(all.newest, other.run) > silence }

// groups are what ports say that counts at now, no more than one beyond maxGroups.
func (all *said) groups(now, ttl int64) (out []*group) {
	for _, c := range all.clocks {
		if !all.counts(c, now, ttl) {
			continue
		}
		var g *group
		for _, known := range out {
			if same(known.newest.initialized, c.initialized) {
				g = known
				break
			}
		}
		if g == nil {
			if len(out) > maxGroups {
				continue
			}
			g = &group{newest: c, since: c.since}
			out = append(out, g)
		}
		if c.heard > g.newest.heard {
			g.newest = c
		}
		if c.told != 0 && (g.keeper == nil || c.told > g.keeper.told) {
			g.keeper = c
		}
		g.since = min(g.since, c.since)
	}
	return out
}

// rivals are who may say something that counts in place of what a scope says, or the other way round: its own ports; domain 0, and of that the others.
func (s *Store) rivals(scope template.Scope) iter.Seq2[template.Scope, *said] {
	return func(yield func(template.Scope, *said) bool) {
		if all := s.clocks[scope]; all != nil && !yield(scope, all) {
			return
		}
		other := scope
		if other.Domain = 0; scope.Domain != 0 {
			if all := s.clocks[other]; all != nil {
				yield(other, all)
			}
			return
		}
		n := 0
		for domain := range s.domains[exporterKey{scope.Version, scope.Exporter}] {
			if other.Domain = domain; domain == 0 {
				continue
			}
			if n++; n > maxRivals || !yield(other, s.clocks[other]) {
				return
			}
		}
	}
}
