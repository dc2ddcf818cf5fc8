package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 3: of three servers the leader is killed, or parted from the collectors, again and again. The packet path does not
// notice: the delay from sending to receiving stays that of a quiet machine.
func TestLeaderKilledAndPartitionedAgainAndAgain(t *testing.T) {
	cluster := natstest.StartProcessCluster(t)
	urls := `"` + strings.Join(cluster.URLs(), `","`) + `"`
	content := strings.Replace(configured("a", "X", ", receiveBuffer: 4Mi", `templateStore: {maxBytes: -1, replicas: 3, loadTimeout: 60s}
output: {stream: {maxBytes: -1, replicas: 3}, batch: {maxAge: 50ms}}`), "[X]", "["+urls+"]", 1)
	a := startConfigured(t, "a", content)
	b := startConfigured(t, "b", strings.Replace(content, "instance: a", "instance: b", 1))
	a.awaitReady()
	b.awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the other has the template", func() bool { return b.metric("templates") == 1 })
	l := newLoad(e)
	l.perSend = 10
	rate := long(1_000, 5_000)
	js, err := jetstream.New(natstest.Connect(t, strings.Join([]string{
		cluster.Servers[0].URL(), cluster.Servers[1].URL(), cluster.Servers[2].URL()}, ",")))
	if err != nil {
		t.Fatal(err)
	}
	l.run(rate, long(time.Second, time.Minute), a.port, b.port)
	quiet := len(l.sentAt)
	for round := range long(2, 10) {
		n := leader(js)
		if round%2 == 0 {
			cluster.Servers[n].Stop() // SIGKILL
		} else {
			cluster.Proxies[n].Silence() // clients only: the servers still see each other
		}
		l.run(rate, long(3*time.Second, 20*time.Second), a.port, b.port)
		if round%2 == 0 {
			cluster.Servers[n].Restart()
		} else {
			cluster.Proxies[n].Heal()
		}
		l.run(rate, long(time.Second, 5*time.Second), a.port, b.port)
	}
	for _, p := range []*process{a, b} {
		p.atRest()
		p.checkLedger()
	}
	o := outcomeOf(t, cluster.Servers[0].URL(), l)
	figure(t, "%d records: %d lost, %d twice, %d wrong; delay of a datagram before: %s; while leaders are lost: %s", l.next, o.lost,
		o.twice, o.wrong, percentiles(o.delays[:quiet]), percentiles(o.delays[quiet:]))
	if o.lost != 0 || o.twice != 0 || o.wrong != 0 {
		t.Errorf("%d records lost, %d twice, %d wrong", o.lost, o.twice, o.wrong)
	}
}

// leader is the number of the server that leads the stream, -1 where none does.
func leader(js jetstream.JetStream) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, "flows")
	n := 0
	if err == nil && stream.CachedInfo().Cluster != nil {
		_, _ = fmt.Sscanf(stream.CachedInfo().Cluster.Leader, "n%d", &n)
	}
	return n
}
