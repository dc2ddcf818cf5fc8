// Command manager is the Flowfleet operator: it keeps a fleet of collectors for each FlowCollector.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	registry "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/controllers"
	"github.com/flowfleet/flowfleet/controllers/allow"
	"github.com/flowfleet/flowfleet/controllers/metricsserver"
	"github.com/flowfleet/flowfleet/controllers/wave"
)

// options are the flags and the environment.
type options struct {
	metricsAddress, healthAddress string
	metricsCertificate            string
	leaderElect                   bool
	leaderElectionID              string
	watchNamespaces               string
	watchLabelSelector            string
	concurrentReconciles          int
	qps                           float64
	burst                         int
	collectorImage                string
	sinks                         bool
	secretReaderRole              string
	allowedImages, allowedNATS    string
	rollouts                      wave.Rules
	rolloutDelay                  time.Duration
	logLevel, logFormat           string
	// namespace and serviceAccount of the operator, from the environment.
	namespace, serviceAccount string
}

func main() {
	var o options
	flag.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443",
		"where metrics are served over HTTPS to those whom the API server lets read them; 0 for nowhere")
	flag.StringVar(&o.metricsCertificate, "metrics-certificate", "", "directory with the certificate of metrics, tls.crt, and its key, tls.key, which are "+
		"read again when they change; empty for a certificate that the operator signs itself at each start")
	flag.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served")
	flag.BoolVar(&o.leaderElect, "leader-elect", true, "let one operator of several work at a time")
	flag.StringVar(&o.leaderElectionID, "leader-election-id", "flowfleet.io",
		"name of the lease, in the operator's namespace, by which one works: operators that look after different namespaces each need one")
	flag.StringVar(&o.watchNamespaces, "watch-namespaces", "", "namespaces whose FlowCollectors are looked after, with commas between; empty for all")
	flag.StringVar(&o.watchLabelSelector, "watch-label-selector", "",
		"labels of the FlowCollectors that are looked after, such as team=network; empty for all. Operators that share namespaces need selectors "+
			"of which no object fits two")
	flag.IntVar(&o.concurrentReconciles, "concurrent-reconciles", 8, "how many FlowCollectors are worked on at a time, 1 to 256")
	flag.Float64Var(&o.qps, "kube-api-qps", 100, "requests a second of each kind of object that are made of the API server at most, over some time")
	flag.IntVar(&o.burst, "kube-api-burst", 200, "requests that are made of the API server at once at most")
	flag.StringVar(&o.collectorImage, "collector-image", "", "image of collectors whose FlowCollector names none (required)")
	flag.BoolVar(&o.sinks, "sinks", false, "look after FlowSinks, too, whose kind has to be installed and which need rights on Deployments")
	flag.StringVar(&o.secretReaderRole, "secret-reader-role", "flowfleet-secret-reader",
		"the ClusterRole that lets the operator read Secrets in the namespaces where it is bound")
	flag.StringVar(&o.allowedImages, "allowed-images", "", "repositories that images of collectors may be of, with commas between; one that "+
		"ends in / stands for all below it; empty for all. --collector-image is always allowed")
	flag.StringVar(&o.allowedNATS, "allowed-nats", "", "NATS servers that FlowCollectors may name, as host:port, [address]:port or *.domain:port with "+
		"commas between; empty for all")
	flag.IntVar(&o.rollouts.AtOnce, "rollouts-at-once", 0, "how many fleets take up a change of the operator's own making, such as a new version of it "+
		"brings, at a time; each has to run and be Ready before the next one; 0 for all at once. What users change is never held")
	flag.DurationVar(&o.rolloutDelay, "rollout-delay", time.Minute, "how long such a fleet has to be well before the next one, where --rollouts-at-once is set")
	flag.BoolVar(&o.rollouts.PastFailures, "rollouts-past-failures", false, "go on with other fleets though one failed, where --rollouts-at-once is set")
	flag.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	flag.StringVar(&o.logFormat, "log-format", "json", "json or text")
	flag.Parse()
	o.namespace = os.Getenv("POD_NAMESPACE")
	o.serviceAccount = os.Getenv("POD_SERVICE_ACCOUNT")
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("%q is no flag: see --help", flag.Arg(0))
	}
	if err := o.check(); err != nil {
		return err
	}
	selector, err := labels.Parse(o.watchLabelSelector)
	if err != nil {
		return fmt.Errorf("--watch-label-selector %q: %w", o.watchLabelSelector, err)
	}
	allowed, err := o.allowed()
	if err != nil {
		return err
	}
	log, err := newLogger(o.logLevel, o.logFormat)
	if err != nil {
		return err
	}
	ctrl.SetLogger(log)
	klog.SetLogger(log) // what Kubernetes' own libraries say, such as of a watch that broke
	limitMemory()
	election, watches := controllers.NewElection(o.namespace, o.leaderElectionID, nil), controllers.NewWatches(nil)
	if err := registry.Registry.Register(election.Metric()); err != nil {
		return fmt.Errorf("registering the operator's metrics: %w", err)
	}
	manager, err := o.newManager(log, selector, election, watches)
	if err != nil {
		return err
	}
	if err := o.addReconcilers(manager, allowed, watches); err != nil {
		return err
	}
	log.Info("starting", "version", observe.Version(), "namespace", o.namespace, "watching", cmp.Or(o.watchNamespaces, "all namespaces"),
		"selector", cmp.Or(o.watchLabelSelector, "none"))
	if err := manager.Start(ctx); err != nil {
		return fmt.Errorf("running the operator: %w", err)
	}
	return nil
}

// check reports what is missing or out of bounds.
func (o *options) check() error {
	switch {
	case o.collectorImage == "":
		return fmt.Errorf("--collector-image is required: collectors are to be of the operator's own version")
	case o.namespace == "" || o.serviceAccount == "":
		return fmt.Errorf("the environment variables POD_NAMESPACE and POD_SERVICE_ACCOUNT are required: those of the operator")
	case o.concurrentReconciles < 1 || o.concurrentReconciles > 256:
		return fmt.Errorf("--concurrent-reconciles %d is not within 1 and 256", o.concurrentReconciles)
	case o.qps <= 0 || o.burst < 1:
		return fmt.Errorf("--kube-api-qps %g and --kube-api-burst %d: both have to be above 0", o.qps, o.burst)
	case o.rollouts.AtOnce < 0 || o.rolloutDelay < 0:
		return fmt.Errorf("--rollouts-at-once %d and --rollout-delay %s: neither can be below 0", o.rollouts.AtOnce, o.rolloutDelay)
	}
	return nil
}

// allowed is what FlowCollectors and FlowSinks may name.
func (o *options) allowed() (controllers.Allowed, error) {
	images, err := allow.ParseImages(o.allowedImages)
	if err != nil {
		return controllers.Allowed{}, fmt.Errorf("--allowed-images: %w", err)
	}
	servers, err := allow.ParseServers(o.allowedNATS)
	if err != nil {
		return controllers.Allowed{}, fmt.Errorf("--allowed-nats: %w", err)
	}
	return controllers.Allowed{Images: images, Servers: servers}, nil
}

// newManager prepares what all reconcilers share: the client and its cache, the election, metrics and health checks.
func (o *options) newManager(log logr.Logger, selector labels.Selector, election *controllers.Election, watches *controllers.Watches) (ctrl.Manager, error) {
	scheme, err := controllers.NewScheme()
	if err != nil {
		return nil, err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	config.QPS, config.Burst = float32(o.qps), o.burst
	config.Wrap(election.Watch)
	config.Wrap(watches.Watch)
	scope := controllers.CacheOptions(namespaces(o.watchNamespaces))
	controllers.Select(&scope, selector)
	metrics, err := metricsserver.Options(o.metricsAddress, o.metricsCertificate)
	if err != nil {
		return nil, err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		Logger: log,
		// The API server may be away when the operator starts.
		MapperProvider: controllers.NewMapper,
		Cache:          scope,
		NewCache:       watches.NewCache,
		// Secrets are read one by one, never listed and kept.
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		Metrics:                       metrics,
		HealthProbeBindAddress:        o.healthAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              o.leaderElectionID,
		LeaderElectionNamespace:       o.namespace,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       new(20 * time.Second),
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the operator: %w", err)
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the health check: %w", err)
	}
	ready := map[string]healthz.Checker{"ping": healthz.Ping, "election": election.Check, "watches": watches.Check(namespaces(o.watchNamespaces))}
	for name, check := range ready {
		if err := manager.AddReadyzCheck(name, check); err != nil {
			return nil, fmt.Errorf("adding the readiness check: %w", err)
		}
	}
	return manager, nil
}

// addReconcilers adds those of FlowCollectors and FlowExporters and, where they are looked after, of FlowSinks.
func (o *options) addReconcilers(manager ctrl.Manager, allowed controllers.Allowed, watches *controllers.Watches) error {
	reconciler := &controllers.Reconciler{
		Client:           manager.GetClient(),
		Concurrency:      o.concurrentReconciles,
		Reader:           manager.GetAPIReader(),
		Events:           manager.GetEventRecorder("flowfleet"),
		Image:            o.collectorImage,
		Namespace:        o.namespace,
		ServiceAccount:   o.serviceAccount,
		SecretReaderRole: o.secretReaderRole,
		Identity:         o.namespace + "/" + o.leaderElectionID,
		Watches:          watches,
		Allowed:          allowed,
		Rollouts:         o.rollouts,
		RolloutDelay:     o.rolloutDelay,
	}
	if o.leaderElect {
		reconciler.Lease = reconciler.Identity
	}
	if err := reconciler.Setup(manager); err != nil {
		return err
	}
	if !o.sinks {
		return nil
	}
	sinks := &controllers.SinkReconciler{Client: reconciler.Client, Reader: reconciler.Reader, Events: reconciler.Events,
		Image: reconciler.Image, Identity: reconciler.Identity, Allowed: allowed, Watches: watches}
	return sinks.Setup(manager)
}

// memoryLimit is the environment variable with the limit of the container's memory, in bytes.
const memoryLimit = "MEMORY_LIMIT"

// limitMemory makes Go collect garbage before the container's limit is reached: at nine tenths of it. GOMEMLIMIT, where it is set, is
// the user's own.
func limitMemory() {
	n, err := strconv.ParseInt(os.Getenv(memoryLimit), 10, 64)
	if err == nil && n > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(n / 10 * 9)
	}
}

func namespaces(list string) []string {
	var out []string
	for n := range strings.SplitSeq(list, ",") {
		if n = strings.TrimSpace(n); n != "" {
			out = append(out, n)
		}
	}
	return out
}

// newLogger writes to standard error; logr is on slog's handler, so that operator and collectors log alike.
func newLogger(level, format string) (logr.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return logr.Logger{}, fmt.Errorf("--log-level %q is not debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "json":
		return logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, options)), nil
	case "text":
		return logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, options)), nil
	}
	return logr.Logger{}, fmt.Errorf("--log-format %q is not json or text", format)
}
