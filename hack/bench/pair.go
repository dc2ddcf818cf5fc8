package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// pair is a collector and the NATS servers that it publishes to, each in a process of its own, so that the time of each is told.
type pair struct {
	collector *process
	port      int // of its listener
	servers   []*process
	urls      []string // of the servers
}

// startPair runs servers first, and then a collector whose output is as output says.
func startPair(binary, directory string, servers func(store string) ([]*process, []string, error), output string) (*pair, error) {
	store, err := os.MkdirTemp(directory, "nats-")
	if err != nil {
		return nil, err
	}
	p := &pair{}
	if p.port, err = freePort(); err != nil {
		return nil, err
	}
	if p.servers, p.urls, err = servers(store); err != nil {
		p.stop()
		return nil, err
	}
	p.collector, err = startConfigured(binary, filepath.Join(store, "collector.yaml"), p.port,
		fmt.Sprintf("nats: {urls: [%s]}\noutput: {%s, buffer: {policy: block}}\n", strings.Join(p.urls, ", "), output))
	if err == nil {
		err = p.collector.awaitPort(p.port)
	}
	if err == nil {
		_, err = p.stored() // the stream is made by now
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// stop kills all of it.
func (p *pair) stop() {
	if p.collector != nil {
		p.collector.stop()
	}
	for _, s := range p.servers {
		s.stop()
	}
}

// startConfigured runs a collector with one worker at a port, and what rest says.
func startConfigured(binary, file string, port int, rest string) (*process, error) {
	if err := os.WriteFile(file, fmt.Appendf(nil, "listeners: [{name: bench, address: \"127.0.0.1:%d\", workers: 1, sockets: 1}]\n"+
		"http: {address: \"-\"}\nlog: {level: error}\ndrainTime: 100ms\n%s", port, rest), 0o600); err != nil {
		return nil, err
	}
	return start(binary, "run", "--config", file)
}

// embedded is the server of another collector, to which nobody sends.
func embedded(binary string) func(store string) ([]*process, []string, error) {
	return func(store string) ([]*process, []string, error) {
		address, err := freeAddress()
		if err != nil {
			return nil, nil, err
		}
		port, err := freePort()
		if err != nil {
			return nil, nil, err
		}
		server, err := startConfigured(binary, filepath.Join(store, "server.yaml"), port, fmt.Sprintf(
			"nats: {embedded: {address: %q, storeDir: %q}}\ntemplateStore: {bucket: another}\n"+
				"output: {stream: {name: another, subjects: [another.>], maxBytes: 16Mi}, subject: another.flows}\n", address, store))
		if err != nil {
			return nil, nil, err
		}
		return []*process{server}, []string{"nats://" + address}, server.awaitPort(port)
	}
}

// cluster is a number of nats-servers of a binary.
func cluster(binary string, n int) func(store string) ([]*process, []string, error) {
	return func(store string) (servers []*process, urls []string, err error) {
		clients, routes := make([]string, n), make([]string, n)
		for i := range n {
			for _, address := range []*string{&clients[i], &routes[i]} {
				if *address, err = freeAddress(); err != nil {
					return nil, nil, err
				}
			}
		}
		for i := range n {
			text := fmt.Sprintf("server_name: s%d\nlisten: %q\njetstream: {store_dir: %q}\n", i, clients[i], filepath.Join(store, fmt.Sprint(i)))
			if n > 1 {
				text += fmt.Sprintf("cluster: {name: bench, listen: %q, routes: [nats://%s]}\n", routes[i], strings.Join(routes, ", nats://"))
			}
			file := filepath.Join(store, fmt.Sprintf("server%d.conf", i))
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				return servers, nil, err
			}
			server, err := start(binary, "-c", file)
			if err != nil {
				return servers, nil, err
			}
			servers, urls = append(servers, server), append(urls, "nats://"+clients[i])
		}
		return servers, urls, nil
	}
}

// stored is how many bytes the stream has, once it is there.
func (p *pair) stored() (uint64, error) {
	nc, err := nats.Connect(strings.Join(p.urls, ","), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1))
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		// Servers that have no leader yet do not answer.
		once, done := context.WithTimeout(ctx, 2*time.Second)
		stream, err := js.Stream(once, "flows")
		done()
		if err == nil {
			return stream.CachedInfo().State.Bytes, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("looking for the collector's stream: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// freeAddress is one of TCP that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }() // it was only asked for its number
	return l.Addr().String(), nil
}
