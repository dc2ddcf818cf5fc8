package controllers

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	prober "github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

func named(names ...string) func(*v1alpha1.FlowCollector) {
	return func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Output.Consumers = nil
		for _, name := range names {
			fc.Spec.Output.Consumers = append(fc.Spec.Output.Consumers, v1alpha1.Consumer{Name: name})
		}
	}
}

func TestConsumersOfTheSpecAreMadeToldAndRemoved(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	js := w.jetStream(w.nats)
	fc := w.create("edge", named("sink", "other"))
	w.run(fc, 0)
	w.expect(fc, v1alpha1.ConditionConsumersKeepUp, metav1.ConditionFalse, judge.ReasonNeverRead, "consumer sink was never read from")
	there := func(name string) bool {
		_, err := js.Consumer(t.Context(), fleet.StreamName(fc), name)
		return err == nil
	}
	if !there("sink") || !there("other") {
		t.Fatal("they are not there")
	}
	if _, err := js.CreateConsumer(t.Context(), fleet.StreamName(fc), jetstream.ConsumerConfig{Durable: "theirs", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), fleet.Subject(fc)+".ipfix", []byte("flow")); err != nil {
		t.Fatal(err)
	}
	k, err := js.Consumer(t.Context(), fleet.StreamName(fc), "sink")
	if err != nil {
		t.Fatal(err)
	}
	m, err := k.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	change(w, fc, named("sink", "theirs"))
	natstest.Eventually(t, "what was read is told, and one is gone", func() bool {
		w.lookNow(operator, fc)
		w.read(fc)
		s := fc.Status.Consumers
		return !there("other") && len(s) == 2 && s[0].Name == "sink" && s[0].LastReadTime != nil && s[0].Pending == 0 && s[1].Name == "theirs" && !s[1].Managed
	})
	change(w, fc, named())
	natstest.Eventually(t, "there is nothing to tell", func() bool {
		w.lookNow(operator, fc)
		w.read(fc)
		return len(fc.Status.Consumers) == 0 && !there("sink")
	})
	if !there("theirs") {
		t.Error("another's consumer was deleted")
	}
}

func TestConsumersDeliverTheFlowsOfTheirFleet(t *testing.T) {
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "network", Name: "edge"}}
	fc.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "all"}, {Name: "two", Protocols: []v1alpha1.FlowProtocol{"sflow", "ipfix"}}}
	for stream, all := range map[string][]string{"flows.network.edge.>": nil, "flows.>": {"flows.network.edge.>"}} {
		got := wantedConsumers(fc, []string{stream})
		if diff := cmp.Diff([][]string{all, {"flows.network.edge.ipfix", "flows.network.edge.sflow"}}, [][]string{got[0].Subjects, got[1].Subjects}); diff != "" {
			t.Errorf("%s: %s", stream, diff)
		}
	}
}

// What cannot be looked at is not shown as if it were of now; what was lost is.
func TestMetricsOfConsumersAreOfNow(t *testing.T) {
	m, err := newConsumerMetrics(prometheus.NewRegistry(), ofConsumers, "consumer")
	if err != nil {
		t.Fatal(err)
	}
	lag, used := int64(7), int32(50)
	state := func(status metav1.ConditionStatus, names ...string) *v1alpha1.FlowCollector {
		fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge"}}
		fc.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionConsumersKeepUp, Status: status}}
		for _, name := range names {
			fc.Status.Consumers = append(fc.Status.Consumers, v1alpha1.ConsumerStatus{Name: name, LagSeconds: &lag, RetentionUsedPercent: &used})
		}
		return fc
	}
	series := func() (n int) {
		for _, metric := range m {
			n += testutil.CollectAndCount(metric.gauge)
		}
		return n
	}
	before := state(metav1.ConditionTrue)
	for _, step := range []struct {
		now  *v1alpha1.FlowCollector
		want int
	}{
		{state(metav1.ConditionTrue, "a", "b"), 14},
		{state(metav1.ConditionUnknown, "a", "b"), 4},
		{state(metav1.ConditionFalse, "b"), 7},
		{state(metav1.ConditionFalse), 0},
	} {
		m.show(before, step.now)
		if n := series(); n != step.want {
			t.Errorf("%d series, not %d, of %+v", n, step.want, step.now.Status)
		}
		before = step.now
	}
}

// A consumer that is taken out of the spec before the status could tell of it is removed all the same.
func TestAConsumerThatWasWantedForAMomentIsRemoved(t *testing.T) {
	w := newWorld(t)
	var refused atomic.Bool
	startOperator(w, w.s, w.namespace, operatorOptions{looks: prober.ProberOptions{Interval: time.Second}, between: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if refused.Load() && r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/flowcollectors/edge/status") {
				return nil, errors.New("cut off")
			}
			return next.RoundTrip(r)
		})
	}})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	js := w.jetStream(w.nats)
	there := func() bool {
		_, err := js.Consumer(t.Context(), fc.Status.Stream.Name, "reader")
		return err == nil
	}
	refused.Store(true)
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "reader"}} })
	natstest.Eventually(t, "the consumer is made", there)
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Consumers = nil })
	refused.Store(false)
	natstest.Eventually(t, "the consumer is removed", func() bool { return !there() })
}
