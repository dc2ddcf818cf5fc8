package template

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// maxAbsent bounds the exporters that made room of which that is known, and those that found none; maxMissed those of them that are to be asked
// for.
const (
	maxAbsent = 1 << 14
	maxMissed = 1 << 8
)

// Absent are exporters that made room for others. One that is heard again is missed, once: the bucket may be asked what it taught. The zero
// Absent is ready; it is safe for concurrent use, and takes a lock only while somebody is absent.
type Absent[K comparable] struct {
	some atomic.Bool

	mu sync.Mutex
	// refused found no room, left made it: listings refuse many that are dead, which take no place of those that were heard here.
	left, refused, missed map[K]struct{}
}

// Leave notes that an exporter made room.
func (a *Absent[K]) Leave(k K) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left = within(a.left, k)
	delete(a.refused, k)
	delete(a.missed, k)
	a.some.Store(true)
}

// Refuse notes that there was no room for an exporter, of which the bucket was listed, and reports whether that is new: one that sends already
// has to be heard again, see Heard.
func (a *Absent[K]) Refuse(k K) (isNew bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, known := range [...]map[K]struct{}{a.left, a.refused, a.missed} {
		if _, ok := known[k]; ok {
			return false
		}
	}
	a.refused = within(a.refused, k)
	a.some.Store(true)
	return true
}

// within adds to a set, in place of any others where there are maxAbsent.
func within[K comparable](set map[K]struct{}, k K) map[K]struct{} {
	if set == nil {
		set = make(map[K]struct{})
	}
	for other := range set {
		if len(set) < maxAbsent {
			break
		}
		delete(set, other)
	}
	set[k] = struct{}{}
	return set
}

// Heard notes that something came from an exporter.
func (a *Absent[K]) Heard(k K) {
	if !a.some.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, left := a.left[k]
	_, refused := a.refused[k]
	if (left || refused) && len(a.missed) < maxMissed {
		delete(a.left, k)
		delete(a.refused, k)
		a.missed = within(a.missed, k)
	}
}

// Found forgets that those were missed which is tells: what the bucket has of them was read meanwhile.
func (a *Absent[K]) Found(is func(K) bool) {
	if !a.some.Load() {
		return
	}
	a.mu.Lock()
	missed := slices.Collect(maps.Keys(a.missed))
	a.mu.Unlock()
	missed = slices.DeleteFunc(missed, func(k K) bool { return !is(k) }) // which may take a lock that is held where one is heard
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range missed {
		delete(a.missed, k)
	}
	a.some.Store(len(a.left)+len(a.refused)+len(a.missed) > 0)
}

// Missed takes up to so many of those that were heard again.
func (a *Absent[K]) Missed(most int) (out []K) {
	if !a.some.Load() {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for k := range a.missed {
		if len(out) >= most {
			break
		}
		delete(a.missed, k)
		out = append(out, k)
	}
	a.some.Store(len(a.left)+len(a.refused)+len(a.missed) > 0)
	return out
}
