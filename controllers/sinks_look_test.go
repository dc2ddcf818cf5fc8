package controllers

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// sinkPod makes a pod with the labels of a sink of the FlowSink rows, which answers so.
func (w *world) sinkPod(name, owner string, answer http.HandlerFunc) {
	w.Helper()
	server := httptest.NewServer(answer)
	w.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		w.Fatal(err)
	}
	port, err := strconv.ParseInt(address.Port(), 10, 32)
	if err != nil {
		w.Fatal(err)
	}
	labels := sink.Selector(&v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Name: "rows"}})
	labels["pod-template-hash"], labels["app.kubernetes.io/managed-by"] = "5d", "flowfleet"
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: labels,
		OwnerReferences: []metav1.OwnerReference{ownedBy("ReplicaSet", owner)}}, Spec: corev1.PodSpec{NodeName: "n1",
		Containers: []corev1.Container{{Name: "sink", Image: testImage, Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: int32(port)}}}}}}
	if err := w.c.Create(w.Context(), pod); err != nil {
		w.Fatal(err)
	}
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, address.Hostname()
	pod.Status.PodIPs = []corev1.PodIP{{IP: address.Hostname()}}
	if err := w.c.Status().Update(w.Context(), pod); err != nil {
		w.Fatal(err)
	}
}

// With the rights of config/sinks, the operator asks the Deployment's pods, and no other that has their labels, and says what they say.
func TestAFlowSinkSaysWhatItsSinksSay(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	var behind atomic.Bool
	var stream atomic.Pointer[string] // of the FlowCollector
	stream.Store(new(string))
	lied := make(chan struct{}, 1)
	w.sinkPod("rows-sink-5d-a", "rows-sink-5d", func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path != status.SinkPath {
			http.NotFound(out, r)
			return
		}
		lag := time.Minute
		if behind.Load() {
			lag = 20 * time.Hour
		}
		text, err := status.EncodeSink(&status.Sink{Started: time.Unix(1, 0), Time: time.Now(), Schema: &status.Schema{Version: 1, Wanted: 1}, Stored: 1234,
			Place: &status.Place{Stream: *stream.Load(), Consumer: w.namespace + "_rows", First: 1, Last: 100, MaxAge: 24 * time.Hour, MaxBytes: -1, MaxMessages: -1,
				Made: time.Unix(1_700_000_000, 0), Pending: 5, Delivered: 95, Deliveries: 95, AckFloor: 95, AckWait: time.Minute, Oldest: 96, Lag: &lag}})
		if err != nil {
			t.Error(err)
		}
		_, _ = out.Write(text)
	})
	w.sinkPod("liar", "other-sink-5d", func(http.ResponseWriter, *http.Request) {
		select {
		case lied <- struct{}{}:
		default:
		}
	})
	o := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, sinksInterval: time.Second})
	w.create("edge")
	s := w.sinkOf("edge", "rows")
	is := func(kind string, status metav1.ConditionStatus) bool {
		w.read(s)
		stream.Store(new(s.Status.Stream))
		return meta.IsStatusConditionPresentAndEqual(s.Status.Conditions, kind, status)
	}
	natstest.Eventually(t, "it keeps up, and its tables are current", func() bool {
		return is(v1alpha1.ConditionKeepingUp, metav1.ConditionTrue) && is(v1alpha1.ConditionSchemaCurrent, metav1.ConditionTrue)
	})
	if b, r := s.Status.Books, s.Status.Reader; b == nil || b.Stored != 1200 || b.Sinks != 1 || r == nil || r.Pending != 5 || *r.LagSeconds != 60 {
		t.Errorf("%+v, %+v", b, r)
	}
	shown := func(name string, labels prometheus.Labels) (value float64, found bool) {
		families, err := o.sinkMetrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.Metric {
				has := make(prometheus.Labels)
				for _, l := range m.Label {
					has[l.GetName()] = l.GetValue()
				}
				if f.GetName() == name && maps.Equal(has, labels) {
					return m.Gauge.GetValue(), true
				}
			}
		}
		return 0, false
	}
	rows := prometheus.Labels{"namespace": w.namespace, "name": "rows"}
	keepsUp := prometheus.Labels{"namespace": w.namespace, "name": "rows", "type": "KeepingUp", "status": "True"}
	for _, m := range []struct {
		name   string
		labels prometheus.Labels
		want   float64
	}{
		{"flowfleet_operator_flowsink_condition", keepsUp, 1},
		{"flowfleet_operator_flowsink_wanted_replicas", rows, 1},
		{"flowfleet_operator_flowsink_lag_seconds", rows, 60},
		{"flowfleet_operator_flowsink_pending_messages", rows, 5},
		{"flowfleet_operator_flowsink_lost_messages", rows, 0},
	} {
		natstest.Eventually(t, fmt.Sprintf("%s is %v", m.name, m.want), func() bool { // it follows the status
			got, found := shown(m.name, m.labels)
			return found && got == m.want
		})
	}
	lines := strings.Split(w.s.Kubectl(t, "", "get", "flowsinks", "-n", w.namespace), "\n")
	if !regexp.MustCompile(`^NAME +READY +KEEPING UP +FROM +DESTINATION +SINKS +LAG SECONDS +STORED +AGE$`).MatchString(lines[0]) ||
		!regexp.MustCompile(`^rows +False +True +edge +http://clickhouse:8123 +0/1 +60 +1200 +\S+$`).MatchString(lines[1]) {
		t.Errorf("kubectl get shows\n%s", strings.Join(lines, "\n"))
	}
	behind.Store(true)
	natstest.Eventually(t, "it is behind", func() bool { return is(v1alpha1.ConditionKeepingUp, metav1.ConditionFalse) })
	if *s.Status.Reader.RetentionUsedPercent != 83 {
		t.Errorf("%+v", s.Status.Reader)
	}
	natstest.Eventually(t, "metrics say so", func() bool {
		used, _ := shown("flowfleet_operator_flowsink_retention_used_ratio", rows)
		yes, _ := shown("flowfleet_operator_flowsink_condition", keepsUp)
		return used == 0.83 && yes == 0
	})
	natstest.Eventually(t, "an event tells that it is behind", func() bool {
		return slices.ContainsFunc(w.events(s), func(e eventsv1.Event) bool {
			return e.Reason == "ReaderBehind" && e.Type == corev1.EventTypeWarning && e.Action == v1alpha1.ConditionKeepingUp
		})
	})
	if err := w.c.Delete(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "its metrics go with it", func() bool {
		_, condition := shown("flowfleet_operator_flowsink_condition", keepsUp)
		_, lag := shown("flowfleet_operator_flowsink_lag_seconds", rows)
		_, wanted := shown("flowfleet_operator_flowsink_wanted_replicas", rows)
		return !condition && !lag && !wanted
	})
	select {
	case <-lied:
		t.Error("a pod that is not the Deployment's was asked")
	default:
	}
}

// An address may have gone to another pod since the cache last heard.
func TestAnotherSinkAtAPodsAddressIsNotBelieved(t *testing.T) {
	for instance, want := range map[string]bool{"rows-sink-5d-a": true, "rows-sink-5d-b": false, "": true} { // "": an earlier version
		server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
			text, err := status.EncodeSink(&status.Sink{Instance: instance, Started: time.Unix(1, 0), Place: &status.Place{Stream: "flows"}})
			if err != nil {
				t.Error(err)
			}
			_, _ = out.Write(text)
		}))
		defer server.Close()
		address := netip.MustParseAddrPort(server.Listener.Addr().String())
		pod := observation.Pod{Name: "rows-sink-5d-a", Address: address.Addr().String(), Port: int32(address.Port())}
		name := types.NamespacedName{Namespace: "flows", Name: "rows"}
		look := newSinkLook(nil, time.Second, nil)
		look.ask(t.Context(), question{sink: name, pod: pod})
		heard, placed := look.of(name, []observation.Pod{pod})
		if len(heard) != 1 || (heard[0].Said != nil) != want || (heard[0].Error == "") != want || (placed != nil) != want {
			t.Errorf("one that says it is %q: %+v, %+v", instance, heard, placed)
		}
	}
}

// noSinks is a cache in which nothing is.
type noSinks struct{ client.Client }

func (noSinks) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

// What was said last of where the consumer stands outlives the pod that said it, and goes with the FlowSink.
func TestThePlaceThatWasSaidLastIsKept(t *testing.T) {
	var looked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		d := &status.Sink{Started: time.Unix(1, 0)}
		if at := looked.Load(); at > 0 {
			d.Place = &status.Place{Stream: "flows", Time: time.Unix(at, 0)}
		}
		text, err := status.EncodeSink(d)
		if err != nil {
			t.Error(err)
		}
		_, _ = out.Write(text)
	}))
	defer server.Close()
	address := netip.MustParseAddrPort(server.Listener.Addr().String())
	name, look := types.NamespacedName{Namespace: "flows", Name: "rows"}, newSinkLook(noSinks{}, time.Second, nil)
	for i, at := range []int64{100, 200, 150, 0} {
		looked.Store(at)
		look.ask(t.Context(), question{sink: name, pod: observation.Pod{Name: strconv.Itoa(i), Address: address.Addr().String(), Port: int32(address.Port())}})
	}
	if _, placed := look.of(name, nil); placed == nil || placed.Pod.Name != "1" {
		t.Errorf("%+v", placed)
	}
	look.forget(name)
	if _, placed := look.of(name, nil); placed != nil {
		t.Errorf("a FlowSink of the name would begin with it: %+v", placed)
	}
	look.ask(t.Context(), question{sink: name, pod: observation.Pod{Name: "1", Address: address.Addr().String(), Port: int32(address.Port())}}) // it was under way
	if _, err := look.questions(t.Context()); err != nil || len(look.heard)+len(look.placed) > 0 {
		t.Errorf("what was heard of a FlowSink that is gone is kept: %v, %v, %v", err, look.heard, look.placed)
	}
}

func TestEventsOfAFlowSinkTellWhatWentWrongAndThatItIsOver(t *testing.T) {
	condition := func(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason}
	}
	behind, keepsUp := condition(v1alpha1.ConditionKeepingUp, "False", "ReaderBehind"), condition(v1alpha1.ConditionKeepingUp, "True", "KeepingUp")
	unknown := condition(v1alpha1.ConditionKeepingUp, "Unknown", "NotKnown")
	type conditions []metav1.Condition
	for name, test := range map[string]struct {
		before, after conditions
		want          string // kinds and reasons
	}{
		"a start is not worth two":        {nil, conditions{condition("Ready", "False", "Rolling"), unknown}, "Normal Rolling"},
		"behind":                          {conditions{keepsUp}, conditions{behind}, "Warning ReaderBehind"},
		"still behind":                    {conditions{behind}, conditions{behind}, ""},
		"it was lost then":                {conditions{behind}, conditions{condition("KeepingUp", "False", "MessagesLost")}, "Warning MessagesLost"},
		"it keeps up again":               {conditions{behind}, conditions{keepsUp}, "Normal KeepingUp"},
		"nobody knows whether it is over": {conditions{behind}, conditions{unknown}, "Warning NotKnown"},
		"it is known now":                 {conditions{unknown}, conditions{keepsUp}, ""},
		"each condition": {nil, conditions{condition("Ready", "False", "SinksNotReady"), condition("DestinationReachable", "False", "DestinationFails"), behind,
			condition("SchemaCurrent", "False", "SchemaMissing")}, "Warning SinksNotReady, Warning DestinationFails, Warning ReaderBehind, Warning SchemaMissing"},
	} {
		var got []string
		for _, e := range sinkEvents(test.before, test.after) {
			got = append(got, e.kind+" "+e.reason)
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s: %v, want %s", name, got, test.want)
		}
	}
}

func TestAStatusOfAFlowSinkIsWrittenForWhatChangedByEnough(t *testing.T) {
	known := func(n int64) *int64 { return &n }
	full := func() *v1alpha1.FlowSinkStatus {
		return &v1alpha1.FlowSinkStatus{Replicas: 1, Books: &v1alpha1.FlowSinkBooks{Stored: 1200}, Reader: &v1alpha1.ConsumerStatus{Pending: 1000, LagSeconds: known(60),
			Position: v1alpha1.ConsumerPosition{Delivered: 5}}, Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: "True", Reason: "SinksReady",
			Message: "well"}, {Type: v1alpha1.ConditionKeepingUp, Status: "True", Reason: "KeepingUp", Message: "1 %"}}}
	}
	for name, test := range map[string]struct {
		change func(*v1alpha1.FlowSinkStatus)
		want   worth
	}{
		"nothing":                       {func(*v1alpha1.FlowSinkStatus) {}, nothingNew},
		"a place":                       {func(s *v1alpha1.FlowSinkStatus) { s.Reader.Position.Delivered = 9 }, nothingNew},
		"a few messages":                {func(s *v1alpha1.FlowSinkStatus) { s.Reader.Pending = 1100 }, nothingNew},
		"the words of figures":          {func(s *v1alpha1.FlowSinkStatus) { s.Conditions[1].Message = "2 %" }, nothingNew},
		"twice as many messages":        {func(s *v1alpha1.FlowSinkStatus) { s.Reader.Pending = 2001 }, newFigures},
		"books":                         {func(s *v1alpha1.FlowSinkStatus) { s.Books.Stored = 1300 }, newFigures},
		"a lag that is not known":       {func(s *v1alpha1.FlowSinkStatus) { s.Reader.LagSeconds = nil }, newFigures},
		"a loss":                        {func(s *v1alpha1.FlowSinkStatus) { s.Reader.Lost = 1 }, newFigures},
		"a reader that is known at all": {func(s *v1alpha1.FlowSinkStatus) { s.Reader = nil }, newFigures},
		"words":                         {func(s *v1alpha1.FlowSinkStatus) { s.Conditions[0].Message = "very well" }, newFigures},
		"a condition":                   {func(s *v1alpha1.FlowSinkStatus) { s.Conditions[1].Status = "False" }, newJudgement},
		"sinks":                         {func(s *v1alpha1.FlowSinkStatus) { s.Replicas = 2 }, newJudgement},
	} {
		after := full()
		test.change(after)
		if got := weighSink(full(), after); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
