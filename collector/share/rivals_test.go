package share

import (
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/sampling"
)

// Two devices with one address, domain and port announce different rates to two collectors: no collector knows a rate then, one that
// hears neither and one that starts included, and the bucket of a real server is not written with each turn.
func TestARateThatDevicesDisputeIsUnknownInAllCollectors(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	members := []*member{join(t, s), join(t, s), join(t, s)}
	exported := uint64(time.Now().Unix())
	says := func(m *member, rate uint64) {
		exported += 30
		m.rates.Exporter(scope, clock.Steady()).Learn(scope.Domain, 1000, uint64(sampling.System), rate, exported, clock.Steady())
		m.settled()
	}
	have := func(m *member) (rate uint64, known bool) {
		if e := m.rates.Find(scope); e != nil {
			return e.Standard(scope.Domain, 1000, clock.Steady())
		}
		return 0, false
	}
	everywhere := func(what string, want uint64) {
		t.Helper()
		for _, m := range members {
			natstest.Eventually(t, what, func() bool { rate, known := have(m); return known && rate == want })
		}
	}
	says(members[0], 100)
	everywhere("the first device's rate is known", 100)
	says(members[1], 200)
	everywhere("the last one counts until both have come back", 200)
	says(members[0], 100)
	everywhere("one that comes back is a change that was taken back", 100)
	says(members[1], 200)
	members = append(members, join(t, s))
	everywhere("nobody guesses", 0)
	revision := func() uint64 {
		info, err := bucketStream(t, s).Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.LastSeq
	}
	before := revision()
	for range 10 {
		says(members[0], 100)
		says(members[1], 200)
	}
	everywhere("nobody guesses later", 0)
	if after := revision(); after != before {
		t.Errorf("%d writes in ten turns", after-before)
	}
}
