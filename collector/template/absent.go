package template

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// maxAbsent bounds the exporters that made room of which that is known, and maxMissed those of them that are to be asked for.
const (
	maxAbsent = 1 << 14
	maxMissed = 1 << 8
)

// Absent are exporters that made room for others. One that is heard again is missed, once: the bucket may be asked what it taught. The zero
// Absent is ready; it is safe for concurrent use, and takes a lock only while somebody is absent.
type Absent[K comparable] struct {
	some atomic.Bool

	mu           sync.Mutex
	left, missed map[K]struct{}
}

// Leave notes that an exporter made room.
func (a *Absent[K]) Leave(k K) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left == nil {
		a.left, a.missed = make(map[K]struct{}), make(map[K]struct{})
	}
	for other := range a.left {
		if len(a.left) < maxAbsent {
			break
		}
		delete(a.left, other)
	}
	a.left[k] = struct{}{}
	delete(a.missed, k)
	a.some.Store(true)
}

// Refuse notes that there was no room for an exporter, of which the bucket was listed.
func (a *Absent[K]) Refuse(k K) {
	a.mu.Lock()
	_, missed := a.missed[k]
	a.mu.Unlock()
	if !missed {
		a.Leave(k)
	}
}

// Heard notes that something came from an exporter.
func (a *Absent[K]) Heard(k K) {
	if !a.some.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, left := a.left[k]; left && len(a.missed) < maxMissed {
		delete(a.left, k)
		a.missed[k] = struct{}{}
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
	a.some.Store(len(a.left)+len(a.missed) > 0)
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
	a.some.Store(len(a.left)+len(a.missed) > 0)
	return out
}
