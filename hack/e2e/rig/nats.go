package rig

import (
	"bufio"
	"context"
	"fmt"
	"regexp"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NATSServers are the pods, which are the servers' names too.
var NATSServers = []string{"nats-0", "nats-1", "nats-2"}

// NATSReady waits until all of them are.
func (r *Rig) NATSReady(ctx context.Context) error {
	_, err := r.Kubectl(ctx, "--namespace", r.Namespaces().NATS, "rollout", "status", "statefulset/nats", "--timeout=5m")
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
