package fleet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// A pod that is no collector may try to write to the terminal of whoever looks.
func TestNothingThatAPodSaysReachesATerminalAsControlCharacters(t *testing.T) {
	const hostile = `"\u001b[2Jx\n\u0007"`
	var account ledger.Account
	if err := json.Unmarshal([]byte(strings.ReplaceAll(`{"instance": X, "listeners": [{"name": X, "datagrams": {"refused": {X: 1}},
		"sets": {"expired": {X: 1}, "dropped": {X: 1}}}], "output": {"dropped": {X: 2}}, "exporters": [{"address": X, "protocol": X,
		"datagrams": {"refused": {X: 1}}, "sets": {"expired": {X: 1}, "dropped": {X: 1}}}], "streams": [{"exporter": X, "protocol": X}]}`,
		"X", hostile)), &account); err != nil {
		t.Fatal(err)
	}
	clean(&account)
	var out strings.Builder
	if err := ledger.Print(&out, []ledger.Account{account}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07") {
		t.Errorf("%q", out.String())
	}
	for reason, n := range account.Output.Dropped {
		if n != 2 {
			t.Errorf("the figure went with the characters: %q is %d", reason, n)
		}
	}
}

func TestAPodThatHasNoProgramYetSaysWhyInKubernetesWords(t *testing.T) {
	waiting := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
	}
	for name, test := range map[string]struct {
		status corev1.PodStatus
		want   string
	}{
		"its image cannot be pulled": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "collector", State: waiting("ImagePullBackOff")}}}, "ImagePullBackOff"},
		"no node has room": {corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable"}}},
			"Unschedulable"},
		"a sidecar waits": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "collector"}, {Name: "sidecar", State: waiting("CrashLoopBackOff")}}}, ""},
		"it runs": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "collector", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := waits(&corev1.Pod{Status: test.status}); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	none, missing := each([]Collector{{Pod: "a", Node: "n1", waits: "ImagePullBackOff"}}, func(Collector) (*int, error) { return new(1), nil })
	if none[0] != nil || len(missing) != 1 || missing[0].Error() != "collector a on node n1 does not run: ImagePullBackOff" {
		t.Errorf("%v, %v", none, missing)
	}
}

// A command has to print it with care: see complaint in package main.
func TestWhatAPodAnswersInPlaceOfAPageIsInTheError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		out.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprint(out, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "message": "full\u001b[2J"}`)
	}))
	defer server.Close()
	c, err := NewClient(&rest.Config{Host: server.URL}, "flows")
	if err != nil {
		t.Fatal(err)
	}
	_, missing := c.Accounts(t.Context(), []Collector{{Pod: "a", Node: "n1", namespace: "flows", port: 8080}})
	if len(missing) != 1 || !strings.Contains(missing[0].Error(), "full\x1b[2J") {
		t.Errorf("%q", missing)
	}
}

// On the network of a node another fleet may have the port.
func TestWhatAnotherCollectorSaysIsNotTakenForThePods(t *testing.T) {
	var asked string
	for instance, want := range map[string]bool{"a": true, "": true, "core-collector-x": false} {
		server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			asked = r.URL.Path
			_, _ = fmt.Fprintf(out, `{"version": 1, "instance": %q, "started": "2026-01-01T12:00:00Z"}`, instance)
		}))
		defer server.Close()
		c, err := NewClient(&rest.Config{Host: server.URL}, "flows")
		if err != nil {
			t.Fatal(err)
		}
		of := []Collector{{Pod: "a", Node: "n1", namespace: "flows", port: 8080}}
		accounts, missing := c.Accounts(t.Context(), of)
		if (len(accounts) == 1) != want || (len(missing) == 0) != want {
			t.Errorf("books of %q: %v, %v", instance, accounts, missing)
		}
		statuses, missing := c.Statuses(t.Context(), of)
		if (statuses[0] != nil) != want || (len(missing) == 0) != want || !strings.Contains(asked, "/pods/") {
			t.Errorf("the status of %q, at %s: %v, %v", instance, asked, statuses, missing)
		}
		if !want && !strings.Contains(missing[0].Error(), "collector.metricsPort") {
			t.Errorf("%v", missing)
		}
	}
}
