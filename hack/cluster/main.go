// Command cluster runs a real Kubernetes cluster on one Linux machine, without a container engine and without a registry:
// an API server, etcd, controllers and a scheduler, nodes with containerd, kubelet and kube-proxy in namespaces of their
// own, CoreDNS, MetalLB, and a router with a network of exporters behind it. Its programs are built from modules that
// hack/modules pins.
//
//	go run ./hack/cluster up                              # three nodes
//	export KUBECONFIG=$(go run ./hack/cluster kubeconfig)  # any client of this machine reaches it
//	go run ./hack/cluster exec exporter -- softflowd ...  # a program behind the router
//	go run ./hack/cluster down                            # nothing of it is left
//
// It needs root, since it makes namespaces, mounts and control groups. Everything descends from one process: when that
// ends, so does the whole cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	var name string
	command := &cobra.Command{
		Use:           "cluster",
		Short:         "A real Kubernetes cluster on one Linux machine",
		SilenceUsage:  true,
		SilenceErrors: true,
		// Flags before the name of a command are this command's, also where a command leaves its own to a program.
		TraverseChildren: true,
	}
	command.PersistentFlags().StringVar(&name, "name", "flowfleet", "the cluster's name: several can run side by side")
	command.AddCommand(
		newUp(&name), newDown(&name), newStatus(&name), newLoadImage(&name), newKubectl(&name), newKubeconfig(&name),
		newLogs(&name), newExec(&name), newNode(&name), newCheck(), newBuild(),
		newSupervise(), newNodeInit(), newProbe(),
	)
	return command
}
