package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/status"
)

// Bounds of a request. A profile is the longest answer.
const (
	readTimeout    = 10 * time.Second
	writeTimeout   = 60 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
)

// Server serves /metrics, /healthz, /readyz, /status, /exporters and /ledger, and profiles where the configuration asks for them.
type Server struct {
	server   *http.Server
	listener net.Listener
	refused  atomic.Uint64
	log      *slog.Logger
	serving  bool
	done     chan struct{}
}

// Page is a further page of a Server, for GET.
type Page struct {
	Path    string
	Handler http.Handler
}

// Listen binds the address; nothing is answered before Serve. With the address "-" it returns a Server that does nothing.
//
// account, where it is not nil, is served on /ledger as JSON; document on /status, made at most once a second;
// exporters on /exporters, page by page. Others serve what they have on pages of their own.
func Listen(c config.HTTP, registry *prometheus.Registry, ready *Readiness, account func() ledger.Account,
	document func() *status.Document, exporters func() *status.Exporters, log *slog.Logger, pages ...Page) (*Server, error) {
	s := &Server{log: log, done: make(chan struct{})}
	if c.Address == "-" {
		close(s.done)
		return s, nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		Registry: registry, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), MaxRequestsInFlight: 4,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		status := http.StatusOK
		isReady, body := ready.State()
		if !isReady {
			status = http.StatusServiceUnavailable
		}
		respond(w, status, body)
	})
	if account != nil {
		mux.HandleFunc("GET /ledger", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_ = json.NewEncoder(w).Encode(account()) // a client that is gone does not matter
		})
	}
	if document != nil {
		mux.Handle("GET "+status.Path, &statusHandler{document: document})
	}
	if exporters != nil {
		mux.Handle("GET "+status.ExportersPath, &exportersHandler{exporters: exporters})
	}
	for _, p := range pages {
		mux.Handle("GET "+p.Path, p.Handler)
	}
	if c.Profiling {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	}
	listener, err := net.Listen("tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("binding http.address: %w", err)
	}
	s.listener = &limitedListener{Listener: listener, slots: make(chan struct{}, c.MaxConnections), refused: &s.refused}
	s.server = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Serve answers requests in the background until Close. Whatever they ask for must be in place.
func (s *Server) Serve() {
	if s.server == nil {
		return
	}
	s.serving = true
	go func() {
		defer close(s.done)
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the HTTP server ended", "error", err)
		}
	}()
}

func respond(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that is gone does not matter
}

// Address that the server is bound to, empty where it does nothing.
func (s *Server) Address() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Refused is how many connections were refused because there were too many.
func (s *Server) Refused() uint64 { return s.refused.Load() }

// Close ends the server; requests under way have until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	switch {
	case s.server == nil:
		return nil
	case !s.serving:
		return s.listener.Close()
	}
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	<-s.done
	return err
}

// limitedListener closes connections beyond its slots at once, rather than letting them wait.
type limitedListener struct {
	net.Listener
	slots   chan struct{}
	refused *atomic.Uint64
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &limitedConn{Conn: conn, release: func() { <-l.slots }}, nil
		default:
			l.refused.Add(1)
			_ = conn.Close() // nothing was read or written
		}
	}
}

type limitedConn struct {
	net.Conn
	closed  atomic.Bool
	release func()
}

func (c *limitedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		defer c.release()
	}
	return c.Conn.Close()
}
