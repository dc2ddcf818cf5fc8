package lives

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Devices with the same address, port and domain that announce different rates are told from one that changes its says: while
// they dispute it no flow has a rate, in any collector; a change counts at once.
func TestDevicesThatShareAPortDisputeTheirRate(t *testing.T) {
	const minutes = time.Minute
	turns := []event{{says: 100}, {after: 5 * minutes, says: 200}, {after: 5 * minutes, says: 100}, {after: 5 * minutes, says: 200}}
	goOn := func(rate int) event { return event{after: 5 * minutes, says: rate, times: 19} } // 95 minutes
	for name, test := range map[string]struct {
		events   []event
		want     uint64
		disputes uint64 // that the first collector counts
	}{
		"one rate":                          {[]event{{says: 100}, goOn(100)}, 100, 0},
		"a change":                          {[]event{{says: 100}, {after: 5 * minutes, says: 200}}, 200, 0},
		"a change that is repeated":         {[]event{{says: 100}, {after: 5 * minutes, says: 200}, goOn(200)}, 200, 0},
		"a change, and another":             {[]event{{says: 100}, {after: minutes, says: 200}, {after: minutes, says: 300}}, 300, 0},
		"a change that is taken back":       {turns[:3], 100, 0},
		"sampling ends, and begins again":   {[]event{{says: 100}, {after: 5 * minutes, says: 0}, {after: 5 * minutes, says: 100}}, 100, 0},
		"in turn":                           {turns, 0, 1},
		"in turn, for hours":                {append(turns, slices.Repeat(turns[2:], 50)...), 0, 1},
		"in turn, each 30 minutes":          {[]event{{says: 100}, {says: 200}, {after: 30 * minutes, says: 100}, {says: 200}}, 0, 1},
		"in turn, at two collectors":        {[]event{{says: 100}, {after: 5 * minutes, at: 1, says: 200}, {after: 5 * minutes, says: 100}, {after: 5 * minutes, at: 1, says: 200}}, 0, 0},
		"in turn, heard by others only":     {[]event{{at: 1, says: 100}, {at: 2, says: 200}, {after: minutes, at: 1, says: 100}, {after: minutes, at: 2, says: 200}}, 0, 0},
		"three in turn":                     {[]event{{says: 100}, {says: 200}, {says: 300}, {after: minutes, says: 100}, {after: minutes, says: 200}, {after: minutes, says: 300}}, 0, 1},
		"sampled, and not sampled":          {[]event{{says: 100}, {says: 0}, {after: 5 * minutes, says: 100}, {after: 5 * minutes, says: 0}}, 0, 1},
		"back after two hours":              {[]event{{says: 100}, {after: 5 * minutes, says: 200, times: 24}, {after: minutes, says: 100}}, 100, 0},
		"late":                              {[]event{{says: 100}, {after: 5 * minutes, says: 200}, {after: time.Second, says: 100, late: 10 * time.Second}}, 200, 0},
		"late, and then the new one again":  {[]event{{says: 100}, {after: minutes, says: 200}, {after: time.Second, says: 100, late: 10 * time.Second}, {after: minutes, says: 200}}, 200, 0},
		"late, where the former is unknown": {[]event{{at: 0, says: 200}, {after: time.Second, says: 100, late: 10 * time.Second}, {after: minutes, says: 200}}, 200, 0},
		"overtaken within a second":         {[]event{{says: 100}, {after: 5 * minutes, says: 200}, {says: 100}, {after: minutes, says: 200}}, 200, 0},
		"only one goes on":                  {append(turns, goOn(100)), 100, 1},
		"only the other goes on":            {append(turns, goOn(200)), 200, 1},
		"both take a third rate":            {append(turns, goOn(300)), 300, 1},
		"both go away":                      {append(turns, event{after: 3 * 24 * time.Hour, says: -1}), 0, 1},
		"again after it was over":           {append(turns, goOn(100), event{after: minutes, says: 200}, event{after: minutes, says: 100}, event{after: minutes, says: 200}), 0, 2},
		"a change after it was over":        {append(turns, goOn(100), event{after: 24 * time.Hour, says: 300}), 300, 1},
		"a collector starts":                {append(turns, event{replace: true, says: -1}), 0, 0},
		"a collector starts before the third": {[]event{{says: 100}, {after: minutes, says: 200}, {replace: true, says: -1},
			{after: minutes, says: 100}, {after: minutes, says: 200}, {after: minutes, says: 100}}, 0, 1},
		"a collector starts, and one goes on": {append(turns, event{replace: true, says: -1}, goOn(200)), 200, 0},
		"it is over, and a collector starts":  {append(turns, goOn(200), event{replace: true, says: -1}), 200, 0},
		"the bucket is lost":                  {append(turns, event{lost: true, says: -1}), 0, 1},
		"the bucket is lost, one goes on":     {append(turns, event{lost: true, says: -1}, goOn(100)), 100, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			l := &life{fleet: f, version: 9}
			f.play(test.events, func(c *collector, e event) {
				l.late = e.late
				l.say(c, said{7, 1, [][2]uint16{system9, interval}, []uint32{1, uint32(e.says)}})
				l.late = 0
			})
			f.replace(2)
			for i, c := range f.collectors {
				if got := l.rate(c, sampler, -1); got != test.want {
					t.Errorf("collector %d: the rate is %d, want %d", i, got, test.want)
				}
			}
			if got := f.collectors[0].totals.Load()[ledger.SamplingConflicting]; got != test.disputes {
				t.Errorf("%d disputes are counted, want %d", got, test.disputes)
			}
		})
	}
}

// What devices dispute takes nobody else's says: not the system's for an interface, nor another domain's, nor the configured default.
func TestWhatIsDisputedTakesNoRateOfOthers(t *testing.T) {
	system := said{7, 1, [][2]uint16{system9, interval}, []uint32{1, 10}}
	for name, test := range map[string]struct {
		others []said
		scope  [2]uint16
		number uint32
	}{
		"of an interface": {[]said{system}, port9, 3},
		"of a template":   {[]said{system}, template9, 300},
		"of the domain":   {[]said{{8, 1, [][2]uint16{system9, interval}, []uint32{1, 10}}}, system9, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2)
			l := &life{fleet: f, version: 9}
			for i := range uint32(4) {
				l.say(f.collectors[0], append(test.others, said{7, 1, [][2]uint16{test.scope, interval}, []uint32{test.number, 100 + 100*(i%2)}})...)
				f.wait(time.Minute)
			}
			for i, c := range f.collectors {
				if got := l.rate(c, sampler, -1); got != 0 {
					t.Errorf("collector %d: the rate is %d, want none", i, got)
				}
			}
		})
	}
}

// A dispute that lasts costs as few writes as what is announced while something else is silent, and its keys go with the ttl.
func TestADisputeCostsFewWrites(t *testing.T) {
	f := newFleet(t, 3)
	l := &life{fleet: f, version: 9}
	turn := func(i int) {
		f.wait(time.Minute)
		l.say(f.collectors[i%2], said{7, 1, [][2]uint16{system9, interval}, []uint32{1, uint32(100 + i%2)}})
	}
	for i := range 10 {
		turn(i)
	}
	before := f.writes
	for i := range 24 * 60 {
		turn(i)
	}
	if writes := f.writes - before; writes > 2*48+5 {
		t.Errorf("%d writes in a day, want two each half hour", writes)
	}
	f.wait(ttl + time.Hour)
	if len(f.bucket) != 0 {
		t.Errorf("%d keys of what nobody said for a month: %s", len(f.bucket), fmt.Sprint(f.bucket))
	}
}
