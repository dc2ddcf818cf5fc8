package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

// applyFleet applies the demo's fleet, and waits until it is Ready. Where exporters have addresses of their own, flows carry their names.
func applyFleet(ctx context.Context, cluster *rig.Rig, name string) (rig.Fleet, error) {
	namespace := cluster.Namespaces().Fleet
	spec := []string{"  batch: " + batch}
	if cluster.OwnsNodes() {
		if err := errors.Join(cluster.Namespace(ctx, namespace), cluster.Apply(ctx, namesManifest(namespace))); err != nil {
			return rig.Fleet{}, err
		}
		spec = append(spec, "exporters: {namesFrom: {name: "+namesName+"}}")
	}
	return cluster.Fleet(ctx, namespace, name, spec...)
}

// show prints what kubectl says.
func show(ctx context.Context, cluster *rig.Rig, arguments ...string) error {
	command := cluster.KubectlCommand(ctx, arguments...)
	fmt.Println("\n$ kubectl", strings.Join(arguments, " "))
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// tail shows flows of a protocol as they come; of all protocols, until the context ends, where it is empty.
func tail(ctx context.Context, cluster *rig.Rig, fleet rig.Fleet, protocol string, flows int) error {
	subject := fmt.Sprintf("flows.%s.%s.", fleet.Namespace, fleet.Name)
	arguments := []string{cluster.Collector, "tail", "--server", fleet.Server, "--fleet", fleet.String()}
	if protocol == "" {
		arguments = append(arguments, "--subject", subject+">")
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Minute)
		defer cancel()
		fmt.Println("\n" + protocol)
		arguments = append(arguments, "--subject", subject+protocol, "--count", fmt.Sprint(flows))
	}
	command := cluster.Exec(ctx, "exporter", arguments...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil && protocol != "" {
		return fmt.Errorf("no %d flows of %s within a minute: %w", flows, protocol, err)
	}
	return nil
}

// export lets the exporters send to the fleet of the demo, and shows the flows, until the context ends.
func export(ctx context.Context) error {
	if err := needsRoot(os.Geteuid(), "demo-exporters"); err != nil {
		return err
	}
	if err := prepare(ctx); err != nil {
		return err
	}
	cluster, err := rig.Attach(ctx, where(os.Stdout))
	if err != nil {
		return err
	}
	defer func() { _ = cluster.Leave() }()
	fleet, err := applyFleet(ctx, cluster, "edge")
	if err != nil {
		return err
	}
	stop, err := startExporters(ctx, cluster, fleet)
	if err != nil {
		return err
	}
	defer stop()
	cluster.Say("softflowd and pmacctd send to %s; their flows, until you press Ctrl-C:", fleet.Address)
	return tail(ctx, cluster, fleet, "", 0)
}

// remove takes the demo down, wherever it is.
func remove(ctx context.Context) error {
	return rig.Remove(ctx, where(os.Stdout))
}

// roll restarts the fleet in the midst of load.
func roll(ctx context.Context, cluster *rig.Rig, fleet rig.Fleet, duration time.Duration) (check.Report, error) {
	restarted := make(chan error, 1)
	go func() {
		select {
		case <-ctx.Done():
			restarted <- ctx.Err()
			return
		case <-time.After(5 * time.Second):
		}
		_, err := cluster.Kubectl(ctx, "--namespace", fleet.Namespace, "rollout", "restart", fleet.DaemonSet())
		if err == nil {
			began := time.Now()
			_, err = cluster.Kubectl(ctx, "--namespace", fleet.Namespace, "rollout", "status", fleet.DaemonSet(), "--timeout=3m")
			if err == nil {
				cluster.Say("all collectors were replaced within %s", time.Since(began).Round(time.Second))
			}
		}
		restarted <- err
	}()
	report, err := cluster.Traffic(ctx, fleet, "--exporters", fmt.Sprint(numberOfLoaded), "--rate", "2000", "--records", "10", "--duration", duration.String())
	return report, errors.Join(err, <-restarted)
}
