package controllers

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// What a field of the spec brings goes with it: also what the API server has filled in beside it, of which the operator is no owner.
func TestWhatAFieldBringsGoesWithIt(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Service.Type = v1alpha1.ServiceClusterIP })
	operator.settle(fc)
	before := w.wantedOf(fc)
	base := fc.Spec.DeepCopy()
	seconds, one := v1alpha1.Duration("20s"), intstr.FromInt32(1)
	for name, turn := range map[string]func(s *v1alpha1.FlowCollectorSpec){
		"most": func(s *v1alpha1.FlowCollectorSpec) {
			s.CommonLabels, s.CommonAnnotations = map[string]string{"team": "a"}, map[string]string{"example.com/a": "b"}
			c := &s.Collector
			c.HostNetwork, c.MetricsPort, c.DrainTime, c.NodeTuning = true, 9999, &seconds, v1alpha1.NodeTuningReceiveBuffer
			c.Sidecars = []v1alpha1.Container{container(`{"name":"side","image":"example.com/side","ports":[{"containerPort":80}],"livenessProbe":{"httpGet":{"port":80}}}`)}
			c.InitContainers = []v1alpha1.Container{container(`{"name":"first","image":"example.com/first","restartPolicy":"Always"}`)}
			c.Volumes = []v1alpha1.Volume{{Name: "extra", EmptyDir: &v1alpha1.EmptyDir{}}, {Name: "more", ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "more"}}}}
			c.VolumeMounts = []corev1.VolumeMount{{Name: "extra", MountPath: "/mnt/extra"}}
			c.Env = []corev1.EnvVar{{Name: "A", Value: "b"}, {Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}}}
			c.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
				{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}, TopologyKey: "zone"}}}}
			c.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.ScheduleAnyway}}
			c.Tolerations = []corev1.Toleration{{Key: "edge", Operator: corev1.TolerationOpExists}}
			c.SecurityContext.SELinuxOptions = &v1alpha1.SELinuxOptions{Level: "s0:c1,c2"}
			c.Labels, c.Annotations = map[string]string{"team": "a"}, map[string]string{"example.com/a": "b"}
			c.NodeSelector, c.PriorityClassName = map[string]string{"a": "b"}, "high"
			c.ServiceAccountName, c.RuntimeClassName, c.DNSPolicy = "other", "runc", corev1.DNSDefault
			c.ImagePullSecrets, c.ImagePullPolicy = []v1alpha1.SecretName{{Name: "pull"}}, corev1.PullAlways
			s.Exporters.NamesFrom, s.Output.Buffer.Spool = &v1alpha1.ConfigMapKey{Name: "names"}, &v1alpha1.Spool{}
			s.Output.NATS = &v1alpha1.NATS{URLs: s.NATS.URLs, Token: &v1alpha1.SecretKey{Name: "nats", Key: "token"}}
			s.Service.Labels, s.Service.Annotations = map[string]string{"team": "a"}, map[string]string{"example.com/a": "b"}
			s.Service.SessionAffinity = corev1.ServiceAffinityClientIP
			s.Monitoring.Dashboards.Enabled, s.PodDisruption = true, &v1alpha1.PodDisruption{MinAvailable: 1}
		},
		"others in their place": func(s *v1alpha1.FlowCollectorSpec) {
			s.Listeners = []v1alpha1.Listener{{Name: "other", Port: 205}}
			s.Collector.UpdateStrategy.MaxUnavailable, s.Collector.SecurityContext.AssignedByPlatform = &one, true
			s.Collector.Env = []corev1.EnvVar{{Name: "IP", Value: "b"}}
			s.Output.Buffer.Spool = &v1alpha1.Spool{HostPath: &v1alpha1.SpoolHostPath{Path: "/var/spool/flows"}}
			s.NetworkPolicy.Enabled, s.NetworkPolicy.MetricsFrom = true, &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
			s.Exporters.AllowedNetworks = []v1alpha1.Network{"10.0.0.0/8"}
		},
	} {
		change(w, fc, func(fc *v1alpha1.FlowCollector) { turn(&fc.Spec) })
		operator.settle(fc)
		turned := w.wantedOf(fc)
		for object, was := range before {
			if turned[object] == was && object != "ServiceAccount/edge-collector" && object != "Service/edge-collector-metrics" {
				t.Errorf("%s: %s has not changed\n%s", name, object, conditionsOf(fc))
			}
		}
		change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec = *base.DeepCopy() })
		operator.settle(fc)
		after := w.wantedOf(fc)
		for object := range mergedMaps(before, after) {
			if before[object] != after[object] {
				t.Errorf("%s: %s was\n%s\nand is\n%s", name, object, before[object], after[object])
			}
		}
	}
}

func container(text string) (c v1alpha1.Container) {
	c.Raw = []byte(text)
	return c
}

// wantedOf is what the objects of a fleet say, but for what tells when they were written.
func (w *world) wantedOf(fc *v1alpha1.FlowCollector) map[string]string {
	w.Helper()
	w.read(fc)
	out := make(map[string]string)
	for _, o := range w.children(fc) {
		b, err := json.Marshal(o)
		if err != nil {
			w.Fatal(err)
		}
		var plain map[string]any
		if err := json.Unmarshal(b, &plain); err != nil {
			w.Fatal(err)
		}
		annotations := o.GetAnnotations()
		for _, a := range []string{annotationAsked, annotationApplied, annotationBeside, "deprecated.daemonset.template.generation"} {
			delete(annotations, a)
		}
		said := map[string]any{"labels": o.GetLabels(), "annotations": annotations, "spec": plain["spec"], "data": plain["data"]}
		if b, err = json.Marshal(said); err != nil {
			w.Fatal(err)
		}
		out[typeName(o)+"/"+client.ObjectKeyFromObject(o).Name] = string(b)
	}
	return out
}
