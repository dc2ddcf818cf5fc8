package publish

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// After an outage that is longer than the duplicate window, whatever the retention: what comes twice is counted as unverified, and
// where the stream can be looked at nothing does.
func TestNothingComesTwiceUncounted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		retention jetstream.RetentionPolicy
		consumed  bool // at once, by a consumer that was there before
		// stored: the stream took the batches in doubt.
		stored bool
		// perhaps are the batches that may come twice, by what the stream can say; twice are those that do.
		perhaps, twice uint64
	}{
		{"limits", jetstream.LimitsPolicy, true, true, 0, 0},
		{"limits, nothing arrived", jetstream.LimitsPolicy, true, false, 0, 0},
		{"interest, consumed", jetstream.InterestPolicy, true, true, 5, 5},
		{"interest, waiting for a consumer", jetstream.InterestPolicy, false, true, 0, 0},
		{"interest, nothing arrived, younger ones are consumed", jetstream.InterestPolicy, true, false, 5, 0},
		{"work queue, consumed", jetstream.WorkQueuePolicy, true, true, 5, 5},
		{"work queue, nothing arrived, younger ones are consumed", jetstream.WorkQueuePolicy, true, false, 5, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Start(t)
			js, err := jetstream.New(s.Connect())
			if err != nil {
				t.Fatal(err)
			}
			const window = time.Second
			stream, err := js.CreateStream(context.Background(), jetstream.StreamConfig{
				Name: "flows", Subjects: []string{"flows.>"}, Duplicates: window, Retention: test.retention,
			})
			if err != nil {
				t.Fatal(err)
			}
			consumer, err := stream.CreateOrUpdateConsumer(context.Background(), jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckExplicitPolicy})
			if err != nil {
				t.Fatal(err)
			}
			received := make(chan string, 100)
			consume := func() {
				consuming, err := consumer.Consume(func(m jetstream.Msg) { received <- string(m.Data()[:6]); _ = m.DoubleAck(context.Background()) })
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(consuming.Stop)
			}
			if test.consumed {
				consume()
			}
			proxy := natstest.NewProxy(t, s)
			p, err := New(output(nil), "test", natstest.Connect(t, proxy.URL()), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close(context.Background()) })
			submit(p, 0, 5, 100)
			natstest.Eventually(t, "the first are published", func() bool { return p.Stats().Published == 5 })
			state := func() jetstream.StreamState {
				info, err := stream.Info(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				return info.State
			}
			if test.stored {
				proxy.Silence()
				submit(p, 5, 5, 100)
				natstest.Eventually(t, "the stream has them", func() bool { return state().LastSeq == 10 })
				if test.consumed && test.retention != jetstream.LimitsPolicy {
					natstest.Eventually(t, "they are consumed", func() bool { return state().Msgs == 0 })
				}
			} else {
				proxy.Stall()
				submit(p, 5, 5, 100)
				natstest.Eventually(t, "they are sent", func() bool { return p.Stats().InFlightBytes > 5*100 })
			}
			proxy.Cut()
			natstest.Eventually(t, "the connection is gone", func() bool { return !p.Status().Connected })
			submit(p, 10, 5, 100)
			time.Sleep(window + 500*time.Millisecond)
			proxy.Heal()
			natstest.Eventually(t, "all are published", func() bool { return p.Stats().Published == 15 })
			if !test.consumed {
				consume()
			}
			got, twice := make(map[string]int), uint64(0)
			for count := 0; len(got) < 15 || count < 15+int(test.twice); count++ {
				select {
				case id := <-received:
					if got[id]++; got[id] > 1 {
						twice++
					}
				case <-time.After(10 * time.Second):
					t.Fatalf("%d of 15 batches were received, %d twice", len(got), twice)
				}
			}
			time.Sleep(200 * time.Millisecond) // for more than there should be
			twice += uint64(len(received))
			if stats := check(t, p); stats.Unverified != test.perhaps || twice != test.twice {
				t.Errorf("%d batches came twice and %d are counted, want %d and %d", twice, stats.Unverified, test.twice, test.perhaps)
			}
		})
	}
}

func TestWhatAStreamCannotSayAnyMore(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		last uint64
		now  jetstream.StreamState
		want uint64
	}{
		{"empty from the start", 0, jetstream.StreamState{}, 0},
		{"all there", 10, jetstream.StreamState{FirstSeq: 1, LastSeq: 10}, 0},
		{"the oldest made room", 10, jetstream.StreamState{FirstSeq: 4, LastSeq: 12}, 3},
		{"all consumed", 10, jetstream.StreamState{FirstSeq: 11, LastSeq: 10}, 10},
		{"all consumed, and more since", 10, jetstream.StreamState{FirstSeq: 31, LastSeq: 30}, 10},
		{"some deleted in between", 10, jetstream.StreamState{FirstSeq: 1, LastSeq: 10, NumDeleted: 1}, 10},
	}
	for _, test := range tests {
		if got := gone(test.last, test.now); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}
