package controllers

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
)

// leaseRefusalHolds is how long a refusal counts: whoever wants the lease asks for it every two seconds or so. One that comes to see another
// operator hold it asks no more.
const leaseRefusalHolds = time.Minute

// Election notes whether the operator has the rights on its lease. Without them it is never elected and does nothing, and the objects cannot
// say so, as an operator that is not elected writes to none. It is safe for concurrent use.
type Election struct {
	namespace, id string
	clock         clock.PassiveClock

	mu      sync.Mutex
	refused map[string]time.Time // by method
}

// NewElection is for a lease by namespace and name. A nil clock is the machine's.
func NewElection(namespace, id string, c clock.PassiveClock) *Election {
	if c == nil {
		c = clock.RealClock{}
	}
	return &Election{namespace: namespace, id: id, clock: c, refused: make(map[string]time.Time)}
}

// Watch looks at what the API server answers to requests for the lease. It is for rest.Config.Wrap.
func (e *Election) Watch(next http.RoundTripper) http.RoundTripper {
	all := "/apis/coordination.k8s.io/v1/namespaces/" + e.namespace + "/leases"
	one := all + "/" + e.id
	return tripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		if path := request.URL.Path; err == nil && (path == all && request.Method == http.MethodPost || path == one) {
			e.note(request.Method, response.StatusCode)
		}
		return response, err
	})
}

type tripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (t tripper) RoundTrip(request *http.Request) (*http.Response, error) { return t(request) }

func (e *Election) note(method string, code int) {
	e.mu.Lock()
	_, before := e.refused[method]
	if code == http.StatusForbidden {
		e.refused[method] = e.clock.Now()
	} else {
		delete(e.refused, method)
	}
	e.mu.Unlock()
	if why := e.Check(nil); why != nil && !before {
		ctrl.Log.Info("the operator does nothing", "why", why.Error())
	}
}

// Check returns what keeps the operator from being elected. It is a healthz.Checker: an operator that waits for another one is ready, one that
// waits in vain is not.
func (e *Election) Check(*http.Request) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for method, at := range e.refused {
		if e.clock.Since(at) <= leaseRefusalHolds {
			return fmt.Errorf("the operator cannot be elected, as the API server does not let it %s its lease %s: in the namespace %s, give its service account the "+
				"rights to get, create and update leases", verbs[method], e.id, e.namespace)
		}
	}
	return nil
}

var verbs = map[string]string{http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update"}

// Metric is 1 while Check fails.
func (e *Election) Metric() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "flowfleet_operator_lease_refused",
		Help: "1 while the operator lacks the rights on its lease, so that it is not elected and does nothing; 0 otherwise."}, func() float64 {
		if e.Check(nil) != nil {
			return 1
		}
		return 0
	})
}
