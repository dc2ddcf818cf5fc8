package rig

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// address returns a node's, by its name.
func address(node string) (netip.Addr, error) {
	number, err := strconv.Atoi(strings.TrimPrefix(node, "n"))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("node %s: %w", node, err)
	}
	return plan.NodeAddress(number), nil
}

// Pin makes the router send all that goes to the fleet to one node, as it does when its own choice changes; "" ends that.
func (r *Rig) Pin(ctx context.Context, f Fleet, node string) error {
	if node == "" {
		_, err := output(r.Exec(ctx, "router", "ip", "route", "delete", f.Address, "metric", "1"))
		return err
	}
	via, err := address(node)
	if err == nil {
		_, err = output(r.Exec(ctx, "router", "ip", "route", "replace", f.Address, "via", via.String(), "metric", "1"))
	}
	return err
}

// NextHops waits until the router spreads over so many nodes. Where the router is not ours nothing can be waited for.
func (r *Rig) NextHops(ctx context.Context, f Fleet, number int) error {
	if !r.OwnsNodes() {
		return nil
	}
	return Await(ctx, 90*time.Second, func() error {
		out, err := output(r.Exec(ctx, "router", "ip", "route", "show", f.Address, "proto", "bird"))
		if err == nil && strings.Count(out, "via ") != number {
			err = fmt.Errorf("not %d next hops: %s", number, out)
		}
		return err
	})
}

// Settled waits until the router spreads over so many nodes, and all of these take what it sends.
func (r *Rig) Settled(ctx context.Context, f Fleet, number int) error {
	if err := r.NextHops(ctx, f, number); err != nil {
		return err
	}
	return r.Reachable(ctx, f)
}

// RouteChanges follows the router's routes to the fleet until it is told to end, and returns when they changed. They are
// followed from the moment that it returns.
func (r *Rig) RouteChanges(ctx context.Context, f Fleet) (end func() []time.Time, err error) {
	ctx, cancel := context.WithCancel(ctx)
	command := r.Exec(ctx, "router", "ip", "monitor", "route")
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	changes := make(chan []time.Time, 1)
	go func() {
		var times []time.Time
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if destination, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "Deleted "), " "); destination == f.Address {
				times = append(times, time.Now())
			}
		}
		changes <- times
	}()
	// Nothing tells when it listens; that takes milliseconds.
	select {
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond):
	}
	return func() []time.Time {
		cancel()
		times := <-changes
		_ = command.Wait() // it was interrupted
		return times
	}, nil
}
