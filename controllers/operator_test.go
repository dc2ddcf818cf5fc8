package controllers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/wave"
)

func TestMain(m *testing.M) { os.Exit(controllertest.Run(m)) }

const (
	testImage         = "example.com/flowfleet:v1"
	operatorNamespace = "flowfleet-system"
)

// operator is a running one, with the rights that config/rbac gives it and no others. It looks after one namespace.
type operator struct {
	t      testing.TB
	writes *writes
	queue  *countingQueue
	// sinkQueue is that of FlowSinks.
	sinkQueue *countingQueue
	stop      func() // and wait for its end
	// sinkMetrics has those of FlowSinks; nil without them.
	sinkMetrics *prometheus.Registry
	// metrics has those of FlowCollectors, of which consumers are some.
	metrics            *prometheus.Registry
	consumers, readers consumerMetrics
	// waves of FlowCollectors.
	waves   *waves
	watches *Watches
	shares  *shares
}

type operatorOptions struct {
	image string
	// identity tells it from others.
	identity string
	// elect lets it work only while it holds the lease in this namespace.
	elect string
	// electing is called when it was elected.
	elected func()
	clock   clock.PassiveClock
	// looks at NATS.
	looks jetstream.ProberOptions
	// exporters is how often collectors are asked for exporters.
	exporters time.Duration
	allowed   Allowed
	rollouts  wave.Rules
	delay     time.Duration // of rollouts
	// sinks are looked after, too.
	sinks bool
	// sinksInterval is how often they are asked; 0 for as usual.
	sinksInterval time.Duration
	// kindInterval is how often kinds are looked for that are not installed.
	kindInterval time.Duration
	// syncTimeout ends the operator where FlowSinks cannot be watched for so long; 0 for the usual one.
	syncTimeout time.Duration
	// namespaces that it looks after beside its first.
	namespaces []string
	// user that the operator is; nil for one with the rights of config/rbac.
	user *rest.Config
	// between stands between the operator and the API server.
	between func(http.RoundTripper) http.RoundTripper
}

// startOperator starts an operator for a namespace. It ends with the test, or by stop.
func startOperator(t testing.TB, s *controllertest.Server, namespace string, options operatorOptions) *operator {
	t.Helper()
	o := &operator{t: t, writes: &writes{}, metrics: prometheus.NewRegistry(), queue: newCountingQueue(), sinkQueue: newCountingQueue()}
	if options.user == nil {
		options.user = operatorUser(t, s)
	}
	configuration := rest.CopyConfig(options.user)
	configuration.Wrap(func(next http.RoundTripper) http.RoundTripper { return recordWrites{next, o.writes} })
	if options.between != nil {
		configuration.Wrap(options.between)
	}
	scheme, err := NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	again := true
	watches := NewWatches(options.clock)
	configuration.Wrap(watches.Watch)
	scope := CacheOptions(append(slices.Clone(options.namespaces), namespace))
	manager, err := ctrl.NewManager(configuration, ctrl.Options{
		Scheme:                  scheme,
		Cache:                   scope,
		NewCache:                watches.NewCache,
		MapperProvider:          NewMapper,
		Client:                  client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		LeaderElection:          options.elect != "",
		LeaderElectionID:        "flowfleet.io",
		LeaderElectionNamespace: options.elect,
		// Short enough for a test, long enough for a machine that is busy.
		LeaseDuration: new(10 * time.Second), RenewDeadline: new(8 * time.Second), RetryPeriod: new(time.Second),
		LeaderElectionReleaseOnCancel: true,
		Controller:                    config.Controller{SkipNameValidation: &again}, // several in one process
	})
	if err != nil {
		t.Fatal(err)
	}
	if options.image == "" {
		options.image = testImage
	}
	r := &Reconciler{
		Client: manager.GetClient(), Reader: manager.GetAPIReader(), Events: manager.GetEventRecorder("flowfleet"),
		Image: options.image, Namespace: operatorNamespace, Clock: options.clock, Allowed: options.allowed, Rollouts: options.rollouts, RolloutDelay: options.delay,
		Watches: watches, exportersInterval: options.exporters, looks: options.looks,
		Identity: options.identity, kindInterval: options.kindInterval,
	}
	if options.elect != "" {
		r.Lease = options.elect + "/flowfleet.io"
	}
	if r.conditions, err = newConditionMetrics(o.metrics, "flowfleet_operator_flowcollector_condition", "FlowCollector"); err != nil {
		t.Fatal(err)
	}
	if r.consumers, err = newConsumerMetrics(o.metrics, ofConsumers, "consumer"); err != nil {
		t.Fatal(err)
	}
	o.consumers = r.consumers
	r.registry = o.metrics
	if err := r.setup(manager, controller.Options{NewQueue: o.queue.make}); err != nil {
		t.Fatal(err)
	}
	o.waves, o.watches, o.shares = r.waves, watches, &r.shares
	if options.sinks {
		sinks := &SinkReconciler{Client: r.Client, Reader: r.Reader, Events: r.Events, Image: r.Image, Identity: r.Identity, Allowed: r.Allowed, Watches: watches, Clock: options.clock,
			lookInterval: options.sinksInterval, kindInterval: options.kindInterval}
		o.sinkMetrics = prometheus.NewRegistry()
		if err := sinks.register(o.sinkMetrics); err != nil {
			t.Fatal(err)
		}
		o.readers = sinks.readers
		if err := sinks.setup(manager, controller.Options{NewQueue: o.sinkQueue.make, CacheSyncTimeout: options.syncTimeout}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	if options.elected != nil {
		go func() {
			select {
			case <-manager.Elected():
				options.elected()
			case <-ctx.Done():
			}
		}()
	}
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && options.elect == "" {
			t.Errorf("the operator ended: %v", err)
		}
	})
	t.Cleanup(o.stop)
	return o
}

// operatorUser has the rights of the operator's service account.
func operatorUser(t testing.TB, s *controllertest.Server) *rest.Config {
	t.Helper()
	const name = "operator"
	c := s.Client(t)
	create := func(o client.Object) {
		if err := c.Create(t.Context(), o); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"role.yaml", "secret_reader_role.yaml"} {
		b, err := os.ReadFile("../config/rbac/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq("\n"+string(b), "\n---") {
			var kind metav1.TypeMeta
			if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
				t.Fatal(err)
			}
			switch kind.Kind {
			case "ClusterRole":
				role := &rbacv1.ClusterRole{}
				if err := yaml.UnmarshalStrict([]byte(document), role); err != nil {
					t.Fatal(err)
				}
				create(role)
				if file == "role.yaml" {
					create(&rbacv1.ClusterRoleBinding{
						ObjectMeta: metav1.ObjectMeta{Name: role.Name},
						RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
						Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
					})
				}
			case "Role": // for the lease, in the operator's namespace
				create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}})
				role := &rbacv1.Role{}
				if err := yaml.UnmarshalStrict([]byte(document), role); err != nil {
					t.Fatal(err)
				}
				role.Namespace = operatorNamespace
				create(role)
				create(&rbacv1.RoleBinding{
					ObjectMeta: metav1.ObjectMeta{Name: role.Name, Namespace: operatorNamespace},
					RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
					Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
				})
			}
		}
	}
	return s.User(t, name)
}

// letReadSecrets does what the operator's own messages propose.
func letReadSecrets(t testing.TB, s *controllertest.Server, namespace string) {
	t.Helper()
	err := s.Client(t).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "flowfleet-secret-reader", Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "secret-reader"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "operator"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reconcile makes the operator look at an object, and returns when it has.
func (o *operator) reconcile(object client.Object) {
	o.t.Helper()
	request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)}
	queue := o.queueOf(object)
	before := queue.passes(request)
	queue.Add(request)
	natstest.Eventually(o.t, "the operator looks at "+request.String(), func() bool { return queue.passes(request) > before })
}

// settle waits until the operator has nothing to do but to look again later.
func (o *operator) settle(object client.Object) {
	o.t.Helper()
	request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)}
	queue := o.queueOf(object)
	natstest.Eventually(o.t, "the operator has nothing more to do for "+request.String(), func() bool {
		passes, wrote := queue.passes(request), o.writes.count()
		time.Sleep(writeInterval + 200*time.Millisecond) // for which a status may wait, and a watch may take to tell of a change
		return passes > 0 && queue.passes(request) == passes && o.writes.count() == wrote
	})
}

func (o *operator) queueOf(object client.Object) *countingQueue {
	if _, ok := object.(*v1alpha1.FlowSink); ok {
		return o.sinkQueue
	}
	return o.queue
}

// writes are the requests that change something, but for leases. One that the API server refused, since the operator's cache lagged
// behind another write, changed nothing.
type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all)
}

// since returns those after the first n.
func (w *writes) since(n int) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all[n:])
}

type recordWrites struct {
	next http.RoundTripper
	to   *writes
}

func (r recordWrites) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	refused := err == nil && response.StatusCode == http.StatusConflict
	if request.Method != http.MethodGet && !strings.Contains(request.URL.Path, "/leases") && !refused {
		r.to.mu.Lock()
		r.to.all = append(r.to.all, request.Method+" "+request.URL.Path)
		r.to.mu.Unlock()
	}
	return response, err
}

// countingQueue counts how often each object was looked at.
type countingQueue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	mu   sync.Mutex
	done map[reconcile.Request]int
}

func newCountingQueue() *countingQueue { return &countingQueue{done: make(map[reconcile.Request]int)} }

func (q *countingQueue) make(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	q.TypedRateLimitingInterface = fairQueue(fmt.Sprintf("%s-%p", name, q), limiter)
	return q
}

// Done is called when a look at an object has ended.
func (q *countingQueue) Done(request reconcile.Request) {
	q.mu.Lock()
	q.done[request]++
	q.mu.Unlock()
	q.TypedRateLimitingInterface.Done(request)
}

func (q *countingQueue) passes(request reconcile.Request) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.done[request]
}
