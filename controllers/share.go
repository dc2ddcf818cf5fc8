package controllers

import (
	"sync"
	"time"
)

// What it takes to work out what a fleet is to have grows with what is asked for: a tenth of a second or more for one with a thousand devices. A
// namespace may take spentAtOnce of that by edits, and then the spentShare of one processor, whoever edits there how often. A pass that finds
// nothing else asked for costs nothing. No more than mostSpent counts: an operator that was stopped for a while has worked on nobody.
const (
	spentShare  = 0.25
	spentAtOnce = 3 * time.Second
	mostSpent   = 2 * spentAtOnce
	// spentFree is what costs nothing: most fleets take less, also where others have the processor meanwhile.
	spentFree = 20 * time.Millisecond
)

// shares tell for each namespace what was spent on it. They are safe for concurrent use.
type shares struct {
	mu   sync.Mutex
	free time.Duration // of each time
	of   map[string]*spent
}

// spent is what was spent at a time, and not made up for yet.
type spent struct {
	time time.Duration
	at   time.Time
}

// left of it at a later time.
func (s *spent) left(now time.Time) time.Duration {
	return max(s.time-time.Duration(spentShare*float64(max(now.Sub(s.at), 0))), 0)
}

// spend notes what was spent on a namespace.
func (s *shares) spend(namespace string, d time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = make(map[string]*spent)
	}
	before := s.of[namespace]
	if before == nil {
		before = &spent{}
	}
	s.of[namespace] = &spent{time: min(before.left(now)+max(d-s.free, 0), mostSpent), at: now}
}

// work is what is being worked out for a namespace.
type work struct {
	shares    *shares
	namespace string
	began     time.Time
}

func (s *shares) begin(namespace string) work { return work{s, namespace, time.Now()} }

// end notes what was spent, if an edit is what it was spent on.
func (w work) end(edited bool, now time.Time) {
	if edited {
		w.shares.spend(w.namespace, time.Since(w.began), now)
	}
}

// wait is for how long a namespace has had its share, 0 for not at all.
func (s *shares) wait(namespace string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.of[namespace]
	if before == nil {
		return 0
	}
	left := before.left(now)
	if left == 0 {
		delete(s.of, namespace)
	}
	return time.Duration(float64(max(left-spentAtOnce, 0)) / spentShare)
}
