package natstest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// ProcessCluster is three servers, each in a process of its own, with proxies before them that can part one of them from clients.
type ProcessCluster struct {
	Servers [3]*Server
	Proxies [3]*Proxy
}

// StartProcessCluster starts three servers that replicate. They leave the processors to other processes of the test (nice 19):
// where it counts, they run on other machines.
func StartProcessCluster(t testing.TB) *ProcessCluster {
	t.Helper()
	var c ProcessCluster
	var ports, routes [3]int
	for i := range ports {
		ports[i], routes[i] = FreePort(t), FreePort(t)
	}
	for i := range ports {
		file := filepath.Join(t.TempDir(), "nats.conf")
		// advertise nothing: clients stay with the proxies they know.
		content := fmt.Sprintf("host: 127.0.0.1\nport: %d\nserver_name: n%d\njetstream: {store_dir: %q}\n"+
			"cluster: {name: c, listen: 127.0.0.1:%d, no_advertise: true, routes: [nats://127.0.0.1:%d, nats://127.0.0.1:%d, nats://127.0.0.1:%d]}\n",
			ports[i], i, t.TempDir(), routes[i], routes[0], routes[1], routes[2])
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Servers[i] = PrepareFile(t, file, ports[i])
		c.Servers[i].yields = true
		c.Servers[i].Restart()
		c.Proxies[i] = NewProxy(t, c.Servers[i])
	}
	return &c
}

// URLs of the proxies.
func (c *ProcessCluster) URLs() []string {
	return []string{c.Proxies[0].URL(), c.Proxies[1].URL(), c.Proxies[2].URL()}
}
