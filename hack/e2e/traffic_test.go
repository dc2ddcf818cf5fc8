package e2e

import (
	"context"
	"strings"
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
		var text strings.Builder
		report.Print(&text)
		t.Errorf("not every record arrived exactly once:\n%s", &text)
	}
}

// handover is how long a record may be in a collector: in a batch for 200 ms, and then until JetStream has it.
const handover = time.Second

// lostBetween fails the test unless all that is lost was sent between two moments, or shortly before: what a collector has not
// handed on is lost with it. Nothing may come wrong or twice.
func lostBetween(t *testing.T, report check.Report, from, to time.Time) {
	t.Helper()
	var text strings.Builder
	report.Print(&text)
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
	if t.Failed() {
		t.Log(text.String())
	}
}

// gap fails the test unless all that is lost was sent within one stretch of time, and nothing came wrong or twice.
func gap(t *testing.T, report check.Report, limit time.Duration) {
	t.Helper()
	if report.Wrong != 0 || report.Again != 0 || report.Unsent != 0 {
		var text strings.Builder
		report.Print(&text)
		t.Errorf("records were wrong, or came twice:\n%s", &text)
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
		var text strings.Builder
		report.Print(&text)
		t.Errorf("the gap is longer than %s: from %.2f to %.2f s\n%s", limit, from, to, &text)
	}
}
