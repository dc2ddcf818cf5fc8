package main

import (
	"context"
	"fmt"
	"slices"
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
	quiet, before := len(l.sentAt), receiveDelays(a, b)
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
	during := receiveDelays(a, b).since(before)
	for _, p := range []*process{a, b} {
		p.atRest()
		p.checkLedger()
	}
	o := outcomeOf(t, cluster.Servers[0].URL(), l)
	figure(t, "%d records: %d lost, %d twice, %d wrong", l.next, o.lost, o.twice, o.wrong)
	figure(t, "from the kernel to the collector, before: %s; while leaders are lost: %s", before, during)
	figure(t, "with the sender's own delays, before: %s; while leaders are lost: %s", percentiles(o.delays[:quiet]),
		percentiles(o.delays[quiet:]))
	if o.lost != 0 || o.twice != 0 || o.wrong != 0 {
		t.Errorf("%d records lost, %d twice, %d wrong", o.lost, o.twice, o.wrong)
	}
}

// waits are receive delays of datagrams: how many waited no longer than each bound, in order.
type waits struct {
	bounds []float64 // seconds
	counts []uint64
	all    uint64
}

// receiveDelays sums the delays that collectors count between the kernel and themselves.
func receiveDelays(of ...*process) (w waits) {
	for _, p := range of {
		for _, m := range p.family("receive_delay_seconds").GetMetric() {
			h := m.GetHistogram()
			w.all += h.GetSampleCount()
			for i, b := range h.GetBucket() {
				if i == len(w.bounds) {
					w.bounds, w.counts = append(w.bounds, b.GetUpperBound()), append(w.counts, 0)
				}
				w.counts[i] += b.GetCumulativeCount()
			}
		}
	}
	return w
}

// since is what came after before.
func (w waits) since(before waits) waits {
	after := waits{w.bounds, slices.Clone(w.counts), w.all - before.all}
	for i := range after.counts {
		after.counts[i] -= before.counts[i]
	}
	return after
}

// within is the least bound that a share of them keeps to; false where it is beyond the last one.
func (w waits) within(share float64) string {
	for i, n := range w.counts {
		if float64(n) >= share*float64(w.all) {
			return time.Duration(w.bounds[i] * float64(time.Second)).String()
		}
	}
	return "more than the last bound"
}

func (w waits) String() string {
	return fmt.Sprintf("%d datagrams, half within %s, 99.9%% within %s, all within %s", w.all, w.within(0.5), w.within(0.999), w.within(1))
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
