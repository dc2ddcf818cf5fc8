package connect

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Cause returns why a request over a connection of Dial failed. While no server is connected, the library only says that it had no
// room to keep the request: then the error is what the last attempt to connect ran into, with what to do where that is known, and still
// wraps err. Any other err stays.
func Cause(nc *nats.Conn, err error) error {
	if !errors.Is(err, nats.ErrReconnectBufExceeded) {
		return err
	}
	if why := Why(nc); why != nil {
		return &unconnected{request: err, why: why}
	}
	return err
}

// Denied adds to the error of a request that got no answer in time what the server last said that the connection's user may not do, and
// what to do about it: a server does not answer a request that it does not permit. nil, and any other err, stays.
func Denied(nc *nats.Conn, err error) error {
	last := nc.LastError()
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) || !errors.Is(last, nats.ErrPermissionViolation) {
		return err
	}
	return fmt.Errorf("%w: %w (%s)", err, last, hint(last))
}

// Why returns what the last attempt to connect ran into; nil where a server is connected, and where no attempt has failed yet.
func Why(nc *nats.Conn) error {
	if nc.IsConnected() {
		return nil
	}
	if d, ok := nc.Opts.CustomDialer.(*dialer); ok {
		if failed := d.failed.Load(); failed != nil {
			return *failed
		}
	}
	return nc.LastError()
}

// unconnected is the error of a request that had no server to go to.
type unconnected struct{ request, why error }

func (e *unconnected) Error() string { return connecting(e.why) }

// Trouble says why no server is connected, with what to do where that is known; it is empty where one is.
func Trouble(nc *nats.Conn) string {
	if nc.IsConnected() {
		return ""
	}
	if why := Why(nc); why != nil {
		return connecting(why)
	}
	return "no NATS server is connected"
}

func connecting(why error) string {
	text := "connecting to NATS: " + why.Error()
	if hint := hint(why); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

func (e *unconnected) Unwrap() []error { return []error{e.request, e.why} }
