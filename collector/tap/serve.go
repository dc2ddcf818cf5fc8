//go:build linux

package tap

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/flowfleet/flowfleet/collector/capture"
)

// Bounds of a connection.
const (
	askTime    = 5 * time.Second
	maxRequest = 4 << 10
	// writeTime is how long a reader may leave so many bytes alone, and lastWrites how long he may go on reading what he asked for.
	writeTime   = 10 * time.Second
	writeLength = 64 << 10
	lastWrites  = 30 * time.Second
	// drainTime likewise, when the collector ends.
	drainTime = 2 * time.Second
	// maxAsking bounds connections.
	maxAsking = 8
)

// answers before a capture, each a line.
const (
	answerGranted = "granted"
	answerRefused = "refused: "
)

// socketName is that of a collector by the port of its HTTP server: an abstract socket, which needs no file system that can be written, and
// is seen within the pod, or on a machine, only.
func socketName(port int) string { return fmt.Sprintf("@flowfleet-collector-%d/capture", port) }

// Server hands captures to programs of the same user, or of root, on the same machine; in a pod, of the same container.
type Server struct {
	tap         *Tap
	listener    *net.UnixListener
	application string
	instance    string
	log         *slog.Logger
	ending      context.Context
	end         context.CancelFunc
	conns       sync.WaitGroup
	slots       chan struct{}
	// refusals that are logged: on the host's network anybody may ask, as often as he likes. All are counted.
	refusals rate.Sometimes
}

// Serve takes requests in the background until Close. port is that of the collector's HTTP server; application and instance stand in the
// captures.
func Serve(t *Tap, port int, application, instance string, log *slog.Logger) (*Server, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socketName(port), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("binding the socket for captures: %w", err)
	}
	s := &Server{tap: t, listener: listener, application: application, instance: instance, log: log, slots: make(chan struct{}, maxAsking),
		refusals: rate.Sometimes{First: 10, Interval: time.Second}}
	s.ending, s.end = context.WithCancel(context.Background())
	s.conns.Go(s.accept)
	return s, nil
}

// Close ends the captures, whose readers get what waits for them, and returns when all are told.
func (s *Server) Close() {
	s.end()
	_ = s.listener.Close() // nothing that could be done
	s.conns.Wait()
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.log.Warn("taking a request for a capture; trying again", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		select {
		case s.slots <- struct{}{}:
			s.conns.Go(func() {
				defer func() { <-s.slots }()
				s.serve(conn)
				_ = conn.Close() // all is written, or nobody reads
			})
		default:
			s.tap.refused.Add(1)
			_ = conn.Close() // nothing was read or written
		}
	}
}

func (s *Server) serve(conn *net.UnixConn) {
	_ = conn.SetDeadline(time.Now().Add(askTime)) // a connection that is gone fails below
	// A collector that ends does not wait for who has only begun to ask.
	stopAsking := context.AfterFunc(s.ending, func() { _ = conn.SetReadDeadline(time.Now()) })
	peer, err := peerOf(conn)
	if err == nil {
		err = peer.mayAsk()
	}
	var request Request
	in := bufio.NewReader(io.LimitReader(conn, maxRequest))
	if err == nil {
		err = readRequest(in, &request)
	}
	if !stopAsking() {
		err = errEnding
	}
	var r *recording
	if err == nil {
		r, err = s.tap.begin(request)
	}
	if err != nil {
		s.tap.refused.Add(1)
		s.refusals.Do(func() { s.log.Warn("a capture is refused", "process", peer.Pid, "user", peer.Uid, "error", err) })
		_, _ = fmt.Fprintf(conn, "%s%v\n", answerRefused, err) // who asked may be gone
		return
	}
	defer s.tap.end(r)
	log := s.log.With("exporter", r.address.String(), "by", request.By, "process", peer.Pid, "user", peer.Uid)
	log.Info("a capture of raw datagrams begins", "time", request.For.String(), "count", request.Count, "bytes", request.Bytes)
	_ = conn.SetReadDeadline(time.Time{}) // as above
	why := s.write(conn, r)
	statistics := r.statistics()
	log.Info("a capture of raw datagrams has ended", "reason", why, "datagrams", statistics.Received-statistics.Dropped, "dropped", statistics.Dropped)
}

var errEnding = errors.New(endedDrain)

// readRequest reads a line of JSON.
func readRequest(in *bufio.Reader, request *Request) error {
	line, err := in.ReadSlice('\n')
	if err == nil {
		err = json.Unmarshal(line, request)
	}
	if err != nil {
		return fmt.Errorf("the request cannot be read: %w", err)
	}
	return request.Check()
}

// write writes the capture until it ends, and returns why it did.
func (s *Server) write(conn *net.UnixConn, r *recording) (why string) {
	closing := func() { _ = conn.Close() } // has a write fail that still waits
	defer time.AfterFunc(r.request.For, func() { r.stop(endedTime) }).Stop()
	defer time.AfterFunc(r.request.For+lastWrites, closing).Stop()
	defer context.AfterFunc(s.ending, func() {
		r.stop(endedDrain)
		time.AfterFunc(drainTime, closing)
	})()
	go func() { // who asked says nothing more; the end of what he says is to end the capture
		_, _ = io.Copy(io.Discard, conn) // any end is one
		r.stop(endedAsked)
	}()
	begin := capture.AppendSection(nil, s.application, "Datagrams of "+r.address.String()+" as a collector received them. "+capture.Remark)
	if !send(conn, []byte(answerGranted+"\n")) || !send(conn, capture.AppendInterface(begin, s.instance, "collector "+s.instance)) {
		return r.stop(endedReader)
	}
	spare := make([]byte, 0, bufferBytes)
	for going := true; going; {
		select {
		case <-r.wake:
		case <-r.full:
			going = false
		}
		if spare = r.swap(spare); !send(conn, spare) {
			r.stop(endedReader)
			return endedReader
		}
	}
	statistics := r.statistics()
	if !send(conn, capture.AppendStatistics(nil, 0, statistics)) {
		return endedReader
	}
	return statistics.Comment
}

// send writes, and reports whether it could.
func send(conn *net.UnixConn, b []byte) bool {
	for len(b) > 0 {
		_ = conn.SetWriteDeadline(time.Now().Add(writeTime)) // a connection that is gone fails at once
		n, err := conn.Write(b[:min(len(b), writeLength)])
		if err != nil {
			return false
		}
		b = b[n:]
	}
	return true
}
