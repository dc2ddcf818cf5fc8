package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NATSServers are the pods, which are the servers' names too.
var NATSServers = []string{"nats-0", "nats-1", "nats-2"}

// NATSReady waits until all of them are.
func (r *Rig) NATSReady(ctx context.Context) error {
	_, err := r.Kubectl(ctx, "--namespace", NATSNamespace, "rollout", "status", "statefulset/nats", "--timeout=2m")
	return err
}

// SpreadNATS gives each of the servers a node of its own again, and waits until they are ready: after a drain Kubernetes leaves them where
// they went, and the next drain would evict two.
func (r *Rig) SpreadNATS(ctx context.Context) error {
	for range len(NATSServers) {
		if err := r.NATSReady(ctx); err != nil {
			return err
		}
		out, err := r.Kubectl(ctx, "--namespace", NATSNamespace, "get", "pods", "--selector=app=nats", "-o",
			`jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName}{"\n"}{end}`)
		if err != nil {
			return err
		}
		second, used := "", map[string]bool{}
		for line := range strings.Lines(out) {
			pod, node, _ := strings.Cut(strings.TrimSpace(line), " ")
			if used[node] {
				second = pod
			}
			used[node] = true
		}
		if second == "" {
			return nil
		}
		if _, err := r.Kubectl(ctx, "--namespace", NATSNamespace, "delete", "pod", second); err != nil {
			return err
		}
	}
	return errors.New("two servers of NATS are always given one node")
}

var forwarded = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)

// JetStream connects to one of the servers, until close is called.
func (r *Rig) JetStream(ctx context.Context, server string) (js jetstream.JetStream, disconnect func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	command := r.KubectlCommand(ctx, "--namespace", NATSNamespace, "port-forward", "pod/"+server, ":4222")
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
