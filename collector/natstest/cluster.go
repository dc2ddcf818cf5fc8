package natstest

import (
	"fmt"
	"net"
	"net/url"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// Cluster is some nats-servers that replicate streams among themselves.
type Cluster struct {
	Servers []*Server
}

// StartCluster starts a cluster of servers, each with a store of its own, and waits until it can replicate; change may
// adjust the options of all. They are stopped with the test, and each can be stopped and started by itself.
func StartCluster(t testing.TB, servers int, change ...func(*server.Options)) *Cluster {
	t.Helper()
	ports := freePorts(t, servers)
	var routes []*url.URL
	for _, port := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	c := &Cluster{}
	for i := range servers {
		join := func(o *server.Options) {
			o.ServerName = fmt.Sprintf("nats-%d", i)
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[i]}
			o.Routes = routes
		}
		c.Servers = append(c.Servers, Start(t, append([]func(*server.Options){join}, change...)...))
	}
	Eventually(t, "the cluster has a leader that knows all servers", func() bool {
		for _, s := range c.Servers {
			if s.server.JetStreamIsLeader() {
				return len(s.server.JetStreamClusterPeers()) == servers
			}
		}
		return false
	})
	Eventually(t, "all servers follow the leader", func() bool {
		for _, s := range c.Servers {
			if !s.server.JetStreamIsCurrent() {
				return false
			}
		}
		return true
	})
	return c
}

// URLs for clients, one for each server.
func (c *Cluster) URLs() []string {
	var urls []string
	for _, s := range c.Servers {
		urls = append(urls, s.URL())
	}
	return urls
}

// freePorts returns ports that nobody listens on: servers of a cluster need to know each other's before they start.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }() // it was only to find a port
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
