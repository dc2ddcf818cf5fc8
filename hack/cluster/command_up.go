package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/hack/cluster/addon"
	"github.com/flowfleet/flowfleet/hack/cluster/cgroup"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// programs is what a cluster runs.
var programs = []string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl",
	"containerd", "containerd-shim-runc-v2", "ctr", "runc", "bridge", "loopback", "host-local",
	"coredns", "metallb-controller", "metallb-speaker",
}

func newUp(name *string) *cobra.Command {
	var p plan.Plan
	command := &cobra.Command{
		Use:   "up",
		Short: "Bring the cluster up (about 30 s; about 15 minutes on 2 cores the first time, when all is built)",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			p.Name = *name
			return up(command.Context(), p)
		},
	}
	command.Flags().IntVar(&p.Nodes, "nodes", 3, "number of nodes")
	command.Flags().StringVar(&p.ProxyMode, "proxy-mode", "nftables", "how kube-proxy works: nftables or iptables")
	command.Flags().StringVar(&p.Balancer, "balancer", "bgp", "how MetalLB announces Services that do not say: bgp or l2")
	return command
}

// up brings a cluster up, or leaves nothing behind.
func up(ctx context.Context, p plan.Plan) (err error) {
	progress := newProgress()
	if err := checkChoices(p); err != nil {
		return err
	}
	builder, binaries, err := buildPrograms(ctx, progress)
	if err != nil {
		return err
	}
	p.Binaries = binaries
	p.Store = builder.Cache
	if p.Directory, err = directory(p.Name); err != nil {
		return err
	}
	if p.Cgroups, err = cgroup.Paths("flowfleet-cluster-" + p.Name); err != nil {
		return err
	}
	if err := claim(p); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			progress.say("taking down what was begun")
			err = errors.Join(err, tearDown(context.WithoutCancel(ctx), p, ctx.Err() == nil))
		}
	}()
	for _, path := range p.Cgroups {
		if err := cgroup.Add(path); err != nil {
			return err
		}
	}
	progress.say("images: writing CoreDNS and MetalLB")
	if err := writeImages(ctx, p); err != nil {
		return err
	}
	progress.say("control plane and %d nodes: starting", p.Nodes)
	if err := startSupervisor(ctx, p); err != nil {
		return err
	}
	k := kubectl{p}
	if err := k.await(ctx, time.Minute, "the API server", "get", "--raw", "/readyz"); err != nil {
		return err
	}
	progress.say("API server: ready")
	if err := k.apply(ctx, addon.CoreDNS()); err != nil {
		return err
	}
	metallb, err := addon.MetalLB(ctx, builder.Modules)
	if err != nil {
		return err
	}
	if err := k.apply(ctx, metallb); err != nil {
		return err
	}
	if err := k.awaitNodes(ctx, p.Nodes); err != nil {
		return err
	}
	progress.say("nodes: %d are Ready", p.Nodes)
	if err := k.awaitAddons(ctx, p); err != nil {
		return err
	}
	progress.say("CoreDNS and MetalLB (%s): ready", p.Balancer)
	fmt.Printf("\nThe cluster is up. To reach it:\n    export KUBECONFIG=%s\n", p.Kubeconfig("admin"))
	return nil
}

func checkChoices(p plan.Plan) error {
	switch {
	case p.Nodes < 1 || p.Nodes > plan.MaxNodes:
		return fmt.Errorf("--nodes %d: from 1 to %d can be", p.Nodes, plan.MaxNodes)
	case p.ProxyMode != "nftables" && p.ProxyMode != "iptables":
		return fmt.Errorf("--proxy-mode %s: it is nftables or iptables", p.ProxyMode)
	case p.Balancer != "bgp" && p.Balancer != "l2":
		return fmt.Errorf("--balancer %s: it is bgp or l2", p.Balancer)
	}
	return nil
}
