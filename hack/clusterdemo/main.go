// Command clusterdemo shows the operator's whole job on a real cluster of this machine: NATS and the operator installed, a
// FlowCollector applied, real exporters (softflowd and pmacctd) behind a router, their flows as they arrive, and a rolling
// restart of the fleet under load, with each record accounted for. The cluster stays up, to try things.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

func main() {
	traffic := flag.Bool("traffic", false, "make traffic for exporters to watch, until interrupted; nothing else")
	down := flag.Bool("down", false, "take the cluster down at the end")
	duration := flag.Duration("duration", 45*time.Second, "how long the load of the rolling restart takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *traffic {
		err = makeTraffic(ctx)
	} else {
		err = demo(ctx, *duration, *down)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, duration time.Duration, down bool) (err error) {
	if err := prepare(ctx); err != nil {
		return err
	}
	options := rig.FromEnvironment()
	options.Name, options.Progress = "flowfleet", os.Stdout
	cluster, err := rig.Up(ctx, options)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil || down {
			cluster.Say("taking the cluster down")
			err = errors.Join(err, cluster.Down(context.WithoutCancel(ctx)))
		} else {
			err = cluster.Leave()
		}
	}()
	cluster.Say("applying a FlowCollector, and waiting until it is Ready")
	fleet, err := cluster.Fleet(ctx, rig.FleetNamespace, "edge")
	if err != nil {
		return err
	}
	if err := cluster.NextHops(ctx, fleet, 3); err != nil {
		return err
	}
	if err := show(ctx, cluster, "--namespace", fleet.Namespace, "get", "flowcollector", "edge", "-o", "wide"); err != nil {
		return err
	}
	cluster.Say("softflowd (NetFlow v5 and v9) and pmacctd (IPFIX and sFlow) start behind the router, and send to %s", fleet.Address)
	stop, err := startExporters(ctx, cluster, fleet)
	if err != nil {
		return err
	}
	defer stop()
	cluster.Say("flows as they arrive on JetStream (collector tail), of each protocol:")
	for _, protocol := range []string{"netflow5", "netflow9", "ipfix", "sflow"} {
		if err := tail(ctx, cluster, fleet, protocol, 5); err != nil {
			return err
		}
	}
	stop()
	cluster.Say("rolling restart of the fleet, while 60 exporters send 2,000 datagrams/s to it")
	if err := roll(ctx, cluster, fleet, duration); err != nil {
		return err
	}
	if err := show(ctx, cluster, "--namespace", fleet.Namespace, "describe", "flowcollector", "edge"); err != nil {
		return err
	}
	switch {
	case down:
	case !cluster.OwnsNodes():
		fmt.Println(`
All of it stays. Remove it with:
    kubectl delete flowcollectors.flowfleet.io --all --all-namespaces
    helm uninstall flowfleet --namespace flowfleet-system
    kubectl delete namespace -l app.kubernetes.io/managed-by=flowfleet-rig
    kubectl delete crd flowcollectors.flowfleet.io`)
	default:
		fmt.Printf(`
The cluster stays up. Try:
    export KUBECONFIG=$(go run ./hack/cluster kubeconfig)
    kubectl -n flows get fcol -o wide --watch
    go run ./hack/cluster node kill n2          # and "node start n2"
    go run ./hack/cluster exec exporter -- softflowd -i lo -v 9 -n %s:2055
Take it down:
    make cluster-down
`, fleet.Address)
	}
	return nil
}

// show prints what kubectl says.
func show(ctx context.Context, cluster *rig.Rig, arguments ...string) error {
	command := cluster.KubectlCommand(ctx, arguments...)
	fmt.Println("\n$ kubectl", joined(arguments))
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

func joined(arguments []string) (line string) {
	for i, argument := range arguments {
		if i > 0 {
			line += " "
		}
		line += argument
	}
	return line
}

// tail shows flows of a protocol as they come.
func tail(ctx context.Context, cluster *rig.Rig, fleet rig.Fleet, protocol string, flows int) error {
	folder, err := os.MkdirTemp("", "flowfleet-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	config := filepath.Join(folder, "collector.yaml")
	if err := os.WriteFile(config, []byte(fmt.Sprintf("nats: {urls: [%q]}\noutput: {stream: {name: %s}}\n", fleet.Server, fleet.Stream())), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	command := cluster.Exec(ctx, "exporter", cluster.Collector, "tail", "--config", config, "--count", fmt.Sprint(flows),
		"--subject", fmt.Sprintf("flows.%s.%s.%s", fleet.Namespace, fleet.Name, protocol))
	fmt.Println("\n" + protocol)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("no %d flows of %s within a minute: %w", flows, protocol, err)
	}
	return nil
}

// roll restarts the fleet in the midst of load.
func roll(ctx context.Context, cluster *rig.Rig, fleet rig.Fleet, duration time.Duration) error {
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
			cluster.Say("all collectors were replaced within %s", time.Since(began).Round(time.Second))
		}
		restarted <- err
	}()
	report, err := cluster.Traffic(ctx, fleet, "--exporters", "60", "--rate", "2000", "--records", "10", "--duration", duration.String())
	if err := errors.Join(err, <-restarted); err != nil {
		return err
	}
	fmt.Println()
	report.Print(os.Stdout)
	fmt.Println()
	if !report.Good() {
		return errors.New("not every record arrived exactly once")
	}
	return nil
}
