package run

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// A file of names, and a configuration, may change while a collector begins: after they were read, and before anybody looks for changes.
func TestNamesThatChangeWhileACollectorBeginsAreTakenUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "names.csv")
	write := func(name string) {
		if err := os.WriteFile(file, []byte("192.0.2.1,interfaces,5,"+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parse := func(preference string) *config.Config {
		c, problems := config.Parse([]byte("nats: {urls: [nats://127.0.0.1]}\nexporters: {namesFile: " + file + ", namePreference: " + preference + "}\n"))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return c
	}
	write("eth5")
	k := &Collector{log: slog.New(slog.DiscardHandler), config: parse("Configured")}
	k.beginNames()
	key := names.Key{Scope: names.Scope{Exporter: netip.MustParseAddr("192.0.2.1")}, Table: names.Interfaces, Number: 5}
	k.names.Learn(key, names.Row{Name: "ge-0/0/5"}, 1000, clock.Steady())
	called := func() string { return k.names.Resolve(k.names.Find(key.Scope.Exporter), key, netip.Addr{}).Name }
	for _, test := range []struct {
		name   string
		change func()
		want   string
	}{
		{"the file", func() { write("uplink") }, "uplink"},
		{"the configuration", func() { k.saying.Store(sayingOf(parse("Exporter"))) }, "ge-0/0/5"},
	} {
		test.change()
		ctx, end := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			k.followNames(ctx)
		}()
		natstest.Eventually(t, test.name+" is taken up", func() bool { return called() == test.want })
		end()
		<-ended
	}
}
