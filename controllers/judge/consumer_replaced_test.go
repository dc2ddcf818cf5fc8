package judge

import (
	"context"
	"strings"
	"testing"
	"time"

	natsjetstream "github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// A real stream of 100 messages goes with what nobody had read of it. That is told as what it is: not known. What the next stream of the name
// takes unread is counted, to the message.
func TestWhatWentWithADeletedStreamIsToldAndWhatTheNextOneTakesIsCounted(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s := natstest.Start(t)
	js, err := natsjetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	create := func() {
		t.Helper()
		natstest.CreateStream(t, js, natsjetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}, MaxMsgs: 100})
	}
	publish := func(n int) {
		t.Helper()
		for range n {
			if _, err := js.Publish(ctx, "flows.ipfix", []byte("flow")); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := well()
	f.Collector.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "sink"}}
	look := func() v1alpha1.ConsumerStatus {
		t.Helper()
		return lookInNATS(ctx, t, f, s.URL())
	}
	replace := func() {
		t.Helper()
		time.Sleep(1100 * time.Millisecond) // the status tells streams apart by the second in which they were made
		if err := js.DeleteStream(ctx, "flows"); err != nil {
			t.Fatal(err)
		}
		create()
	}

	create()
	look()
	replace()
	if c := look(); c.Lost != 0 || !c.LostAtLeast || c.MayBeLost != 0 || keepUp(&f.Collector.Status).Reason == ReasonStreamReplaced {
		t.Errorf("nothing was unread: %+v, %+v", c, keepUp(&f.Collector.Status))
	}
	publish(80)
	natstest.Read(t, js, "flows", "sink", 30, true)
	natstest.Eventually(t, "30 are read", func() bool { c := look(); return c.Pending+c.AckPending == 50 })
	replace()
	publish(130) // the consumer is made late: 30 are gone by then
	var c v1alpha1.ConsumerStatus
	for range 2 { // once, however often it is looked at
		c = look()
		if c.Lost != 30 || !c.LostAtLeast || c.MayBeLost != 50 {
			t.Errorf("50 went with the stream, and the next one took 30: %+v", c)
		}
	}
	if said := keepUp(&f.Collector.Status); said.Reason != ReasonMessagesLost || !strings.Contains(said.Message, "at least 30 messages") ||
		!strings.Contains(said.Message, "50 messages of the former one were not acknowledged when last looked at") {
		t.Errorf("%+v", said)
	}
	replace()
	if c = look(); c.Lost != 30 || c.MayBeLost != 150 {
		t.Errorf("100 more went: %+v", c)
	}
	f.Collector.Status.Consumers[0].LostTime = nil
	if said := keepUp(&v1alpha1.FlowCollectorStatus{Conditions: Judge(f).Status.Conditions}); said.Status != "False" || said.Reason != ReasonStreamReplaced {
		t.Errorf("%+v", said)
	}
	f.Now = f.Now.Add(2 * readerLossTold)
	f.NATS.Stream.FoundAt, f.NATS.Stream.At = f.Now, f.Now
	if said := keepUp(&v1alpha1.FlowCollectorStatus{Conditions: Judge(f).Status.Conditions}); said.Reason == ReasonStreamReplaced || said.Reason == ReasonMessagesLost {
		t.Errorf("it is told for ever: %+v", said)
	}
}

// A server of a cluster that lost its volume brings a stream of one copy back empty, with the time at which it was first made.
func TestAStreamThatComesBackEmptyIsToldAsOneThatWasMadeAgain(t *testing.T) {
	made := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	stream := func(first, last uint64, replicas int) *jetstream.Consumers {
		return &jetstream.Consumers{StreamMade: made, First: first, Last: last, Replicas: replicas}
	}
	neverRead := jetstream.Consumer{Name: "sink", Found: true, Made: made, Pending: 16167, Oldest: 1}
	read := jetstream.Consumer{Name: "sink", Found: true, Made: made, Delivered: 120, Deliveries: 120, AckFloor: 100, AckPending: 20}
	for name, test := range map[string]struct {
		consumer jetstream.Consumer
		was, is  *jetstream.Consumers
		lost     int64
	}{
		"with nothing":                           {neverRead, stream(1, 16167, 1), stream(0, 0, 1), 16167},
		"with what came since":                   {neverRead, stream(1, 16167, 1), stream(1, 352, 1), 16167},
		"to a reader that had not confirmed all": {read, stream(50, 120, 1), stream(1, 5, 1), 20},
		"not where it only grew":                 {neverRead, stream(1, 16167, 1), stream(1, 16168, 1), 0},
		"not where somebody emptied it":          {read, stream(50, 120, 1), stream(121, 120, 1), 0},
		"not where it was empty and stays so":    {jetstream.Consumer{Name: "sink", Found: true, Made: made}, stream(121, 120, 1), stream(121, 120, 1), 0},
		"not where a new leader of three counts": {neverRead, stream(1, 16167, 3), stream(1, 16160, 3), 0},
	} {
		t.Run(name, func(t *testing.T) {
			before := counted(nil, &test.consumer, test.was, made.Add(time.Hour))
			now := jetstream.Consumer{Name: "sink", Found: true, Made: made, Pending: test.is.Last}
			after := counted(&before, &now, test.is, made.Add(time.Hour+time.Minute))
			if after.MayBeLost != test.lost || (after.MayBeLostTime != nil) != (test.lost > 0) {
				t.Errorf("%d may be lost, not %d: %+v", after.MayBeLost, test.lost, after)
			}
			if again := counted(&after, &now, test.is, made.Add(time.Hour+2*time.Minute)); again.MayBeLost != test.lost {
				t.Errorf("told twice: %d", again.MayBeLost)
			}
		})
	}
}

// Each look finds the stream first and its consumers a moment later, is judged more than once, and a consumer may stand where no message is yet.
func TestAStreamIsNotToldToHaveComeBackEmptyForWhereItsConsumerStands(t *testing.T) {
	made := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	consumer := func(k jetstream.Consumer) jetstream.Consumer {
		k.Name, k.Found = "sink", true
		if k.Made.IsZero() {
			k.Made = made
		}
		return k
	}
	ahead := jetstream.Consumer{Start: 5000, Delivered: 4999, AckFloor: 4999}
	type look struct {
		last     uint64
		consumer jetstream.Consumer
	}
	for name, looks := range map[string][]look{
		"a reader that was ahead of the look at the stream": {
			{100, jetstream.Consumer{Delivered: 102, Deliveries: 102, AckFloor: 99, AckPending: 3}},
			{100, jetstream.Consumer{Delivered: 102, Deliveries: 102, AckFloor: 99, AckPending: 3}},
			{103, jetstream.Consumer{Delivered: 103, Deliveries: 103, AckFloor: 103}},
		},
		"messages that came between the looks": {
			{100, jetstream.Consumer{Pending: 104, Oldest: 1}}, {100, jetstream.Consumer{Pending: 104, Oldest: 1}}, {104, jetstream.Consumer{Pending: 104, Oldest: 1}},
		},
		"a consumer that begins beyond the end":                       {{10, ahead}, {10, ahead}, {12, ahead}},
		"a consumer that began beyond the end and is made once more":  {{10, ahead}, {12, jetstream.Consumer{Made: made.Add(time.Minute), Pending: 12, Oldest: 1}}},
		"a consumer that is made once more to begin beyond the end":   {{10, jetstream.Consumer{Pending: 10}}, {12, jetstream.Consumer{Made: made.Add(time.Minute), Start: 5000, Delivered: 4999, AckFloor: 4999}}},
		"a reader that has read all, and begins with the first again": {{10, jetstream.Consumer{Delivered: 10, Deliveries: 10, AckFloor: 10}}, {10, jetstream.Consumer{Pending: 10}}},
	} {
		t.Run(name, func(t *testing.T) {
			var before *v1alpha1.ConsumerStatus
			for i, l := range looks {
				k := consumer(l.consumer)
				s := counted(before, &k, &jetstream.Consumers{StreamMade: made, First: 1, Last: l.last, Replicas: 1}, made.Add(time.Hour+time.Duration(i)*time.Second))
				if s.Lost != 0 || s.LostAtLeast || s.MayBeLost != 0 {
					t.Errorf("look %d: %+v", i, s)
				}
				before = &s
			}
		})
	}
}
