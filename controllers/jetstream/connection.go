package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	collector "github.com/flowfleet/flowfleet/collector/connect"
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
	nc     *nats.Conn
	js     jetstream.JetStream
	dialer *dialer
	// url is the one that was connected to.
	url string
	// patience bounds one request.
	patience time.Duration
	// large: the answer is a message of flows.
	large bool

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
	options, secure, err := s.options(time.Now())
	if err != nil {
		return nil, &invalidError{err}
	}
	// One server that does not answer leaves time for the others.
	share := max(connectTimeout/time.Duration(len(s.URLs)), time.Second)
	failures := make([]error, len(s.URLs))
	for _, i := range rand.Perm(len(s.URLs)) {
		c, err := connect(ctx, s.URLs[i], s.Namespace, share, options, secure, s.TLS != nil && s.TLS.HandshakeFirst)
		if err == nil {
			if c.js, err = collector.JetStream(c.nc, &config.NATS{Domain: s.Domain, APIPrefix: s.APIPrefix}); err != nil {
				c.nc.Close()
				return nil, err
			}
			return c, nil
		}
		failures[i] = fmt.Errorf("%s: %w", s.URLs[i], explain(err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("connecting to NATS: %w", joined(failures))
}

func connect(ctx context.Context, text, namespace string, timeout time.Duration, options []nats.Option, secure *tls.Config, first bool) (*Connection, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if secure == nil && (u.Scheme == "tls" || u.Scheme == "wss") {
		secure = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c := &Connection{url: text, patience: requestTimeout, dialer: &dialer{ctx: ctx, timeout: timeout, url: u, namespace: namespace, tls: secure, first: first}}
	d := c.dialer
	// The dialer makes TLS and websockets: what the library sees is NATS in the clear.
	nc, err := nats.Connect("nats://"+address(u), append(slices.Clone(options),
		nats.Name("flowfleet operator"),
		nats.NoReconnect(),
		nats.IgnoreDiscoveredServers(), // a server does not say whom to connect to
		nats.SkipHostLookup(),          // the dialer does it, within the context
		nats.SetCustomDialer(d),
		nats.Timeout(timeout),
		nats.FlusherTimeout(timeout),
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
	if err != nil && d.err != nil {
		err = d.err // the client keeps to itself that nobody listens
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &resolution):
		return nil, err
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, nats.ErrTimeout):
		return nil, context.DeadlineExceeded
	case d.fault() != nil:
		return nil, d.fault()
	default:
		return nil, err
	}
	c.nc = nc
	return c, nil
}

// Close ends the connection.
func (c *Connection) Close() { c.nc.Close() }

// refused notes an error that the server reports beside answers: none comes then to what waits.
func (c *Connection) refused(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A permission is that of one request, unless it is the one to receive answers. Other errors, such as credentials that
	// expired, end the connection.
	if !errors.Is(err, nats.ErrPermissionViolation) || collector.RefusedSubscription(err) {
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
	ctx, stop := context.WithTimeout(ctx, c.patience)
	ctx, interrupt := context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt = interrupt
	if c.large {
		c.dialer.more(maxFlows)
	} else {
		c.dialer.more(maxPayload)
	}
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
		if fault := c.dialer.fault(); fault != nil {
			err = fault
		}
		return zero, explain(err)
	}
	v, err := f(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = cause
		}
		if fault := c.dialer.fault(); fault != nil {
			err = fault // whatever the library makes of it
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

// isBroken reports whether no request can be answered any more.
func (c *Connection) isBroken() bool {
	if c.dialer.fault() != nil {
		return true // of which the client hears a moment later
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken != nil
}
