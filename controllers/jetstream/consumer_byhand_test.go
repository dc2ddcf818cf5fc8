package jetstream

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Each of these loses flows in silence, or undoes what the operator sets.
var byHand = []struct {
	name   string
	change func(*jetstream.ConsumerConfig)
	says   string
}{
	{"it gives messages up", func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 3 }, "max_deliver"},
	{"messages have no content", func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true }, "headers_only"},
	{"it goes when nobody reads", func(c *jetstream.ConsumerConfig) { c.InactiveThreshold = time.Hour }, "inactive_threshold"},
	{"it has waits of its own", func(c *jetstream.ConsumerConfig) { c.BackOff = []time.Duration{time.Second, time.Minute} }, "backoff"},
}

func TestWhatSomebodyChangedOfAConsumerIsChangedBackOnce(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	mustConsumer(t, c, edge, reader("a"))
	before := consumerConfig(t, js, "a")
	for _, test := range byHand {
		changed := before
		test.change(&changed)
		if _, err := js.UpdateConsumer(background(t), "flows", changed); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		k := mustConsumer(t, c, edge, reader("a"))
		says(t, k.Changed, test.says)
		if diff := cmp.Diff(before, consumerConfig(t, js, "a")); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		saysNothing(t, mustConsumer(t, c, edge, reader("a")).Changed)
	}
}

func TestAPausedConsumerStaysSoAndIsTold(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	if k := mustConsumer(t, c, edge, reader("a")); k.Paused != "" {
		t.Errorf("nobody paused it: %q", k.Paused)
	}
	until := time.Now().Add(time.Hour)
	if _, err := js.PauseConsumer(background(t), "flows", "a", until); err != nil {
		t.Fatal(err)
	}
	k := mustConsumer(t, c, edge, reader("a", func(w *WantConsumer) { w.AckWait = time.Minute }))
	want := "is paused until " + until.UTC().Format(time.RFC3339) + ", and delivers nothing: to end that, type: nats consumer resume flows a"
	if k.Paused != want {
		t.Errorf("%q, not %q", k.Paused, want)
	}
	if k := mustConsumer(t, c, edge, reader("a", func(w *WantConsumer) { w.AckWait = time.Minute })); k.Paused != want {
		t.Errorf("once changed, %q", k.Paused)
	}
}

func TestWhatAnAdministratorsConsumerLosesIsTold(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	for _, test := range byHand {
		theirs := jetstream.ConsumerConfig{Durable: "theirs", AckPolicy: jetstream.AckExplicitPolicy}
		test.change(&theirs)
		if _, err := js.CreateOrUpdateConsumer(background(t), "flows", theirs); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		k := mustConsumer(t, c, edge, reader("theirs"))
		saysNothing(t, k.Changed)
		says(t, k.Kept, test.says)
		if err := js.DeleteConsumer(background(t), "flows", "theirs"); err != nil {
			t.Fatal(err)
		}
	}
}
