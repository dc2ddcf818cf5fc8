// Command clusterdemo shows the operator's whole job on a real cluster: NATS and the operator installed, a FlowCollector
// applied, real exporters (softflowd and pmacctd), their flows as they arrive, and a rolling restart of the fleet under load, with
// each record accounted for and stored in ClickHouse. The cluster stays up, to try things.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	traffic := flag.String("traffic", "", "make traffic between addresses that begin so, for exporters to watch, until interrupted; nothing else")
	exporters := flag.Bool("exporters", false, "let the exporters of the demo send to its fleet, on the cluster that is up, until interrupted")
	removal := flag.Bool("remove", false, "remove the demo, and end")
	question := flag.Bool("query", false, "ask the demo's ClickHouse what the variable SQL of the environment has; who talks most, where it is not set")
	down := flag.Bool("down", false, "take the cluster down at the end")
	yes := flag.Bool("yes", false, "change the cluster of KUBECONFIG without asking")
	duration := flag.Duration("duration", 45*time.Second, "how long the load of the rolling restart takes")
	flag.Parse()
	ctx, stop := untilEnded(context.Background())
	defer stop()
	var err error
	switch {
	case *traffic != "":
		err = makeTraffic(ctx, *traffic)
	case *removal:
		err = remove(ctx)
	case *exporters:
		err = export(ctx)
	case *question:
		err = query(ctx, os.Getenv("SQL"))
	default:
		err = demo(ctx, *duration, *down, *yes)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// untilEnded returns a context that ends when somebody ends the demo. A terminal that is closed, or a connection to it that is lost, does so as
// Ctrl-C does: otherwise nothing would take down what was begun, and exporters would run on.
func untilEnded(parent context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}

// firstQuestion is one that somebody can go on from.
const firstQuestion = "SELECT type, count(), sum(scaled_bytes) FROM flowfleet.flows GROUP BY type"

// next says what can be tried on the cluster that stays, and how it goes. There is more where flows were stored.
func next(ours, stored bool, namespace string) string {
	if !ours {
		return strings.ReplaceAll(`
All of it stays. Try:
    kubectl -n NAMESPACE get fcol -o wide --watch
    kubectl -n NAMESPACE exec ds/edge-collector -- /collector ledger
    make demo-exporters                         # let softflowd and pmacctd send again, and see the flows, until Ctrl-C
Remove it:
    make demo-down
`, "NAMESPACE", namespace)
	}
	ask := ""
	if stored {
		ask = "    make demo-query SQL='" + firstQuestion + "'\n"
	}
	return strings.NewReplacer("NAMESPACE", namespace, "ASK", ask).Replace(`
The cluster stays up. Try:
ASK    export KUBECONFIG=$(go run ./hack/cluster kubeconfig)
    kubectl -n NAMESPACE get fcol -o wide --watch
    make demo-exporters                         # let softflowd and pmacctd send again, and see the flows, until Ctrl-C
    go run ./hack/cluster node kill n2          # and "node start n2"
Take it down:
    make demo-down
`)
}
