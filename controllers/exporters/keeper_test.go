package exporters

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

func TestMain(m *testing.M) { os.Exit(controllertest.Run(m)) }

// world is a FlowCollector on an API server, a collector that answers as a test says, and a Keeper whose time stands still between
// passes.
type world struct {
	testing.TB
	c      client.Client
	fc     *v1alpha1.FlowCollector
	keeper *Keeper
	clock  *clocktesting.FakePassiveClock
	events *events.FakeRecorder
	memory *memory
	writes atomic.Int64
	// refused is the name of an object whose status the API server does not take.
	refused atomic.Value

	mu     sync.Mutex
	heard  map[string]*status.Exporter
	broken bool
	// instance that it says to be; empty for a collector of an earlier version.
	instance string
	file     string // the collectors' configuration
	has      string // the version of the settings of devices that the collector has read, empty where it does not say
}

func newWorld(t *testing.T, change func(*v1alpha1.FlowCollector)) *world {
	s := controllertest.Start(t)
	w := &world{TB: t, c: s.Client(t), memory: newMemory(), heard: make(map[string]*status.Exporter), events: events.NewFakeRecorder(10000),
		clock: clocktesting.NewFakePassiveClock(time.Now())}
	w.fc = &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace(t), Name: "edge"}}
	change(w.fc)
	if err := w.c.Create(t.Context(), w.fc); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(server.Close)
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	number, _ := strconv.Atoi(port)
	configuration := rest.CopyConfig(s.Config)
	configuration.QPS = -1
	configuration.Wrap(func(next http.RoundTripper) http.RoundTripper { return counting{next, &w.writes, &w.refused} })
	c, err := client.New(configuration, client.Options{Scheme: s.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	w.keeper, err = New(Keeper{Client: c, Reader: c, Exporters: NewLister(c, nil), Events: w.events, Clock: w.clock,
		Collectors: func(context.Context, *v1alpha1.FlowCollector) ([]observation.Pod, error) {
			return []observation.Pod{{Name: "edge-a", Node: "node-a", Address: host, Port: int32(number)}}, nil
		},
		Configuration: func(context.Context, *v1alpha1.FlowCollector) (file, version string, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.file, strconv.Itoa(len(w.file)), nil
		},
		Mine: func(*v1alpha1.FlowCollector) bool { return true },
	}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// counting counts the requests that write.
type counting struct {
	next http.RoundTripper
	n    *atomic.Int64
	// refused: a write to the status of this one fails.
	refused *atomic.Value
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		c.n.Add(1)
		if name, _ := c.refused.Load().(string); name != "" && strings.HasSuffix(r.URL.Path, "/"+name+"/status") {
			return nil, errors.New("the connection broke")
		}
	}
	return c.next.RoundTrip(r)
}

// serve answers as a collector does.
func (w *world) serve(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		http.Error(out, "no", http.StatusInternalServerError)
		return
	}
	all := &status.Exporters{Instance: w.instance, Started: time.Unix(1, 0), Time: w.clock.Now(), Devices: w.has}
	for _, e := range w.heard {
		all.Exporters = append(all.Exporters, *e)
	}
	status.SortExporters(all.Exporters)
	text, err := status.EncodeExporters(all, r.URL.Query().Get("after"))
	if err != nil {
		w.Error(err)
	}
	_, _ = out.Write(text)
}

// send lets an exporter send so many packets of ten records, of which some are lost.
func (w *world) send(address string, packets, lost uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.heard[address]
	if e == nil {
		e = &status.Exporter{Address: address, Protocol: "netflow9", Streams: []status.Stream{{Port: 5000, Domain: 3,
			Span: ledger.Span{First: 1 << 32, Next: 1 << 32}}}}
		w.heard[address] = e
	}
	e.Received, e.Decoded, e.Records = e.Received+packets-lost, e.Decoded+packets-lost, e.Records+10*(packets-lost)
	if e.Volume == nil {
		e.Volume = &ledger.Volume{}
	}
	e.Volume.Add(ledger.Volume{Bytes: 1000 * (packets - lost), Scaled: 50000 * (packets - lost)})
	s := &e.Streams[0]
	s.LastSeen, s.Span.Next, s.Span.Units, s.Span.TotalUnits = w.clock.Now(), s.Span.Next+packets, s.Span.Units+packets-lost, s.Span.TotalUnits+packets-lost
}

// pass lets ten seconds go by, and the Keeper look. It returns how many requests wrote.
func (w *world) pass() int {
	w.Helper()
	w.clock.SetTime(w.clock.Now().Add(interval))
	before := w.writes.Load()
	if err := w.keeper.pass(w.Context(), client.ObjectKeyFromObject(w.fc), w.memory); err != nil {
		w.Fatal(err)
	}
	return int(w.writes.Load() - before)
}

func (w *world) objects() (out map[string]v1alpha1.FlowExporter) {
	w.Helper()
	list := &v1alpha1.FlowExporterList{}
	if err := w.c.List(w.Context(), list, client.InNamespace(w.fc.Namespace)); err != nil {
		w.Fatal(err)
	}
	out = make(map[string]v1alpha1.FlowExporter)
	for _, o := range list.Items {
		out[o.Name] = o
	}
	return out
}

// expect compares a condition of an object.
func (w *world) expect(name, kind string, want metav1.ConditionStatus, reason string) {
	w.Helper()
	o := w.objects()[name]
	if c := meta.FindStatusCondition(o.Status.Conditions, kind); c == nil || c.Status != want || c.Reason != reason {
		w.Errorf("%s of %s is not %s with %s: %+v", kind, name, want, reason, c)
	}
}

func (w *world) declare(name, address string) error {
	o := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.fc.Namespace, Name: name}}
	o.Spec.Collector, o.Spec.Addresses = w.fc.Name, []v1alpha1.ExporterAddress{v1alpha1.ExporterAddress(address)}
	return w.c.Create(w.Context(), o)
}

func ordinary(*v1alpha1.FlowCollector) {}

func TestAnExporterThatIsHeardGetsAnObjectAndItsConditionsFollow(t *testing.T) {
	w := newWorld(t, ordinary)
	const name = "edge-192.0.2.1"
	w.send("192.0.2.1", 100, 0)
	w.pass()
	if n := len(w.objects()); n != 0 {
		t.Fatalf("%d objects after one look", n)
	}
	for range 8 {
		w.send("192.0.2.1", 100, 0)
		w.pass()
	}
	w.expect(name, "Ready", metav1.ConditionTrue, ReasonReady)
	o := w.objects()[name]
	if s := o.Status; s.Protocol != "netflow9" || *s.RecordsPerSecond != 100 || s.BytesPerSecond == nil || *s.BytesPerSecond != 10000 || s.Loss != "0.00%" || s.Collectors != 1 || s.Nodes[0] != "node-a" ||
		s.Domains[0] != 3 || s.Units.Missed != 0 || s.LastHeard == nil || o.Labels[v1alpha1.LabelDiscovered] != "true" || o.OwnerReferences[0].UID != w.fc.UID {
		t.Errorf("%+v\n%+v", o.ObjectMeta, s)
	}
	for range 31 {
		w.send("192.0.2.1", 100, 5)
		w.pass()
	}
	w.expect(name, "Complete", metav1.ConditionFalse, ReasonLost)
	w.expect(name, "Ready", metav1.ConditionFalse, ReasonLost)
	for range 32 {
		w.pass()
	}
	w.expect(name, "Sending", metav1.ConditionFalse, ReasonSilent)
	w.send("192.0.2.1", 100, 0)
	w.pass()
	w.expect(name, "Sending", metav1.ConditionTrue, ReasonHeard)
	var said []string
	for len(w.events.Events) > 0 {
		said = append(said, strings.Join(strings.Fields(<-w.events.Events)[:2], " "))
	}
	if got := strings.Join(said, ", "); got != "Warning Lost, Warning Silent, Normal Heard" {
		t.Errorf("events: %s", got)
	}
}

// The address of a collector that is gone may be another one's before the operator hears of it, of another fleet, in another namespace.
func TestWhatAnotherFleetsCollectorHearsIsNotOfThisOne(t *testing.T) {
	w := newWorld(t, ordinary)
	w.instance = "core-x7k2p"
	if err := w.declare("router", "192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		w.send("192.0.2.7", 100, 0)
		w.send("192.0.2.8", 100, 0)
		w.pass()
	}
	w.expect("router", "Sending", metav1.ConditionUnknown, ReasonNotAllAnswer)
	if objects := w.objects(); len(objects) != 1 || objects["router"].Status.LastHeard != nil {
		t.Errorf("%+v", objects)
	}
	w.instance = "edge-a"
	for range 8 {
		w.send("192.0.2.7", 100, 0)
		w.pass()
	}
	w.expect("router", "Sending", metav1.ConditionTrue, ReasonHeard)
}

func TestAPassWithoutChangeWritesNothingAndFiguresAreWrittenEachFiveMinutes(t *testing.T) {
	w := newWorld(t, ordinary)
	for range 10 {
		w.send("192.0.2.1", 100, 0)
		w.pass()
	}
	writes := 0
	for range 90 { // 15 minutes
		w.send("192.0.2.1", 100, 0)
		writes += w.pass()
	}
	if writes < 2 || writes > 3 {
		t.Errorf("%d requests wrote in 15 minutes", writes)
	}
}

// A loss passes maxLoss while most of what is measured is from before it began: what is written then is far less than what is lost now.
func TestALossThatGrowsIsWrittenAsItGrowsAndInFewRequests(t *testing.T) {
	w := newWorld(t, ordinary)
	const name = "edge-192.0.2.1"
	for range 31 {
		w.send("192.0.2.1", 100, 0)
		w.pass()
	}
	lossy := func(passes int, lost uint64) (writes int) {
		for range passes {
			w.send("192.0.2.1", 100, lost)
			writes += w.pass()
		}
		return writes
	}
	written := func() float64 {
		v, err := strconv.ParseFloat(strings.TrimSuffix(w.objects()[name].Status.Loss, "%"), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	writes := lossy(15, 50) // half of the window: 25% of it are missing
	w.expect(name, "Complete", metav1.ConditionFalse, ReasonLost)
	if got := written(); got < 15 {
		t.Errorf("%v%% is written where 25%% of the last five minutes are missing", got)
	}
	if writes < 2 || writes > 8 {
		t.Errorf("%d requests wrote a loss that grew to 25%%", writes)
	}
	lossy(15, 50)
	if got := written(); got < 30 {
		t.Errorf("%v%% is written where 50%% of the last five minutes are missing", got)
	}
	if writes := lossy(29, 0); writes > 8 {
		t.Errorf("%d requests wrote a loss that ended", writes)
	}
	if got := written(); got > 5 {
		t.Errorf("%v%% is written where hardly anything of the last five minutes is missing", got)
	}
}

func TestAFloodMakesNoObjectsBeyondTheLimitAndDeclaredOnesAreJudged(t *testing.T) {
	w := newWorld(t, func(fc *v1alpha1.FlowCollector) { fc.Spec.Exporters.MaxObjects = 20 })
	if err := w.declare("router", "198.51.100.1"); err != nil {
		t.Fatal(err)
	}
	most := 0
	for i := range 12 {
		w.send("198.51.100.1", 10, 0)
		w.send("198.51.100.2", 10, 0)
		if i >= 2 { // many more from then on
			for j := range 300 {
				w.send(fmt.Sprintf("10.0.%d.%d", j/100, j%100), 1, 0)
			}
		}
		most = max(most, w.pass())
	}
	objects := w.objects()
	if len(objects) != 21 || objects["edge-198.51.100.2"].Name == "" || objects["edge-198.51.100.1"].Name != "" {
		t.Errorf("%d objects", len(objects))
	}
	w.expect("router", "Ready", metav1.ConditionTrue, ReasonReady)
	if most > writesAtOnce {
		t.Errorf("%d requests wrote in one pass", most)
	}
}

func TestWritesAreCapped(t *testing.T) {
	w := newWorld(t, ordinary)
	writes := 0
	for range 4 {
		for j := range 300 {
			w.send(fmt.Sprintf("10.0.%d.%d", j/100, j%100), 1, 0)
		}
		writes += w.pass()
	}
	if limit := writesAtOnce + 4*writesPerSecond*int(interval/time.Second); writes > limit || writes < writesAtOnce {
		t.Errorf("%d requests wrote in four passes, more than %d", writes, limit)
	}
}

func TestOneStatusThatCannotBeWrittenKeepsNoneOfTheOthers(t *testing.T) {
	w := newWorld(t, ordinary)
	names := []string{"a", "b", "c"}
	for i, name := range names {
		if err := w.declare(name, fmt.Sprint("198.51.100.", i)); err != nil {
			t.Fatal(err)
		}
		w.send(fmt.Sprint("198.51.100.", i), 10, 0)
	}
	for _, name := range names {
		w.refused.Store(name)
		w.clock.SetTime(w.clock.Now().Add(interval))
		for i := range names {
			w.send(fmt.Sprint("198.51.100.", i), 10, 0)
		}
		if err := w.keeper.pass(t.Context(), client.ObjectKeyFromObject(w.fc), w.memory); name == "a" && (err == nil || !strings.Contains(err.Error(), "/a")) {
			t.Errorf("the failure is not told: %v", err)
		}
		if name == "a" {
			w.expect("b", "Sending", metav1.ConditionTrue, ReasonHeard)
			w.expect("c", "Sending", metav1.ConditionTrue, ReasonHeard)
		}
	}
	w.expect("a", "Sending", metav1.ConditionTrue, ReasonHeard)
}

// answering is a client whose API server says something else than was written, which is decoded into the object that was written.
type answering struct{ client.Client }

type answeringStatus struct{ client.SubResourceWriter }

func (a answering) Status() client.SubResourceWriter { return answeringStatus{a.Client.Status()} }

func (a answeringStatus) Patch(_ context.Context, o client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
	s := &o.(*v1alpha1.FlowExporter).Status
	for i := range s.HeardFrom {
		s.HeardFrom[i] = "192.0.2.99"
	}
	for i := range s.Conditions {
		s.Conditions[i].Message = "changed"
	}
	return nil
}

// What is cached is read by others at any time.
func TestTheAnswerToAWriteIsNotDecodedIntoWhatIsCached(t *testing.T) {
	w := newWorld(t, ordinary)
	cached := &v1alpha1.FlowExporter{Spec: v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: []v1alpha1.ExporterAddress{"198.51.100.1"}}}
	w.keeper.Client = answering{w.c}
	judged := w.keeper.left(cached, idle{ReasonNoCollector, "there is none"})
	if err := w.keeper.writeStatus(t.Context(), judged); err != nil {
		t.Fatal(err)
	}
	if cached.Spec.Addresses[0] != "198.51.100.1" || judged.status.Conditions[0].Message != "there is none" {
		t.Errorf("%+v, %+v", cached.Spec, judged.status)
	}
}

// declareRouter declares a device that has sent for a minute and a half.
func (w *world) declareRouter() {
	w.Helper()
	if err := w.declare("router", "198.51.100.1"); err != nil {
		w.Fatal(err)
	}
	for range 9 {
		w.send("198.51.100.1", 10, 0)
		w.pass()
	}
}

func TestOneWhoseFlowCollectorIsGoneIsNotReadyAnyMore(t *testing.T) {
	w := newWorld(t, ordinary)
	w.declareRouter()
	w.expect("router", "Ready", metav1.ConditionTrue, ReasonReady)
	if err := w.c.Delete(t.Context(), w.fc); err != nil {
		t.Fatal(err)
	}
	w.keeper.Interval = 10 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.keeper.Start(ctx) }()
	natstest.Eventually(t, "the object says that its FlowCollector is gone", func() bool {
		o := w.objects()["router"]
		c := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady)
		return c != nil && c.Status == metav1.ConditionUnknown && c.Reason == ReasonNoCollector && len(o.Status.Conditions) == 1 && o.Status.RecordsPerSecond == nil &&
			o.Status.Collectors == 0 && o.Status.Nodes == nil
	})
	o := w.objects()["router"]
	o.Spec.Collector = "other"
	if err := w.c.Update(t.Context(), &o); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the object says that the other one is not there either", func() bool {
		o := w.objects()["router"]
		c := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady)
		return c != nil && strings.Contains(c.Message, "FlowCollector other ") && o.Status.ObservedGeneration == o.Generation
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// blind reads from a cache without FlowCollectors, as that of an operator that looks after those of other labels.
type blind struct{ client.Client }

func (b blind) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if _, ok := list.(*v1alpha1.FlowCollectorList); ok {
		return nil
	}
	return b.Client.List(ctx, list, options...)
}

func (b blind) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	if _, ok := o.(*v1alpha1.FlowCollector); ok {
		return apierrors.NewNotFound(v1alpha1.SchemeGroupVersion.WithResource("flowcollectors").GroupResource(), key.Name)
	}
	return b.Client.Get(ctx, key, o, options...)
}

func TestAFleetOfAnotherOperatorIsNotSaidToBeMissing(t *testing.T) {
	w := newWorld(t, ordinary)
	w.declareRouter()
	other := *w.keeper
	other.Client = blind{w.keeper.Client}
	before := w.writes.Load()
	if err := other.orphans(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := w.writes.Load() - before; n != 0 {
		t.Errorf("%d requests wrote", n)
	}
	w.expect("router", "Ready", metav1.ConditionTrue, ReasonReady)
}

func TestALookBeginsWhenItsTurnHasCome(t *testing.T) {
	w := newWorld(t, ordinary)
	for range looksAtOnce {
		w.keeper.looks <- struct{}{}
	}
	looked := make(chan bool)
	pods, _ := w.keeper.Collectors(t.Context(), w.fc)
	go func() { looked <- w.keeper.gather(t.Context(), pods, w.memory) }()
	select {
	case <-looked:
		t.Fatal("it did not wait for its turn")
	case w.keeper.looks <- struct{}{}:
		t.Fatal("more looks than may be")
	case <-time.After(50 * time.Millisecond):
	}
	<-w.keeper.looks
	if !<-looked || w.memory.look.Collectors != 1 || w.memory.look.Unanswered != 0 {
		t.Errorf("%+v", w.memory.look)
	}
}

func TestOffRemovesWhatTheOperatorMadeAndSaysSoOnTheOthers(t *testing.T) {
	w := newWorld(t, ordinary)
	if err := w.declare("router", "198.51.100.1"); err != nil {
		t.Fatal(err)
	}
	for range 9 {
		w.send("198.51.100.1", 10, 0)
		w.send("198.51.100.2", 10, 0)
		w.pass()
	}
	w.broken = true
	for range 40 {
		w.pass()
	}
	w.expect("router", "Sending", metav1.ConditionUnknown, ReasonNotAllAnswer)
	w.fc.Spec.Exporters.Objects = v1alpha1.ObjectsOff
	if err := w.c.Update(t.Context(), w.fc); err != nil {
		t.Fatal(err)
	}
	w.pass()
	if n := len(w.objects()); n != 1 {
		t.Errorf("%d objects", n)
	}
	w.expect("router", "Ready", metav1.ConditionUnknown, ReasonNotLookedAfter)
	if n := w.pass(); n != 0 {
		t.Errorf("%d requests wrote without a change", n)
	}
}

func TestWhatIsNoAddressIsRefusedAsASpec(t *testing.T) {
	w := newWorld(t, ordinary)
	for i, address := range []string{"", "router", "192.0.2.0/24", "192.0.2.1:2055", "fe80::1%eth0", "1.2.3"} {
		if err := w.declare(fmt.Sprint("bad-", i), address); err == nil {
			t.Errorf("%q is accepted", address)
		}
	}
	for i, address := range []string{"192.0.2.1", "2001:db8::1"} {
		if err := w.declare(fmt.Sprint("good-", i), address); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
	o := w.objects()["good-0"]
	if o.Spec.SilentAfter != "5m" || o.Spec.MaxLoss != "1%" || !meta.IsStatusConditionPresentAndEqual(o.Status.Conditions, "Ready", metav1.ConditionUnknown) {
		t.Errorf("%+v", o)
	}
}

// The name that an exporter's object would have may be another's: the exporter has none then, and that is said.
func TestAnExporterWhoseNameIsTakenIsNotForgottenInSilence(t *testing.T) {
	w := newWorld(t, ordinary)
	if err := w.declare("edge-192.0.2.1", "198.51.100.7"); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 4 {
		w.send("192.0.2.1", 100, 0)
		w.clock.SetTime(w.clock.Now().Add(interval))
		err = w.keeper.pass(t.Context(), client.ObjectKeyFromObject(w.fc), w.memory)
	}
	if err == nil || !strings.Contains(err.Error(), "198.51.100.7") || !strings.Contains(err.Error(), "add 192.0.2.1 to it") {
		t.Errorf("it is said: %v", err)
	}
	w.expect("edge-192.0.2.1", v1alpha1.ConditionSending, metav1.ConditionUnknown, ReasonNotHeardYet)
}

func TestSettingsAreSaidToHoldOnceTheConfigurationHasThem(t *testing.T) {
	w := newWorld(t, ordinary)
	o := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.fc.Namespace, Name: "r1"}}
	o.Spec = v1alpha1.FlowExporterSpec{Collector: w.fc.Name, Addresses: []v1alpha1.ExporterAddress{"192.0.2.1", "2001:db8::1"}, SamplingRate: 77,
		Interfaces: []v1alpha1.ExporterInterface{{Index: 3, Name: "xe-0/0/3", Description: "to Zurich"}}}
	if err := w.c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := w.declare("plain", "192.0.2.2"); err != nil {
		t.Fatal(err)
	}
	w.pass()
	w.expect("r1", v1alpha1.ConditionConfigured, metav1.ConditionUnknown, ReasonNotConfigured)
	read := func() {
		c, _ := config.Parse([]byte(w.file))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.has = config.DevicesVersion(c.Exporters.Devices)
	}
	configure := func(names ...config.NameKind) {
		file, err := config.Render(&config.Config{NATS: config.NATS{URLs: []string{"nats://n:4222"}}, Decoding: config.Decoding{Names: names},
			Exporters: config.Exporters{Devices: SettingsOf([]*v1alpha1.FlowExporter{o}, nil).Devices}})
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.file = string(file)
		w.mu.Unlock()
	}
	configure()
	w.pass()
	w.expect("r1", v1alpha1.ConditionConfigured, metav1.ConditionUnknown, ReasonUntold)
	w.mu.Lock()
	w.has = "another"
	w.mu.Unlock()
	w.pass()
	w.expect("r1", v1alpha1.ConditionConfigured, metav1.ConditionUnknown, ReasonNotTaken)
	read()
	w.pass()
	w.expect("r1", v1alpha1.ConditionConfigured, metav1.ConditionTrue, ReasonConfigured)
	w.mu.Lock()
	w.has = "of another device, too"
	w.mu.Unlock()
	w.pass()
	w.expect("r1", v1alpha1.ConditionConfigured, metav1.ConditionTrue, ReasonConfigured)
	read()
	w.pass()
	if c := meta.FindStatusCondition(w.objects()["plain"].Status.Conditions, v1alpha1.ConditionConfigured); c != nil {
		t.Errorf("where nothing is asked for, there is %+v", c)
	}
	if c := meta.FindStatusCondition(w.objects()["r1"].Status.Conditions, v1alpha1.ConditionConfigured); strings.Contains(c.Message, "decoding.names") {
		t.Error(c.Message)
	}
	configure(config.NamesVRFs)
	w.pass()
	if c := meta.FindStatusCondition(w.objects()["r1"].Status.Conditions, v1alpha1.ConditionConfigured); !strings.Contains(c.Message, "decoding.names of the FlowCollector edge") {
		t.Errorf("flows carry no names, and it is said: %s", c.Message)
	}
	w.read(o)
	o.Spec.SamplingRate = 78
	if err := w.c.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.pass()
	w.expect("r1", v1alpha1.ConditionConfigured, metav1.ConditionUnknown, ReasonNotConfigured)
	if err := w.declare("twin", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	w.pass()
	for _, name := range []string{"r1", "twin"} {
		w.expect(name, v1alpha1.ConditionConfigured, metav1.ConditionFalse, ReasonAddressShared)
		w.expect(name, v1alpha1.ConditionReady, metav1.ConditionFalse, ReasonAddressShared)
	}
	if n := w.pass(); n != 0 {
		t.Errorf("nothing has changed, and there are %d writes", n)
	}
}

func (w *world) read(o client.Object) {
	w.Helper()
	if err := w.c.Get(w.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		w.Fatal(err)
	}
}
