package natstest

import (
	"net"
	"testing"
)

// Listen takes connections as something that is no nats-server, or a hostile one, would, until the end of the test; serve is called for each,
// at once. It returns the URL.
func Listen(t testing.TB, serve func(net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return "nats://" + l.Addr().String()
}
