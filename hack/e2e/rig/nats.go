package rig

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NATSServers are the pods, which are the servers' names too.
var NATSServers = []string{"nats-0", "nats-1", "nats-2"}

// manifestOfNATS returns the servers' manifest. On nodes of one's own a server waits for its own. On those of others it may not be that strict: a
// control plane that takes no pods counts as a node that lacks one, and then the third server waits for ever.
func manifestOfNATS(image, namespace string, ownNodes bool) string {
	spread := "DoNotSchedule"
	if !ownNodes {
		spread = "ScheduleAnyway"
	}
	return strings.NewReplacer("flowfleet.io/nats-server:e2e", image, "NAMESPACE", namespace, "DoNotSchedule", spread).Replace(natsManifest)
}

// NATSReady waits until all of them are.
func (r *Rig) NATSReady(ctx context.Context) error {
	_, err := r.Kubectl(ctx, "--namespace", r.Namespaces().NATS, "rollout", "status", "statefulset/nats", "--timeout=5m")
	return r.explained(ctx, err, r.Namespaces().NATS)
}

// reachesNATS waits until this machine reaches NATS by the address that a load balancer gives: without that the flows that arrive are not seen.
func (r *Rig) reachesNATS(ctx context.Context, limit time.Duration) error {
	r.Say("waiting until this machine reaches NATS by the address of a load balancer")
	err := Await(ctx, limit, func() error {
		server, err := r.address(ctx, r.Namespaces().NATS, "nats")
		if err != nil {
			return err
		}
		return dial(ctx, net.JoinHostPort(server, "4222"))
	})
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("that cluster needs a load balancer (a cloud's, or MetalLB) whose addresses this machine reaches: %w", err)
	}
	return err
}

// dial reports whether somebody listens.
func dial(ctx context.Context, address string) error {
	connection, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err == nil {
		_ = connection.Close()
	}
	return err
}

var forwarded = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)

// JetStream connects to one of the servers, until close is called.
func (r *Rig) JetStream(ctx context.Context, server string) (js jetstream.JetStream, disconnect func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	command := r.KubectlCommand(ctx, "--namespace", r.Namespaces().NATS, "port-forward", "pod/"+server, ":4222")
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		cancel()
		return nil, nil, err
	}
	var connection *nats.Conn
	disconnect = func() {
		if connection != nil {
			connection.Close()
		}
		cancel()
		_ = command.Wait() // it was killed
	}
	lines := bufio.NewScanner(out)
	lines.Scan() // the first one tells the port
	if connection, err = nats.Connect("nats://" + forwarded.FindString(lines.Text())); err != nil {
		disconnect()
		return nil, nil, fmt.Errorf("connecting to %s: %w", server, err)
	}
	go func() {
		for lines.Scan() { // or kubectl would wait for somebody to read
		}
	}()
	js, err = jetstream.New(connection)
	return js, disconnect, err
}
