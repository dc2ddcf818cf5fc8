package connect

import (
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
)

// JetStream returns the JetStream that a section of the configuration means, over a connection that Dial made for it. c is nil for
// the servers' own.
func JetStream(nc *nats.Conn, c *config.NATS) (js jetstream.JetStream, err error) {
	switch {
	case c != nil && c.Domain != "":
		js, err = jetstream.NewWithDomain(nc, c.Domain)
	case c != nil && c.APIPrefix != "":
		js, err = jetstream.NewWithAPIPrefix(nc, c.APIPrefix)
	default:
		js, err = jetstream.New(nc)
	}
	if err != nil {
		return nil, fmt.Errorf("preparing JetStream: %w", err)
	}
	return js, nil
}
