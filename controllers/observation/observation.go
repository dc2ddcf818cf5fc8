// Package observation asks collectors how they are, by reading the metrics that each of them serves.
package observation

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Bounds of reading one fleet.
const (
	timeout    = 3 * time.Second
	concurrent = 16
	maxBytes   = 16 << 20
)

// Pod is a collector to ask.
type Pod struct {
	Name, Node string
	// Address of the pod, and the port that it serves metrics on.
	Address string
	Port    int32
}

// Collector is what one collector tells.
type Collector struct {
	Pod Pod
	// Datagrams received since its start.
	Datagrams float64
	// Exporters and Templates that it knows.
	Exporters, Templates int64
	// TemplatesLoaded: it has read the bucket. StreamReady: it can publish.
	TemplatesLoaded, StreamReady bool
	// Senders are the addresses that it has had flows from: those that have metrics of their own.
	Senders []netip.Addr
}

// Failure is a collector that did not answer.
type Failure struct {
	Pod Pod
	Err error
}

// Reader reads metrics over HTTP.
type Reader struct {
	client *http.Client
}

// NewReader returns a Reader that keeps no connections: collectors limit theirs.
func NewReader() *Reader {
	return &Reader{client: &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a collector never redirects, and what does is none
		},
	}}
}

// Read asks the pods, some at a time, each for at most 3 s.
func (r *Reader) Read(ctx context.Context, pods []Pod) ([]Collector, []Failure) {
	collectors := make([]Collector, len(pods))
	errs := make([]error, len(pods))
	slots := make(chan struct{}, concurrent)
	var all sync.WaitGroup
	for i, pod := range pods {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			collectors[i], errs[i] = r.read(ctx, pod)
		})
	}
	all.Wait()
	var read []Collector
	var failures []Failure
	for i, pod := range pods {
		if errs[i] != nil {
			failures = append(failures, Failure{pod, errs[i]})
		} else {
			read = append(read, collectors[i])
		}
	}
	return read, failures
}

func (r *Reader) read(ctx context.Context, pod Pod) (Collector, error) {
	url := "http://" + net.JoinHostPort(pod.Address, strconv.Itoa(int(pod.Port))) + "/metrics"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Collector{}, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return Collector{}, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	defer func() { _ = response.Body.Close() }() // everything that is wanted was read
	if response.StatusCode != http.StatusOK {
		return Collector{}, fmt.Errorf("asking collector %s: it answers %s", pod.Name, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(response.Body, maxBytes))
	if err != nil {
		return Collector{}, fmt.Errorf("reading the metrics of collector %s: %w", pod.Name, err)
	}
	return interpret(pod, families), nil
}

func interpret(pod Pod, families map[string]*dto.MetricFamily) Collector {
	c := Collector{
		Pod:             pod,
		Datagrams:       sum(families["flowfleet_collector_datagrams_received_total"]),
		Exporters:       int64(sum(families["flowfleet_collector_exporters"])),
		Templates:       int64(sum(families["flowfleet_collector_templates"])),
		TemplatesLoaded: sum(families["flowfleet_collector_store_loaded"]) > 0,
		StreamReady:     sum(families["flowfleet_collector_stream_ready"]) > 0,
	}
	seen := make(map[netip.Addr]bool)
	for _, m := range families["flowfleet_collector_exporter_datagrams_total"].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() != "exporter" {
				continue
			}
			// Exporters beyond the limit share a series whose label is no address.
			if a, err := netip.ParseAddr(l.GetValue()); err == nil && !seen[a] {
				seen[a] = true
				c.Senders = append(c.Senders, a)
			}
		}
	}
	return c
}

func sum(family *dto.MetricFamily) float64 {
	total := 0.0
	for _, m := range family.GetMetric() {
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return total
}
