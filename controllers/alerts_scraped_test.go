package controllers

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/wave"
)

var (
	alertSelector = regexp.MustCompile(`\b((?:flowfleet|controller_runtime)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	alertMatcher  = regexp.MustCompile(`([a-z]+)(?:=~|=)"([^"]*)"`)
	sinkMetric    = regexp.MustCompile(`desc\("([a-z_]+)", "[^"]*"((?:, "[a-z]+")*)\)`)
	conditionType = regexp.MustCompile(`Condition[A-Za-z]+ += "([A-Za-z]+)"`)
)

// An alert on a metric or a label that no longer exists is silent for ever: what the chart's alerts ask for is what an operator that runs serves.
// The alerts of collectors have the like of this in controllers/fleet.
func TestTheChartsAlertsAskForWhatARunningOperatorServes(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	operator := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, rollouts: wave.Rules{AtOnce: 1}})
	fc, sink := w.create("edge"), w.sinkOf("edge", "warehouse")
	w.run(fc, 0)
	w.expectReady(fc)
	server := httptest.NewServer(promhttp.HandlerFor(prometheus.Gatherers{metrics.Registry, operator.metrics, operator.sinkMetrics}, promhttp.HandlerOpts{}))
	defer server.Close()
	// An operator without rights.
	operator.watches.add("Example", judge.Unwatched{Words: "no"})
	operator.metrics.MustRegister(NewElection(w.namespace, "lease", nil).Metric())
	has := make(map[string]map[string]bool) // labels by metric
	// A reader that lost something, which nobody does here: what the operator finds takes its place.
	now := metav1.NewTime(time.Now())
	read := v1alpha1.ConsumerStatus{Name: "archive", Lost: 1, LostTime: &now, LastReadTime: &now, LagSeconds: new(int64(1)), RetentionUsedPercent: new(int32(50))}
	var served map[string]*dto.MetricFamily
	natstest.Eventually(t, "the FlowSink's conditions and what was lost are served", func() bool {
		operator.consumers.set([]string{fc.Namespace, fc.Name, read.Name}, &read, true)
		operator.readers.set([]string{sink.Namespace, sink.Name}, &read, true)
		// A fleet that stops an upgrade, and one that waits for it.
		operator.waves.note(objectKey{fc.Namespace, "broken"}, wave.Failed, "")
		operator.waves.set(objectKey{fc.Namespace, "patient"}, func(t *turn) { t.State = wave.Waiting })
		served = controllertest.Scrape(t, server.URL)
		return served["flowfleet_operator_rollout_stopped_timestamp_seconds"] != nil && served["flowfleet_operator_flowsink_condition"] != nil && served["flowfleet_operator_flowsink_last_loss_timestamp_seconds"] != nil
	})
	for name, family := range served {
		has[name] = make(map[string]bool)
		for _, m := range family.Metric {
			for _, l := range m.Label {
				has[name][l.GetName()] = true
			}
		}
	}
	// Sinks are programs of their own.
	source := readText(t, "../collector/sink/service/metrics.go")
	for _, m := range sinkMetric.FindAllStringSubmatch(source, -1) {
		labels := make(map[string]bool)
		for label := range strings.SplitSeq(m[2], ", ") {
			labels[strings.Trim(label, `"`)] = true
		}
		has["flowfleet_sink_"+m[1]] = labels
	}
	types := make(map[string]bool)
	for _, file := range []string{"status.go", "flowsink.go", "flowsink_status.go"} {
		if text, err := os.ReadFile("../api/v1alpha1/" + file); err == nil {
			for _, m := range conditionType.FindAllStringSubmatch(string(text), -1) {
				types[m[1]] = true
			}
		}
	}

	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string } `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.Unmarshal([]byte(readText(t, "../charts/flowfleet/files/alerts/operator.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, rule := range file.Groups[0].Rules {
		for _, s := range alertSelector.FindAllStringSubmatch(rule.Expr, -1) {
			asked++
			labels, ok := has[s[1]]
			if !ok {
				t.Errorf("%s asks for %s, which is not served", rule.Alert, s[1])
				continue
			}
			for _, m := range alertMatcher.FindAllStringSubmatch(s[2], -1) {
				if !labels[m[1]] {
					t.Errorf("%s asks for the label %s of %s, which has %v", rule.Alert, m[1], s[1], labels)
				}
				for value := range strings.SplitSeq(m[2], "|") {
					if m[1] == "type" && !types[value] {
						t.Errorf("%s asks for the condition %s, which is none", rule.Alert, value)
					}
				}
			}
		}
	}
	if asked < 15 {
		t.Errorf("only %d series are asked for", asked)
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
