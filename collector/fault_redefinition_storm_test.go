package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 7: exporters that redefine a template with every datagram. Each causes 2000 writes to the bucket at once and 20 a
// second at most, and the others are not affected.
func TestRedefinitionStorm(t *testing.T) {
	for _, exporters := range []int{1, 1000} {
		t.Run(fmt.Sprint(exporters, " exporters"), func(t *testing.T) {
			s := natstest.Start(t)
			a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
			quiet := newExporter(t, 99)
			quiet.send(a.port, 0, oldLayout.template())
			natstest.Eventually(t, "the quiet one is known", func() bool { return b.metric("templates") == 1 })
			var storm []*exporter
			for i := range exporters {
				storm = append(storm, from(t, fmt.Sprintf("127.%d.%d.%d", 9, 1+i/250, 1+i%250), 1))
			}
			layouts := [2]layout{oldLayout, newLayout}
			rounds := long(12_000, 120_000) / exporters
			began := time.Now()
			for i := range rounds {
				for _, e := range storm {
					e.send(a.port, 0, layouts[i%2].template())
				}
				time.Sleep(long(time.Duration(exporters)*30*time.Microsecond, time.Duration(exporters)*100*time.Microsecond))
				if i == rounds/2 {
					// In the midst of it, a change of the quiet one reaches the other collector.
					changed := time.Now()
					quiet.send(a.port, 0, layout{301, oldLayout.fields}.template())
					natstest.Eventually(t, "the change of the quiet one is known", func() bool {
						out, err := execute(t, "", "templates", "list", "--server", s.URL())
						return err == nil && strings.Count(out, "t1.ipfix.127-0-0-1.99.") == 2
					})
					figure(t, "a quiet exporter's change is in the bucket after %s", time.Since(changed).Round(time.Millisecond))
				}
			}
			took := time.Since(began).Seconds()
			natstest.Eventually(t, "all is read", func() bool {
				return a.metric("datagrams_received_total")+a.metric("kernel_dropped_datagrams_total") == float64(rounds*exporters+2)
			})
			quiet.send(b.port, 1, oldLayout.data(1))
			assertNumbers(t, s, 1)
			writes := a.metric("store_writes_total")
			if bound := float64(exporters) * (2000 + 20*(time.Since(began).Seconds()+1)); writes > bound+2 {
				t.Errorf("%v writes, the bound is %v", writes, bound)
			}
			_, most := a.residentBytes()
			figure(t, "%d redefinitions in %.1fs by %d exporters: %v writes, peak memory %d MiB", rounds*exporters, took, exporters, writes, most>>20)
			a.checkBooks()
		})
	}
}
