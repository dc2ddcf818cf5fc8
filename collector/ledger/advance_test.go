package ledger

import "testing"

func TestASequencesAdvanceIsWhatCameSinceBefore(t *testing.T) {
	const near = 1<<32 - 3
	for name, test := range map[string]struct {
		before, after []datagram
		want          Advance
	}{
		"nothing was ever heard":  {want: Advance{}},
		"it is heard first":       {nil, []datagram{{10, 5}, {15, 5}}, Advance{Numbered: true, From: 10, Next: 20, Units: 10, Run: 10}},
		"it goes on":              {[]datagram{{10, 5}}, []datagram{{15, 5}, {25, 5}}, Advance{Numbered: true, From: 15, Next: 30, Units: 10, Run: 10}},
		"nothing came since":      {[]datagram{{10, 5}}, nil, Advance{Numbered: true, From: 15, Next: 15}},
		"the number wraps":        {[]datagram{{near, 1}}, []datagram{{near + 1, 5}}, Advance{Numbered: true, From: near + 1, Next: 3, Units: 5, Run: 5}},
		"what came before, again": {[]datagram{{10, 5}, {15, 5}}, []datagram{{15, 5}}, Advance{Numbered: true, From: 20, Next: 20, Duplicated: 5}},
		"what was skipped is late": {[]datagram{{10, 5}, {20, 5}}, []datagram{{15, 5}},
			Advance{Numbered: true, From: 25, Next: 25, Units: 5, Run: 5}},
		"the exporter restarts": {[]datagram{{5_000_000, 5}, {5_000_005, 5}}, []datagram{{5_000_010, 5}, {1, 2}, {3, 4}},
			Advance{Numbered: true, From: 1, Next: 7, Units: 11, Run: 6, Restarts: 1}},
	} {
		var s Sequence
		var c Counts
		observe(&s, &c, test.before...)
		before := s.Span
		observe(&s, &c, test.after...)
		if got := s.Since(&before); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestAdvancesAddUp(t *testing.T) {
	const near = 1<<32 - 10
	for name, test := range map[string]struct{ a, b, want Advance }{
		"one after the other": {Advance{Numbered: true, From: near, Next: 5, Units: 15, Run: 15, Duplicated: 1},
			Advance{Numbered: true, From: 5, Next: 20, Units: 14, Run: 14, Duplicated: 2},
			Advance{Numbered: true, From: near, Next: 20, Units: 29, Run: 29, Duplicated: 3}},
		"two beside each other": {Advance{Numbered: true, From: 5, Next: 20, Units: 8, Run: 8}, Advance{Numbered: true, From: near, Next: 19, Units: 9, Run: 9},
			Advance{Numbered: true, From: near, Next: 20, Units: 17, Run: 17}},
		"a restart": {Advance{Numbered: true, From: 900, Next: 1000, Units: 100, Run: 100},
			Advance{Numbered: true, From: 1, Next: 7, Units: 11, Run: 6, Restarts: 1},
			Advance{Numbered: true, From: 1, Next: 7, Units: 111, Run: 6, Restarts: 1}},
		"nothing": {Advance{}, Advance{Numbered: true, From: 1, Next: 2, Units: 1, Run: 1}, Advance{Numbered: true, From: 1, Next: 2, Units: 1, Run: 1}},
	} {
		if test.a.Add(test.b); test.a != test.want {
			t.Errorf("%s: %+v, want %+v", name, test.a, test.want)
		}
	}
}
