// Command clusterdemo shows the operator's whole job on a real cluster: NATS and the operator installed, a FlowCollector
// applied, real exporters (softflowd and pmacctd), their flows as they arrive, and a rolling restart of the fleet under load, with
// each record accounted for. The cluster stays up, to try things.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

func main() {
	traffic := flag.String("traffic", "", "make traffic between addresses that begin so, for exporters to watch, until interrupted; nothing else")
	exporters := flag.Bool("exporters", false, "let the exporters of the demo send to its fleet, on the cluster that is up, until interrupted")
	removal := flag.Bool("remove", false, "remove the demo, and end")
	down := flag.Bool("down", false, "take the cluster down at the end")
	yes := flag.Bool("yes", false, "change the cluster of KUBECONFIG without asking")
	duration := flag.Duration("duration", 45*time.Second, "how long the load of the rolling restart takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case *traffic != "":
		err = makeTraffic(ctx, *traffic)
	case *removal:
		err = remove(ctx)
	case *exporters:
		err = export(ctx)
	default:
		err = demo(ctx, *duration, *down, *yes)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted; what was built is kept, and the next \"make demo\" goes on from there")
		}
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, duration time.Duration, down, yes bool) (err error) {
	options, err := choose(os.Stdout)
	if err != nil {
		return err
	}
	if err := prepare(ctx); err != nil {
		return err
	}
	if err := agree(options, yes, os.Stdin, os.Stdout); err != nil {
		return err
	}
	cluster, err := rig.Up(ctx, options)
	if err != nil {
		return err
	}
	defer func() {
		switch {
		case cluster.Reused():
			err = errors.Join(err, cluster.Leave())
		case err != nil || down:
			cluster.Say("taking down what was begun")
			err = errors.Join(err, cluster.Down(context.WithoutCancel(ctx)))
		default:
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
	cluster.Say("softflowd (NetFlow v5 and v9) and pmacctd (IPFIX and sFlow) start, and send to %s", fleet.Address)
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
	report, err := roll(ctx, cluster, fleet, duration)
	if err != nil {
		return err
	}
	if !down {
		fmt.Print(next(cluster.OwnsNodes()))
	}
	fmt.Println()
	report.Print(os.Stdout)
	if !report.Good() {
		return errors.New("not every record arrived exactly once")
	}
	return nil
}

// next says what can be tried on the cluster that stays, and how it goes.
func next(ours bool) string {
	if !ours {
		return `
All of it stays. Try:
    kubectl -n flows get fcol -o wide --watch
    kubectl -n flows exec ds/edge-collector -- /collector ledger
Remove it:
    make demo-down
`
	}
	return `
The cluster stays up. Try:
    export KUBECONFIG=$(go run ./hack/cluster kubeconfig)
    kubectl -n flows get fcol -o wide --watch
    make demo-exporters                         # let softflowd and pmacctd send again, and see the flows
    go run ./hack/cluster node kill n2          # and "node start n2"
Take it down:
    make demo-down
`
}
