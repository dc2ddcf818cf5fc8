// Command chdb sees to it that ClickHouse's engine is there, as a library that tests and the demo load, and prints its path:
//
//	CHDB_LIB_PATH=$(go run ./hack/chdb) go test ./collector/sink/...
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/flowfleet/flowfleet/hack/chdb/library"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	path, err := library.Fetch(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chdb:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}
