package controllers

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
)

// Only what others have changed since is a fight: neither an edit, nor a cache that is behind what was applied, nor changes that are rare.
func TestOnlyWhatOthersChangeAgainAndAgainIsContested(t *testing.T) {
	c := child{kind: "DaemonSet", name: "edge-collector", live: &appsv1.DaemonSet{}}
	for name, test := range map[string]struct {
		wanted, version func(i int) string
		every           time.Duration
		contested       bool
	}{
		"others change it":      {func(int) string { return "a" }, func(i int) string { return string(rune('a' + i)) }, time.Second, true},
		"the spec is edited":    {func(i int) string { return string(rune('a' + i)) }, func(i int) string { return string(rune('a' + i)) }, time.Second, false},
		"the cache is behind":   {func(int) string { return "a" }, func(int) string { return "1" }, time.Second, false},
		"others do so at times": {func(int) string { return "a" }, func(i int) string { return string(rune('a' + i)) }, fightEnds, false},
	} {
		v, now := make(fights), time.Unix(1e9, 0)
		for i := range 20 {
			if now = now.Add(test.every); !v.rests(c, test.wanted(i), now) {
				v.applied(c, true, test.wanted(i), test.version(i), now)
			}
		}
		if got := len(v.contested([]child{c}, now)) > 0; got != test.contested {
			t.Errorf("%s: %t", name, got)
		}
		if test.contested && (v.rests(c, "b", now) || !v.rests(c, "a", now) || v.rests(c, "a", now.Add(lookInterval)) || len(v.contested([]child{c}, now.Add(fightEnds))) > 0) {
			t.Errorf("%s: an edit waits, or it is not put back now and then, or does not end", name)
		}
	}
}
