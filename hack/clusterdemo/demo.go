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

// stage is what the steps of the demo share.
type stage struct {
	cluster  *rig.Rig
	fleet    rig.Fleet
	duration time.Duration
	report   check.Report
	stop     func() // the exporters; nil before they start
	stored   bool   // the flows, in ClickHouse
}

// step is one of the demo, on a cluster that is up.
type step struct {
	// name says what it does, for who waits, and what failed.
	name string
	run  func(ctx context.Context, s *stage) error
	// look is what to type where it fails, on a cluster that stays.
	look string
}

// seeFleet, seePods and seeSink tell why a fleet, its pods, and what stores its flows, are as they are. NAMESPACE is the fleet's.
const (
	seeFleet = "kubectl -n NAMESPACE describe flowcollector edge"
	seePods  = "kubectl -n NAMESPACE get pods,events"
	seeSink  = "kubectl -n NAMESPACE describe flowsink " + sinkName
)

// steps of the demo, in their order.
var steps = []step{
	{"applying a FlowCollector, and waiting until it is Ready", func(ctx context.Context, s *stage) error {
		f, err := applyFleet(ctx, s.cluster, s.fleet.Name)
		if err == nil {
			s.fleet = f
		}
		return err
	}, seeFleet},
	{"waiting until the router spreads exporters over the nodes", func(ctx context.Context, s *stage) error {
		return s.cluster.NextHops(ctx, s.fleet, 3)
	}, seePods},
	{"showing the fleet", func(ctx context.Context, s *stage) error {
		return show(ctx, s.cluster, "--namespace", s.fleet.Namespace, "get", "flowcollector", "edge", "-o", "wide")
	}, seeFleet},
	{"starting softflowd (NetFlow v5 and v9) and pmacctd (IPFIX and sFlow), which send to the fleet", func(ctx context.Context, s *stage) (err error) {
		s.stop, err = startExporters(ctx, s.cluster, s.fleet)
		return err
	}, "softflowd -h; pmacctd -V"},
	{"showing flows as they arrive on JetStream (collector tail), of each protocol", func(ctx context.Context, s *stage) error {
		defer s.stopExporters()
		for _, protocol := range []string{"netflow5", "netflow9", "ipfix", "sflow"} {
			if err := tail(ctx, s.cluster, s.fleet, protocol, 5); err != nil {
				return err
			}
		}
		return nil
	}, seeFleet},
	{"restarting the fleet, pod by pod, while 60 exporters send 2,000 datagrams/s to it", func(ctx context.Context, s *stage) (err error) {
		if s.report, err = roll(ctx, s.cluster, s.fleet, s.duration); err == nil {
			fmt.Println()
			s.report.Print(os.Stdout)
			fmt.Println()
		}
		return err
	}, seePods},
	{"storing all these flows in ClickHouse (a FlowSink), and asking it who talks most", store, seeSink},
}

// stopExporters stops those that run.
func (s *stage) stopExporters() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// failure of a step.
type failure struct {
	step step
	err  error
}

func (f *failure) Error() string { return f.step.name + ": " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// take takes the steps until one fails, or the context ends.
func take(ctx context.Context, s *stage, steps []step, say func(string, ...any)) error {
	for _, next := range steps {
		if err := ctx.Err(); err != nil {
			return &failure{next, err}
		}
		say("%s", next.name)
		if err := next.run(ctx, s); err != nil {
			return &failure{next, err}
		}
	}
	return nil
}

// place is where the demo runs, at its end.
type place interface {
	Say(format string, arguments ...any)
	Reused() bool // it was up before
	Leave() error
	Down(ctx context.Context) error
}

// finish leaves the cluster, or takes down what was begun. Of a failure it returns what somebody has to know: what failed, what is left, and
// what to type.
func finish(ctx context.Context, p place, s *stage, down bool, failed error) error {
	s.stopExporters()
	if failed == nil && (!down || p.Reused()) {
		return p.Leave()
	}
	var ending error
	left := ""
	if p.Reused() {
		ending = p.Leave()
		left = rig.Left(true, nil)
		if f := (*failure)(nil); errors.As(failed, &f) && ctx.Err() == nil {
			left += "\nTo see why: " + strings.ReplaceAll(f.step.look, "NAMESPACE", s.fleet.Namespace)
		}
	} else {
		p.Say("taking down what was begun")
		if ending = p.Down(context.WithoutCancel(ctx)); ending != nil {
			ending = fmt.Errorf("taking down what was begun: %w", ending)
		}
		left = rig.Left(false, ending)
	}
	if failed == nil && ending == nil {
		return nil
	}
	if f := (*failure)(nil); errors.As(failed, &f) && ctx.Err() != nil {
		failed = errors.New("interrupted while " + f.step.name) // how its programs ended does not matter
	}
	return fmt.Errorf("%w\n%s", errors.Join(failed, ending), left)
}

// interrupted takes the place of an error that is one of being interrupted, before the first step.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if u := (*rig.Unfinished)(nil); errors.As(err, &u) {
		// How its programs ended does not matter; why something could not be taken down does.
		return errors.Join(errors.New("interrupted while installing NATS and the operator"), u.Down, errors.New(u.Left()))
	}
	return errors.New("interrupted, and what was begun is taken down; what was built is kept for the next \"make demo\"")
}

// whereLost says what to type about records that did not arrive: the ledger has what no collector received, and a cluster of this machine
// what became of its routes.
func whereLost(ours bool, f rig.Fleet) string {
	text := fmt.Sprintf("\nTo see what the collectors received: kubectl -n %[1]s exec ds/%[2]s-collector -- /collector ledger %[2]s-collector-metrics:8080", f.Namespace, f.Name)
	if ours {
		text += "\nTo see since when the router has its routes, which a machine that is too busy loses: go run ./hack/cluster status"
	}
	return text
}

func demo(ctx context.Context, duration time.Duration, down, yes bool) error {
	options, err := choose(os.Stdout)
	if err != nil {
		return err
	}
	if err := needsRoot(os.Geteuid(), "demo"); err != nil {
		return err
	}
	if err := agree(ctx, options, yes, os.Stdin, os.Stdout); err != nil {
		return err
	}
	if err := prepare(ctx); err != nil {
		return interrupted(ctx, err)
	}
	cluster, err := rig.Up(ctx, options) // what it began it takes down where it fails
	if err != nil {
		return interrupted(ctx, err)
	}
	s := &stage{cluster: cluster, fleet: rig.Fleet{Namespace: cluster.Namespaces().Fleet, Name: "edge"}, duration: duration}
	if err := finish(ctx, cluster, s, down, take(ctx, s, steps, cluster.Say)); err != nil {
		return err
	}
	if !down {
		fmt.Print(next(cluster.OwnsNodes(), s.stored, s.fleet.Namespace))
	}
	if !s.report.Good() {
		return errors.New("not every record arrived exactly once" + whereLost(cluster.OwnsNodes(), s.fleet))
	}
	return nil
}
