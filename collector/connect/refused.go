package connect

import (
	"errors"
	"log/slog"
	"regexp"
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

// What a server says where it does not let a client do something with a subject (nats-server, server/client.go).
var (
	mayNotSubscribe = regexp.MustCompile(`(?i)subscription to[^"]*"([^"]+)"`)
	mayNotPublish   = regexp.MustCompile(`(?i)publish to[^"]*"([^"]+)"`)
)

// RefusedSubscription reports whether a server's error says that it does not let a client subscribe, or not any more.
func RefusedSubscription(err error) bool { return refused(err, mayNotSubscribe) != "" }

// RefusedSubject is the one that a server's error says a client may not publish on; empty for other errors. No answer comes to what is asked on it.
func RefusedSubject(err error) string { return refused(err, mayNotPublish) }

func refused(err error, says *regexp.Regexp) string {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return ""
	}
	if found := says.FindStringSubmatch(err.Error()); found != nil {
		return found[1]
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
