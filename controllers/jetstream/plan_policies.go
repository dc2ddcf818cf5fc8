package jetstream

import (
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// setPolicies sets what of a stream changes without losing anything: its compression from now on, what gives way, how long ids are
// known, and where it is placed.
func (p *plan) setPolicies(want jetstream.StreamConfig) {
	have := &p.config
	if p.policy("compression", have.Compression, want.Compression) {
		have.Compression = want.Compression
	}
	if p.policy("discard", have.Discard, want.Discard) {
		have.Discard = want.Discard
	}
	// A window that is as long as the age is cut to it: where the stream's age stays above the spec, so does its window.
	cut := want.Duplicates == want.MaxAge && have.MaxAge != want.MaxAge && have.Duplicates > want.Duplicates
	if !cut && p.policy("duplicateWindow", have.Duplicates, want.Duplicates) {
		have.Duplicates = want.Duplicates
	}
	if want.Placement != nil && !samePlacement(have.Placement, want.Placement) && p.policy("placement", placed(have.Placement), placed(want.Placement)) {
		have.Placement = want.Placement
	}
}

// policy notes a difference, and reports whether it is to be changed.
func (p *plan) policy(field string, have, want any) bool {
	switch {
	case have == want:
		return false
	case !p.ours:
		p.keep("%s is %v, %s.%s says %v: the %s was not made by Flowfleet and is never changed; change the spec or the %s",
			field, have, p.section, field, want, p.kind, p.kind)
		return false
	}
	p.change("%s changed from %v to %v", field, have, want)
	return true
}

func samePlacement(a, b *jetstream.Placement) bool {
	return a != nil && a.Cluster == b.Cluster &&
		slices.Equal(slices.Sorted(slices.Values(a.Tags)), slices.Sorted(slices.Values(b.Tags)))
}

func placed(p *jetstream.Placement) string {
	if p == nil {
		return "any servers"
	}
	return fmt.Sprintf("cluster %q with tags %v", p.Cluster, p.Tags)
}
