package jetstream

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"github.com/nats-io/nats.go"
)

// dialer connects to one address, makes TLS and the websocket itself, and hands a guarded connection to the client library, which
// has no bounds of its own. The connection and its handshake end with a context.
type dialer struct {
	ctx     context.Context
	timeout time.Duration
	url     *url.URL
	// namespace of hosts without dots.
	namespace string
	// tls is how the server is checked; nil where neither the spec nor the URL wants TLS.
	tls *tls.Config
	// first: the handshake comes before the server introduces itself.
	first bool

	// err of the connection that could not be made.
	err error
	// secured: TLS is in place.
	secured bool
	guard   *guard
	// frames is nil where it is no websocket.
	frames *limitedConn
	conn   *closing
	stop   func() bool
}

// SkipTLSHandshake tells the client library that this dialer does it.
func (d *dialer) SkipTLSHandshake() bool { return true }

// Dial connects to the server; the address is the one of the URL, whatever the client has heard of others.
func (d *dialer) Dial(network, _ string) (net.Conn, error) {
	conn, err := d.dial(network)
	if err != nil {
		d.err = err
		return nil, err
	}
	d.guard = newGuard(conn)
	d.conn = &closing{Conn: d.guard, secured: d.secured}
	return d.conn, nil
}

func (d *dialer) dial(network string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: d.timeout}).DialContext(d.ctx, network, qualified(address(d.url), d.namespace))
	if err != nil {
		return nil, err
	}
	d.stop = context.AfterFunc(d.ctx, func() { _ = conn.Close() }) // the handshake then fails
	if err := conn.SetDeadline(time.Now().Add(d.timeout)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	ready, err := d.introduce(conn)
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return ready, nil
}

// introduce brings a connection to where NATS is spoken in the clear on it.
func (d *dialer) introduce(conn net.Conn) (net.Conn, error) {
	switch {
	case d.url.Scheme == "ws", d.url.Scheme == "wss":
		return d.upgrade(conn)
	case d.first && d.tls != nil:
		return d.secure(conn)
	}
	line, err := readInfo(conn)
	if err != nil {
		return nil, err
	}
	var info struct {
		Required  bool `json:"tls_required"`
		Available bool `json:"tls_available"`
	}
	if err := json.Unmarshal(line[len(opInfo):], &info); err != nil {
		return nil, errNotNATS // what it is, is not told: it may be anybody's secret
	}
	if d.tls != nil && !info.Required && !info.Available {
		return nil, nats.ErrSecureConnWanted
	}
	if d.tls != nil || info.Required {
		if conn, err = d.secure(conn); err != nil {
			return nil, err
		}
	}
	return &replaying{Conn: conn, first: line}, nil
}

// secure makes the handshake of TLS.
func (d *dialer) secure(conn net.Conn) (net.Conn, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.tls != nil {
		c = d.tls.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = d.url.Hostname()
	}
	secured := tls.Client(conn, c)
	if err := secured.HandshakeContext(d.ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", nats.ErrTLS, err)
	}
	d.secured = true
	return secured, nil
}

// upgrade makes a websocket, in which NATS is spoken in messages.
func (d *dialer) upgrade(conn net.Conn) (_ net.Conn, err error) {
	if d.url.Scheme == "wss" {
		if conn, err = d.secure(conn); err != nil {
			return nil, err
		}
	}
	limited := &limitedConn{Conn: conn}
	limited.left.Store(maxInfo)
	w := websocket.Dialer{
		NetDialContext:    func(context.Context, string, string) (net.Conn, error) { return limited, nil },
		NetDialTLSContext: func(context.Context, string, string) (net.Conn, error) { return limited, nil },
		HandshakeTimeout:  d.timeout,
	}
	socket, response, err := w.DialContext(d.ctx, d.url.String(), http.Header{})
	if response != nil && response.Body != nil {
		_ = response.Body.Close() // nothing is read of it
	}
	switch {
	case errors.Is(err, websocket.ErrBadHandshake):
		return nil, fmt.Errorf("%w over websockets", errNotNATS)
	case err != nil:
		return nil, err
	}
	d.frames = limited
	limited.more(maxPayload)
	return &messages{Conn: conn, socket: socket}, nil
}

// release lets the connection outlive the context; false if that came too late.
func (d *dialer) release() bool {
	d.conn.heard.Store(true)
	return d.stop()
}

// fault is what is wrong with what the server sent, nil where nothing is. It may be called by any goroutine.
func (d *dialer) fault() error {
	if d.guard != nil {
		if err := d.guard.fault(); err != nil {
			return err
		}
	}
	if d.frames != nil {
		return d.frames.fault()
	}
	return nil
}

// more lets in what one more request may be answered with: messages of at most that many bytes.
func (d *dialer) more(largest int64) {
	d.guard.more(largest)
	if d.frames != nil {
		d.frames.more(largest)
	}
}

// address to connect to, with the port that NATS has where the URL names none.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	if port == "" {
		port = "4222"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// readInfo reads the line in which a server introduces itself, and not a byte more: TLS begins behind it.
func readInfo(conn net.Conn) ([]byte, error) {
	var line []byte
	var b [1]byte
	for len(line) < maxInfo {
		if _, err := io.ReadFull(conn, b[:]); err != nil {
			return nil, err
		}
		line = append(line, b[0])
		if n := len(line); n == len(opInfo)+1 && !strings.EqualFold(string(line), opInfo+" ") {
			return nil, errNotNATS
		}
		if b[0] == '\n' {
			return line, nil
		}
	}
	return nil, &excessError{"a line", maxInfo}
}

// replaying gives again what was read of a connection before.
type replaying struct {
	net.Conn
	first []byte
}

func (r *replaying) Read(b []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(b, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

// limitedConn bounds what is read, such as frames of websockets that come to no message.
type limitedConn struct {
	net.Conn
	left atomic.Int64
	// exceeded stays set: what the library makes of the end is not what is wrong.
	exceeded atomic.Bool
}

// more lets in what one more request may be answered with, in frames.
func (l *limitedConn) more(largest int64) {
	l.left.Store(2 * answer(largest))
}

func (l *limitedConn) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if l.left.Add(-int64(n)) < 0 {
		l.exceeded.Store(true)
		return 0, l.fault()
	}
	return n, err
}

// fault is why nothing more is read, nil while all is well.
func (l *limitedConn) fault() error {
	if l.exceeded.Load() {
		return &excessError{"an answer", 2 * maxAnswer}
	}
	return nil
}

// messages makes a stream of bytes of a websocket's messages.
type messages struct {
	net.Conn
	socket *websocket.Conn
	reader io.Reader
}

func (m *messages) Read(b []byte) (int, error) {
	for {
		if m.reader == nil {
			_, r, err := m.socket.NextReader()
			if err != nil {
				return 0, err
			}
			m.reader = r
		}
		n, err := m.reader.Read(b)
		if errors.Is(err, io.EOF) {
			m.reader, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (m *messages) Write(b []byte) (int, error) {
	if err := m.socket.WriteMessage(websocket.BinaryMessage, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// closing tells that a server which hangs up at once after the handshake may have refused the client's certificate: that is how
// TLS 1.3 lets it refuse.
type closing struct {
	net.Conn
	secured bool
	heard   atomic.Bool
}

func (c *closing) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.explained(err)
}

func (c *closing) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.explained(err)
}

func (c *closing) explained(err error) error {
	if c.secured && !c.heard.Load() && hungUp(err) {
		return fmt.Errorf("%w: connection closed by remote after TLS handshake: %w", nats.ErrTLS, err)
	}
	return err
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
