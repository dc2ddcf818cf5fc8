package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/hack/cluster/addon"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// kubectl runs kubectl as the cluster's administrator.
type kubectl struct{ plan plan.Plan }

func (k kubectl) command(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, k.plan.Program("kubectl"), arguments...)
	command.Env = k.env()
	return command
}

func (k kubectl) env() []string {
	return append(os.Environ(), "KUBECONFIG="+k.plan.Kubeconfig("admin"))
}

func (k kubectl) output(ctx context.Context, arguments ...string) (string, error) {
	command := k.command(ctx, arguments...)
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, bytes.TrimSpace(problems.Bytes()))
	}
	return string(out), nil
}

// apply applies manifests, by server-side apply: some are too large for the other way.
func (k kubectl) apply(ctx context.Context, manifests []byte) error {
	command := k.command(ctx, "apply", "--server-side", "--force-conflicts", "-f", "-")
	command.Stdin = bytes.NewReader(manifests)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w\n%s", err, out)
	}
	return nil
}

// await tries until kubectl succeeds.
func (k kubectl) await(ctx context.Context, limit time.Duration, what string, arguments ...string) error {
	return await(ctx, limit, what, func(ctx context.Context) error {
		_, err := k.output(ctx, arguments...)
		return err
	})
}

func await(ctx context.Context, limit time.Duration, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("after %s", limit))
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %w", what, context.Cause(ctx), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// awaitNodes waits until so many nodes are Ready.
func (k kubectl) awaitNodes(ctx context.Context, number int) error {
	return await(ctx, 2*time.Minute, fmt.Sprintf("%d nodes to be Ready", number), func(ctx context.Context) error {
		out, err := k.output(ctx, "get", "nodes", "-o",
			`jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`)
		if err != nil {
			return err
		}
		if ready := strings.Count(out, "True"); ready < number {
			return fmt.Errorf("%d of %d are Ready", ready, number)
		}
		return nil
	})
}

// awaitAddons waits until DNS answers and the balancer has its pools. Its webhook refuses them until it has a certificate.
func (k kubectl) awaitAddons(ctx context.Context, p plan.Plan) error {
	const limit = 3 * time.Minute
	for _, workload := range [][2]string{
		{"metallb-system", "deployment/controller"}, {"kube-system", "deployment/coredns"}, {"metallb-system", "daemonset/speaker"},
	} {
		if err := k.await(ctx, limit, workload[1], "-n", workload[0], "rollout", "status", workload[1], "--timeout=60s"); err != nil {
			return err
		}
	}
	return await(ctx, time.Minute, "MetalLB to take its pools", func(ctx context.Context) error {
		return k.apply(ctx, addon.Pools(p.Balancer))
	})
}

func newKubectl(name *string) *cobra.Command {
	return &cobra.Command{
		Use: "kubectl ARGUMENT...", Short: "Run kubectl with the cluster",
		DisableFlagParsing: true, // they are kubectl's
		RunE: func(_ *cobra.Command, arguments []string) error {
			p, err := existing(*name)
			if err != nil {
				return err
			}
			program := p.Program("kubectl")
			return syscall.Exec(program, append([]string{program}, arguments...), kubectl{p}.env())
		},
	}
}

func newKubeconfig(name *string) *cobra.Command {
	return &cobra.Command{
		Use: "kubeconfig", Short: "Print the path of the administrator's kubeconfig", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p, err := existing(*name)
			if err != nil {
				return err
			}
			fmt.Println(p.Kubeconfig("admin"))
			return nil
		},
	}
}
