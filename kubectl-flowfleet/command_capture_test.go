package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/capture"
	"github.com/flowfleet/flowfleet/collector/tap"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	controllers "github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/fleet"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/gather"
)

func TestACaptureAsksTheCollectorsOfTheNodesThatAreNamedAndNoMoreThanItCan(t *testing.T) {
	var many []fleet.Collector
	for i := range maxCaptured + 1 {
		many = append(many, fleet.Collector{Pod: fmt.Sprintf("edge-%d", i), Node: fmt.Sprintf("n%d", i)})
	}
	for name, test := range map[string]struct {
		all   []fleet.Collector
		nodes []string
		want  int
		says  string
	}{
		"all of a small fleet":         {many[:maxCaptured], nil, maxCaptured, ""},
		"a large fleet":                {many, nil, 0, "--node"},
		"some nodes of a large fleet":  {many, []string{"n3", "n64", "n3"}, 2, ""},
		"a node without a collector":   {many, []string{"n999"}, 0, "no collector runs"},
		"a fleet without a collector":  {nil, nil, 0, "no collector runs"},
		"a node that is one and a not": {many, []string{"n1", "n999"}, 0, "n999"},
	} {
		chosen, err := (&captureFlags{nodes: test.nodes}).choose(test.all)
		if len(chosen) != test.want || (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %d, %v", name, len(chosen), err)
		}
	}
}

func TestACaptureTellsWhatEachCollectorHadAndFailsWhereOneIsMissing(t *testing.T) {
	begin := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	heard := func(n, dropped uint64) *capture.Statistics {
		return &capture.Statistics{Received: n, Dropped: dropped, Begin: begin, End: begin.Add(30 * time.Second), Comment: "its time was over"}
	}
	asked := []fleet.Collector{{Pod: "edge-a", Node: "n1"}, {Pod: "edge-b", Node: "n2"}}
	for name, test := range map[string]struct {
		outcomes []gather.Outcome
		says     []string
		fails    []string
	}{
		"both hear it": {[]gather.Outcome{{Taken: 7, Statistics: heard(9, 2)}, {Taken: 3, LeftOut: 1, Statistics: heard(4, 0)}},
			[]string{"edge-a on node n1: captured 7 datagrams of 192.0.2.1 in 30s", "2 more came that are not in it", "edge-b on node n2: captured 4 datagrams", "1 of them are left out",
				"10 datagrams of 192.0.2.1 are in the capture"}, nil},
		"one hears it": {[]gather.Outcome{{Taken: 7, Statistics: heard(7, 0)}, {Statistics: heard(0, 0)}},
			[]string{"nothing was heard of 192.0.2.1", "7 datagrams of 192.0.2.1 are in the capture"}, nil},
		"nobody hears it": {[]gather.Outcome{{Statistics: heard(0, 0)}, {Statistics: heard(0, 0)}}, []string{"0 datagrams"},
			[]string{"nothing was heard of 192.0.2.1 by edge-a, edge-b"}},
		"one does not answer": {[]gather.Outcome{{Taken: 7, Statistics: heard(7, 0)}, {Err: errors.New("no \x1b[31mway")}}, []string{"7 datagrams of 192.0.2.1 are in"},
			[]string{"collector edge-b on node n2: no "}},
		"nobody answers": {[]gather.Outcome{{Err: errors.New("gone")}, {Err: errors.New("away")}}, []string{"0 datagrams"},
			[]string{"edge-a on node n1: gone", "edge-b on node n2: away"}},
		"what came could not be written": {[]gather.Outcome{{Statistics: heard(5, 5)}, {Statistics: heard(0, 0)}}, []string{"5 more came that are not in it"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			flags := captureFlags{limit: gather.Limit{Address: netip.MustParseAddr("192.0.2.1")}}
			var messages bytes.Buffer
			err := flags.report(&messages, asked, test.outcomes)
			for _, want := range test.says {
				if !strings.Contains(messages.String(), want) {
					t.Errorf("it does not say %q:\n%s", want, &messages)
				}
			}
			if (err == nil) != (len(test.fails) == 0) {
				t.Fatalf("it ends with %v", err)
			}
			for _, want := range test.fails {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if err != nil && strings.Contains(err.Error(), "\x1b") {
				t.Errorf("a collector's words reach the terminal as they are: %q", err)
			}
		})
	}
}

// captures runs "kubectl flowfleet capture" for a moment in a namespace.
func captures(t *testing.T, s *controllertest.Server, namespace string, arguments ...string) (out, messages string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := newCommand()
	command.SetOut(&stdout)
	command.SetErr(&stderr)
	command.SetArgs(append([]string{"capture", "--kubeconfig", s.Kubeconfig(), "-n", namespace, "--for", "100ms"}, arguments...))
	err = command.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

// A pod that no kubelet runs cannot be asked: that is told, the file is whole all the same, and the trace was left before.
func TestACaptureLeavesItsTraceFirst(t *testing.T) {
	s := controllertest.Start(t)
	namespace, c := s.Namespace(t), s.Client(t)
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "edge"}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "edge-a", Labels: controllers.Selector(fc)},
		Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "collector", Image: "flowfleet"}}}}
	viewer := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "viewer"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"flowfleet.io"}, Resources: []string{"flowcollectors"}, Verbs: []string{"get", "list"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list"}},
	}}
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "viewer"}, Subjects: []rbacv1.Subject{{Kind: "User", Name: "curious"}},
		RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "viewer"}}
	for _, o := range []client.Object{fc, pod, viewer, binding} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	traces := func() (out []string) {
		list := &corev1.EventList{}
		if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Items {
			if e.Reason == fleet.ReasonCaptured && e.InvolvedObject.Name == "edge" {
				out = append(out, e.Message)
			}
		}
		return out
	}

	file := filepath.Join(t.TempDir(), "router.pcapng")
	if _, _, err := captures(t, s, namespace, "192.0.2.1", "edge", "-o", file, "--as", "curious"); err == nil || !strings.Contains(err.Error(), "nothing was captured") ||
		!strings.Contains(err.Error(), "flowfleet-fleet-capturer") || strings.Contains(err.Error(), "--without-event") {
		t.Errorf("without the right to leave a trace: %v", err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("a file without a capture is left: %v", err)
	}
	for _, arguments := range [][]string{{"router-1"}, {"192.0.2.1", "--for", "6m"}, {"192.0.2.1", "--max-bytes", "65Mi"}, {"192.0.2.1", "--count", "-1"},
		{"192.0.2.1", "other"}, {"192.0.2.1", "edge", "--node", "n2"}} {
		if _, _, err := captures(t, s, namespace, arguments...); err == nil {
			t.Errorf("%v is taken", arguments)
		}
	}
	if n := len(traces()); n != 0 {
		t.Errorf("nothing was captured, and there are %d traces", n)
	}

	out, messages, err := captures(t, s, namespace, "::ffff:192.0.2.1", "--count", "5")
	if err == nil || !strings.Contains(err.Error(), "collector edge-a on node n1") || !strings.Contains(messages, "0 datagrams of 192.0.2.1 are in the capture") {
		t.Errorf("of a pod that cannot be asked: %v\n%s", err, messages)
	}
	if !strings.HasPrefix(out, "\x0a\x0d\x0d\x0a") { // the block type of a section header
		t.Errorf("the capture begins with %q", out[:min(len(out), 16)])
	}
	if _, _, err := captures(t, s, namespace, "192.0.2.1", "-o", file, "--without-event"); err == nil {
		t.Error("nothing was captured, and it goes well")
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("a file without a datagram is left, so that the same command fails the next time: %v", err)
	}
	if got := slices.Sorted(slices.Values(traces())); len(got) != 2 || !strings.Contains(got[1], "captures raw datagrams of 192.0.2.1 from 1 collectors, for 100ms or 5 datagrams") {
		t.Errorf("traces: %q", got)
	}

	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := captures(t, s, namespace, "192.0.2.1", "-o", file); err == nil || !strings.Contains(err.Error(), "another file by --output") {
		t.Errorf("over a file that is there: %v", err)
	}
	if left, err := os.ReadFile(file); err != nil || string(left) != "mine" {
		t.Errorf("the file has %q, %v", left, err)
	}
	if _, messages, err := captures(t, s, namespace, "192.0.2.1", "--as", "curious", "--without-event"); err == nil || !strings.Contains(messages, "there is no event of this capture") {
		t.Errorf("without an event: %v\n%s", err, messages)
	}
}

// A name that is too long is cut so that a collector takes the request: half a letter would grow on its way.
func TestWhoAsksFitsIntoARequest(t *testing.T) {
	for _, user := range []string{"", "somebody", strings.Repeat("x", 2*tap.MaxBy), "x" + strings.Repeat("é", tap.MaxBy)} {
		line, err := json.Marshal(by(user))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		if len(got) > tap.MaxBy || !strings.HasPrefix(user, got) {
			t.Errorf("%.20q... becomes %q", user, got)
		}
	}
}
