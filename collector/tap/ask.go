//go:build linux

package tap

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// Capture is one that a collector has granted. Reading it gives the pcapng file as it grows.
type Capture struct {
	conn *net.UnixConn
	in   *bufio.Reader
}

// Ask asks the collector of this machine, or this container, whose HTTP server has that port. ctx ends asking, not the capture.
func Ask(ctx context.Context, port int, request Request) (*Capture, error) {
	if err := request.Check(); err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socketName(port))
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("no collector here takes captures: none runs whose http.address has port %d", port)
	}
	if err != nil {
		return nil, fmt.Errorf("asking the collector of port %d for a capture: %w", port, err)
	}
	c := &Capture{conn: conn.(*net.UnixConn), in: bufio.NewReaderSize(conn, 1<<16)}
	if err := c.ask(request); err != nil {
		return nil, errors.Join(fmt.Errorf("asking the collector of port %d for a capture: %w", port, err), conn.Close())
	}
	return c, nil
}

func (c *Capture) ask(request Request) error {
	server, err := peerOf(c.conn)
	if err == nil {
		err = server.mayAnswer()
	}
	if err != nil {
		return err
	}
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	_ = c.conn.SetDeadline(time.Now().Add(2 * askTime)) // a connection that is gone fails at once
	if _, err := c.conn.Write(append(line, '\n')); err != nil {
		return err
	}
	answer, err := c.in.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("it gives no answer: %w", err)
	}
	if words := strings.TrimSpace(string(answer)); words != answerGranted {
		return errors.New(strings.TrimPrefix(words, answerRefused))
	}
	return c.conn.SetDeadline(time.Time{})
}

// Read implements io.Reader.
func (c *Capture) Read(b []byte) (int, error) { return c.in.Read(b) }

// End has the collector end the capture. What it has of it can still be read, up to io.EOF.
func (c *Capture) End() { _ = c.conn.CloseWrite() } // where it fails the capture has ended

// Close lets go of the capture, read to its end or not.
func (c *Capture) Close() error { return c.conn.Close() }

var _ io.ReadCloser = (*Capture)(nil)
