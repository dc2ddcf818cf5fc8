package sink

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// Whatever happened to a FlowSink: once its sinks run, store and keep up, and have for longer than a loss is told, the status says so, and nothing of
// what was.
func TestWhateverHappenedAFlowSinkThatIsWellAgainSaysSo(t *testing.T) {
	for seed := range uint64(histories) {
		h := newHistory(seed)
		for range 12 {
			h.pass()
			h.f.Sink.Status = Judge(h.f)
		}
		s := h.f.Sink
		if s.Spec.Replicas == nil || *s.Spec.Replicas == 0 {
			s.Spec.Replicas = new(int32(2))
		}
		n := Replicas(s)
		now, server := h.f.Now, h.f.Server
		for range 2 {
			now, server = now.Add(2*time.Hour), server.Add(2*time.Hour)
			f := &Facts{Sink: s, Now: now, Server: server, Stream: "flows-edge", Image: "image", Stores: true,
				Collector:  &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge"}},
				Deployment: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 3}, Status: appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n}}}
			lag := time.Duration(0)
			f.Heard = []Heard{{Pod: observation.Pod{Name: "rows-sink-a"}, Asked: now, Said: &status.Sink{Schema: &status.Schema{Version: 2, Wanted: 2}, Stored: 7,
				Place: &status.Place{Stream: "flows-edge", Consumer: ConsumerName(s), StreamMade: noon, Made: noon, First: 1, Last: 1000, Bytes: 1 << 20, MaxAge: time.Hour,
					MaxBytes: 1 << 21, MaxMessages: -1, Delivered: 1000, Deliveries: 1000, AckFloor: 1000, AckWait: time.Second, Oldest: 1001, Lag: &lag, LastRead: server}}}}
			s.Status = Judge(f)
		}
		for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionDestinationReachable, v1alpha1.ConditionKeepingUp, v1alpha1.ConditionSchemaCurrent} {
			if c := meta.FindStatusCondition(s.Status.Conditions, kind); c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != s.Generation {
				t.Errorf("history %d: of generation %d, %s is %+v", seed, s.Generation, kind, c)
			}
		}
		for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionDestinationShared} {
			if c := meta.FindStatusCondition(s.Status.Conditions, kind); c != nil && c.Status == metav1.ConditionTrue {
				t.Errorf("history %d: %s is %+v", seed, kind, c)
			}
		}
		if s.Status.ObservedGeneration != s.Generation || s.Status.ReadyReplicas != n || s.Status.Stream != "flows-edge" {
			t.Errorf("history %d: %+v", seed, s.Status)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}
