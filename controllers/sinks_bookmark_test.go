package controllers

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// The operator writes down how far sinks have come, not each message, and no less than was written of the same stream.
func TestHowFarSinksHaveComeIsWrittenForThoseThatFindNoConsumer(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	var at, last, asked atomic.Uint64
	at.Store(100)
	last.Store(5000)
	made := time.Unix(1_700_000_000, 123_456_789).UTC()
	var stream atomic.Pointer[string]
	stream.Store(new(string))
	w.sinkPod("rows-sink-5d-a", "rows-sink-5d", func(out http.ResponseWriter, _ *http.Request) {
		n := at.Load()
		text, err := status.EncodeSink(&status.Sink{Started: time.Unix(1, 0), Time: time.Now(),
			Place: &status.Place{Stream: *stream.Load(), Consumer: w.namespace + "_rows", StreamMade: made, Subjects: []string{"flows.b.>", "flows.a.>"},
				First: 1, Last: last.Load(), MaxBytes: -1, MaxMessages: -1, Made: made, Delivered: n, Deliveries: n, AckFloor: n, AckWait: time.Minute, Lag: new(time.Duration)}})
		if err != nil {
			t.Error(err)
		}
		_, _ = out.Write(text)
		asked.Add(1)
	})
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, sinksInterval: time.Second})
	w.create("edge")
	s := w.sinkOf("edge", "rows")
	natstest.Eventually(t, "it has a stream", func() bool {
		w.read(s)
		stream.Store(new(s.Status.Stream))
		return s.Status.Stream != ""
	})
	file := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.BookmarkName(s)}}
	written := func() (acknowledged uint64) {
		if err := w.c.Get(t.Context(), client.ObjectKeyFromObject(file), file); err != nil {
			return 0
		}
		if len(file.Data) == 0 { // the operator keeps the name before any sink says anything
			return 0
		}
		b := sink.BookmarkIn(file.Data)
		if b == nil || b.Stream != s.Status.Stream || b.Consumer != w.namespace+"_rows" || !b.StreamMade.Equal(made) ||
			!slices.Equal(b.Subjects, []string{"flows.a.>", "flows.b.>"}) || !metav1.IsControlledBy(file, s) {
			t.Fatalf("%+v", file)
		}
		return b.Acknowledged
	}
	natstest.Eventually(t, "it is written", func() bool { return written() == 100 })
	// The last one came back empty.
	for _, step := range []struct{ now, last, want uint64 }{{200, 5000, 100}, {50, 5000, 100}, {5000, 5000, 5000}, {50, 60, 50}} {
		last.Store(step.last)
		at.Store(step.now)
		before := asked.Load()
		natstest.Eventually(t, "the sink was asked", func() bool { return asked.Load() >= before+3 })
		natstest.Eventually(t, "what is wanted is written", func() bool { return written() == step.want })
	}
}

func TestAConsumerThatSomebodyDeletedIsToldOf(t *testing.T) {
	reader := func(created, stream, start int64) *v1alpha1.ConsumerStatus {
		return &v1alpha1.ConsumerStatus{Name: "flows_rows", Position: v1alpha1.ConsumerPosition{Created: metav1.Unix(created, 0),
			StreamCreated: metav1.Unix(stream, 0), Start: start}}
	}
	unknown := reader(2, 1, 0)
	unknown.Position.StreamCreated = metav1.Time{}
	for name, test := range map[string]struct {
		before, after *v1alpha1.ConsumerStatus
		want          string
	}{
		"the first one":               {nil, reader(2, 1, 0), ""},
		"the same one":                {reader(2, 1, 0), reader(2, 1, 0), ""},
		"another one, that goes on":   {reader(2, 1, 0), reader(3, 1, 42), "began with message 42"},
		"another one, from the start": {reader(2, 1, 0), reader(3, 1, 0), "is stored twice"},
		"another stream":              {reader(2, 1, 0), reader(6, 5, 0), ""}, // KeepingUp says so
		"of an earlier version":       {unknown, reader(3, 1, 0), ""},
	} {
		if got := consumerReplaced(test.before, test.after); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
