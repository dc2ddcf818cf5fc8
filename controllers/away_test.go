package controllers

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimescheme "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// through reaches the API server through a proxy, which can fail.
func (w *world) through() (*rest.Config, *natstest.Proxy) {
	user := rest.CopyConfig(operatorUser(w, w.s))
	server, err := url.Parse(user.Host)
	if err != nil {
		w.Fatal(err)
	}
	proxy := natstest.NewProxyTo(w, server.Host)
	server.Host = proxy.Address()
	user.Host = server.String()
	return user, proxy
}

// An API server that is away, for moments or while the operator starts, is waited for: what happened meanwhile is done when it is back, no
// status says more than is known, and nothing piles up in the operator.
func TestAnAPIServerThatComesAndGoesIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	user, proxy := w.through()
	fc := w.create("edge")
	proxy.Cut()
	o := startOperator(w, w.s, w.namespace, operatorOptions{user: user})
	time.Sleep(3 * time.Second) // it begins, and gets no answer
	proxy.Heal()
	w.run(fc, 0)
	w.expectReady(fc)
	o.settle(fc)
	before := goroutines()
	for i := range 20 {
		proxy.Cut()
		time.Sleep(50 * time.Millisecond)
		image := "example.com/flowfleet:" + strings.Repeat("x", i+1)
		change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = image })
		proxy.Heal()
		if i%5 == 4 { // a watch comes back within a minute
			natstest.Eventually(t, "what changed meanwhile is applied", func() bool { return w.imageOf(fc) == image })
		}
	}
	w.run(fc, 0)
	w.expectReady(fc)
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	o.settle(fc)
	natstest.Eventually(t, "no goroutine is left over", func() bool { return goroutines() <= before+5 })
}

// goroutines that are there once those that end have.
func goroutines() int {
	least := runtime.NumGoroutine()
	for range 20 {
		time.Sleep(50 * time.Millisecond)
		least = min(least, runtime.NumGoroutine())
	}
	return least
}

// breaks answers for one resource as an API server that cannot read it, and ends its watches when that begins.
type breaks struct {
	gate
	resource string
	code     int
}

func (b *breaks) before(next http.RoundTripper) http.RoundTripper {
	return b.around(next, "/"+b.resource, func(r *http.Request) *http.Response {
		text := `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"etcd has no such page","reason":"InternalError","code":500}`
		if b.code == http.StatusOK { // what is there cannot be read
			text = `{"kind":"List","items":[{"metadata":{"name":1}}]}`
		}
		return &http.Response{Status: http.StatusText(b.code), StatusCode: b.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)), Request: r}
	})
}

// One kind that the API server cannot read, or of which it says what nobody can read, keeps the operator from no object that does not need it.
// What needs it says so, and goes on when it can.
func TestAKindThatCannotBeReadDoesNotKeepTheOperatorFromBeginning(t *testing.T) {
	for name, code := range map[string]int{"error": http.StatusInternalServerError, "words that are none": http.StatusOK} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			letKeepSinks(w)
			broken := &breaks{resource: "networkpolicies", code: code}
			broken.shut()
			clock := &laterClock{}
			o := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, between: broken.before, clock: clock, syncTimeout: 30 * time.Second})
			fc := w.create("edge")
			natstest.Eventually(t, "the watch fails", func() bool { return o.watches.failing("NetworkPolicy") })
			time.Sleep(2 * time.Second)
			if w.read(fc); fc.Status.Operator != nil || len(fc.Status.Conditions) > 1 { // the API server gives it one
				t.Errorf("the operator does not wait for a kind that fails for a moment: %s", conditionsOf(fc))
			}
			clock.by.Add(int64(failingAfter))
			w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionUnknown, judge.ReasonWatchFails, "cannot begin its work", "NetworkPolicy (")
			w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonWatchFails)
			if set := (&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: fc.Namespace, Name: fleet.ObjectName(fc)}}); w.exists(set) {
				t.Error("it begins though it does not see what is there")
			}
			broken.open()
			natstest.Eventually(t, "the fleet is made", func() bool {
				clock.by.Add(int64(standsAfter) / 100)
				return w.exists(&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: fc.Namespace, Name: fleet.ObjectName(fc)}})
			})
			clock.by.Add(int64(standsAfter))
			w.run(fc, 0)
			w.expectReady(fc)
		})
	}
}

// failing reports whether a watch of a kind failed.
func (w *Watches) failing(kind string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trouble[watched{kind, ""}].Fails
}

// Kinds that are installed after the operator was started need no restart.
func TestAKindThatIsInstalledLaterIsTakenUp(t *testing.T) {
	for _, kind := range []string{"FlowExporter", "FlowSink"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			letKeepSinks(w)
			come := &atomic.Bool{}
			o := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, kindInterval: 50 * time.Millisecond,
				between: func(next http.RoundTripper) http.RoundTripper { return withoutKind{next, kind, come} }})
			fc := w.create("edge")
			w.run(fc, 0)
			w.expectReady(fc)
			o.settle(fc)
			come.Store(true)
			if kind == "FlowSink" {
				w.expectSink(w.sinkOf("edge", "warehouse"), metav1.ConditionFalse, "Rolling")
				return
			}
			e := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "device"}}
			e.Spec.Collector, e.Spec.Addresses, e.Spec.SamplingRate = "edge", []v1alpha1.ExporterAddress{"192.0.2.77"}, 1234
			w.make(e)
			natstest.Eventually(t, "collectors are told of it", func() bool {
				m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
				return w.exists(m) && strings.Contains(m.Data[fleet.ConfigurationFile], "192.0.2.77")
			})
		})
	}
}

// What ends watches every day is no trouble, nor is an API server that does not answer at all; what fails is one only after a while.
func TestOnlyAWatchThatGoesOnFailingIsATrouble(t *testing.T) {
	gone := apierrors.NewNotFound(schema.GroupResource{Group: "flowfleet.io", Resource: "flowexporters"}, "")
	step := func(d time.Duration) func(*Watches, *clocktesting.FakePassiveClock) {
		return func(w *Watches, c *clocktesting.FakePassiveClock) {
			for end := c.Now().Add(d); c.Now().Before(end); w.look() {
				c.SetTime(c.Now().Add(troublesCheck))
			}
		}
	}
	fail := func(err error) func(*Watches, *clocktesting.FakePassiveClock) {
		return func(w *Watches, _ *clocktesting.FakePassiveClock) { w.note("FlowExporter", err) }
	}
	begin := func(path string) func(*Watches, *clocktesting.FakePassiveClock) {
		return func(w *Watches, c *clocktesting.FakePassiveClock) {
			c.SetTime(c.Now().Add(time.Millisecond))
			w.began(path)
			c.SetTime(c.Now().Add(time.Millisecond))
		}
	}
	const all, one = "/apis/flowfleet.io/v1alpha1/flowexporters", "/apis/flowfleet.io/v1alpha1/namespaces/flows/flowexporters"
	internal := apierrors.NewInternalError(io.ErrShortBuffer)
	for name, test := range map[string]struct {
		steps []func(*Watches, *clocktesting.FakePassiveClock)
		want  bool
	}{
		"an error":                            {steps{fail(internal)}, false},
		"errors for a minute":                 {steps{fail(internal), step(time.Minute)}, true},
		"errors that are long over":           {steps{fail(internal), step(5 * time.Minute)}, false},
		"errors for long":                     {steps{fail(internal), step(time.Minute), fail(internal), step(time.Minute), fail(internal), step(time.Minute)}, true},
		"an error, and the watch begins":      {steps{fail(internal), begin(all), step(time.Minute)}, false},
		"begins, and breaks off":              {steps{fail(internal), begin(all), fail(internal), step(30 * time.Second), begin(all), fail(internal), step(30 * time.Second)}, true},
		"another kind begins":                 {steps{fail(internal), begin("/api/v1/pods"), step(time.Minute)}, true},
		"long ago, and it begins":             {steps{fail(internal), step(time.Minute), begin(one), step(15 * time.Second)}, false},
		"the kind is gone":                    {steps{fail(gone), step(time.Minute)}, true},
		"the past is forgotten":               {steps{fail(apierrors.NewResourceExpired("too old")), step(time.Minute)}, false},
		"no answer":                           {steps{fail(&netError{}), step(time.Minute)}, false},
		"a right is missing":                  {steps{fail(apierrors.NewForbidden(schema.GroupResource{}, "", nil))}, true},
		"a right is missing, and it is given": {steps{fail(apierrors.NewForbidden(schema.GroupResource{}, "", nil)), begin(all), step(15 * time.Second)}, false},
	} {
		clock := clocktesting.NewFakePassiveClock(time.Unix(1e9, 0))
		w := NewWatches(clock)
		for _, do := range test.steps {
			do(w, clock)
		}
		if got := w.Troubles("flows", "FlowExporter"); (len(got) > 0) != test.want || w.troubled("FlowExporter") != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

type steps = []func(*Watches, *clocktesting.FakePassiveClock)

type netError struct{}

func (*netError) Error() string   { return "connection refused" }
func (*netError) Timeout() bool   { return false }
func (*netError) Temporary() bool { return true }

// A definition that is deleted and made anew takes its objects along, and nothing else: fleets go on, without trouble, and know of those that come
// then. An operator that is started in between does the same.
func TestAKindThatIsDeletedAndMadeAnewIsWatchedAgain(t *testing.T) {
	w := newWorld(t)
	definition := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "flowexporters.flowfleet.io"}}
	admin := w.definitions()
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(definition), definition); err != nil {
		t.Fatal(err)
	}
	again := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: definition.Name}, Spec: definition.Spec}
	established := func() bool {
		now := &apiextensionsv1.CustomResourceDefinition{}
		return admin.Get(context.Background(), client.ObjectKeyFromObject(definition), now) == nil && slices.ContainsFunc(now.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		})
	}
	t.Cleanup(func() { // other tests need it
		_ = admin.Create(context.Background(), again.DeepCopy())
		natstest.Eventually(t, "the kind is there", established)
	})
	clock := &laterClock{}
	o := startOperator(w, w.s, w.namespace, operatorOptions{clock: clock, kindInterval: 100 * time.Millisecond})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	device := func(rate int64) {
		e := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "device"}}
		e.Spec.Collector, e.Spec.Addresses, e.Spec.SamplingRate = "edge", []v1alpha1.ExporterAddress{"192.0.2.77"}, rate
		natstest.Eventually(t, "the device is made", func() bool { return w.c.Create(t.Context(), e) == nil })
	}
	configured := func(want string) {
		natstest.Eventually(t, "collectors are told "+want, func() bool {
			m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
			if !w.exists(m) {
				return false
			}
			text := m.Data[fleet.ConfigurationFile]
			return strings.Contains(text, "192.0.2.77") == (want != "") && strings.Contains(text, want)
		})
	}
	device(1234)
	configured("1234")
	if err := admin.Delete(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	configured("")
	natstest.Eventually(t, "the watch fails", func() bool { return o.watches.failing("FlowExporter") })
	clock.by.Add(int64(failingAfter + time.Second))
	natstest.Eventually(t, "that is seen", func() bool { return o.watches.troubled("FlowExporter") })
	o.reconcile(fc)
	w.expectReady(fc)
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	o.stop()
	o = startOperator(w, w.s, w.namespace, operatorOptions{clock: clock, kindInterval: 100 * time.Millisecond})
	o.settle(fc)
	w.expectReady(fc)
	natstest.Eventually(t, "the definition is made again", func() bool { return admin.Create(t.Context(), again.DeepCopy()) == nil })
	natstest.Eventually(t, "the kind is there", established)
	device(4321)
	configured("4321")
	o.settle(fc)
	w.run(fc, 0)
	w.expectReady(fc)
}

// definitions is a client of an administrator who knows definitions of kinds.
func (w *world) definitions() client.Client {
	w.Helper()
	scheme := runtimescheme.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		w.Fatal(err)
	}
	c, err := client.New(w.s.Config, client.Options{Scheme: scheme})
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// An operator that is there before the kind that it is for, as where definitions are applied last, begins when that comes.
func TestFlowCollectorsThatAreInstalledLaterAreLookedAfter(t *testing.T) {
	w := newWorld(t)
	come, clock := &atomic.Bool{}, &laterClock{}
	o := startOperator(w, w.s, w.namespace, operatorOptions{clock: clock, syncTimeout: 30 * time.Second,
		between: func(next http.RoundTripper) http.RoundTripper { return withoutKind{next, "FlowCollector", come} }})
	natstest.Eventually(t, "the watch fails", func() bool { return o.watches.failing("FlowCollector") })
	if err := o.watches.Check(nil)(nil); err != nil {
		t.Errorf("for a moment's failure it is not ready: %v", err)
	}
	clock.by.Add(int64(failingAfter))
	if err := o.watches.Check(nil)(nil); err == nil || !strings.Contains(err.Error(), "cannot watch FlowCollectors") {
		t.Errorf("it says of itself: %v", err)
	}
	come.Store(true)
	w.daemonSet(w.create("edge"))
}
