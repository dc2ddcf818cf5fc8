package jetstream

import (
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
)

// setPolicies sets what of a stream changes without losing anything: its compression from now on, what gives way, how long ids are
// known, and where it is placed. What the spec leaves open stays as it is.
func (p *plan) setPolicies(spec config.Stream, want jetstream.StreamConfig) {
	have := &p.config
	if spec.Compression != "" && p.policy("compression", have.Compression, want.Compression) {
		have.Compression = want.Compression
	}
	if spec.Discard != "" && p.policy("discard", have.Discard, want.Discard) {
		have.Discard = want.Discard
	}
	if spec.DuplicateWindow != 0 {
		p.setWindow(want.Duplicates)
	}
	if want.Placement != nil && !samePlacement(have.Placement, want.Placement) && p.policy("placement", placed(have.Placement), placed(want.Placement)) {
		have.Placement = want.Placement
	}
}

// setWindow sets how long ids are known, which is never longer than messages live.
func (p *plan) setWindow(want time.Duration) {
	have := &p.config
	if p.ours && have.MaxAge > 0 && want > have.MaxAge {
		p.keep("duplicateWindow: %s.duplicateWindow says %v, and ids are not known for longer than messages live, %v: say %s.maxAge too",
			p.section, want, have.MaxAge, p.section)
		want = have.MaxAge
	}
	if p.policy("duplicateWindow", have.Duplicates, want) {
		have.Duplicates = want
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
