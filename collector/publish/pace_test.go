package publish

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// What is sent to a stream that refuses everything is one batch after the other, with pauses that grow; when it has room again,
// all goes out.
func TestAFullStreamIsProbed(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(context.Background(), jetstream.StreamConfig{
		Name: "flows", Subjects: []string{"flows.>"}, MaxBytes: 1 << 20, Discard: jetstream.DiscardNew,
	})
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, s, output(nil))
	const batches = 1000
	submit(p, 0, batches, 60<<10)
	natstest.Eventually(t, "the stream refuses", func() bool { return p.Stats().Failures > 0 && p.Stats().InFlightBytes == 0 })
	before := p.Stats()
	time.Sleep(5 * time.Second)
	if after := p.Stats(); after.Failures-before.Failures > 8 {
		t.Errorf("%d batches were sent in vain in 5 s", after.Failures-before.Failures)
	}
	config := stream.CachedInfo().Config
	config.MaxBytes = -1
	if _, err := js.UpdateStream(context.Background(), config); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "all is published", func() bool { return check(t, p).Published == batches })
	assertAllOnce(t, stored(t, s), batches)
}

func TestThePaceOfProbes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	var p pace
	if !p.mayTry(now, 1000) {
		t.Fatal("a healthy stream is not sent everything")
	}
	sent := now
	if !p.refused(now, sent) || p.mayTry(now, 0) {
		t.Error("a refusal brings no pause")
	}
	for range 100 {
		if p.refused(now, sent.Add(-time.Second)) {
			t.Error("what was sent before the pause prolongs it")
		}
	}
	waited := p.wait
	for range 10 {
		now = p.until
		if !p.mayTry(now, 0) || p.mayTry(now, 1) {
			t.Fatal("after a pause there is one probe")
		}
		p.refused(now, now)
		if p.wait < waited || p.wait > longestProbeWait {
			t.Errorf("a pause of %s after one of %s", p.wait, waited)
		}
		waited = p.wait
	}
	now = p.until
	for i := range fullPace {
		if !p.mayTry(now, i) || p.mayTry(now, i+1) {
			t.Fatalf("after %d batches that were taken, %d may be in flight", i, p.allowed)
		}
		p.taken()
	}
	if !p.mayTry(now, 1<<20) {
		t.Error("the slow start has no end")
	}
}

func TestAConnectionIsMadeAnewWhenNothingIsAnswered(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	var p pace
	again := 0
	for range 2 * unansweredProbes {
		if p.silent(now, now) {
			again++
		}
		now = p.until
	}
	if again != 2 {
		t.Errorf("made anew %d times after %d probes", again, 2*unansweredProbes)
	}
	for range 2 * unansweredProbes {
		p.answered() // refused, say
		if p.silent(now, now) {
			t.Error("made anew though there are answers")
		}
		now = p.until
	}
}
