package jetstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// What a server is told when it is connected to, it may repeat, as one that logs to its clients: nothing of it stands in an error, which ends in
// conditions that many may read.
func TestAServerThatRepeatsWhatItWasToldTellsNobodyASecret(t *testing.T) {
	const secret = "hunter2-of-edge"
	for name, server := range map[string]Server{
		"a token":    {Token: secret},
		"a password": {User: "edge", Password: secret},
	} {
		server.URLs = []string{natstest.Listen(t, func(c net.Conn) {
			defer func() { _ = c.Close() }()
			_, _ = io.WriteString(c, `INFO {"server_id":"echo","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576,"auth_required":true}`+"\r\n")
			line, err := bufio.NewReader(c).ReadString('\n')
			if err == nil {
				_, _ = fmt.Fprintf(c, "-ERR 'not understood: %s'\r\n", strings.TrimSpace(line))
			}
		})}
		c, err := Connect(context.WithoutCancel(t.Context()), &server)
		if err == nil {
			c.Close()
			t.Fatalf("%s: it is connected to", name)
		}
		if text := err.Error(); strings.Contains(text, secret) || !strings.Contains(text, "not understood") || !strings.Contains(text, "(redacted)") {
			t.Errorf("%s: %s", name, text)
		}
	}
}
