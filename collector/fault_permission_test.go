package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 12: each kind of permission that a collector needs (docs/nats.md has them one by one) is taken from it while it runs, and given back. It heals by
// itself, with nothing lost and nothing twice. A server that takes an inbox away drops its subscriptions: the collector has to ask again.
func TestEachPermissionThatIsTakenAndGivenBack(t *testing.T) {
	t.Parallel()
	dir, store, port := t.TempDir(), t.TempDir(), natstest.FreePort(t)
	conf, password := filepath.Join(dir, "nats.conf"), filepath.Join(dir, "password")
	publish := []string{"$JS.API.>", "$KV.flowfleet-templates.>", "flows.>"}
	subscribe := []string{"_INBOX.>"}
	allow := func(without string) {
		list := func(subjects []string) string {
			var quoted []string
			for _, s := range subjects {
				if s != without {
					quoted = append(quoted, fmt.Sprintf("%q", s))
				}
			}
			return "{allow: [" + strings.Join(append(quoted, `"unused"`), ", ") + "]}"
		}
		accounts(t, conf, port, store, fmt.Sprintf(`{user: "collector", password: "x", permissions: {publish: %s, subscribe: %s}}`,
			list(publish), list(subscribe)))
	}
	allow("")
	write(t, password, "x")
	write(t, filepath.Join(dir, "admin"), "admin")
	s := natstest.StartFile(t, conf, port)
	content := func(user, file string) string {
		return fmt.Sprintf(`
listeners: [{name: any, address: "127.0.0.1:0", workers: 2}]
nats: {urls: [%q], user: %s, passwordFile: %q}
templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`, s.URL(), user, filepath.Join(dir, file))
	}
	a := startConfigured(t, "a", content("collector", "password")).awaitReady()
	b := startConfigured(t, "b", content("admin", "admin")).awaitReady()
	l := newLoad(newExporter(t, 1))
	l.e.send(a.port, 0, oldLayout.template())
	l.run(200, time.Second, a.port)
	published := func() bool { return a.metric("records_published_total") == float64(l.next) }
	natstest.Eventually(t, "all is published", published)
	for i, subject := range slices.Concat(publish, subscribe) {
		allow(subject)
		s.Reload()
		time.Sleep(500 * time.Millisecond) // for the server to read it
		l.e.send(a.port, 0, layout{400 + uint16(i), oldLayout.fields}.template())
		l.run(200, long(2*time.Second, time.Minute), a.port)
		allow("")
		s.Reload()
		natstest.Eventually(t, "all is published once "+subject+" is allowed again", published)
		natstest.Eventually(t, "what was learned without "+subject+" reaches the other", func() bool { return b.metric("templates") == float64(2*i+2) })
		// Later changes are followed too.
		l.e.send(b.port, 0, layout{500 + uint16(i), oldLayout.fields}.template())
		natstest.Eventually(t, "what the other learns is heard", func() bool { return a.metric("templates") == float64(2*i+3) })
	}
	a.checkLedger()
	b.checkLedger()
	if o := outcomeOf(t, strings.Replace(s.URL(), "nats://", "nats://admin:admin@", 1), l); o.lost != 0 || o.twice != 0 || o.wrong != 0 {
		t.Errorf("%d lost, %d twice, %d wrong", o.lost, o.twice, o.wrong)
	}
}
