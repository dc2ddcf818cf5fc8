package natstest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between a client and a server and is the network that fails.
type Proxy struct {
	t        testing.TB
	listener net.Listener
	server   string
	// silent: connections made so far stay open, and nothing comes back from the server any more. Each forwarder has the
	// pointer that was in force when it began.
	silent atomic.Pointer[atomic.Bool]
	// cut: connections are closed, new ones too.
	cut atomic.Bool
	// stalled: nothing is read from either side.
	stalled atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// NewProxy starts a proxy to the server's port. It ends with the test.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	return NewProxyTo(t, s.Address())
}

// NewProxyTo starts a proxy to any host:port. It ends with the test.
func NewProxyTo(t testing.TB, address string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{t: t, listener: listener, server: address, conns: make(map[net.Conn]struct{})}
	p.silent.Store(new(atomic.Bool))
	go p.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
	})
	return p
}

// Address that clients connect to, as host:port.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// URL for clients.
func (p *Proxy) URL() string { return "nats://" + p.listener.Addr().String() }

// Silence keeps connections open and swallows what the server says; what clients say arrives. Heal ends it, for new
// connections: those that missed something are closed.
func (p *Proxy) Silence() { p.silent.Load().Store(true) }

// HealNew lets new connections pass, while those that Silence hit stay open and silent.
func (p *Proxy) HealNew() { p.silent.Store(new(atomic.Bool)) }

// Stall reads nothing more, from neither side, as a server does that is frozen: connections stay open, and what is written to
// them stays in their buffers until these are full. Heal ends it.
func (p *Proxy) Stall() { p.stalled.Store(true) }

// Cut closes all connections, and those that come.
func (p *Proxy) Cut() {
	p.cut.Store(true)
	p.close()
}

// Heal lets everything pass again, on new connections.
func (p *Proxy) Heal() {
	p.close()
	p.HealNew()
	p.stalled.Store(false)
	p.cut.Store(false)
}

func (p *Proxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.cut.Load() {
			_ = client.Close()
			continue
		}
		server, err := net.DialTimeout("tcp", p.server, time.Second)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		go p.forward(server, client, false)
		go p.forward(client, server, true)
	}
}

func (p *Proxy) forward(to, from net.Conn, answers bool) {
	defer func() {
		_ = to.Close()
		_ = from.Close()
	}()
	silent := p.silent.Load()
	b := make([]byte, 64<<10)
	stall := func() {
		for p.stalled.Load() && !p.cut.Load() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	for {
		stall()
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if stall(); p.cut.Load() {
			return // it was on its way when the network failed
		}
		if answers && silent.Load() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
