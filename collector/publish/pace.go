package publish

import (
	"math/rand/v2"
	"time"
)

const (
	// retryWait is the shortest pause after something went wrong, longestProbeWait the longest between two probes.
	retryWait        = 500 * time.Millisecond
	longestProbeWait = 5 * time.Second
	// fullPace is with how many batches in flight a slow start is over.
	fullPace = 1024
	// unansweredProbes is after how many probes in a row without any answer the connection is made anew: its inbox may be dead.
	unansweredProbes = 3
)

// pace says what may go out. While the stream takes what it is sent, that is all there is. When it refuses, or does not answer, one
// batch goes out as a probe, with growing pauses between, so that a stream that is full, missing or without a leader does not have
// everything sent in vain again and again. Once a probe is taken, two may be in flight, then four: a stream that has room for a little
// is not flooded either.
type pace struct {
	allowed    int           // batches that may be in flight, 0 for any number
	wait       time.Duration // the latest pause
	since      time.Time     // when it began
	until      time.Time     // nothing goes out before
	unanswered int           // probes in a row
}

// mayTry reports whether another batch may go out beside those in flight.
func (p *pace) mayTry(now time.Time, inFlight int) bool {
	return !now.Before(p.until) && (p.allowed == 0 || inFlight < p.allowed)
}

// taken notes that the stream took a batch.
func (p *pace) taken() {
	p.unanswered, p.wait = 0, 0
	if p.allowed == 0 {
		return
	}
	if p.allowed++; p.allowed > fullPace {
		p.allowed = 0
	}
}

// refused notes that a batch was refused, or not answered. It reports whether that is news: a batch that was sent before the latest
// pause began tells nothing about what would be taken now.
func (p *pace) refused(now, sent time.Time) bool {
	if sent.Before(p.since) {
		return false
	}
	p.wait = min(max(2*p.wait, retryWait), longestProbeWait)
	p.since, p.until = now, now.Add(p.wait-rand.N(p.wait/4))
	p.allowed = 1
	return true
}

// answered notes that there are answers, of whatever kind.
func (p *pace) answered() { p.unanswered = 0 }

// silent notes that there was no answer to a batch, and reports whether the connection is to be made anew.
func (p *pace) silent(now, sent time.Time) bool {
	if !p.refused(now, sent) {
		return false
	}
	if p.unanswered++; p.unanswered < unansweredProbes {
		return false
	}
	p.unanswered = 0
	return true
}

// pause lets nothing out for a moment: there is no connection.
func (p *pace) pause(now time.Time) { p.until = now.Add(retryWait) }

// retry ends a pause: there is reason to believe that things are better. The first batch is a probe all the same.
func (p *pace) retry() { p.wait, p.until = 0, time.Time{} }
