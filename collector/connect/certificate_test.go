package connect

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
)

// Whoever connects to a server that hangs up on a certificate is told the same, in the words of the settings at hand.
func TestAServerThatHangsUpOnACertificateWantsAnother(t *testing.T) {
	s := CertificateSettings{Authority: "ca", ServerName: "name", Client: "own"}
	for text, want := range map[string]string{
		"remote error: tls: certificate required":                                  "server wants a client certificate that it trusts: see own",
		"remote error: tls: bad certificate":                                       "server wants a client certificate that it trusts: see own",
		"connection closed by remote after TLS handshake: read: ECONNRESET":        "server wants a client certificate that it trusts: see own",
		"nats: Authorization Violation":                                            "",
		"dial tcp 192.0.2.1:4222: connect: connection refused":                     "",
		"read tcp 192.0.2.1:39000->192.0.2.2:4222: read: connection reset by peer": "",
	} {
		if got := CertificateHint(errors.New(text), "server", s); got != want {
			t.Errorf("%s: %q, not %q", text, got, want)
		}
	}
	err := fmt.Errorf("%w: connection closed by remote after TLS handshake: %w", nats.ErrTLS, errors.New("EOF"))
	if got, want := hint(err), "the server wants a client certificate that it trusts: see nats.tls.certFile"; got != want {
		t.Errorf("a collector says %q, not %q", got, want)
	}
}
