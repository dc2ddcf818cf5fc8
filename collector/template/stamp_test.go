package template

import "testing"

// Of two that were said at a port the later one counts, also where its exporter's clock was set: then stamps are not in the order of what was heard, and
// may be as close as those of two changes within a minute.
func TestTheOrderOfWhatWasSaid(t *testing.T) {
	const second = int64(1e9)
	for name, test := range map[string]struct {
		stamp, other uint64 // seconds
		heard, since int64  // seconds, and those of the other one
		want         int
	}{
		"one behind the other":                 {200, 100, 200, 100, 1},
		"within a second":                      {100, 100, 100, 100, 0},
		"overtaken":                            {100, 130, 131, 130, -1},
		"the clock was set back by hours":      {100, 20_000, 200, 190, 1},
		"and its stamps are close by now":      {19_990, 20_000, 500, 200, 1},
		"the other way round":                  {20_000, 19_990, 200, 500, -1},
		"exported earlier, and heard with it":  {100, 130, 200, 200, -1},
		"the clock was set ahead":              {20_000, 100, 200, 190, 1},
		"exported later, and heard long since": {200, 100, 100, 900, -1},
	} {
		if got := Compare(StampOf(test.stamp), test.heard*second, StampOf(test.other), test.since*second); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
