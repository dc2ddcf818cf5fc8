// Package observation asks collectors how they are, by reading the metrics that each of them serves.
package observation

import (
	"bufio"
	"bytes"
	"context"
	"errors"
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

// Bounds of reading one fleet. Collectors that do not answer must not keep the operator from it for long, however many they are.
const (
	timeout    = 3 * time.Second
	timeoutAll = 10 * time.Second
	concurrent = 16
	maxBytes   = 64 << 20
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
	all    time.Duration // for all collectors of a fleet
}

// NewReader returns a Reader that keeps no connections: collectors limit theirs.
func NewReader() *Reader {
	return &Reader{all: timeoutAll, client: &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a collector never redirects, and what does is none
		},
	}}
}

// Read asks the pods, some at a time, each for at most 3 s and all for at most 10 s: whose turn does not come has failed.
func (r *Reader) Read(ctx context.Context, pods []Pod) ([]Collector, []Failure) {
	ctx, cancel := context.WithTimeout(ctx, r.all)
	defer cancel()
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
	c, err := parse(pod, response.Body)
	if err != nil {
		return Collector{}, fmt.Errorf("reading the metrics of collector %s: %w", pod.Name, err)
	}
	return c, nil
}

// The metrics that are of interest.
const (
	metricDatagrams         = "flowfleet_collector_datagrams_received_total"
	metricExporters         = "flowfleet_collector_exporters"
	metricTemplates         = "flowfleet_collector_templates"
	metricStoreLoaded       = "flowfleet_collector_store_loaded"
	metricStreamReady       = "flowfleet_collector_stream_ready"
	metricExporterDatagrams = "flowfleet_collector_exporter_datagrams_total"
)

var ofInterest = map[string]bool{metricDatagrams: true, metricExporters: true, metricTemplates: true, metricStoreLoaded: true,
	metricStreamReady: true, metricExporterDatagrams: true}

func parse(pod Pod, text io.Reader) (Collector, error) {
	lines, err := relevant(text)
	if err != nil {
		return Collector{}, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(lines)
	if err != nil {
		return Collector{}, err
	}
	if families[metricExporters] == nil {
		return Collector{}, errors.New("these are not a collector's")
	}
	return interpret(pod, families), nil
}

// relevant copies the lines that are of interest. A collector that hears thousands of exporters serves megabytes, of which most is
// not: parsing that for each collector of a large fleet, twice a minute, is work for nothing.
func relevant(text io.Reader) (*bytes.Buffer, error) {
	limited := &io.LimitedReader{R: text, N: maxBytes}
	lines := bufio.NewScanner(limited)
	out := &bytes.Buffer{}
	for lines.Scan() {
		name := bytes.TrimPrefix(lines.Bytes(), []byte("# TYPE "))
		if end := bytes.IndexAny(name, " {"); end >= 0 {
			name = name[:end]
		}
		if ofInterest[string(name)] {
			out.Write(lines.Bytes())
			out.WriteByte('\n')
		}
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("they are longer than %d MiB", maxBytes>>20)
	}
	return out, lines.Err()
}

func interpret(pod Pod, families map[string]*dto.MetricFamily) Collector {
	c := Collector{
		Pod:             pod,
		Datagrams:       sum(families[metricDatagrams]),
		Exporters:       int64(sum(families[metricExporters])),
		Templates:       int64(sum(families[metricTemplates])),
		TemplatesLoaded: sum(families[metricStoreLoaded]) > 0,
		StreamReady:     sum(families[metricStreamReady]) > 0,
	}
	seen := make(map[netip.Addr]bool)
	for _, m := range families[metricExporterDatagrams].GetMetric() {
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
