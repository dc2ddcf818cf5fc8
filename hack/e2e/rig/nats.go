package rig

import (
	"bufio"
	"context"
	"fmt"
	"regexp"
	"strings"

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
