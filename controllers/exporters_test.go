package controllers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// With the rights of config/rbac, and from what it watches, the operator makes an object of a sender, and writes its status.
func TestTheOperatorMakesAFlowExporterOfWhoSends(t *testing.T) {
	w := newWorld(t)
	server := senderHeard(t)
	fc := w.create("edge")
	w.collectorPod(fc, server)
	startOperator(w, w.s, w.namespace, operatorOptions{exporters: time.Second})
	exporter := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "edge-192.0.2.1"}}
	natstest.Eventually(t, "the sender has an object, which says that it sends", func() bool {
		return w.exists(exporter) && meta.IsStatusConditionTrue(exporter.Status.Conditions, v1alpha1.ConditionSending)
	})
	if exporter.Status.Nodes[0] != "n1" || exporter.Status.Protocol != "sflow" || exporter.OwnerReferences[0].Name != "edge" {
		t.Errorf("%+v", exporter)
	}
}

// senderHeard answers as a collector does that hears 192.0.2.1.
func senderHeard(t *testing.T) *httptest.Server {
	var datagrams atomic.Uint64
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path != status.ExportersPath {
			http.NotFound(out, r)
			return
		}
		now := time.Now()
		n := datagrams.Add(1)
		text, err := status.EncodeExporters(&status.Exporters{Started: time.Unix(1, 0), Time: now, Exporters: []status.Exporter{{Address: "192.0.2.1",
			Protocol: "sflow", Received: n, Decoded: n, Records: n, Streams: []status.Stream{{LastSeen: now}}}}}, r.URL.Query().Get("after"))
		if err != nil {
			t.Error(err)
		}
		_, _ = out.Write(text)
	}))
	t.Cleanup(server.Close)
	return server
}

// collectorPod makes a pod of a fleet on the node n1, whose port of metrics is a server's.
func (w *world) collectorPod(fc *v1alpha1.FlowCollector, server *httptest.Server) {
	w.Helper()
	address, err := url.Parse(server.URL)
	if err != nil {
		w.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		w.Fatal(err)
	}
	labels := map[string]string{fleet.LabelManagedBy: fleet.Product}
	for k, v := range fleet.Selector(fc) {
		labels[k] = v
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fc.Name + "-collector-a", Labels: labels,
		OwnerReferences: []metav1.OwnerReference{ownedBy("DaemonSet", fleet.ObjectName(fc))}}, Spec: corev1.PodSpec{
		NodeName: "n1", Containers: []corev1.Container{{Name: "collector", Image: testImage, Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: int32(port)}}}}}}
	if err := w.c.Create(w.Context(), pod); err != nil {
		w.Fatal(err)
	}
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, address.Hostname()
	pod.Status.PodIPs = []corev1.PodIP{{IP: address.Hostname()}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := w.c.Status().Update(w.Context(), pod); err != nil {
		w.Fatal(err)
	}
}

func ownedBy(kind, name string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "apps/v1", Kind: kind, Name: name, UID: "1", Controller: new(true)}
}

func TestOnlyPodsOfTheFleetsDaemonSetAreAskedForExporters(t *testing.T) {
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge"}}
	plain := ownedBy("DaemonSet", fleet.ObjectName(fc))
	plain.Controller = nil
	for name, test := range map[string]struct {
		owners []metav1.OwnerReference
		want   bool
	}{
		"its own":           {[]metav1.OwnerReference{ownedBy("DaemonSet", fleet.ObjectName(fc))}, true},
		"nobody's":          {nil, false},
		"a Deployment's":    {[]metav1.OwnerReference{ownedBy("ReplicaSet", fleet.ObjectName(fc))}, false},
		"another DaemonSet": {[]metav1.OwnerReference{ownedBy("DaemonSet", "other")}, false},
		"not controlled":    {[]metav1.OwnerReference{plain}, false},
	} {
		if got := ofDaemonSet(fc, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: test.owners}}); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// withoutKind is an API server that does not have one of the project's kinds, until it has come; nil for never.
type withoutKind struct {
	next http.RoundTripper
	kind string
	come *atomic.Bool
}

func (w withoutKind) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.come != nil && w.come.Load() {
		return w.next.RoundTrip(r)
	}
	if strings.Contains(r.URL.Path, "/"+strings.ToLower(w.kind)+"s") {
		return &http.Response{StatusCode: http.StatusNotFound, Status: "404 Not Found", Body: http.NoBody, Request: r}, nil
	}
	if r.URL.Path == "/apis" { // of groups, and not all that is in them in one answer
		r = r.Clone(r.Context())
		r.Header.Set("Accept", "application/json")
	}
	answer, err := w.next.RoundTrip(r)
	if err != nil || r.URL.Path != "/apis/flowfleet.io/v1alpha1" {
		return answer, err
	}
	list := &metav1.APIResourceList{}
	if err := json.NewDecoder(answer.Body).Decode(list); err != nil {
		return nil, err
	}
	list.APIResources = slices.DeleteFunc(list.APIResources, func(one metav1.APIResource) bool { return one.Kind == w.kind })
	text, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	answer.Header.Del("Content-Length")
	return answer, nil
}

// Helm installs definitions once: who upgrades the operator may not have all kinds yet.
func TestFleetsAreKeptWhereAnotherKindIsNotInstalled(t *testing.T) {
	for _, kind := range []string{"FlowExporter", "FlowSink"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			fc := w.create("edge")
			o := startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, syncTimeout: 5 * time.Second,
				between: func(next http.RoundTripper) http.RoundTripper { return withoutKind{next, kind, nil} }})
			natstest.Eventually(t, "the fleet has its configuration", func() bool {
				return w.exists(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}})
			})
			time.Sleep(8 * time.Second) // longer than it waits for a kind that it watches
			o.stop()                    // tells whether it has ended before
		})
	}
}

// Labels are on any pod that wants them. Those of another controller make no fleet look well whose collectors do not run, nor keep one from being
// deleted.
func TestPodsOfOthersThatHaveTheLabelsOfCollectorsCountForNothing(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Stream.DeletionPolicy = v1alpha1.DeletionDelete })
	w.run(fc, 3)
	for _, node := range []string{"a", "b", "c"} {
		w.readyPod(fc, node, "192.0.2.9")
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc) + "-" + node}}
		change(w, pod, func(p *corev1.Pod) { p.OwnerReferences = []metav1.OwnerReference{ownedBy("ReplicaSet", "other")} })
	}
	operator.settle(fc)
	w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionFalse, judge.ReasonStarting, "3 of 3 nodes are without a collector that is ready")
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it is gone", func() bool { return !w.exists(fc) })
}
