package share

import (
	"fmt"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/sampling"
)

// An exporter that takes another port each time, as some do after each restart, or each half minute: what it said from its former ports
// goes with the ttl, from the bucket of a real server and from memory, and nobody writes it back.
func TestExporterThatKeepsChangingItsPortLeavesNoKeysBehind(t *testing.T) {
	t.Parallel()
	const (
		ttl      = 3 * time.Second
		each     = 50 * time.Millisecond
		families = 3
		runs     = 4 // times the ttl
		// A port's keys are there for the ttl, and until the server looks for what has expired, about a second.
		most = int((ttl + 2*time.Second) / each * families)
	)
	s := natstest.Start(t)
	shortLived := func(c *config.TemplateStore) { c.TTL = config.Duration(ttl) }
	members := []*member{join(t, s, shortLived), join(t, s, shortLived)}
	say := func(m *member, port uint16) {
		now := clock.Steady()
		exported := uint64(time.Now().Unix())
		m.learn(port, 256, 4, exported)
		m.rates.Exporter(scope, now).Learn(scope.Domain, port, uint64(sampling.System), 100, exported, now)
		m.clocks.Learn(scope, port, 5_000_000, exported, now)
	}
	say(members[0], 1024)
	members[0].settled() // the bucket is there
	stream := bucketStream(t, s)
	keys := func() int {
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return int(info.State.Msgs)
	}
	port, peak := uint16(1024), 0
	for began := time.Now(); time.Since(began) < runs*ttl || int(port-1024)*families < 2*most; time.Sleep(each) {
		port++
		say(members[port%2], port)
		peak = max(peak, keys())
	}
	if peak > most {
		t.Errorf("%d ports had %d keys at most, where %d fit into the ttl", port-1024, peak, most)
	}
	// The last port goes on, and the others are forgotten.
	natstest.Eventually(t, "the keys of former ports go", func() bool {
		say(members[0], port)
		return keys() <= families
	})
	time.Sleep(ttl)
	say(members[0], port)
	// A rate goes on under the key that it has, of a former port. Once that has expired it gets one of its own, before the server has looked
	// for what has expired.
	if n := keys(); n > families+1 {
		t.Errorf("%d keys are back", n)
	}
	for i, m := range members {
		natstest.Eventually(t, "memory forgets them too", func() bool {
			known := 0
			for range m.rates.Definitions(clock.Steady()) {
				known++
			}
			return known <= 1
		})
		natstest.Eventually(t, fmt.Sprintf("collector %d knows what is said", i), func() bool {
			say(members[0], port)
			return m.length(port, 256) == 4
		})
	}
}
