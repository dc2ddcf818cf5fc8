package controllers

import (
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// letKeepSinks gives the operator the rights of config/sinks, as an installation with FlowSinks does.
func letKeepSinks(w *world) {
	w.Helper()
	b, err := os.ReadFile("../config/sinks/role.yaml")
	if err != nil {
		w.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(b, role); err != nil {
		w.Fatal(err)
	}
	for _, o := range []client.Object{role, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "operator"}}}} {
		if err := w.c.Create(w.Context(), o); err != nil && !apierrors.IsAlreadyExists(err) {
			w.Fatal(err)
		}
	}
}

// sinkOf makes a FlowSink of a FlowCollector.
func (w *world) sinkOf(fc, name string, change ...func(*v1alpha1.FlowSink)) *v1alpha1.FlowSink {
	w.Helper()
	s := &v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace}}
	s.Spec.From.FlowCollector = fc
	s.Spec.ClickHouse.URL = "http://clickhouse:8123"
	for _, f := range change {
		f(s)
	}
	if err := w.c.Create(w.Context(), s); err != nil {
		w.Fatal(err)
	}
	return s
}

// runSink has the Deployment of a FlowSink run, and returns it once the FlowSink is Ready.
func (w *world) runSink(s *v1alpha1.FlowSink) *appsv1.Deployment {
	w.Helper()
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.ObjectName(s)}}
	w.read(deployment)
	deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: deployment.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
	if err := w.c.Status().Update(w.Context(), deployment); err != nil {
		w.Fatal(err)
	}
	w.expectSink(s, metav1.ConditionTrue, sink.ReasonSinksReady)
	return deployment
}

// runningSink makes a FlowSink and has its Deployment run.
func (w *world) runningSink(fc, name string, change ...func(*v1alpha1.FlowSink)) (*v1alpha1.FlowSink, *appsv1.Deployment) {
	w.Helper()
	s := w.sinkOf(fc, name, change...)
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
	return s, w.runSink(s)
}

func (w *world) expectSink(s *v1alpha1.FlowSink, status metav1.ConditionStatus, reason string) {
	w.Helper()
	natstest.Eventually(w, s.Name+" is "+string(status)+" because of "+reason, func() bool {
		w.read(s)
		c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
		return c != nil && c.Status == status && c.Reason == reason && c.ObservedGeneration == s.Generation
	})
}

func TestASinkIsMadeFollowsItsSpecAndIsReadyOnceItsPodsAre(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	s := w.sinkOf("edge", "warehouse")
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonFlowCollectorMissing)
	w.create("edge")
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.ObjectName(s)}}
	w.read(deployment)
	if !metav1.IsControlledBy(deployment, s) || deployment.Spec.Template.Spec.Containers[0].Image != testImage {
		t.Errorf("%+v", deployment)
	}
	configMap := &corev1.ConfigMap{ObjectMeta: deployment.ObjectMeta}
	w.read(configMap)
	if !metav1.IsControlledBy(configMap, s) || !strings.Contains(configMap.Data["sink.yaml"], "stream: "+s.Status.Stream+"\n") || s.Status.Stream == "" {
		t.Errorf("stream %q, configuration %v", s.Status.Stream, configMap.Data)
	}
	ready := func(replicas int32) {
		w.read(deployment)
		deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: deployment.Generation, Replicas: replicas, UpdatedReplicas: replicas,
			ReadyReplicas: replicas, AvailableReplicas: replicas}
		if err := w.c.Status().Update(w.Context(), deployment); err != nil {
			t.Fatal(err)
		}
	}
	ready(1)
	w.expectSink(s, metav1.ConditionTrue, sink.ReasonSinksReady)
	if s.Status.ObservedGeneration != s.Generation || s.Status.Summary != "1/1" {
		t.Errorf("%+v", s.Status)
	}
	before := deployment.Spec.Template.Annotations[fleet.AnnotationConfiguration]
	two := int32(2)
	change(w, s, func(s *v1alpha1.FlowSink) { s.Spec.Replicas, s.Spec.ClickHouse.Database = &two, "network" })
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
	w.read(deployment)
	if *deployment.Spec.Replicas != 2 || deployment.Spec.Template.Annotations[fleet.AnnotationConfiguration] == before {
		t.Errorf("%+v", deployment.Spec)
	}
	ready(2)
	w.expectSink(s, metav1.ConditionTrue, sink.ReasonSinksReady)
	dashboards := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.DashboardsName(s)}}
	change(w, s, func(s *v1alpha1.FlowSink) { s.Spec.Dashboards.Enabled = true })
	natstest.Eventually(t, "the dashboards are there", func() bool { return w.exists(dashboards) })
	w.read(dashboards)
	if dashboards.Labels["grafana_dashboard"] != "1" || !strings.Contains(dashboards.Data["flowfleet-overview.json"], " network.flows") {
		t.Errorf("%v %d files", dashboards.Labels, len(dashboards.Data))
	}
	change(w, s, func(s *v1alpha1.FlowSink) { s.Spec.Dashboards.Enabled = false })
	natstest.Eventually(t, "they are gone", func() bool { return !w.exists(dashboards) })
	ready(2)
	// Drift is put back.
	change(w, deployment, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "example.com/other:v1" })
	natstest.Eventually(t, "the image is put back", func() bool {
		w.read(deployment)
		return deployment.Spec.Template.Spec.Containers[0].Image == testImage
	})
}

// Such as one that gathers the flows of several clusters: its subjects are others than those of the FlowCollector.
func TestASinkReadsTheStreamThatItNamesAndAllOfIt(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Encoding = v1alpha1.EncodingJSON }) // its own flows are not stored
	s := w.sinkOf("edge", "warehouse", func(s *v1alpha1.FlowSink) { s.Spec.From.Stream = "all-sites" })
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.ObjectName(s)}}
	w.read(c)
	if text := c.Data["sink.yaml"]; s.Status.Stream != "all-sites" || !strings.Contains(text, "stream: all-sites\n") || strings.Contains(text, "filterSubjects") ||
		!strings.Contains(text, w.nats.URL()) {
		t.Errorf("stream %q, configuration %s", s.Status.Stream, text)
	}
	s.ResourceVersion, s.Name, s.Spec.Protocols = "", "some", []v1alpha1.FlowProtocol{"ipfix"}
	if err := w.c.Create(t.Context(), s); err == nil || !strings.Contains(err.Error(), "leave protocols out") {
		t.Errorf("protocols of a stream whose subjects nobody knows: %v", err)
	}
}

func TestASinkLeavesAloneWhatIsNotItsOwn(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "warehouse-sink"}, Data: map[string]string{"a": "b"}}
	if err := w.c.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	w.create("edge")
	w.expectSink(w.sinkOf("edge", "warehouse"), metav1.ConditionFalse, sink.ReasonApplyFailed)
	w.read(theirs)
	if len(theirs.OwnerReferences) != 0 || len(theirs.Data) != 1 {
		t.Errorf("%+v", theirs)
	}
}

// Sinks that find no consumer begin where their bookmark says: one of somebody else's, who may write ConfigMaps only, would leave flows out.
func TestNoSinkRunsByABookmarkOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	other := func(s *v1alpha1.FlowSink) { s.Spec.ClickHouse.Database = "other" }
	before, after := w.sinkOf("edge", "before"), w.sinkOf("edge", "after", other)
	w.expectSink(after, metav1.ConditionFalse, sink.ReasonFlowCollectorMissing)
	controller := *metav1.NewControllerRef(after, v1alpha1.SchemeGroupVersion.WithKind("FlowSink"))
	planted := []*corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Name: sink.BookmarkName(before)}},
		{ObjectMeta: metav1.ObjectMeta{Name: sink.BookmarkName(after), OwnerReferences: []metav1.OwnerReference{controller}}}}
	for _, m := range planted {
		m.Namespace, m.Data = w.namespace, map[string]string{"bookmark.json": `{"stream": "flows-edge", "streamMade": "2026-01-01T00:00:00Z", "acknowledged": 1000000000}`}
		if err := w.c.Create(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	w.create("edge")
	for i, s := range []*v1alpha1.FlowSink{before, after} {
		w.expectSink(s, metav1.ConditionFalse, sink.ReasonApplyFailed)
		if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady); !strings.Contains(c.Message, "ConfigMap "+planted[i].Name) {
			t.Error(c.Message)
		}
		if d := (&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.ObjectName(s)}}); w.exists(d) {
			t.Errorf("%s: sinks run by it", s.Name)
		}
		if err := w.c.Delete(t.Context(), planted[i]); err != nil {
			t.Fatal(err)
		}
		change(w, s, func(s *v1alpha1.FlowSink) { s.Annotations = map[string]string{"look": "now"} })
		w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
		own := &corev1.ConfigMap{}
		if err := w.c.Get(t.Context(), client.ObjectKeyFromObject(planted[i]), own); err != nil || !metav1.IsControlledBy(own, s) || len(own.Data) != 0 {
			t.Errorf("%s: sinks run, and the name of their bookmark is free: %v %+v", s.Name, err, own)
		}
	}
}

func TestASinkOfAnImageThatIsNotAllowedIsNotMade(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true, allowed: Allowed{Images: []string{"example.com/flowfleet"}}})
	w.create("edge")
	s := w.sinkOf("edge", "warehouse", func(s *v1alpha1.FlowSink) { s.Spec.Image = "evil.example.com/shell:v1" })
	w.expectSink(s, metav1.ConditionFalse, sink.ReasonInvalid)
	if d := (&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.ObjectName(s)}}); w.exists(d) {
		t.Error("it was made")
	}
}

// A FlowCollector goes, and one of its name comes that has another stream: sinks stay as they are in between, say so, and go over to it.
func TestSinksGoOverToTheStreamOfANewFlowCollector(t *testing.T) {
	w := newWorld(t)
	letKeepSinks(w)
	startOperator(w, w.s, w.namespace, operatorOptions{sinks: true})
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Stream.DeletionPolicy = v1alpha1.DeletionDelete })
	one, other := w.sinkOf("edge", "warehouse"), w.sinkOf("edge", "lake", func(s *v1alpha1.FlowSink) { s.Spec.ClickHouse.Database = "lake" })
	configuration := func(s *v1alpha1.FlowSink) string {
		c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: sink.ObjectName(s)}}
		w.read(c)
		return c.Data["sink.yaml"]
	}
	for _, s := range []*v1alpha1.FlowSink{one, other} {
		w.expectSink(s, metav1.ConditionFalse, sink.ReasonRolling)
		if text := configuration(s); !strings.Contains(text, "consumer: "+w.namespace+"_"+s.Name+"\n") {
			t.Errorf("%s: %s", s.Name, text)
		}
	}
	before, stream := configuration(one), one.Status.Stream
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	w.expectSink(one, metav1.ConditionFalse, sink.ReasonFlowCollectorMissing)
	if configuration(one) != before {
		t.Error("without a FlowCollector the sinks are changed")
	}
	natstest.Eventually(t, "the FlowCollector is gone", func() bool { return !w.exists(fc) })
	w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Stream.Name = "second" })
	natstest.Eventually(t, "it goes over", func() bool {
		w.read(one)
		return one.Status.Stream == "second" && strings.Contains(configuration(one), "stream: second\n")
	})
	if stream == "second" {
		t.Error("it was there before")
	}
}
