package main

import (
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 10: one exporter floods the collector with more than it can take; others send on. Memory stays flat, every datagram
// is received or counted as dropped, and the collector is itself again at once. An exporter's datagrams all go to one of the
// sockets (the kernel hashes addresses and ports), so that a flood fills one of them: exporters on the others lose nothing,
// those on the same one lose as it does.
func TestFloodOfOneExporterIsCountedAndLeavesTheOthers(t *testing.T) {
	s := natstest.Start(t)
	const sockets, others = 8, 12
	a := startConfigured(t, "a", `
listeners: [{name: any, address: "127.0.0.1:0", workers: 8, receiveBuffer: 256Ki}]
nats: {urls: ["`+s.URL()+`"]}
templateStore: {maxBytes: -1}
output: {stream: {maxBytes: 64Mi, storage: Memory}, buffer: {maxBytes: 32Mi}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`, func(c *exec.Cmd) { c.Env = append(c.Env, "GOMAXPROCS=1") }).awaitReady()
	flood := newExporter(t, 1)
	flood.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the template is known", func() bool { return a.metric("templates") == 1 })
	before, _ := a.residentBytes()

	var stop atomic.Bool
	var senders sync.WaitGroup
	sent := 1
	senders.Go(func() {
		numbers := make([]uint32, 100)
		datagram := oldLayout.data(numbers...)
		for !stop.Load() {
			flood.send(a.port, uint32(len(numbers)), datagram)
			sent++
		}
	})
	var quiet []*exporter
	for i := range uint32(others) {
		quiet = append(quiet, newExporter(t, 100+i))
	}
	each := long(200, 6_000)
	for i := range each {
		for _, e := range quiet {
			if i == 0 {
				e.send(a.port, 0, oldLayout.template())
			}
			e.send(a.port, 1, oldLayout.data(uint32(i)))
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop.Store(true)
	senders.Wait()
	all := float64(sent + others*(each+1))
	natstest.Eventually(t, "every datagram is accounted for", func() bool {
		return a.metric("datagrams_received_total")+a.metric("kernel_dropped_datagrams_total") == all
	})
	recovering := time.Now()
	received := a.metric("datagrams_received_total")
	quiet[0].send(a.port, 1, oldLayout.data(1))
	natstest.Eventually(t, "it takes what comes", func() bool { return a.metric("datagrams_received_total") == received+1 })
	recovered := time.Since(recovering)
	a.atRest()
	untouched, worst := 0, 1.0
	var missed uint64
	natstest.Eventually(t, "the streams are looked at", func() bool {
		untouched, worst, missed = 0, 1.0, 0
		for _, stream := range a.account().Streams {
			if stream.Domain < 100 {
				missed = stream.Missed()
				continue
			}
			if stream.Units >= uint64(each) {
				untouched++
			}
			worst = min(worst, float64(stream.Units)/float64(each))
		}
		return time.Since(recovering) > 3*time.Second
	})
	after, most := a.residentBytes()
	dropped := a.metric("kernel_dropped_datagrams_total")
	figure(t, "%d datagrams of a flood, %.0f%% of all dropped by the kernel and counted, %d records missed in its sequence; %d of %d other "+
		"exporters lost nothing, the worst kept %.0f%%; memory before %d MiB, after %d, peak %d; takes what comes after %s",
		sent, 100*dropped/all, missed, untouched, others, 100*worst, before>>20, after>>20, most>>20, recovered.Round(time.Millisecond))
	if most > before+256<<20 {
		t.Errorf("memory grew from %d to %d MiB", before>>20, most>>20)
	}
	a.checkBooks()
}
