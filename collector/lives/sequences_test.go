package lives

import (
	"testing"
	"time"
)

// Flows that passed several selectors one behind the other have the product of their rates (RFC 5476 section 6.5.1), whoever of the collectors hears of the
// sequence, and whoever of the selectors. Where one of them ends its sampling, so does the sequence.
func TestASequenceOfSelectorsFollowsItsSelectors(t *testing.T) {
	sequence := [2]uint16{301, 4}
	says := func(id, rate uint32) said { return said{7, 1, [][2]uint16{selector, interval}, []uint32{id, rate}} }
	through := said{7, 1, [][2]uint16{sequence, selector, selector}, []uint32{77, 1, 2}}
	for name, at := range map[string][2]int{"one collector hears all": {0, 0}, "another one hears the selectors": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2)
			whole, parts := f.collectors[at[0]], f.collectors[at[1]]
			l := &life{fleet: f, version: 10}
			for _, step := range []struct {
				first, second uint32
				want          uint64
			}{{10, 5, 50}, {20, 5, 100}, {0, 5, 0}, {20, 5, 100}, {20, 0, 0}} {
				for range 3 {
					l.say(parts, says(1, step.first), says(2, step.second))
					l.say(whole, through)
					f.wait(5 * time.Minute)
				}
				for i, c := range f.collectors {
					if got := l.rate(c, sequence, 77); got != step.want {
						t.Errorf("selectors of %d and %d, collector %d: the rate is %d, want %d", step.first, step.second, i, got, step.want)
					}
				}
			}
		})
	}
}

// Devices that share address, port and domain, and give a selector different rates in turn, dispute it: what passed that selector has no rate either,
// rather than the one that was said first.
func TestASequenceOfADisputedSelectorHasNoRate(t *testing.T) {
	sequence := [2]uint16{301, 4}
	says := func(id, rate uint32) said { return said{7, 1, [][2]uint16{selector, interval}, []uint32{id, rate}} }
	f := newFleet(t, 2)
	l := &life{fleet: f, version: 10}
	for turn := range 6 {
		l.say(f.collectors[0], says(1, []uint32{100, 1000}[turn%2]), says(2, 1), said{7, 1, [][2]uint16{sequence, selector, selector}, []uint32{77, 1, 2}})
		f.wait(time.Minute)
	}
	for i, c := range f.collectors {
		if got := l.rate(c, sequence, 77); got != 0 {
			t.Errorf("collector %d: the rate is %d", i, got)
		}
	}
}
