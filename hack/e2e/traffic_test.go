package e2e

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

// result is what flowgen found.
type result struct {
	report check.Report
	err    error
}

// begin sends to the fleet and verifies while the test goes on.
func begin(t *testing.T, arguments ...string) (end func() check.Report) {
	t.Helper()
	return beginTo(t, fleet, arguments...)
}

func beginTo(t *testing.T, f rig.Fleet, arguments ...string) (end func() check.Report) {
	t.Helper()
	return send(t.Context(), t, f, arguments...)
}

// meanwhile sends to a fleet until its end is called, for as long as the test takes for what it does.
func meanwhile(t *testing.T, f rig.Fleet, arguments ...string) (end func() check.Report) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	wait := send(ctx, t, f, append(arguments, "--duration", "10m")...)
	return func() check.Report {
		t.Helper()
		cancel() // what was sent is verified still
		return wait()
	}
}

func send(ctx context.Context, t *testing.T, f rig.Fleet, arguments ...string) (wait func() check.Report) {
	t.Helper()
	results := make(chan result, 1)
	go func() {
		report, err := cluster.Traffic(ctx, f, arguments...)
		results <- result{report, err}
	}()
	return func() check.Report {
		t.Helper()
		r := <-results
		must(t, r.err)
		return r.report
	}
}

// during sends and verifies for as long as f runs, and for some seconds before and after it.
func during(t *testing.T, f func(), arguments ...string) check.Report {
	t.Helper()
	end := meanwhile(t, fleet, arguments...)
	time.Sleep(5 * time.Second)
	f()
	time.Sleep(5 * time.Second)
	return end()
}

// complete fails the test unless each record arrived exactly once, as it was sent, from its exporter's address.
func complete(t *testing.T, report check.Report) {
	t.Helper()
	t.Logf("%d datagrams, %d records: %d once, %d again, %d lost, %d wrong, %d refused", report.Datagrams, report.Records,
		report.Once, report.Again, report.Lost, report.Wrong, report.Refused)
	if !report.Good() || report.Records == 0 || report.Sources != 0 {
		t.Errorf("not every record arrived exactly once:\n%s", told(t, report))
	}
}

// reports are those of tests that failed, by their names: diagnose prints them below all that it tells of the cluster.
var reports sync.Map

// told returns a report for a person, and keeps it for diagnose.
func told(t *testing.T, report check.Report) string {
	var text strings.Builder
	fmt.Fprintf(&text, "began at %s\n", report.Began.UTC().Format(time.RFC3339Nano))
	report.Print(&text)
	reports.Store(t.Name(), text.String())
	return text.String()
}

// handover is how long a record may be in a collector: in a batch for 200 ms, and then until JetStream has it.
const handover = time.Second

// lostBetween fails the test unless all that is lost was sent between two moments, or shortly before: what a collector has not
// handed on is lost with it. Nothing may come wrong or twice.
func lostBetween(t *testing.T, report check.Report, from, to time.Time) {
	t.Helper()
	if report.Wrong != 0 || report.Again != 0 || report.Unsent != 0 || report.Sources != 0 {
		t.Errorf("records were wrong, or came twice")
	}
	at := func(seconds float64) time.Duration {
		return report.Began.Add(time.Duration(seconds * float64(time.Second))).Sub(from).Round(time.Millisecond)
	}
	first, last := time.Duration(0), time.Duration(0)
	for _, gap := range report.Gaps {
		if at(gap.From) < -handover || at(gap.To) > to.Sub(from) {
			t.Errorf("exporter %d lost %d records that were sent at %s to %s; the gap is from 0 to %s", gap.Exporter, gap.Records,
				at(gap.From), at(gap.To), to.Sub(from).Round(time.Millisecond))
		}
		first, last = min(first, at(gap.From)), max(last, at(gap.To))
	}
	t.Logf("%d of %d datagrams were lost, in %d gaps, sent at %s to %s; the gap ended at %s; %d were refused", report.LostDatagrams,
		report.Datagrams, len(report.Gaps), first, last, to.Sub(from).Round(time.Millisecond), report.Refused)
	for _, stretch := range stretches(report.Gaps) {
		t.Logf("some were lost of what was sent at %s to %s", at(stretch[0]), at(stretch[1]))
	}
	if t.Failed() {
		t.Log(told(t, report))
	}
}

// countRoutes makes the router count which node it sends each of the fleet's flows to, until the test ends.
func countRoutes(t *testing.T) (read func() rig.Routes) {
	t.Helper()
	end, err := cluster.CountRoutes(t.Context(), fleet)
	must(t, err)
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return func() rig.Routes {
		t.Helper()
		routes, err := cluster.Routes(t.Context())
		must(t, err)
		return routes
	}
}

// sentTo returns how many datagrams the router sent to a node between two looks.
func sentTo(node string, before, after rig.Routes) (datagrams int) {
	for flow, via := range after {
		datagrams += via[node] - before[flow][node]
	}
	return datagrams
}

// lostOn fails the test unless all that is lost is of flows that the router had sent to one node, and to no other, before it was
// lost; and each of these flows has lost something, or the node cannot have been gone.
func lostOn(t *testing.T, report check.Report, before, after rig.Routes, node string) {
	t.Helper()
	lost := map[netip.AddrPort]int{}
	for _, gap := range report.Gaps {
		lost[gap.Source] += gap.Last - gap.First + 1
		if via := before[gap.Source]; len(via) != 1 || via[node] == 0 {
			t.Errorf("exporter %d (%s), whose datagrams the router had sent to %v and not only to %s, lost %d records sent at %.3f to %.3f s",
				gap.Exporter, gap.Source, via, node, gap.Records, gap.From, gap.To)
		}
	}
	flows, sent, gone := 0, 0, 0
	for flow, via := range before {
		if via[node] == 0 {
			continue
		}
		flows++
		sent += after[flow][node] - via[node]
		gone += lost[flow]
		if lost[flow] == 0 {
			t.Errorf("%s, whose datagrams the router had sent to %s, lost nothing", flow, node)
		}
	}
	t.Logf("of %d flows the router had sent %d to %s, each to no other node, and then sent %d datagrams of these there; they lost %d, the others %d",
		len(before), flows, node, sent, gone, report.LostDatagrams-gone)
	if flows == 0 || flows == len(before) {
		t.Errorf("%d of %d flows went to %s: that says nothing", flows, len(before), node)
	}
}

// stretches are the times in which datagrams were lost, of whichever exporter: those less than a tenth of a second apart are one.
func stretches(gaps []check.Gap) (all [][2]float64) {
	gaps = slices.SortedFunc(slices.Values(gaps), func(a, b check.Gap) int { return cmp.Compare(a.From, b.From) })
	for _, gap := range gaps {
		if last := len(all) - 1; last >= 0 && gap.From <= all[last][1]+0.1 {
			all[last][1] = max(all[last][1], gap.To)
		} else {
			all = append(all, [2]float64{gap.From, gap.To})
		}
	}
	return all
}

// gap fails the test unless all that is lost was sent within one stretch of time, and nothing came wrong or twice.
func gap(t *testing.T, report check.Report, limit time.Duration) {
	t.Helper()
	if report.Wrong != 0 || report.Again != 0 || report.Unsent != 0 {
		t.Errorf("records were wrong, or came twice:\n%s", told(t, report))
	}
	if len(report.Gaps) == 0 {
		t.Logf("nothing of %d records was lost", report.Records)
		return
	}
	from, to := report.Gaps[0].From, report.Gaps[0].To
	for _, gap := range report.Gaps {
		from, to = min(from, gap.From), max(to, gap.To)
	}
	t.Logf("%d of %d datagrams were lost, all sent within %.2f s; %d refused", report.LostDatagrams, report.Datagrams, to-from, report.Refused)
	if to-from > limit.Seconds() {
		t.Errorf("the gap is longer than %s: from %.2f to %.2f s\n%s", limit, from, to, told(t, report))
	}
}
