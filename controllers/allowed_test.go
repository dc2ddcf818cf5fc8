package controllers

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/allow"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

func TestWhatTheFlagsDoNotAllowIsRefusedWithItsPlace(t *testing.T) {
	a := Allowed{Images: allow.Images{"example.com/flowfleet"}, Servers: allow.Servers{"nats:4222"}}
	for _, test := range []struct {
		about string
		spec  v1alpha1.FlowCollectorSpec
		want  []string
	}{
		{"nothing of its own", v1alpha1.FlowCollectorSpec{}, nil},
		{"an allowed image and server", v1alpha1.FlowCollectorSpec{Collector: v1alpha1.Collector{Image: "example.com/flowfleet:v2"},
			NATS: v1alpha1.NATS{URLs: []string{"nats://nats:4222"}}}, nil},
		{"the operator's own image", v1alpha1.FlowCollectorSpec{Collector: v1alpha1.Collector{Image: "own:v1"}}, nil},
		{"another image", v1alpha1.FlowCollectorSpec{Collector: v1alpha1.Collector{Image: "evil:v1"}}, []string{"spec.collector.image: evil:v1"}},
		{"other images beside the collector", v1alpha1.FlowCollectorSpec{Collector: v1alpha1.Collector{Pod: v1alpha1.Pod{
			InitContainers: []v1alpha1.Container{{RawExtension: runtime.RawExtension{Raw: []byte(`{"name":"a","image":"example.com/flowfleet:v1","Image":"evil:v1"}`)}}},
			Sidecars: []v1alpha1.Container{{RawExtension: runtime.RawExtension{Raw: []byte(`{"name":"b","image":"example.com/flowfleet:v1"}`)}},
				{RawExtension: runtime.RawExtension{Raw: []byte(`{"name":"c","image":"evil:v1"}`)}}},
		}}}, []string{"spec.collector.initContainers[0].image: evil:v1", "spec.collector.sidecars[1].image: evil:v1"}},
		{"other servers in each place", v1alpha1.FlowCollectorSpec{
			NATS:          v1alpha1.NATS{URLs: []string{"nats://nats:4222", "nats://kubernetes.default:443"}},
			TemplateStore: v1alpha1.TemplateStore{NATS: &v1alpha1.NATS{URLs: []string{"nats://a:1"}}},
			Output:        v1alpha1.Output{NATS: &v1alpha1.NATS{URLs: []string{"nats://b:1"}}},
		}, []string{"spec.nats.urls[1]: nats://kubernetes.default:443", "spec.templateStore.nats.urls[0]: nats://a:1", "spec.output.nats.urls[0]: nats://b:1"}},
	} {
		got := a.refusals(&v1alpha1.FlowCollector{Spec: test.spec}, "own:v1")
		if len(got) != len(test.want) {
			t.Errorf("%s: %q", test.about, got)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], test.want[i]) {
				t.Errorf("%s: %q, not %q", test.about, got[i], test.want[i])
			}
		}
	}
}

// Whoever made it: the operator makes nothing of it, and connects to nothing.
func TestNothingIsMadeOfWhatTheFlagsDoNotAllow(t *testing.T) {
	w := newWorld(t)
	operator := startOperator(t, w.s, w.namespace, operatorOptions{allowed: Allowed{Servers: allow.Servers{"nats:4222"}}})
	forbidden, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = forbidden.Close() })
	var connections atomic.Int32
	go func() {
		for {
			conn, err := forbidden.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.NATS.URLs = []string{"nats://" + forbidden.Addr().String()}
		fc.Spec.TemplateStore.DeletionPolicy = v1alpha1.DeletionDelete
	})
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonNotAllowed, "--allowed-nats", "spec.nats.urls[0]")
	operator.settle(fc)
	if n := len(w.children(fc)); n > 0 {
		t.Errorf("%d objects were made", n)
	}
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it can be deleted", func() bool { return !w.exists(fc) })
	if n := connections.Load(); n > 0 {
		t.Errorf("%d connections", n)
	}
}
