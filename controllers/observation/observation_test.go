package observation

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const exposition = `# TYPE flowfleet_collector_datagrams_received_total counter
flowfleet_collector_datagrams_received_total{listener="netflow"} 40
flowfleet_collector_datagrams_received_total{listener="sflow"} 2
# TYPE flowfleet_collector_exporters gauge
flowfleet_collector_exporters 7
# TYPE flowfleet_collector_templates gauge
flowfleet_collector_templates 21
# TYPE flowfleet_collector_store_loaded gauge
flowfleet_collector_store_loaded 1
# TYPE flowfleet_collector_stream_ready gauge
flowfleet_collector_stream_ready 0
# TYPE flowfleet_collector_exporter_datagrams_total counter
flowfleet_collector_exporter_datagrams_total{exporter="192.0.2.1",protocol="ipfix"} 3
flowfleet_collector_exporter_datagrams_total{exporter="192.0.2.1",protocol="sflow"} 3
flowfleet_collector_exporter_datagrams_total{exporter="other",protocol="sflow"} 3
`

// serve answers like a collector and returns it as a pod.
func serve(t *testing.T, name string, handler http.HandlerFunc) Pod {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return Pod{Name: name, Node: "node-" + name, Address: host, Port: int32(n)}
}

func TestCollectorsAreReadAndTheOthersNamed(t *testing.T) {
	good := serve(t, "good", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		fmt.Fprintf(w, "%s", exposition)
	})
	broken := serve(t, "broken", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "no metrics {") })
	busy := serve(t, "busy", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	elsewhere := serve(t, "elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
	})
	gone := Pod{Name: "gone", Address: "127.0.0.1", Port: 1}

	read, failures := NewReader().Read(t.Context(), []Pod{broken, good, busy, gone, elsewhere})
	want := []Collector{{Pod: good, Datagrams: 42, Exporters: 7, Templates: 21, TemplatesLoaded: true,
		Senders: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}}
	if diff := cmp.Diff(want, read, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("collectors (-want +got):\n%s", diff)
	}
	var names []string
	for _, f := range failures {
		names = append(names, f.Pod.Name)
		if !strings.Contains(f.Err.Error(), f.Pod.Name) {
			t.Errorf("the error does not name the collector: %v", f.Err)
		}
	}
	if diff := cmp.Diff([]string{"broken", "busy", "gone", "elsewhere"}, names); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

func TestMetricsWithoutEndAreBounded(t *testing.T) {
	line := strings.Repeat("# nothing\n", 1000)
	endless := serve(t, "endless", func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := fmt.Fprint(w, line); err != nil {
				return
			}
		}
	})
	read, failures := NewReader().Read(t.Context(), []Pod{endless})
	if len(read) != 0 || len(failures) != 1 {
		t.Errorf("read %v, failed %v", read, failures)
	}
}

// A page of metrics that is not a collector's must not look like a collector that knows nothing.
func TestMetricsOfSomethingElseAreNoCollectors(t *testing.T) {
	other := serve(t, "other", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s", "# TYPE go_goroutines gauge\ngo_goroutines 7\n")
	})
	read, failures := NewReader().Read(t.Context(), []Pod{other})
	if len(read) != 0 || len(failures) != 1 {
		t.Errorf("read %v, failed %v", read, failures)
	}
}

// Collectors that take connections and say nothing, such as behind a firewall that only swallows, are many in a large fleet.
func TestSilentCollectorsOfALargeFleetAreGivenUpTogether(t *testing.T) {
	var asked atomic.Int32
	silent := serve(t, "silent", func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
	})
	pods := slices.Repeat([]Pod{silent}, 4*concurrent)
	reader := NewReader()
	reader.all = time.Second
	read, failures := reader.Read(t.Context(), pods)
	if len(read) != 0 || len(failures) != len(pods) {
		t.Errorf("%d were read, %d failed, of %d", len(read), len(failures), len(pods))
	}
	if n := asked.Load(); n > concurrent {
		t.Errorf("%d were asked one after the other, not the first %d", n, concurrent)
	}
}

// A page as a collector of 5,000 exporters serves it: 16 series of each, of which the operator looks at one.
func BenchmarkReadMetrics(b *testing.B) {
	var page strings.Builder
	page.WriteString(exposition)
	for metric := range 16 {
		name := fmt.Sprintf("flowfleet_collector_other_%d_total", metric)
		if metric == 0 {
			name = metricExporterDatagrams
		} else {
			fmt.Fprintf(&page, "# TYPE %s counter\n", name)
		}
		for exporter := range 5000 {
			fmt.Fprintf(&page, "%s{domain=\"0\",exporter=\"10.0.%d.%d\",port=\"\",protocol=\"ipfix\"} 12345\n", name, exporter>>8, exporter&255)
		}
	}
	text := page.String()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		c, err := parse(Pod{}, strings.NewReader(text))
		if err != nil || len(c.Senders) != 5001 {
			b.Fatalf("%d senders: %v", len(c.Senders), err)
		}
	}
}

func TestDistributionCountsWhoReceived(t *testing.T) {
	look := func(a, b, c float64) []Collector {
		return []Collector{{Pod: Pod{Name: "a"}, Datagrams: a}, {Pod: Pod{Name: "b"}, Datagrams: b}, {Pod: Pod{Name: "c"}, Datagrams: c}}
	}
	for _, test := range []struct {
		name          string
		before, after []Collector
		want          Distribution
	}{
		{"all receive", look(0, 0, 0), look(5, 6, 7), Distribution{Collectors: 3, Busy: 3, Datagrams: 18, Only: Pod{Name: "c"}}},
		{"one receives all", look(1, 1, 1), look(1, 9, 1), Distribution{Collectors: 3, Busy: 1, Datagrams: 8, Only: Pod{Name: "b"}}},
		{"a restarted one does not count", look(9, 1, 1), look(5, 2, 1), Distribution{Collectors: 2, Busy: 1, Datagrams: 1, Only: Pod{Name: "b"}}},
		{"a new one does not count", look(1, 1, 1)[:2], look(1, 1, 50), Distribution{Collectors: 2}},
		{"nothing was seen before", nil, look(1, 1, 50), Distribution{}},
	} {
		if diff := cmp.Diff(test.want, Distribute(test.before, test.after)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestSendersOfTheClusterAreFound(t *testing.T) {
	addresses := func(list ...string) (out []netip.Addr) {
		for _, a := range list {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	collectors := []Collector{
		{Senders: addresses("192.0.2.1", "10.0.0.11", "::ffff:10.0.0.12")},
		{Senders: addresses("10.244.1.1", "10.244.2.0", "10.244.2.7", "10.0.0.11", "2001:db8::5", "fd00:1::1", "fd00:1::7", "fd00:2::1")},
	}
	got := Rewritten(collectors, addresses("10.0.0.11", "10.0.0.12", "2001:db8::5"), addresses("10.244.1.9", "10.244.2.9", "fd00:1::9"))
	want := addresses("10.0.0.11", "10.0.0.12", "10.244.1.1", "10.244.2.0", "2001:db8::5", "fd00:1::1")
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
