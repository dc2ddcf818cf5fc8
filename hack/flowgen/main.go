// Command flowgen sends flows of many exporters, with records that are numbered, and verifies record by record at the other
// end, which is a JetStream stream: each arrived exactly once, or is named as lost.
//
//	flowgen run --target 10.79.0.1 --source 10.78.128.1 --exporters 200 --rate 5000 --duration 1m \
//	  --server nats://10.79.0.2:4222 --stream flows
//
// The exit status is 0 when each record arrived exactly once, as it was sent.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// errBad ends with status 1 after a report that says why.
var errBad = errors.New("not every record arrived exactly once")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "flowgen:", err)
		os.Exit(1)
	}
}
