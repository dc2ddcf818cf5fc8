package controllers

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/wave"
)

// A change of the ConfigMap alone replaces no pod, and the kubelet brings it to collectors when it gets to it: the turn lasts until they have it.
func TestATurnLastsUntilCollectorsHaveTheirChangedConfiguration(t *testing.T) {
	w := newWorld(t)
	fleets := w.running("1h", "a", "b")
	a := fleets[0]
	configuration := func(i int) *corev1.ConfigMap {
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fleets[i])}}
		w.read(m)
		return m
	}
	wanted := configuration(0).Data[fleet.ConfigurationFile]
	var says atomic.Pointer[string]
	says.Store(new(config.FileVersion([]byte("of the version before"))))
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		text, err := status.Encode(&status.Document{Started: time.Unix(1, 0), Time: time.Now(), Begun: true, Ready: true, Configuration: *says.Load(),
			Bucket: &status.Bucket{Connected: true, Loaded: true, Read: true, Write: true}, Output: status.Output{Connected: true, StreamReady: true}})
		if err != nil {
			t.Error(err)
		}
		_, _ = out.Write(text)
	}))
	t.Cleanup(server.Close)
	w.collectorPod(a, server)
	// What the version before made of the specs is another file, and everything else the same.
	for i := range fleets {
		change(w, configuration(i), func(m *corev1.ConfigMap) {
			m.Annotations[annotationApplied], m.Data[fleet.ConfigurationFile] = "another", "of the version before"
		})
		change(w, w.daemonSet(fleets[i]), func(set *appsv1.DaemonSet) {
			set.Annotations[annotationApplied], set.Annotations[annotationBeside] = "another", "another"
		})
	}
	operator := startOperator(w, w.s, w.namespace, operatorOptions{rollouts: wave.Rules{AtOnce: 1}})
	natstest.Eventually(t, "the first has its ConfigMap", func() bool { return configuration(0).Data[fleet.ConfigurationFile] == wanted })
	for range 3 {
		w.lookNow(operator, a)
		operator.settle(fleets[1])
	}
	if configuration(1).Annotations[annotationApplied] != "another" {
		t.Error("the next one takes it up, though the first one's collectors do not have it")
	}
	w.expect(fleets[1], "Progressing", metav1.ConditionTrue, "RolloutWaiting", "1 of 1 collectors are not known to have taken up their changed configuration")
	says.Store(new(config.FileVersion([]byte(wanted))))
	natstest.Eventually(t, "the next one takes it up", func() bool {
		w.lookNow(operator, a)
		return configuration(1).Annotations[annotationApplied] != "another"
	})
}
