// Command binaries builds programs that the project's tests and tools run (etcd, kube-apiserver, kubectl and others) from
// the modules that hack/modules pins, so that nothing is needed but the Go module proxy. It keeps them in a cache outside
// the clone, and prints the one directory that holds those named:
//
//	KUBEBUILDER_ASSETS=$(go run ./hack/binaries etcd kube-apiserver kubectl) go test ./controllers/...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

func main() {
	list := flag.Bool("list", false, "print the names of all programs, and end")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: binaries [-list] PROGRAM...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *list {
		for _, program := range build.Catalogue {
			fmt.Println(program.Name)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, flag.Args()); err != nil {
		if errors.Is(err, context.Canceled) {
			err = errors.New("interrupted; what was built so far is kept")
		}
		fmt.Fprintln(os.Stderr, "binaries:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	builder, err := build.New(os.Stderr)
	if err != nil {
		return err
	}
	directory, err := builder.Build(ctx, names...)
	if err != nil {
		return err
	}
	fmt.Println(directory)
	return nil
}
