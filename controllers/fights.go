package controllers

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// putBackAtOnce is how often in a row an object is put back at once that others change. After that it is put back once in lookInterval.
	putBackAtOnce = 5
	// fightEnds is after how long without that the row has ended.
	fightEnds = 2 * time.Minute
)

// fight is with others who change an object that the operator keeps, or delete it: another controller, or an admission webhook that says something
// else each time. Would each put it back at once, collectors would be replaced without end.
type fight struct {
	wanted  string // hash of what was applied
	version string // that this has made
	times   int    // in a row that it was put back
	last    time.Time
	with    string
}

// errRests is for an object that is not what is wanted, and left alone for now.
var errRests = errors.New("others change it again and again")

// fights about the objects of one owner, by child.id.
type fights map[string]*fight

// applied notes the version that applying an object has made. found is whether there was one before, which is c.live: where the cache is behind, that
// is an older one than the last that was applied, and nobody has changed it.
func (v fights) applied(c child, found bool, wanted, version string, now time.Time) {
	f := v[c.id()]
	switch {
	case f == nil || f.wanted != wanted || now.Sub(f.last) >= fightEnds:
		v[c.id()] = &fight{wanted: wanted, version: version, last: now}
		return
	case f.version == version:
		return
	}
	f.version, f.times, f.last, f.with = version, f.times+1, now, "somebody who deletes it"
	if found {
		f.with = lastWriter(c.live)
	}
}

// rests reports whether an object is left alone for now, though it is not what is wanted.
func (v fights) rests(c child, wanted string, now time.Time) bool {
	f := v[c.id()]
	return f.goesOn(now) && f.wanted == wanted && now.Sub(f.last) < lookInterval
}

// contested says which objects others change again and again.
func (v fights) contested(children []child, now time.Time) (out []string) {
	for _, c := range children {
		if f := v[c.id()]; f.goesOn(now) {
			out = append(out, f.words(c.kind, c.name))
		}
	}
	return out
}

// goesOn reports whether others change the object again and again.
func (f *fight) goesOn(now time.Time) bool {
	return f != nil && f.times >= putBackAtOnce && now.Sub(f.last) < fightEnds
}

// words about an object.
func (f *fight) words(kind, name string) string {
	return fmt.Sprintf("%s %s: %s changes what the operator applies, which has put it back %d times, and does so every %s only: let one of them have it",
		kind, name, f.with, f.times, lookInterval)
}

// lastWriter is who has changed an object last beside the operator, as far as it tells. A webhook writes under the operator's name.
func lastWriter(live client.Object) string {
	who, at := "", time.Time{}
	for _, m := range live.GetManagedFields() {
		if m.Manager != fieldOwner && m.Manager != fieldOwner+"-turn" && m.Subresource == "" && m.Time != nil && !m.Time.Time.Before(at) {
			who, at = m.Manager, m.Time.Time
		}
	}
	return cmp.Or(who, "an admission webhook, another operator of the same identity, or somebody else,")
}
