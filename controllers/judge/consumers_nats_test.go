package judge

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjetstream "github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// A reader of a real stream of 100 messages stops; what the stream takes then is counted to the message, over looks and restarts of the operator
// and the server. Read, lost and unread messages are all that there were.
func TestWhatAStoppedReaderLosesIsExact(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s := natstest.Start(t)
	js, err := natsjetstream.New(s.Connect(nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, natsjetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, MaxMsgs: 100}); err != nil {
		t.Fatal(err)
	}
	f := well()
	f.Collector.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "sink"}}
	published := 0
	publish := func(n int) {
		t.Helper()
		for range n {
			if _, err := js.Publish(ctx, "flows.ipfix", []byte("flow")); err != nil {
				t.Fatal(err)
			}
			published++
		}
	}
	read := func(n int, ack bool) {
		t.Helper()
		natstest.Read(t, js, "flows", "sink", n, ack)
	}
	// The operator looks long after anybody has read: what was delivered is acknowledged by now, or never.
	look := func() v1alpha1.ConsumerStatus {
		t.Helper()
		f.Before = Memory{} // the operator was restarted
		return lookInNATS(ctx, t, f, s.URL())
	}
	lost := func(want int64, when string) {
		t.Helper()
		var last v1alpha1.ConsumerStatus
		deadline := time.Now().Add(30 * time.Second)
		for last = look(); last.Lost != want && time.Now().Before(deadline); last = look() { // the server notes it a moment later
			time.Sleep(20 * time.Millisecond)
		}
		if last.Lost != want || last.LostAtLeast {
			t.Fatalf("%s: %+v, %d are lost", when, last, want)
		}
	}
	lost(0, "an empty stream")
	publish(60)
	read(30, true)
	lost(0, "all is well")
	read(7, false) // and the reader dies with them
	lost(0, "nothing is taken yet")
	publish(70) // 130: 1 to 30 are taken, which were read
	lost(0, "what was read is taken")
	publish(3) // 31 to 33, which were delivered
	lost(3, "what was delivered is taken")
	publish(10) // 34 to 37, and 38 to 43, which were never delivered
	lost(13, "what was never delivered is taken")
	s.Stop()
	s.Restart()
	natstest.AwaitStream(t, js, "flows")
	publish(250)
	lost(263, "more than the stream holds")
	if c := keepUp(&f.Collector.Status); c.Reason != ReasonMessagesLost {
		t.Errorf("%+v", c)
	}
	lost(263, "nothing more")
	read(40, true)
	var last v1alpha1.ConsumerStatus
	natstest.Eventually(t, "all is counted", func() bool { last = look(); return last.Pending == 60 && last.AckPending == 0 })
	if last.Lost != 263 {
		t.Errorf("%+v", last)
	}
	if all := 30 + 40 + last.Lost + last.Pending; all != int64(published) {
		t.Errorf("%d of %d messages are accounted for", all, published)
	}
}

// lookInNATS is what the operator finds of the reader "sink" of the stream "flows" long after anybody has read, and judges of it. The reader gets the
// subjects that are given, all where none is.
func lookInNATS(ctx context.Context, t *testing.T, f *Facts, url string, subjects ...string) v1alpha1.ConsumerStatus {
	t.Helper()
	c, err := jetstream.Connect(ctx, &jetstream.Server{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all, err := c.EnsureConsumers(ctx, jetstream.Owner{Namespace: "flows", Name: "edge", UID: "1"}, "flows",
		[]jetstream.WantConsumer{{Name: "sink", AckWait: time.Second, MaxAckPending: 50, Subjects: subjects}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.NATS.Stream.Found.Consumers, f.NATS.Stream.FoundAt = all, time.Now().Add(10*time.Minute)
	f.Now = f.NATS.Stream.FoundAt
	f.Collector.Status = Judge(f).Status
	if len(f.Collector.Status.Consumers) != 1 {
		t.Fatalf("%+v", all)
	}
	return f.Collector.Status.Consumers[0]
}

// Where messages that are acknowledged leave the stream, those that a reader had in hand at one look, and has done with since, are not lost. What the
// stream takes before anybody reads it is.
func TestWhatLeavesAStreamForReadersOnceItIsAcknowledgedIsNotLost(t *testing.T) {
	for name, c := range map[string]struct {
		retention natsjetstream.RetentionPolicy
		subjects  []string
		lost      int64
	}{
		"work queue":                 {natsjetstream.WorkQueuePolicy, nil, 30},
		"work queue, some protocols": {natsjetstream.WorkQueuePolicy, []string{"flows.ipfix"}, 1},
		"interest":                   {natsjetstream.InterestPolicy, nil, 30},
		"interest, some protocols":   {natsjetstream.InterestPolicy, []string{"flows.ipfix"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := natstest.Start(t)
			js, err := natsjetstream.New(s.Connect())
			if err != nil {
				t.Fatal(err)
			}
			natstest.CreateStream(t, js, natsjetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, MaxMsgs: 100, Retention: c.retention})
			f := well()
			f.Collector.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "sink"}}
			publish := func(n int) {
				t.Helper()
				for range n {
					if _, err := js.Publish(t.Context(), "flows.ipfix", []byte("flow")); err != nil {
						t.Fatal(err)
					}
				}
			}
			look := func() v1alpha1.ConsumerStatus { return lookInNATS(t.Context(), t, f, s.URL(), c.subjects...) }
			look()
			publish(20)
			k, err := js.Consumer(t.Context(), "flows", "sink")
			if err != nil {
				t.Fatal(err)
			}
			batch, err := k.Fetch(3, natsjetstream.FetchMaxWait(20*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			var inHand []natsjetstream.Msg
			for m := range batch.Messages() {
				inHand = append(inHand, m)
			}
			if c := look(); c.AckPending != 3 {
				t.Fatalf("%+v", c)
			}
			for _, m := range inHand {
				if err := m.DoubleAck(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if c := look(); c.Lost != 0 {
				t.Errorf("they are acknowledged: %+v", c)
			}
			publish(113)
			natstest.Eventually(t, "30 are gone that nobody has read, of which others may have come in place", func() bool { return look().Lost == c.lost })
		})
	}
}
