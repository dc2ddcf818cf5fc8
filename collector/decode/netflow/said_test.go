package netflow

import (
	"testing"
	"time"
)

func TestRatesThatComeAreNoMixtureAndThoseThatTakeTurnsAre(t *testing.T) {
	const second = int64(time.Second)
	for name, test := range map[string]struct {
		records        string // each second one: r has a rate, u has none
		later          time.Duration
		rated, unrated bool
	}{
		"nothing":          {"", 0, false, false},
		"all have one":     {"rrrr", 0, true, false},
		"none has":         {"uuuu", 0, false, true},
		"the rate comes":   {"uuur", 0, true, false},
		"the rate goes":    {"rrru", 0, false, true},
		"in turn":          {"ruru", 0, true, true},
		"once without":     {"rrurr", 0, true, true},
		"that is long ago": {"rrurr", 6 * time.Minute, true, false},
	} {
		var n Rates
		for i, r := range test.records {
			source, rate := RateAnnounced, uint64(100)
			if r == 'u' {
				source, rate = RateUnknown, 0
			}
			n.Note(rate, source, int64(i+1)*second)
		}
		var s Said
		n.Into(&s, int64(len(test.records))*second+int64(test.later))
		if s.Rated != test.rated || s.Unrated != test.unrated || s.Rated && (s.Rate != 100 || s.Source != RateAnnounced) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
