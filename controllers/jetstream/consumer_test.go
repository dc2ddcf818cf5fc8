package jetstream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	collector "github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

func reader(name string, change ...func(*WantConsumer)) WantConsumer {
	w := WantConsumer{Name: name, AckWait: 30 * time.Second, MaxAckPending: 1000}
	for _, f := range change {
		f(&w)
	}
	return w
}

func mustConsumers(t *testing.T, c *Connection, owner Owner, gone []string, want ...WantConsumer) *Consumers {
	t.Helper()
	all, err := c.EnsureConsumers(background(t), owner, "flows", want, gone)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// mustConsumer is for one that is as wanted.
func mustConsumer(t *testing.T, c *Connection, owner Owner, want WantConsumer) Consumer {
	t.Helper()
	k := mustConsumers(t, c, owner, nil, want).Each[0]
	if k.Class != ClassNone {
		t.Fatalf("%s: %s", k.Class, k.Error)
	}
	return k
}

// settled waits until what a consumer has is as expected: the server counts what arrives a moment later.
func settled(t *testing.T, c *Connection, want WantConsumer, as func(k Consumer) bool) (k Consumer) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("at last: %+v", k)
		}
	}()
	natstest.Eventually(t, "consumer "+want.Name+" is as expected", func() bool {
		k = mustConsumer(t, c, edge, want)
		return as(k)
	})
	return k
}

func consumerConfig(t *testing.T, js jetstream.JetStream, name string) jetstream.ConsumerConfig {
	t.Helper()
	k, err := js.Consumer(background(t), "flows", name)
	if err != nil {
		t.Fatal(err)
	}
	return k.CachedInfo().Config
}

func publishTo(t *testing.T, js jetstream.JetStream, subject string, n int) {
	t.Helper()
	for range n {
		if _, err := js.Publish(background(t), subject, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMissingConsumerIsCreatedOwnedAndDurable(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	want := reader("clickhouse", func(w *WantConsumer) { w.AckWait, w.MaxAckPending, w.Replicas = time.Minute, 7, 1 })
	k := mustConsumer(t, c, edge, want)
	if !k.Created || !k.Managed || !k.Found || k.Filtered || k.Made.IsZero() || !k.LagKnown {
		t.Errorf("%+v", k)
	}
	have := consumerConfig(t, js, "clickhouse")
	if owner, _, _ := ownerIn(have.Metadata); owner != edge {
		t.Errorf("it belongs to %+v", owner)
	}
	if have.Durable != "clickhouse" || have.AckPolicy != jetstream.AckExplicitPolicy || have.DeliverPolicy != jetstream.DeliverAllPolicy ||
		have.MaxDeliver != -1 || have.AckWait != time.Minute || have.MaxAckPending != 7 || have.Replicas != 1 {
		t.Errorf("%+v", have)
	}
}

func TestAConsumerIsChangedOnlyWhereTheSpecDiffers(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	for _, subjects := range [][]string{nil, {"flows.ipfix"}, {"flows.ipfix", "flows.sflow"}, {"flows.sflow"}, nil} {
		want := reader("a", func(w *WantConsumer) { w.Subjects = subjects })
		mustConsumer(t, c, edge, want)
		if k := mustConsumer(t, c, edge, want); k.Created || len(k.Changed) > 0 || len(k.Kept) > 0 || k.Filtered != (subjects != nil) {
			t.Errorf("%q: it differs from what was made a moment ago: %+v", subjects, k)
		}
		have := consumerConfig(t, js, "a")
		if diff := cmp.Diff(subjects, collector.FilterOf(&have)); diff != "" {
			t.Errorf("%q: %s", subjects, diff)
		}
	}
	if k := mustConsumer(t, c, edge, reader("a", func(w *WantConsumer) { w.Subjects = []string{"flows.sflow"} })); !k.Refiltered {
		t.Errorf("it delivers other subjects: %+v", k)
	}
	mustConsumer(t, c, edge, reader("a"))
	k := mustConsumer(t, c, edge, reader("a", func(w *WantConsumer) { w.AckWait, w.MaxAckPending = time.Second, 2000 }))
	if k.Refiltered {
		t.Errorf("it delivers what it did: %+v", k)
	}
	says(t, k.Changed, "ackWait lowered from 30s to 1s")
	says(t, k.Changed, "maxAckPending raised from 1000 to 2000")
	if have := consumerConfig(t, js, "a"); have.AckWait != time.Second || have.MaxAckPending != 2000 {
		t.Errorf("%+v", have)
	}
}

func TestAConsumerThatAnAdministratorMadeIsUsedAsItIsAndNeverRemoved(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	if _, err := js.CreateConsumer(background(t), "flows", jetstream.ConsumerConfig{Durable: "theirs", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Hour,
		FilterSubject: "flows.ipfix", DeliverPolicy: jetstream.DeliverNewPolicy}); err != nil {
		t.Fatal(err)
	}
	publishTo(t, js, "flows.ipfix", 3)
	before := consumerConfig(t, js, "theirs")
	k := settled(t, c, reader("theirs"), func(k Consumer) bool {
		return !k.Managed && !k.Created && k.Pending == 3 && k.LagKnown && k.Oldest == 1
	})
	saysNothing(t, k.Changed)
	says(t, k.Kept, "ackWait is 1h0m0s", "never changed")
	says(t, k.Kept, "it delivers flows.ipfix", "everything")
	all := mustConsumers(t, c, edge, []string{"theirs"})
	if diff := cmp.Diff([]string{"theirs"}, all.Gone); diff != "" || len(all.Deleted) > 0 {
		t.Errorf("%s, deleted %q", diff, all.Deleted)
	}
	if diff := cmp.Diff(before, consumerConfig(t, js, "theirs")); diff != "" {
		t.Error(diff)
	}
}

func TestAConsumerThatTheSpecNamesNoMoreIsRemovedIfItIsTheOwners(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	mustConsumers(t, c, edge, nil, reader("a"), reader("b"))
	publishTo(t, js, "flows.ipfix", 3)
	for _, stranger := range []Owner{other, again} {
		if all := mustConsumers(t, c, stranger, []string{"a"}); len(all.Deleted) > 0 {
			t.Errorf("%+v has deleted what is %+v's", stranger, edge)
		}
	}
	all := mustConsumers(t, c, edge, []string{"a", "missing"}, reader("b"))
	if diff := cmp.Diff([]string{"a"}, all.Deleted); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "missing"}, all.Gone); diff != "" {
		t.Error(diff)
	}
	if _, err := js.Consumer(background(t), "flows", "a"); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("it is there: %v", err)
	}
	settled(t, c, reader("b"), func(k Consumer) bool { return k.Pending == 3 })
}

func TestAConsumerOfAnotherFlowCollectorIsAConflict(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	mustConsumer(t, c, other, reader("a"))
	before := consumerConfig(t, js, "a")
	all := mustConsumers(t, c, edge, nil, reader("a", func(w *WantConsumer) { w.AckWait = time.Hour }), reader("b"))
	if k := all.Each[0]; k.Class != ClassConflict || k.Found {
		t.Errorf("%+v", k)
	}
	if k := all.Each[1]; k.Class != ClassNone || !k.Created {
		t.Errorf("the other one suffers: %+v", k)
	}
	if diff := cmp.Diff(before, consumerConfig(t, js, "a")); diff != "" {
		t.Error(diff)
	}
	// An object that was made anew goes on with what the one before had; that one, if it lives elsewhere, does not take it back.
	if k := mustConsumer(t, c, again, reader("b")); !k.Managed || k.Created {
		t.Errorf("%+v", k)
	}
	if k := mustConsumers(t, c, edge, nil, reader("b")).Each[0]; k.Class != ClassConflict {
		t.Errorf("%+v", k)
	}
}

func TestWhatNobodyCanPullFromIsForeign(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	stream, err := js.Stream(background(t), "flows")
	if err != nil {
		t.Fatal(err)
	}
	for _, theirs := range []jetstream.ConsumerConfig{
		{Durable: "none", AckPolicy: jetstream.AckNonePolicy},
		{Name: "ephemeral", AckPolicy: jetstream.AckExplicitPolicy, InactiveThreshold: time.Hour},
	} {
		if _, err := stream.CreateConsumer(background(t), theirs); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Connect().Request("$JS.API.CONSUMER.DURABLE.CREATE.flows.push",
		[]byte(`{"stream_name": "flows", "config": {"durable_name": "push", "deliver_subject": "there", "ack_policy": "explicit"}}`), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"none", "ephemeral", "push"} {
		if k := mustConsumers(t, c, edge, []string{name}, reader(name)).Each[0]; k.Class != ClassForeign {
			t.Errorf("%s: %+v", name, k)
		}
	}
}

func TestAConsumersFactsAreThoseOfItsReader(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	want := reader("a", func(w *WantConsumer) { w.AckWait = time.Second })
	mustConsumer(t, c, edge, want)
	filtered := reader("b", func(w *WantConsumer) { w.Subjects = []string{"flows.netflow9", "flows.sflow"} })
	publishTo(t, js, "flows.ipfix", 2)
	publishTo(t, js, "flows.sflow", 3)
	settled(t, c, filtered, func(k Consumer) bool { return k.Pending == 3 && k.Oldest == 3 && k.LagKnown && k.Filtered })
	settled(t, c, reader("c", func(w *WantConsumer) { w.Subjects = []string{"flows.>"} }), func(k Consumer) bool { return k.Pending == 5 && !k.Filtered })
	settled(t, c, want, func(k Consumer) bool {
		return k.Pending == 5 && k.Oldest == 1 && k.LastRead.IsZero() && k.Deliveries == 0
	})
	natstest.Read(t, js, "flows", "a", 1, true)
	natstest.Read(t, js, "flows", "a", 2, false)
	settled(t, c, want, func(k Consumer) bool {
		return k.Pending == 2 && k.AckPending == 2 && k.Oldest == 2 && k.AckFloor == 1 && k.Delivered == 3 && time.Since(k.LastRead) < time.Minute
	})
	settled(t, c, want, func(k Consumer) bool { return k.Lag >= time.Second })
	natstest.Read(t, js, "flows", "a", 4, true) // two of them once more
	settled(t, c, want, func(k Consumer) bool {
		return k.Pending == 0 && k.AckPending == 0 && k.Oldest == 0 && k.Lag == 0 && k.LagKnown && k.Deliveries == 7
	})
}

// The largest batch that output.batch.maxBytes allows can be looked at; larger messages of others are left alone, and break nothing.
func TestTheAgeOfLargeMessagesIsKnownAsFarAsTheyAreFlows(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(func(c *config.Stream) { c.MaxBytes = 8 << 20 }), false)
	publish := func(bytes int) {
		t.Helper()
		if _, err := js.Publish(background(t), "flows.ipfix", make([]byte, bytes)); err != nil {
			t.Fatal(err)
		}
	}
	publish(900 << 10)
	for _, direct := range []bool{false, true} {
		stream := configOf(t, js, "flows")
		stream.AllowDirect = direct
		if _, err := js.UpdateStream(background(t), stream); err != nil {
			t.Fatal(err)
		}
		settled(t, c, reader("a"), func(k Consumer) bool { return k.LagKnown && k.Oldest == 1 })
	}
	if err := js.DeleteStream(background(t), "flows"); err != nil {
		t.Fatal(err)
	}
	larger := flows(func(c *config.Stream) { c.MaxBytes = 8 << 20 })
	natstest.CreateStream(t, js, streamAsCollectors(larger))
	mustStream(t, c, edge, larger, false)
	publish(1 << 20)
	settled(t, c, reader("a"), func(k Consumer) bool { return !k.LagKnown && k.Pending == 1 })
	if c.isBroken() {
		t.Error("the connection is broken")
	}
	publish(1)
	publish(1) // the large one is no more than one of several now
	all := mustConsumers(t, c, edge, nil, reader("a"), reader("b"))
	for _, k := range all.Each {
		if k.Class != ClassNone || k.LagKnown || k.LagError == "" {
			t.Errorf("%+v", k)
		}
	}
}

func TestTheProberKeepsConsumersAndTellsWhatItDid(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	told := make(chan Key, 100)
	p := NewProber(ProberOptions{Notify: func(k Key) {
		select {
		case told <- k:
		default:
		}
	}, Interval: 200 * time.Millisecond})
	ctx, cancel := context.WithCancel(background(t))
	defer cancel()
	go p.Run(ctx)
	key := Key{Namespace: "network", Name: "edge"}
	want := func(removed []string, names ...string) Want {
		w := &WantStream{Server: &Server{URLs: []string{s.URL()}}, Spec: flows(), Removed: removed}
		for _, name := range names {
			w.Consumers = append(w.Consumers, reader(name))
		}
		return Want{Owner: edge, Revision: fmt.Sprint(names), Stream: w}
	}
	p.Want(key, want(nil, "a", "b"))
	natstest.Eventually(t, "both are there", func() bool {
		f := p.Finding(key)
		return f.Stream != nil && f.Stream.Current && f.Stream.Found.Consumers != nil && len(f.Stream.Found.Consumers.Each) == 2
	})
	publishTo(t, js, "flows.ipfix", 2)
	natstest.Eventually(t, "what is unread is seen", func() bool { return p.Finding(key).Stream.Found.Consumers.Each[1].Pending == 2 })
	deeds := p.Deeds(key)
	if len(deeds) != 2 || deeds[1].Kind != "consumer" || deeds[1].Name != "a, b" || !deeds[1].Created {
		t.Errorf("%+v", deeds)
	}
	p.Want(key, want([]string{"b"}, "a"))
	natstest.Eventually(t, "one is gone", func() bool {
		f := p.Finding(key)
		return f.Stream.Current && len(f.Stream.Found.Consumers.Gone) == 1
	})
	deeds = p.Deeds(key)
	if len(deeds) != 1 || deeds[0].Name != "b" {
		t.Fatalf("%+v", deeds)
	}
	says(t, deeds[0].Changed, "b: deleted")
}
