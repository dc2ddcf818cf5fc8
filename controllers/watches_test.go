package controllers

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// A right that a broken upgrade takes away ends in watches that are refused: what the operator knows is then of the past, and it says so.
func TestFleetWhosePodsMayNotBeWatchedAnyMoreIsNotCalledWell(t *testing.T) {
	w := newWorld(t)
	gate := &gate{}
	o := startOperator(w, w.s, w.namespace, operatorOptions{between: gate.before})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expect(fc, v1alpha1.ConditionCollectorsAvailable, "True", judge.ReasonAvailable, "3 of 3")

	gate.shut()
	w.expect(fc, v1alpha1.ConditionCollectorsAvailable, "Unknown", judge.ReasonOperatorForbidden, "may not see how the collectors are")
	w.expect(fc, v1alpha1.ConditionProgressing, "True", judge.ReasonOperatorForbidden, "may not watch")
	w.expect(fc, v1alpha1.ConditionReady, "Unknown", judge.ReasonOperatorForbidden)
	o.settle(fc) // to say so is no reason to do it again
}

func TestRefusedWatchIsForgottenOnceItIsNotRefusedAgain(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1e9, 0))
	w := NewWatches(clock)
	w.add("Pod", judge.Unwatched{Words: "no"})
	clock.SetTime(clock.Now().Add(time.Minute))
	if w.look(); len(w.Troubles("", "Pod")) != 1 {
		t.Error("a reflector that waits for its next attempt passes for one that is allowed to watch")
	}
	w.add("Pod", judge.Unwatched{Words: "no"})
	clock.SetTime(clock.Now().Add(90 * time.Second))
	if w.look(); len(w.Troubles("", "Pod")) != 1 {
		t.Error("the second refusal did not count")
	}
	clock.SetTime(clock.Now().Add(troubleHolds))
	if w.look(); w.Troubles("", "Pod") != nil {
		t.Errorf("%v is left", w.Troubles("", "Pod"))
	}
}

func TestARefusalIsOfOneKindInOneNamespaceUnlessItIsOfTheWholeCluster(t *testing.T) {
	w := NewWatches(nil)
	w.add("Pod", judge.Unwatched{Words: `pods is forbidden: User "operator" cannot list resource "pods" in API group "" in the namespace "a"`})
	w.add("Node", judge.Unwatched{Words: `nodes is forbidden: User "operator" cannot list resource "nodes" in API group "" at the cluster scope`})
	for namespace, want := range map[string]int{"a": 2, "b": 1, "": 1} {
		if got := w.Troubles(namespace, "Pod", "Node"); len(got) != want {
			t.Errorf("in %q: %v", namespace, got)
		}
	}
	if got := w.Troubles("a", "Service"); got != nil {
		t.Error(got)
	}
}

func TestKindsAreNamedAsUsersKnowThem(t *testing.T) {
	for description, want := range map[string]string{"*v1.Pod": "Pod", "*v1alpha1.FlowCollector": "FlowCollector", "Node": "Node"} {
		if got := kindOf(description); got != want {
			t.Errorf("%s is %s", description, got)
		}
	}
}

// gate ends the watches of pods, and answers the next ones as the API server does where the right is missing.
type gate struct {
	mu     sync.Mutex
	closed bool
	ends   []context.CancelFunc
}

func (g *gate) before(next http.RoundTripper) http.RoundTripper {
	return g.around(next, "/pods", forbidden)
}

// around answers requests for a resource while the gate is shut.
func (g *gate) around(next http.RoundTripper, resource string, answer func(*http.Request) *http.Response) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodGet || !strings.HasSuffix(request.URL.Path, resource) {
			return next.RoundTrip(request)
		}
		g.mu.Lock()
		closed := g.closed
		g.mu.Unlock()
		if closed {
			return answer(request), nil
		}
		ctx, cancel := context.WithCancel(request.Context())
		response, err := next.RoundTrip(request.WithContext(ctx))
		if err != nil {
			cancel()
			return nil, err
		}
		g.mu.Lock()
		g.ends = append(g.ends, cancel)
		g.mu.Unlock()
		return response, nil
	})
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, end := range g.ends {
		end()
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func forbidden(request *http.Request) *http.Response {
	const body = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"pods is forbidden: User \"operator\" cannot list resource \"pods\"",` +
		`"reason":"Forbidden","details":{"kind":"pods"},"code":403}`
	return &http.Response{Status: "403 Forbidden", StatusCode: http.StatusForbidden, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: request}
}

// An upgrade that cuts the operator's rights is said on FlowSinks, too.
func TestAFlowSinkWhosePodsMayNotBeWatchedAnyMoreIsNotCalledReady(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	g := &gate{}
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, between: g.before})
	w.create("edge")
	s := w.sinkOf("edge", "warehouse")
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
	w.runSink(s)
	g.shut()
	w.expectSink(s, metav1.ConditionUnknown, judge.ReasonOperatorForbidden)
}
