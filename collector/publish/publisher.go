package publish

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/nats-io/nats.go"

	"github.com/flowfleet/flowfleet/collector/config"
)

// Publisher takes batches. Its methods may be called from any goroutine.
type Publisher interface {
	// Get returns an empty batch to be filled.
	Get() *Batch
	// Submit takes a batch over; the caller must not use it any more. It waits only where the policy is to block.
	Submit(*Batch)
	// StopWaiting makes Submit drop what finds no room, whatever the policy: the collector is about to end.
	StopWaiting()
	// Close sends what is waiting, until ctx ends; what is left is dropped and counted.
	Close(ctx context.Context) error
	Stats() Stats
	Status() Status
}

// New returns the Publisher for an output whose defaults are filled in. nc is for kind JetStream; the Publisher does not
// close it. instance makes message ids unique in the fleet.
func New(c config.Output, instance string, nc *nats.Conn, log *slog.Logger) (Publisher, error) {
	switch c.Kind {
	case config.OutputJetStream:
		return newJetStream(c, instance, nc, log)
	case config.OutputStdout:
		return newWriter(c, os.Stdout, nil, log), nil
	case config.OutputFile:
		file, err := os.OpenFile(c.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return nil, fmt.Errorf("opening the output: %w", err)
		}
		return newWriter(c, file, file, log), nil
	case config.OutputNone:
		return newWriter(c, nil, nil, log), nil
	}
	return nil, fmt.Errorf("output kind %q is not known", c.Kind)
}
