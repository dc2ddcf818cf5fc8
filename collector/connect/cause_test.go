package connect

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

func TestARequestWithoutAServerSaysWhyNoneIsConnected(t *testing.T) {
	closed := natstest.Start(t)
	address := closed.URL()
	closed.Stop()
	guarded := natstest.Start(t, func(o *server.Options) { o.Authorization = "secret" })
	for name, test := range map[string]struct {
		c    config.NATS
		want string
	}{
		"a name that does not resolve": {config.NATS{URLs: []string{"nats://nats.invalid:4222"}}, "nats.invalid"},
		"nobody listens":               {config.NATS{URLs: []string{address}}, "connection refused (is the server running, and is nats.urls right?)"},
		"no Secret":                    {config.NATS{URLs: []string{guarded.URL()}, TokenFile: "/nowhere/token"}, "/nowhere/token"},
		"refused credentials":          {config.NATS{URLs: []string{guarded.URL()}}, "the server refuses the credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			nc := dial(t, test.c)
			natstest.Eventually(t, "an attempt has failed", func() bool { return Why(nc) != nil })
			_, err := nc.Request("x", nil, time.Second)
			if !errors.Is(err, nats.ErrReconnectBufExceeded) {
				t.Fatalf("the library says %v", err)
			}
			if told := Trouble(nc); !strings.HasPrefix(told, "connecting to NATS: ") || !strings.Contains(told, test.want) {
				t.Errorf("the trouble is said to be %q", told)
			}
			if err = Cause(nc, err); !errors.Is(err, nats.ErrReconnectBufExceeded) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "buffer") {
				t.Errorf("%v; %q is wanted in it", err, test.want)
			}
		})
	}
}

func TestARequestThatAServerAnsweredKeepsItsError(t *testing.T) {
	nc := dial(t, config.NATS{URLs: []string{natstest.Start(t).URL()}})
	natstest.Eventually(t, "the connection is made", nc.IsConnected)
	if told := Trouble(nc); told != "" {
		t.Errorf("connected, and in trouble: %s", told)
	}
	_, err := nc.Request("nobody.listens", nil, time.Second)
	if got := Cause(nc, err); err == nil || got.Error() != err.Error() || Why(nc) != nil {
		t.Errorf("%v became %v", err, got)
	}
}
