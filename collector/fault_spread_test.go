package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 10: an exporter sends bursts and changes its template within them, back and forth, while its datagrams are spread over several
// sockets, or are not. Each record is read by the template that came before it, and the sequence has no hole.
func TestATemplateThatChangesWithinBursts(t *testing.T) {
	t.Parallel()
	for _, sockets := range []int{1, 8} {
		t.Run(fmt.Sprintf("%d sockets a worker", sockets), func(t *testing.T) {
			t.Parallel()
			s := natstest.Start(t)
			a := startConfigured(t, "a", configured("a", fmt.Sprintf("%q", s.URL()), fmt.Sprintf(", sockets: %d, receiveBuffer: 16Mi", sockets),
				"templateStore: {maxBytes: -1}\noutput: {stream: {maxBytes: -1}}\n")).awaitReady()
			l := newLoad(newExporter(t, 1))
			for i := range long(40, 4000) {
				for j := range 25 { // a burst
					l.layout = [...]layout{oldLayout, newLayout}[(i+j)%2]
					l.e.send(a.port, 0, l.layout.template())
					for range 4 {
						l.send(a.port)
					}
				}
				time.Sleep(10 * time.Millisecond)
			}
			a.atRest()
			if o := outcomeOf(t, s.URL(), l); o.lost != 0 || o.twice != 0 || o.wrong != 0 {
				t.Errorf("of %d records %d were lost, %d came twice, %d were read by the wrong template", l.next, o.lost, o.twice, o.wrong)
			}
			a.checkLedger()
			natstest.Eventually(t, "the stream is looked at", func() bool { return len(a.account().Streams) == 1 && a.account().Streams[0].Units == uint64(l.next) })
			if stream := a.account().Streams[0]; stream.Missed() != 0 || stream.Restarts != 0 || stream.Late != 0 {
				t.Errorf("the sequence of what came whole and in order: %+v", stream)
			}
		})
	}
}
