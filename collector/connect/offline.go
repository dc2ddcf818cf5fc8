package connect

import (
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// codeOffline is JetStream's for a stream or bucket of which no server that runs has a copy (nats-server, JSStreamOfflineErr); nats.go has no
// name for it.
const codeOffline jetstream.ErrorCode = 10118

// OfflineHint says what to do where the servers that hold a stream or bucket are away while others answer; it is empty for any other error.
func OfflineHint(err error) string {
	var api *jetstream.APIError
	if !errors.As(err, &api) || api.ErrorCode != codeOffline {
		return ""
	}
	return "the NATS servers that hold it do not run: bring them back; with one copy (replicas: 1) no other server can take over"
}
