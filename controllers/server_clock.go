package controllers

import (
	"net/http"
	"sync"
	"time"
)

// clockSlack is by how much what the API server says may differ from what is known of its clock: it tells seconds, and answers take a while.
const clockSlack = 3 * time.Second

// serverClock is that of the API server, as the Date of its answers tells it. Objects have their times from there, or from an operator of before,
// whose clock may have been another one than that of this operator: a clock that is put ahead makes nothing late. Between answers it goes on by the
// operator's monotonic clock, so that one that jumps changes nothing either. It is safe for concurrent use.
type serverClock struct {
	mu        sync.Mutex
	said, own time.Time // the same moment by both clocks
}

// note an answer that came at a time of the operator's clock.
func (c *serverClock) note(h http.Header, own time.Time) {
	said, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return // somebody in between took it away
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own.IsZero() || c.said.Add(own.Sub(c.own)).Sub(said).Abs() > clockSlack {
		c.said, c.own = said, own
	}
}

// at is what the API server's clock shows at a time of the operator's; that itself where nothing is known.
func (c *serverClock) at(own time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own.IsZero() {
		return own
	}
	return c.said.Add(own.Sub(c.own))
}
