// Command demo runs the collector's whole job on one machine: an embedded NATS server, two collectors that share one
// bucket, and real exporters (softflowd and pmacctd) that watch traffic on the loopback interface. Their datagrams reach
// the collectors in turns, as behind a load balancer that changes its mind with every datagram. Then one collector is
// killed and started again, and gets data only: what it needs to decode it, it has from the bucket.
//
// It ends with a table of what was sent, received, decoded and published. The exit status is 0 when nothing was lost.
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
)

func main() {
	binary := flag.String("collector", "bin/collector", "the collector's binary")
	duration := flag.Duration("duration", 10*time.Second, "how long to run before the collector is killed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := prepare()
	if err == nil {
		err = run(ctx, *binary, *duration)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

var began = time.Now()

// step announces what happens next.
func step(format string, args ...any) {
	fmt.Printf("\n[%5.1fs] %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
}

// quiet is how long everything takes to come to rest: the longest flow timeout of the exporters, and the age of a batch.
const quiet = 3 * time.Second

// run runs the demo once. Whatever its end, nothing that it started goes on, and no file of it stays.
func run(ctx context.Context, binary string, duration time.Duration) (err error) {
	directory, err := os.MkdirTemp("", "flowfleet-demo-")
	if err != nil {
		return err
	}
	defer func() {
		if ctx.Err() != nil {
			err = errors.New("interrupted. Nothing of it is left; \"make demo-local\" begins again")
		}
		err = errors.Join(err, os.RemoveAll(directory))
	}()

	step("starting collector a, with NATS and JetStream inside, and collector b")
	a, err := startCollector(ctx, binary, directory, "a", "")
	if err != nil {
		return err
	}
	defer a.kill()
	b, err := startCollector(ctx, binary, directory, "b", a.nats)
	if err != nil {
		return err
	}
	defer func() { b.kill() }()

	step("starting softflowd (NetFlow v9) and pmacctd (IPFIX and sFlow) on the loopback interface, and traffic for them")
	balancer, err := newBalancer(a.address, b.address)
	if err != nil {
		return err
	}
	defer balancer.close()
	exporters, err := startExporters(ctx, directory, balancer)
	if err != nil {
		return err
	}
	defer exporters.stop()
	stopTraffic, err := startTraffic(ctx)
	if err != nil {
		return err
	}
	defer stopTraffic()
	step("flows as they arrive on JetStream (collector tail), for %s:", duration)
	tail, err := startTail(ctx, binary, a.nats)
	if err != nil {
		return err
	}
	defer tail.kill()
	if err := sleep(ctx, duration); err != nil {
		return err
	}

	step("collector b is taken out of the rotation and killed (SIGKILL); collector a goes on")
	balancer.use(onlyA)
	if err := b.rest(ctx); err != nil {
		return err
	}
	before, err := b.read()
	if err != nil {
		return err
	}
	b.kill()
	if err := sleep(ctx, 2*time.Second); err != nil {
		return err
	}
	step("collector b starts again, and gets data only: all templates go to a")
	if b, err = startCollector(ctx, binary, directory, "b", a.nats); err != nil {
		return err
	}
	balancer.retarget(b.address)
	atReady, err := b.read()
	if err != nil {
		return err
	}
	step("b is ready, with %.0f templates and sampling rates from the bucket", atReady.restored)
	balancer.use(dataToB)
	after, err := b.awaitSets(ctx, 4)
	if err != nil {
		return err
	}
	step("b decoded %.0f flows out of its first %.0f data sets and of sFlow; %.0f sets had to wait, %.0f templates were sent to it",
		after.records, after.sets, after.held, after.learned)
	balancer.use(inTurns)
	if err := sleep(ctx, 3*time.Second); err != nil {
		return err
	}

	step("stopping the exporters, and counting")
	stopTraffic()
	exporters.stop()
	if err := sleep(ctx, quiet); err != nil {
		return err
	}
	tail.kill()
	return report(ctx, a, b, before, after, balancer.sent())
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
