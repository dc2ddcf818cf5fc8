package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 8: data arrives long before its template, out of order, repeated, and late.
func TestDataLongBeforeItsTemplateOutOfOrderRepeatedAndLate(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	const n = 200
	datagrams := make([][]byte, n)
	var want []uint32
	for i := range uint32(n) {
		datagrams[i] = e.message(1, oldLayout.data(i))
		want = append(want, i)
	}
	late := datagrams[n-5:] // minutes late in the long form
	early := datagrams[:n-5]
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(early), func(i, j int) {
		if max(i, j)-min(i, j) < 8 {
			early[i], early[j] = early[j], early[i]
		}
	})
	for i, d := range early {
		e.write(b.port, d)
		if i%40 == 39 {
			e.write(b.port, d) // repeated: a second record of the same number
			want = append(want, 1<<31)
		}
	}
	natstest.Eventually(t, "the data is held", func() bool { return b.metric("sets_waiting") == float64(len(want)-5) })
	time.Sleep(long(2*time.Second, 30*time.Second))
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "what was held is published", func() bool { return b.metric("records_published_total") == float64(len(want)-5) })
	time.Sleep(long(time.Second, 3*time.Minute))
	for _, d := range late {
		e.write(b.port, d)
	}
	natstest.Eventually(t, "all is published", func() bool { return b.metric("records_published_total") == float64(len(want)) })
	for _, r := range published(t, s) {
		if r.Packets != packetsOfTest || r.Bytes >= n {
			t.Errorf("a record of %d packets and %d bytes", r.Packets, r.Bytes)
		}
	}
	figure(t, "%d of %d records published, the first held for %s", len(published(t, s)), len(want), long(2*time.Second, 30*time.Second))
	if b.metric("sequence_duplicated_total") == 0 {
		t.Log("repeated data was held: its records could not be counted when it came")
	}
	b.checkLedger()
}
