package controllers

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	admissionreviewv1 "k8s.io/api/admission/v1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// everything asks for every object that an operator makes.
func everything(fc *v1alpha1.FlowCollector) {
	fc.Spec.NetworkPolicy.Enabled = true
	fc.Spec.PodDisruption = &v1alpha1.PodDisruption{MinAvailable: 1}
	fc.Spec.Monitoring.Dashboards.Enabled = true
	fc.Spec.Collector.Labels = map[string]string{"team": "network"}
	fc.Spec.Collector.Annotations = map[string]string{"example.com/team": "network"}
	fc.Spec.Collector.Env = []corev1.EnvVar{{Name: "A", Value: "b"}}
	fc.Spec.Collector.NodeSelector = map[string]string{"kubernetes.io/os": "linux"}
	fc.Spec.Collector.Tolerations = []corev1.Toleration{{Key: "edge", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}}
	fc.Spec.Collector.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: &metav1.LabelSelector{},
	}}
	fc.Spec.Collector.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "edge", Operator: corev1.NodeSelectorOpExists}}}},
	}}}
	fc.Spec.Collector.Volumes = []v1alpha1.Volume{{Name: "extra", EmptyDir: &v1alpha1.EmptyDir{}}}
	fc.Spec.Collector.VolumeMounts = []corev1.VolumeMount{{Name: "extra", MountPath: "/extra"}}
	fc.Spec.Output.Buffer.Spool = &v1alpha1.Spool{}
	fc.Spec.Service.Annotations = map[string]string{"example.com/pool": "edge"}
	fc.Spec.Service.LoadBalancerSourceRanges = []string{"10.0.0.0/8"}
	fc.Spec.Exporters.AllowedNetworks = []v1alpha1.Network{"10.0.0.0/8"}
}

// children are the objects of a fleet as they are in the cluster.
func (w *world) children(fc *v1alpha1.FlowCollector) (out []client.Object) {
	w.Helper()
	for _, list := range []client.ObjectList{
		&appsv1.DaemonSetList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{}, &corev1.ServiceAccountList{},
		&networkingv1.NetworkPolicyList{}, &policyv1.PodDisruptionBudgetList{},
	} {
		if err := w.c.List(w.Context(), list, client.InNamespace(w.namespace), client.MatchingLabels(fleet.Selector(fc))); err != nil {
			w.Fatal(err)
		}
		switch l := list.(type) {
		case *appsv1.DaemonSetList:
			for i := range l.Items {
				out = append(out, &l.Items[i])
			}
		case *corev1.ConfigMapList:
			for i := range l.Items {
				out = append(out, &l.Items[i])
			}
		case *corev1.ServiceList:
			for i := range l.Items {
				out = append(out, &l.Items[i])
			}
		case *corev1.ServiceAccountList:
			for i := range l.Items {
				out = append(out, &l.Items[i])
			}
		case *networkingv1.NetworkPolicyList:
			for i := range l.Items {
				out = append(out, &l.Items[i])
			}
		case *policyv1.PodDisruptionBudgetList:
			for i := range l.Items {
				out = append(out, &l.Items[i])
			}
		}
	}
	return out
}

func TestOneObjectMakesARunningFleet(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge")
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonStarting)
	w.run(fc, 0)
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionTrue, judge.ReasonReady, "3/3 collectors are ready", "192.0.2.10")
	for kind, reason := range map[string]string{
		v1alpha1.ConditionConfigurationValid:  judge.ReasonValid,
		v1alpha1.ConditionTemplateStoreReady:  judge.ReasonReady,
		v1alpha1.ConditionStreamReady:         judge.ReasonReady,
		v1alpha1.ConditionCollectorsAvailable: judge.ReasonAvailable,
	} {
		w.expect(fc, kind, metav1.ConditionTrue, reason)
	}
	w.expect(fc, v1alpha1.ConditionServiceReady, metav1.ConditionTrue, judge.ReasonAddressAssigned, "192.0.2.10 (netflow 2055, ipfix 4739, sflow 6343)")
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	w.expect(fc, v1alpha1.ConditionDegraded, metav1.ConditionFalse, judge.ReasonAsWanted)
	for _, c := range fc.Status.Conditions {
		if c.ObservedGeneration != fc.Generation || fc.Status.ObservedGeneration != fc.Generation {
			t.Errorf("%s is about generation %d, the object is at %d", c.Type, c.ObservedGeneration, fc.Generation)
		}
	}
	if s := fc.Status; s.Collectors.Summary != "3/3" || s.Image != testImage || s.Address != "192.0.2.10" || s.Bucket == nil || !s.Bucket.Managed ||
		s.Bucket.Name != "flowfleet-"+w.namespace+"-edge" || s.Stream == nil || !s.Stream.Managed || s.Stream.Name != "flows-"+w.namespace+"-edge" {
		t.Errorf("status %+v", s)
	}
	js := w.jetStream(w.nats)
	for _, name := range []string{"KV_" + fc.Status.Bucket.Name, fc.Status.Stream.Name} {
		if !w.streamThere(js, name) {
			t.Errorf("NATS has no stream %s", name)
		}
	}

	children := w.children(fc)
	var kinds []string
	for _, o := range children {
		kinds = append(kinds, strings.TrimPrefix(strings.TrimPrefix(typeName(o), "*v1."), "*"))
		if !metav1.IsControlledBy(o, fc) {
			t.Errorf("%s %s does not belong to the FlowCollector", typeName(o), o.GetName())
		}
		if len(o.GetFinalizers()) > 0 {
			t.Errorf("%s %s has finalizers", typeName(o), o.GetName())
		}
	}
	slices.Sort(kinds)
	if want := []string{"ConfigMap", "DaemonSet", "Service", "Service", "ServiceAccount"}; !slices.Equal(kinds, want) {
		t.Errorf("the objects are %q, not %q", kinds, want)
	}
	if len(fc.Finalizers) > 0 {
		t.Errorf("finalizers %q, though nothing is to be deleted in NATS", fc.Finalizers)
	}
	service := w.service(fc)
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer || service.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		t.Errorf("Service %+v", service.Spec)
	}
	for _, port := range service.Spec.Ports {
		if port.Protocol != corev1.ProtocolUDP {
			t.Errorf("exporters see the port %s (%s)", port.Name, port.Protocol)
		}
	}
}

func typeName(o client.Object) string {
	switch o.(type) {
	case *appsv1.DaemonSet:
		return "DaemonSet"
	case *corev1.ConfigMap:
		return "ConfigMap"
	case *corev1.Service:
		return "Service"
	case *corev1.ServiceAccount:
		return "ServiceAccount"
	case *networkingv1.NetworkPolicy:
		return "NetworkPolicy"
	case *policyv1.PodDisruptionBudget:
		return "PodDisruptionBudget"
	}
	return "object"
}

// The API server itself judges pods by the restricted Pod Security standard.
func TestPodsAreAllowedWherePodSecurityIsRestricted(t *testing.T) {
	w := newWorld(t)
	w.start()
	change(w, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, func(n *corev1.Namespace) {
		n.Labels["pod-security.kubernetes.io/enforce"] = "restricted"
	})
	for name, f := range map[string]func(*v1alpha1.FlowCollector){
		"usual": func(*v1alpha1.FlowCollector) {},
		"full":  everything,
		"low-port": func(fc *v1alpha1.FlowCollector) {
			fc.Spec.Listeners = []v1alpha1.Listener{{Name: "sflow", Port: 514}}
		},
	} {
		template := w.daemonSet(w.create(name, f)).Spec.Template
		pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		pod.Name, pod.Namespace = name, w.namespace
		if err := w.c.Create(t.Context(), pod, client.DryRunAll); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		pod.Spec.HostNetwork = true
		if err := w.c.Create(t.Context(), pod, client.DryRunAll); err == nil {
			t.Errorf("%s: a pod on the host network is allowed: the API server does not judge", name)
		}
	}
}

func TestDriftIsPutBack(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge", everything)
	w.run(fc, 0)
	w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionTrue, judge.ReasonAvailable)

	set := w.daemonSet(fc)
	change(w, set, func(d *appsv1.DaemonSet) {
		d.Spec.Template.Spec.Containers[0].Image = "example.com/other:1"
		d.Spec.Template.Spec.Containers[0].Args = []string{"decode"}
		d.Spec.Template.Spec.HostNetwork = true
		delete(d.Labels, fleet.LabelInstance)
	})
	natstest.Eventually(t, "the DaemonSet is as it was", func() bool {
		w.read(set)
		c := set.Spec.Template.Spec.Containers[0]
		return c.Image == testImage && len(c.Args) == 3 && set.Labels[fleet.LabelInstance] == "edge"
	})
	service := w.service(fc)
	change(w, service, func(s *corev1.Service) {
		s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
		s.Spec.Ports[0].Port = 9999
		s.Spec.Selector = map[string]string{"app": "other"}
	})
	natstest.Eventually(t, "the Service is as it was", func() bool {
		w.read(service)
		return service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal && len(service.Spec.Ports) == 3 &&
			service.Spec.Ports[0].Port == 2055 && maps.Equal(service.Spec.Selector, fleet.Selector(fc))
	})
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
	w.read(configMap)
	was := configMap.Data
	change(w, configMap, func(c *corev1.ConfigMap) { c.Data = map[string]string{"collector.yaml": "{}"} })
	natstest.Eventually(t, "the ConfigMap is as it was", func() bool { w.read(configMap); return maps.Equal(configMap.Data, was) })

	for _, o := range w.children(fc) {
		if err := w.c.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		uid := o.GetUID()
		natstest.Eventually(t, typeName(o)+" "+o.GetName()+" is made again", func() bool { return w.exists(o) && o.GetUID() != uid })
	}
}

// What a load balancer, an autoscaler or a person adds stays.
func TestFieldsOfOthersAreKept(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	for _, o := range w.children(fc) {
		change(w, o, func(o client.Object) {
			o.SetAnnotations(mergedMaps(o.GetAnnotations(), map[string]string{"example.com/added": "by another"}))
			o.SetLabels(mergedMaps(o.GetLabels(), map[string]string{"added": "by-another"}))
			if s, ok := o.(*corev1.Service); ok && s.Spec.ClusterIP != corev1.ClusterIPNone {
				s.Spec.AllocateLoadBalancerNodePorts = new(false)
			}
			if d, ok := o.(*appsv1.DaemonSet); ok {
				d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] = "2026-01-01T00:00:00Z" // kubectl rollout restart
				d.Spec.RevisionHistoryLimit = new(int32(3))
			}
		})
	}
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = "example.com/flowfleet:v2" })
	natstest.Eventually(t, "the image is changed", func() bool {
		return w.daemonSet(fc).Spec.Template.Spec.Containers[0].Image == "example.com/flowfleet:v2"
	})
	operator.settle(fc)
	for _, o := range w.children(fc) {
		if o.GetAnnotations()["example.com/added"] == "" || o.GetLabels()["added"] == "" {
			t.Errorf("%s %s has lost what others added: %v %v", typeName(o), o.GetName(), o.GetAnnotations(), o.GetLabels())
		}
	}
	set := w.daemonSet(fc)
	if set.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] == "" || *set.Spec.RevisionHistoryLimit != 3 {
		t.Errorf("kubectl rollout restart is undone: %v", set.Spec.Template.Annotations)
	}
	if s := w.service(fc); *s.Spec.AllocateLoadBalancerNodePorts {
		t.Error("allocateLoadBalancerNodePorts of another is undone")
	}
}

func mergedMaps(a, b map[string]string) map[string]string {
	out := maps.Clone(b)
	maps.Copy(out, a)
	return out
}

func TestWhatNeedsARestartReplacesThePods(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge")
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
	set := w.daemonSet(fc)

	// rendered changes the spec, waits until the collectors' file says so, and returns whether the pods are replaced.
	rendered := func(says string, f func(*v1alpha1.FlowCollector)) bool {
		t.Helper()
		w.read(set)
		before := set.Spec.Template
		change(w, fc, f)
		natstest.Eventually(t, "the configuration says "+says, func() bool {
			return w.exists(configMap) && strings.Contains(configMap.Data["collector.yaml"], says) && fc.Generation == observed(w, fc)
		})
		w.read(set)
		return before.Annotations[fleet.AnnotationConfiguration] != set.Spec.Template.Annotations[fleet.AnnotationConfiguration]
	}
	if rendered("debug", func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.LogLevel = "debug" }) {
		t.Error("another log level replaces the pods")
	}
	if rendered("198.51.100.0/24", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Exporters.AllowedNetworks = []v1alpha1.Network{"198.51.100.0/24"}
	}) {
		t.Error("other networks replace the pods")
	}
	if !rendered("9995", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Listeners = append(fc.Spec.Listeners, v1alpha1.Listener{Name: "netflow-2", Port: 9995, Protocol: v1alpha1.ProtocolNetFlow})
	}) {
		t.Error("another listener replaces no pod")
	}
	if c := set.Spec.Template.Spec.Containers[0]; !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == 9995 }) {
		t.Errorf("ports %v", c.Ports)
	}
	if s := w.service(fc); !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == 9995 }) {
		t.Errorf("ports of the Service %v", s.Spec.Ports)
	}
	// What collectors read is what their own package reads.
	if _, problems := config.Parse([]byte(configMap.Data["collector.yaml"])); len(problems) > 0 {
		t.Errorf("the collectors refuse their file: %v", problems)
	}
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Listeners = fc.Spec.Listeners[:1] })
	natstest.Eventually(t, "the Service has one port", func() bool { return len(w.service(fc).Spec.Ports) == 1 })
}

func observed(w *world, fc *v1alpha1.FlowCollector) int64 {
	w.read(fc)
	return fc.Status.ObservedGeneration
}

func TestAnotherImageReplacesThePods(t *testing.T) {
	w := newWorld(t)
	first := w.start()
	fc := w.create("edge")
	image := func() string { return w.daemonSet(fc).Spec.Template.Spec.Containers[0].Image }
	natstest.Eventually(t, "the operator's image is used", func() bool { return image() == testImage })
	first.stop()
	second := startOperator(t, w.s, w.namespace, operatorOptions{image: "example.com/flowfleet:v2"})
	natstest.Eventually(t, "a newer operator brings its collectors along", func() bool { return image() == "example.com/flowfleet:v2" })
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Image = "example.com/mine:v3" })
	natstest.Eventually(t, "the spec's image wins", func() bool { return image() == "example.com/mine:v3" })
	second.settle(fc)
	if w.read(fc); fc.Status.Image != "example.com/mine:v3" {
		t.Errorf("the status tells %s", fc.Status.Image)
	}
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionTrue, judge.ReasonRolling)
	w.run(fc, 0)
	w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
}

func TestWhatIsNotWantedAnyMoreIsRemoved(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge", everything)
	natstest.Eventually(t, "all objects are made", func() bool { return len(w.children(fc)) == 8 })
	change(w, fc, func(fc *v1alpha1.FlowCollector) {
		fc.Spec.NetworkPolicy.Enabled = false
		fc.Spec.PodDisruption = nil
		fc.Spec.Monitoring.Dashboards.Enabled = false
		fc.Spec.Service = v1alpha1.Service{Type: v1alpha1.ServiceNone}
	})
	natstest.Eventually(t, "four objects are left", func() bool {
		var names []string
		for _, o := range w.children(fc) {
			names = append(names, typeName(o)+"/"+o.GetName())
		}
		slices.Sort(names)
		return slices.Equal(names, []string{"ConfigMap/edge-collector", "DaemonSet/edge-collector", "Service/edge-collector-metrics",
			"ServiceAccount/edge-collector"})
	})
}

func TestServiceFollowsItsType(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Service.LoadBalancerClass = new("example.com/edge")
		fc.Spec.Service.LoadBalancerSourceRanges = []string{"10.0.0.0/8"}
	})
	w.service(fc)
	for _, kind := range []v1alpha1.ServiceType{v1alpha1.ServiceClusterIP, v1alpha1.ServiceNodePort, v1alpha1.ServiceLoadBalancer, v1alpha1.ServiceNone} {
		change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Service = v1alpha1.Service{Type: kind} })
		natstest.Eventually(t, "the Service has the type "+string(kind), func() bool {
			service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}
			if !w.exists(service) {
				return kind == v1alpha1.ServiceNone
			}
			return string(service.Spec.Type) == string(kind)
		})
	}
}

// Somebody else's object of the same name is left alone.
func TestObjectsOfOthersAreNotTaken(t *testing.T) {
	w := newWorld(t)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "edge-collector"}, Data: map[string]string{"mine": "yes"}}
	if err := w.c.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	operator := w.start()
	fc := w.create("edge")
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonNameTaken, "ConfigMap edge-collector", "delete or rename it")
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonNameTaken)
	if w.read(foreign); foreign.Data["mine"] != "yes" || len(foreign.OwnerReferences) > 0 {
		t.Errorf("it was changed: %+v", foreign)
	}
	set := &appsv1.DaemonSet{}
	if err := w.c.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "edge-collector"}, set); !apierrors.IsNotFound(err) {
		t.Errorf("collectors run by a configuration of others, which may send the fleet's Secrets elsewhere: %v", err)
	}
	if err := w.c.Delete(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	w.lookNow(operator, fc)
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionTrue, judge.ReasonValid)
	if err := w.c.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "edge-collector"}, set); err != nil {
		t.Error(err)
	}
}

// An orphan with our labels is adopted. One that cannot be written any more says to which servers collectors send the fleet's Secrets, and may be
// of whoever may write ConfigMaps.
func TestNoCollectorRunsByAConfigurationThatCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	labels := map[string]string{fleet.LabelManagedBy: fleet.Product}
	maps.Copy(labels, fleet.Selector(&v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "edge"}}))
	planted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "edge-collector", Labels: labels}, Immutable: new(true),
		Data: map[string]string{fleet.ConfigurationFile: "nats: {urls: ['nats://evil:4222']}"}}
	if err := w.c.Create(t.Context(), planted); err != nil {
		t.Fatal(err)
	}
	operator := w.start()
	fc := w.create("edge")
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonRefused, "ConfigMap", "immutable")
	set := &appsv1.DaemonSet{}
	if err := w.c.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "edge-collector"}, set); !apierrors.IsNotFound(err) {
		t.Errorf("collectors run by it: %v", err)
	}
	if err := w.c.Delete(t.Context(), planted); err != nil {
		t.Fatal(err)
	}
	w.lookNow(operator, fc)
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionTrue, judge.ReasonValid)
	if err := w.c.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "edge-collector"}, set); err != nil {
		t.Error(err)
	}
}

// An admission webhook that writes another registry into images, for one, would have them replaced for ever; so would one that adds labels,
// defaults or containers to templates.
func TestWhatAWebhookWritesIsNotTakenForAChange(t *testing.T) {
	const sidecar = `{"name": "proxy", "image": "proxy:v1", "ports": [{"name": "admin", "containerPort": 15000}]}`
	for name, patch := range map[string]string{
		"another registry": `{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "mirror.example.com/flowfleet:v1"}`,
		"a label":          `{"op": "add", "path": "/spec/template/metadata/labels/team", "value": "network"}`,
		"defaults": `{"op": "add", "path": "/spec/template/spec/containers/0/resources", "value": {"requests": {"cpu": "123m"}, "limits": {"memory": "1Gi"}}},
			{"op": "add", "path": "/spec/template/spec/priorityClassName", "value": "system-node-critical"}`,
		"no annotation":        `{"op": "add", "path": "/metadata/annotations", "value": {}}`,
		"a container behind":   `{"op": "add", "path": "/spec/template/spec/containers/-", "value": ` + sidecar + `}`,
		"a container in front": `{"op": "add", "path": "/spec/template/spec/containers/0", "value": ` + sidecar + `}`,
	} {
		t.Run(name, func(t *testing.T) { webhookWrites(t, patch) })
	}
}

func webhookWrites(t *testing.T, patch string) {
	w := newWorld(t)
	var asked atomic.Int32
	webhook := w.mutate(func() string { return "[" + patch + "]" }, &asked)
	if err := w.c.Create(t.Context(), webhook); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.c.Delete(context.Background(), webhook) })
	natstest.Eventually(t, "the webhook is asked", func() bool {
		if err := w.tryDaemonSet(); err != nil {
			t.Fatal(err)
		}
		return asked.Load() > 0
	})
	operator := w.start()
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	operator.settle(fc)
	written := w.daemonSet(fc).Generation
	before := asked.Load()
	for range 3 {
		w.lookNow(operator, fc)
		w.expect(fc, v1alpha1.ConditionProgressing, metav1.ConditionFalse, judge.ReasonSettled)
	}
	if n := asked.Load() - before; n > 6 {
		t.Errorf("the DaemonSet was applied %d times in 3 looks", n)
	}
	if now := w.daemonSet(fc).Generation; now != written {
		t.Errorf("the DaemonSet was changed %d times in 3 looks", now-written)
	}
	for _, e := range w.events(fc) {
		if e.Action == "ReplaceCollectors" {
			t.Errorf("an event says: %s", e.Note)
		}
	}
}

// mutate serves a webhook that patches the DaemonSets of the world's namespace.
func (w *world) mutate(patch func() string, asked *atomic.Int32) *admissionv1.MutatingWebhookConfiguration {
	server := httptest.NewTLSServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		asked.Add(1)
		var review admissionreviewv1.AdmissionReview
		if json.NewDecoder(request.Body).Decode(&review) != nil || review.Request == nil {
			return // likewise
		}
		kind := admissionreviewv1.PatchTypeJSONPatch
		review.Response = &admissionreviewv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, PatchType: &kind,
			Patch: []byte(patch())}
		_ = json.NewEncoder(answer).Encode(review) // an API server that no longer waits asks again
	}))
	w.Cleanup(server.Close)
	out := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	for _, dead := range deadWebhook(w.namespace).Webhooks {
		dead.ClientConfig = admissionv1.WebhookClientConfig{URL: &server.URL,
			CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})}
		dead.Rules[0].Operations = append(dead.Rules[0].Operations, admissionv1.Update)
		out.Webhooks = append(out.Webhooks, admissionv1.MutatingWebhook{Name: dead.Name, ClientConfig: dead.ClientConfig,
			NamespaceSelector: dead.NamespaceSelector, SideEffects: dead.SideEffects, AdmissionReviewVersions: dead.AdmissionReviewVersions,
			Rules: dead.Rules})
	}
	return out
}

// A spec may be fine for this project's schema, and not for Kubernetes.
func TestWhatKubernetesRefusesIsTold(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Collector.Tolerations = []corev1.Toleration{{Key: "edge", Operator: "Sometimes"}}
	})
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonRefused, "DaemonSet", "tolerations", "Sometimes")
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonRefused)
	w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionTrue, judge.ReasonReady)
	if !w.exists(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fleet.ObjectName(fc)}}) {
		t.Error("one object that is refused keeps the others from being made")
	}
	operator.settle(fc) // that is, it does not try all the time
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Collector.Tolerations = nil })
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionTrue, judge.ReasonValid)
	w.daemonSet(fc)
}
