package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/run"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/hack/guides"
)

// logged keeps the attribute "address" of what is logged, by message (and listener), and lets go of all else.
type logged struct {
	slog.Handler
	mu        sync.Mutex
	addresses map[string]string
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := r.Message
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "listener":
			key += " " + a.Value.String()
		case "address":
			l.addresses[key] = a.Value.String()
		}
		return true
	})
	return nil
}

func (l *logged) address(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addresses[key]
}

// exposition is what Prometheus reads of a collector of the fleet flows/edge, which runs with a nats-server and has decoded a
// datagram.
func exposition(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	c := Configure(readCollector(t, "testdata/minimal.yaml"), nil)
	c.NATS = config.NATS{URLs: []string{natstest.Start(t).URL()}}
	c.Templates.MaxBytes, c.Output.Stream.MaxBytes = -1, -1
	c.Output.Buffer.Spool, c.Output.Ledger = &config.Spool{Directory: t.TempDir()}, config.LedgerMinutes
	c.Output.Names = config.NameRecordsChanges
	c.HTTP.Address, c.DrainTime = "127.0.0.1:0", 1
	for i := range c.Listeners {
		c.Listeners[i].Address = "127.0.0.1:0"
	}
	rendered, err := config.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(file, rendered, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = config.Load(file); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	logs := &logged{Handler: slog.DiscardHandler, addresses: make(map[string]string)}
	go func() { ended <- run.Run(ctx, file, rendered, "", c, new(slog.LevelVar), slog.New(logs)) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	natstest.Eventually(t, "the collector listens", func() bool { return logs.address("listening netflow") != "" })
	conn, err := net.Dial("udp", logs.address("listening netflow"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	datagram := append([]byte{0, 5, 0, 1}, make([]byte, 20+48)...) // NetFlow v5 with one record
	datagram[24+19] = 1                                            // of one packet
	if _, err := conn.Write(datagram); err != nil {
		t.Fatal(err)
	}
	var families map[string]*dto.MetricFamily
	natstest.Eventually(t, "the exporter and the stream have figures, and all is well", func() bool {
		families = controllertest.Scrape(t, "http://"+logs.address("serving metrics and health")+"/metrics")
		ready := families["flowfleet_collector_stream_ready"].GetMetric()
		return families["flowfleet_collector_sequence_next"] != nil && len(ready) == 1 && ready[0].GetGauge().GetValue() == 1 &&
			families["flowfleet_collector_store_loaded"].GetMetric()[0].GetGauge().GetValue() == 1
	})
	return families
}

// series are the collector's own, as "name{label="value",...} value", with the labels that Prometheus adds for a pod.
func series(families map[string]*dto.MetricFamily) (out [][2]string) {
	for name, family := range families {
		if !strings.HasPrefix(name, "flowfleet_") {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := []string{`namespace="flows"`, `pod="edge-collector-x7k2p"`, `instance="10.0.0.1:8080"`, `node="worker-3"`}
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue()
			out = append(out, [2]string{name + "{" + strings.Join(labels, ",") + "}", fmt.Sprint(value)})
		}
	}
	return append(out, othersSeries...)
}

// othersSeries are what kube-state-metrics says of the fleet's DaemonSet, and the operator of its conditions.
var othersSeries = [][2]string{
	{`kube_daemonset_status_number_unavailable{namespace="flows",daemonset="edge-collector"}`, "0"},
	{`kube_daemonset_status_desired_number_scheduled{namespace="flows",daemonset="edge-collector"}`, "3"},
	{`flowfleet_operator_flowcollector_condition{namespace="flows",name="edge",type="CollectorsAvailable",status="True"}`, "1"},
}

// evaluate has Prometheus' engine work out expressions over series that keep their values for an hour. It fails the test for
// those whose result is empty, and where an alert fires.
func evaluate(t *testing.T, series [][2]string, expressions []string) {
	t.Helper()
	type object = map[string]any
	var input, queries, silent []any
	for _, s := range series {
		input = append(input, object{"series": s[0], "values": s[1] + "x120"})
	}
	for _, expression := range expressions {
		queries = append(queries, object{"eval_time": "1h", "expr": "count(" + expression + ") > bool 0",
			"exp_samples": []any{object{"labels": "{}", "value": 1}}})
	}
	for _, a := range alerts(readCollector(t, "testdata/minimal.yaml")) {
		silent = append(silent, object{"alertname": a.name, "eval_time": "1h"})
	}
	rules, err := filepath.Abs(filepath.Join(alertTests, "rules.golden.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	unitTest(t, object{"rule_files": []string{rules}, "tests": []any{object{
		"interval": "30s", "input_series": input, "promql_expr_test": queries, "alert_rule_test": silent}}})
}

// unitTest has promtool run a file of tests.
func unitTest(t *testing.T, content any) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.yaml")
	b, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := promtool(t, "test", "rules", file); err != nil {
		t.Error(out)
	}
}

// selector matches what PromQL selects series by: a metric of ours or of kube-state-metrics, and its matchers.
var selector = regexp.MustCompile(`(?:flowfleet|kube)_[a-z0-9_]+(?:\{[^}]*\})?`)

func TestAlertsDashboardAndGuideAskForWhatACollectorExposes(t *testing.T) {
	families := exposition(t)
	var expressions []string
	for _, a := range alerts(readCollector(t, "testdata/minimal.yaml")) {
		expressions = append(expressions, selector.FindAllString(a.expression, -1)...)
	}
	guide := guideRules(t)
	expressions = append(expressions, selector.FindAllString(guide+guideExpression(t), -1)...)
	expressions = append(expressions, dashboardExpressions(t)...)
	if len(expressions) < 40 {
		t.Fatalf("only %d expressions were found", len(expressions))
	}
	evaluate(t, series(families), expressions)

	file := filepath.Join(t.TempDir(), "guide.yaml")
	if err := os.WriteFile(file, []byte(guide), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := promtool(t, "check", "rules", "--lint=all", "--lint-fatal", file); err != nil {
		t.Error(out)
	}

	// The tests of the alerts are about series that exist, too.
	for _, a := range alerts(readCollector(t, "testdata/minimal.yaml")) {
		for _, test := range readAlertTest(t, a.name).Tests {
			for _, in := range test.Input {
				checkInput(t, families, a.name, in.Series)
			}
		}
	}
	checkGuideNames(t, families)
	checkMetricsGuide(t, families)
}

// dashboardExpressions are those of panels and variables, with what Grafana puts in.
func dashboardExpressions(t *testing.T) (out []string) {
	t.Helper()
	var d struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expression string `json:"expr"`
				Legend     string `json:"legendFormat"`
			} `json:"targets"`
		} `json:"panels"`
		Templating struct {
			List []struct {
				Name  string `json:"name"`
				Query any    `json:"query"`
			} `json:"list"`
		} `json:"templating"`
	}
	if err := json.Unmarshal([]byte(dashboard), &d); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$namespace", "flows", "$fleet", "edge", "$__rate_interval", "2m")
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			expression := variables.Replace(target.Expression)
			out = append(out, expression)
			// A label that the legend names is one that the result has.
			for _, label := range legendLabel.FindAllStringSubmatch(target.Legend, -1) {
				out = append(out, fmt.Sprintf("group by (%[1]s) (%[2]s) unless on (%[1]s) vector(1)", label[1], expression))
			}
		}
	}
	for _, v := range d.Templating.List {
		query, _ := v.Query.(string)
		if m := labelValues.FindStringSubmatch(query); m != nil {
			out = append(out, fmt.Sprintf(`count by (%s) (%s)`, m[2], variables.Replace(m[1])))
		}
	}
	return out
}

var (
	legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)
	labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
)

// indentedBlock returns the code of a guide that begins with a line, without its indentation.
func indentedBlock(t *testing.T, guide, first string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + guide)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n    "+first+"\n")
	if !found {
		t.Fatalf("%s has no %q", guide, first)
	}
	var block strings.Builder
	for line := range strings.Lines("    " + first + "\n" + rest) {
		code, ok := strings.CutPrefix(line, "    ")
		if !ok {
			break
		}
		block.WriteString(code)
	}
	return block.String()
}

func guideRules(t *testing.T) string { return indentedBlock(t, "ledger.md", "groups:") }

func guideExpression(t *testing.T) string {
	return indentedBlock(t, "ledger.md", "# units missed in ten minutes, by stream")
}

// checkInput looks whether a collector has a series with these labels, whose values are those of one but for the listener.
func checkInput(t *testing.T, families map[string]*dto.MetricFamily, where, input string) {
	t.Helper()
	name, rest, _ := strings.Cut(strings.TrimSuffix(input, "}"), "{")
	if slices.ContainsFunc(othersSeries, func(s [2]string) bool { return strings.HasPrefix(s[0], name+"{") }) {
		return
	}
	want := make(map[string]string)
	for _, pair := range strings.Split(rest, ",") {
		label, value, _ := strings.Cut(pair, "=")
		want[label] = strings.Trim(value, `"`)
	}
	delete(want, "namespace")
	delete(want, "pod")
	delete(want, "node")
	for _, m := range families[name].GetMetric() {
		have := make(map[string]string)
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		if maps.Equal(have, want) {
			return
		}
	}
	t.Errorf("the test of %s has a series that no collector has: %s", where, input)
}

// Names of metrics in the guide, in full or without the prefix.
var (
	fullName  = regexp.MustCompile(`flowfleet_[a-z_]*[a-z]`)
	shortName = regexp.MustCompile("[`{ ]((?:[a-z]+_)+total)\\b")
)

func checkGuideNames(t *testing.T, families map[string]*dto.MetricFamily) {
	t.Helper()
	var operator []byte
	for _, file := range []string{"../setup.go", "../sinks_setup.go", "../consumer_metrics.go", "../waves_metrics.go", "../watches_metrics.go", "../election.go", "../exporters/metrics.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		operator = append(operator, text...)
	}
	checked := 0
	for guide, text := range guides.Pages(t) {
		names := fullName.FindAllString(text, -1)
		for _, m := range shortName.FindAllStringSubmatch(text, -1) {
			if !strings.HasPrefix(m[1], "flowfleet_operator_") { // whole names are found above
				names = append(names, "flowfleet_collector_"+strings.TrimPrefix(m[1], "flowfleet_collector_"))
			}
		}
		for _, name := range slices.Compact(names) {
			if strings.Contains(name, "flowfleet_sink_") {
				continue // the test of the sink looks at those
			}
			checked++
			if families[name] == nil && !operatorHas(operator, name) && name != "flowfleet_collector" {
				t.Errorf("%s: there is no metric %s", guide, name)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d names were found", checked)
	}
}

// operatorHas looks for a metric in the operator's sources. The consumers of FlowSinks have the metrics of all consumers.
func operatorHas(sources []byte, name string) bool {
	return bytes.Contains(sources, []byte(`"`+name+`"`)) ||
		bytes.Contains(sources, []byte(`"`+strings.Replace(name, "_flowsink_", "_consumer_", 1)+`"`))
}

var metricsRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\w+) \\| ([a-z_, ]*) ?\\|")

// checkMetricsGuide compares the table of metrics with what a collector exposes.
func checkMetricsGuide(t *testing.T, families map[string]*dto.MetricFamily) {
	t.Helper()
	guide, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := metricsRow.FindAllStringSubmatch(string(guide), -1)
	described := make(map[string]bool)
	for _, row := range rows {
		described[row[1]] = true
		family := families[row[1]]
		if family == nil {
			t.Errorf("no collector exposes %s", row[1])
			continue
		}
		var labels []string
		for _, l := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		if kind := strings.ToLower(family.GetType().String()); kind != row[2] || strings.Join(labels, ", ") != strings.TrimSpace(row[3]) {
			t.Errorf("%s is a %s with the labels %v, not as in docs/metrics.md", row[1], kind, labels)
		}
	}
	for name := range families {
		if strings.HasPrefix(name, "flowfleet_") && !described[name] {
			t.Errorf("docs/metrics.md does not have %s", name)
		}
	}
}

func TestWhatTheGuideHasPrometheusComputeIsWhatIsMissed(t *testing.T) {
	type object = map[string]any
	in := func(metric, pod, values string) object {
		return object{"values": values,
			"series": metric + `{exporter="192.0.2.1",port="4000",protocol="ipfix",domain="7",namespace="flows",pod="edge-collector-` + pod + `"}`}
	}
	const next, units = "flowfleet_collector_sequence_next", "flowfleet_collector_sequence_units_total"
	unitTest(t, object{"tests": []any{object{
		"interval": "30s",
		// The exporter sends 1000 units between two looks; one collector has 600 of them, the other 390.
		"input_series": []any{
			in(next, "x7k2p", "4294967000+1000x60"), in(units, "x7k2p", "0+600x60"),
			in(next, "9w4fd", "4294966990+1000x60"), in(units, "9w4fd", "0+390x60"),
		},
		"promql_expr_test": []any{object{"eval_time": "20m", "expr": "round(" + guideExpression(t) + ")", "exp_samples": []any{
			object{"labels": `{exporter="192.0.2.1",port="4000",protocol="ipfix",domain="7"}`, "value": 20 * 10}}}},
	}}})
}
