// Package capacity makes streams and buckets of a size that the server has room for. JetStream reserves the whole maxBytes of a
// stream when it is made, and refuses it where server or account have less left.
package capacity

import (
	"errors"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
)

// Hint says what to do about an error that Exceeded reports.
const Hint = "server or account have no room for its maxBytes: ask for a smaller maxBytes, or give JetStream more room " +
	"(max_file_store and its volume, or the account's limits)"

// least is the smallest size that is tried: flows of some minutes of a small network, or templates of thousands of exporters.
const least config.Size = 16 << 20

// step is what a size that was refused is divided by. A larger one than 2 leaves room for others beside it.
const step = 4

// Create makes a stream or bucket of the size configured. Where none is (0), it is the standard one, or the largest of its
// quarters, sixteenths and so on that the server has room for. It returns the size that was made, or the last refusal.
func Create(configured, standard config.Size, create func(maxBytes config.Size) error) (config.Size, error) {
	if configured != 0 {
		return configured, create(configured)
	}
	for size := standard; ; size = max(size/step, least) {
		err := create(size)
		if err == nil || !Exceeded(err) || size <= least {
			return size, err
		}
	}
}

// Codes of JetStream for what a smaller maxBytes may heal; nats.go has no names for them.
const (
	codeAccountResources   jetstream.ErrorCode = 10002
	codeNoSuitablePeers    jetstream.ErrorCode = 10005
	codeInsufficient       jetstream.ErrorCode = 10023
	codeInsufficientMemory jetstream.ErrorCode = 10028
	codeInsufficientStore  jetstream.ErrorCode = 10047
	codeMaxStreamBytes     jetstream.ErrorCode = 10122
)

// codeStoreFailed is for a message that a stream could not store, such as one beyond its bytes (nats-server, JSStreamStoreFailedF).
const codeStoreFailed jetstream.ErrorCode = 10077

// Full reports whether a stream, or an account, has no room for a message.
func Full(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == codeStoreFailed || api.ErrorCode == codeInsufficientStore)
}

// Exceeded reports whether JetStream refused something because server or account have no room for its maxBytes.
func Exceeded(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeAccountResources, codeInsufficient, codeInsufficientMemory, codeInsufficientStore, codeMaxStreamBytes:
		return true
	case codeNoSuitablePeers: // a cluster has one code for all that keeps its servers from taking a replica
		return strings.Contains(api.Description, "insufficient storage")
	}
	return false
}
