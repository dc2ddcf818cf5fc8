package connect

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/flowfleet/flowfleet/collector/config"
)

// embeddedStart bounds how long an embedded server may take, which recovers its streams first.
const embeddedStart = 60 * time.Second

// Server is a nats-server with JetStream inside the collector.
type Server struct {
	server *server.Server
}

// StartEmbedded starts a server and waits until it takes connections.
func StartEmbedded(c config.Embedded, log *slog.Logger) (*Server, error) {
	host, portText, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("reading the embedded server's address: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("reading the embedded server's address %s: %w", c.Address, err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	// The server logs a port in use and ends the process in places; found out here, it is an error like others.
	probe, err := net.Listen("tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded NATS server: %w", err)
	}
	if err := probe.Close(); err != nil {
		return nil, fmt.Errorf("starting the embedded NATS server: %w", err)
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "flowfleet-embedded",
		Host:       host,
		Port:       port,
		JetStream:  true,
		StoreDir:   c.StoreDir,
		NoSigs:     true,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the embedded NATS server: %w", err)
	}
	s.SetLogger(serverLog{log.With("component", "nats-server")}, false, false)
	s.Start()
	if !s.ReadyForConnections(embeddedStart) {
		s.Shutdown()
		return nil, fmt.Errorf("the embedded NATS server was not ready after %s: see its log lines", embeddedStart)
	}
	return &Server{s}, nil
}

// URL for clients.
func (s *Server) URL() string { return s.server.ClientURL() }

// Shutdown stops the server once its store is written.
func (s *Server) Shutdown() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// serverLog hands the server's lines on; what it says in normal operation is detail here.
type serverLog struct {
	log *slog.Logger
}

func (l serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l serverLog) Fatalf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l serverLog) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l serverLog) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Tracef(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
