package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// connectTimeout bounds Connect, over all servers.
	connectTimeout = 5 * time.Second
	// requestTimeout bounds one request.
	requestTimeout = 5 * time.Second
)

// Connection is for one pass over a bucket and a stream, and for one goroutine. It is not kept up: when it is lost, what
// is asked of it fails at once.
type Connection struct {
	nc *nats.Conn
	js jetstream.JetStream

	mu sync.Mutex
	// interrupt ends the request that waits.
	interrupt context.CancelCauseFunc
	// broken says why no request can be answered any more.
	broken error
}

// Connect connects to one of a server's URLs, within 5 s and ctx. Errors say what to look at.
func Connect(ctx context.Context, s *Server) (*Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	options, err := s.options(time.Now())
	if err != nil {
		return nil, err
	}
	c := &Connection{}
	d := &dialer{ctx: ctx}
	options = append(options,
		nats.Name("flowfleet operator"),
		nats.NoReconnect(),
		nats.SkipHostLookup(),
		nats.SetCustomDialer(d),
		// One server that does not answer leaves time for the others.
		nats.Timeout(max(connectTimeout/time.Duration(len(s.URLs)), time.Second)),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.refused(err) }),
		nats.ClosedHandler(func(nc *nats.Conn) {
			err := nc.LastError()
			if err == nil {
				err = nats.ErrConnectionClosed
			}
			c.lost(err)
		}),
	)
	nc, err := nats.Connect(strings.Join(s.URLs, ","), options...)
	if err != nil {
		if errors.Is(err, nats.ErrNoServers) && d.err != nil {
			err = d.err // the client keeps to itself that nobody listens
		}
		if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return nil, fmt.Errorf("connecting to NATS (%s): %w", strings.Join(s.URLs, ", "), explain(err))
	}
	if !d.release() {
		nc.Close()
		return nil, fmt.Errorf("connecting to NATS (%s): %w", strings.Join(s.URLs, ", "), explain(ctx.Err()))
	}
	c.nc = nc
	if c.js, err = jetstream.New(nc); err != nil {
		nc.Close()
		return nil, fmt.Errorf("preparing JetStream: %w", err)
	}
	return c, nil
}

// Close ends the connection.
func (c *Connection) Close() { c.nc.Close() }

// dialer makes a connection and its handshake end with a context.
type dialer struct {
	ctx context.Context
	// err of the last connection that could not be made.
	err  error
	stop func() bool
}

// Dial connects to an address.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	// The context outlives one server's part of the time.
	ctx, cancel := context.WithTimeout(d.ctx, max(connectTimeout/2, time.Second))
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		d.err = err
		return nil, err
	}
	d.stop = context.AfterFunc(d.ctx, func() { _ = conn.Close() }) // the handshake then fails
	return conn, nil
}

// release lets the last connection outlive the context; false if that came too late.
func (d *dialer) release() bool { return d.stop == nil || d.stop() }

// refused notes an error that the server reports beside answers: none comes then to what waits.
func (c *Connection) refused(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A permission is that of one request, unless it is the one to receive answers. Other errors, such as credentials that
	// expired, end the connection.
	if !errors.Is(err, nats.ErrPermissionViolation) || strings.Contains(strings.ToLower(err.Error()), "subscription") {
		c.broken = err
	}
	if c.interrupt != nil {
		c.interrupt(err)
	}
}

// lost notes that the connection is gone; why may have been told before.
func (c *Connection) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		c.broken = fmt.Errorf("the connection was lost: %w", err)
	}
	if c.interrupt != nil {
		c.interrupt(c.broken)
	}
}

// begin prepares for one request, which ends early where it cannot be answered.
func (c *Connection) begin(ctx context.Context) (context.Context, context.CancelFunc, error) {
	ctx, stop := context.WithTimeout(ctx, requestTimeout)
	ctx, interrupt := context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt = interrupt
	return ctx, func() {
		c.mu.Lock()
		c.interrupt = nil
		c.mu.Unlock()
		interrupt(nil)
		stop()
	}, c.broken
}

// request makes one request and explains its error.
func request[T any](ctx context.Context, c *Connection, f func(context.Context) (T, error)) (T, error) {
	ctx, end, err := c.begin(ctx)
	defer end()
	if err != nil {
		var zero T
		return zero, explain(err)
	}
	v, err := f(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = cause
		}
		err = explain(err)
	}
	return v, err
}

// offline lists the servers of a stream's replicas that are away.
func offline(info *jetstream.StreamInfo) []string {
	var out []string
	if info.Cluster != nil {
		for _, peer := range info.Cluster.Replicas {
			if peer.Offline {
				out = append(out, peer.Name)
			}
		}
	}
	slices.Sort(out)
	return out
}
