package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// Connect connects to one of a server's URLs, within 5 s and ctx. Errors say what to look at, for each URL, and read the
// same as long as the fault is the same.
func Connect(ctx context.Context, s *Server) (*Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	options, err := s.options(time.Now())
	if err != nil {
		return nil, err
	}
	// One server that does not answer leaves time for the others.
	share := max(connectTimeout/time.Duration(len(s.URLs)), time.Second)
	failures := make([]error, len(s.URLs))
	for _, i := range rand.Perm(len(s.URLs)) {
		c, err := connect(ctx, s.URLs[i], s.Namespace, share, options)
		if err == nil {
			return c, nil
		}
		failures[i] = fmt.Errorf("%s: %w", s.URLs[i], explain(err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("connecting to NATS: %w", joined(failures))
}

func connect(ctx context.Context, url, namespace string, timeout time.Duration, options []nats.Option) (*Connection, error) {
	c := &Connection{}
	d := &dialer{ctx: ctx, timeout: timeout, namespace: namespace}
	nc, err := nats.Connect(url, append(slices.Clone(options),
		nats.Name("flowfleet operator"),
		nats.NoReconnect(),
		nats.SkipHostLookup(), // the dialer does it, within the context
		nats.SetCustomDialer(d),
		nats.Timeout(timeout),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.refused(err) }),
		nats.ClosedHandler(func(nc *nats.Conn) {
			err := nc.LastError()
			if err == nil {
				err = nats.ErrConnectionClosed
			}
			c.lost(err)
		}),
	)...)
	if err == nil && !d.release() {
		nc.Close()
		err = ctx.Err()
	}
	var network net.Error
	var resolution *net.DNSError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, nats.ErrNoServers) && d.err != nil:
		return nil, d.err // the client keeps to itself that nobody listens
	case errors.As(err, &resolution):
		return nil, err
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, nats.ErrTimeout):
		return nil, context.DeadlineExceeded
	default:
		return nil, err
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
	ctx     context.Context
	timeout time.Duration
	// namespace of hosts without dots.
	namespace string
	// err of the last connection that could not be made.
	err  error
	stop func() bool
}

// Dial connects to an address.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: d.timeout}).DialContext(d.ctx, network, qualified(address, d.namespace))
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
