package natstest

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// StartBehindLeaf starts a server with JetStream in a domain, and one without JetStream that it is a leaf node of. It returns the latter:
// clients reach JetStream through it by the domain only. change adjusts the options of both; users are the same on both.
func StartBehindLeaf(t testing.TB, domain string, change func(*server.Options)) *Server {
	t.Helper()
	port := freePorts(t, 1)[0]
	hub := Start(t, change, func(o *server.Options) {
		o.JetStream = false
		o.LeafNode = server.LeafNodeOpts{Host: "127.0.0.1", Port: port}
	})
	leaf := Start(t, change, func(o *server.Options) {
		o.JetStreamDomain = domain
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{
			{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port), User: url.UserPassword("admin", "admin")}}}}
	})
	Eventually(t, "the leaf node is connected", func() bool { return leaf.server.NumLeafNodes() == 1 && hub.server.NumLeafNodes() == 1 })
	Eventually(t, "the hub knows the domain", func() bool {
		return hub.server.GlobalAccount().SubscriptionInterest("$JS." + domain + ".API.STREAM.CREATE.x") // told some moments later
	})
	return hub
}
