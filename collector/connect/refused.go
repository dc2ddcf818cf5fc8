package connect

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A server that may not let a client have an inbox any more drops its subscription, and tells it once. When it may again, the server
// does not take the subscription up by itself: the client has to ask. Until then every request goes without an answer.

// Bounds of the back-off between connections that are made for that.
const (
	shortestRefusal = time.Second
	longestRefusal  = 30 * time.Second
)

// resubscriber makes a connection anew after a subscription was refused: with a new connection the client asks for all it had.
type resubscriber struct {
	log *slog.Logger

	mu      sync.Mutex
	attempt int
	latest  time.Time
	pending bool
}

// RefusedSubscription reports whether a server's error says that it does not let a client subscribe, or not any more.
func RefusedSubscription(err error) bool { return refused(err, "subscription to") != "" }

// RefusedSubject is the one that a server's error says a client may not publish on; empty for other errors. No answer comes to what is asked on it.
func RefusedSubject(err error) string { return refused(err, "publish to") }

// refused is the subject of which a server's error says that a client may not do something with it.
func refused(err error, what string) string {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return ""
	}
	text := err.Error()
	_, subject, _ := strings.Cut(text[max(strings.Index(strings.ToLower(text), what), 0):], `"`)
	if subject, _, found := strings.Cut(subject, `"`); found && strings.Contains(strings.ToLower(text), what) {
		return subject
	}
	return ""
}

// refused has the connection made anew after a while: longer each time in a row, for as long as it is refused.
func (r *resubscriber) refused(nc *nats.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending {
		return // one connection refuses several of them
	}
	if time.Since(r.latest) > 2*longestRefusal {
		r.attempt = 0
	}
	wait := min(shortestRefusal<<min(r.attempt, 10), longestRefusal)
	r.attempt++
	r.pending, r.latest = true, time.Now().Add(wait)
	time.AfterFunc(wait, func() {
		r.mu.Lock()
		r.pending = false
		r.mu.Unlock()
		r.log.Warn("the server refused a subscription; making the connection anew to ask again", "after", wait.String())
		_ = nc.ForceReconnect() // closed: nothing to do
	})
}
