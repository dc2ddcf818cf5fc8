package judge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// onNode is a collector's pod on a node.
func onNode(node string, status corev1.PodStatus) corev1.Pod {
	return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge-" + node}, Spec: corev1.PodSpec{NodeName: node}, Status: status}
}

func isReadyPod(ready corev1.ConditionStatus) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}}
}

// refuse has the load balancer give the Service addresses, and not take a port of three at any.
func refuse(f *Facts, addresses ...string) {
	f.Service.Spec.Ports = []corev1.ServicePort{{Name: "netflow", Port: 2055, Protocol: "UDP"}, {Name: "ipfix", Port: 4739, Protocol: "UDP"}, {Name: "tcp", Port: 2055, Protocol: "TCP"}}
	why, other := "example.com/UDPNotSupported", "example.com/Other"
	f.Service.Status.LoadBalancer.Ingress = nil
	for _, a := range addresses {
		f.Service.Status.LoadBalancer.Ingress = append(f.Service.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: a, Ports: []corev1.PortStatus{
			{Port: 2055, Protocol: "UDP", Error: &why}, {Port: 4739, Protocol: "UDP"}, {Port: 9995, Protocol: "UDP", Error: &other}}})
	}
}

// The ports that a load balancer takes go on: the address is not taken away from those who look for it. It says of each address the same, once.
func TestALoadBalancerThatDoesNotTakeAPortKeepsItsAddressForTheOthers(t *testing.T) {
	f := settledBefore()
	refuse(f, "192.0.2.10", "2001:db8::10")
	why := "example.com/Another"
	for i := range f.Service.Status.LoadBalancer.Ingress {
		f.Service.Status.LoadBalancer.Ingress[i].Ports[1].Error = &why
	}
	v := pass(f, 0)
	c := conditionIn(t, v, v1alpha1.ConditionServiceReady)
	if want := "(2055/UDP: example.com/UDPNotSupported; 4739/UDP: example.com/Another)"; c.Reason != ReasonPortsRefused || !strings.Contains(c.Message, want) {
		t.Errorf("%+v", c)
	}
	if v.Status.Address != "192.0.2.10" || len(v.Status.Addresses) != 2 || len(v.Status.Addresses[1].Ports) != 3 {
		t.Errorf("%+v", v.Status)
	}
	f.Service.Status.LoadBalancer.Ingress = nil
	f.Service.Status.Conditions = []metav1.Condition{{Type: corev1.LoadBalancerPortsError, Status: metav1.ConditionTrue, Reason: "Mixed"}}
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionServiceReady); c.Reason != ReasonPortsRefused {
		t.Errorf("an address is waited for that does not come: %+v", c)
	}
}

// What Kubernetes' own objects say of a fleet that ran is not repeated where it is of the past, and is repeated where it says that something is wrong.
func TestWhatKubernetesSaysOfThePastIsNotRepeated(t *testing.T) {
	deleted := metav1.NewTime(noon.Add(-5 * time.Minute))
	const available, service, progressing = v1alpha1.ConditionCollectorsAvailable, v1alpha1.ConditionServiceReady, v1alpha1.ConditionProgressing
	for name, test := range map[string]struct {
		change                     func(f *Facts)
		kind, status, reason, says string
	}{
		"a DaemonSet that is being deleted is not counted by Kubernetes any more": {func(f *Facts) {
			f.DaemonSet.DeletionTimestamp, f.Applied.Going = &deleted, []string{"DaemonSet edge-collector is being deleted"}
			f.Collectors = observation.Finding{}
		}, available, "False", ReasonUnavailable, "3 of 3 nodes are without a collector"},
		"and its FlowCollector is on its way to have another one": {func(f *Facts) {
			f.DaemonSet.DeletionTimestamp, f.Applied.Going = &deleted, []string{"DaemonSet edge-collector is being deleted"}
		}, progressing, "True", ReasonRolling, "DaemonSet edge-collector is being deleted"},
		"of a DaemonSet that is being deleted, what is ready still counts": {func(f *Facts) {
			f.DaemonSet.DeletionTimestamp, f.Applied.Going = &deleted, []string{"DaemonSet edge-collector is being deleted"}
			f.Pods = []corev1.Pod{onNode("node-a", isReadyPod("True"))}
		}, available, "False", ReasonPartlyUnavailable, "2 of 3 nodes are without a collector"},
		"pods say that they are not ready while Kubernetes' controllers are away": {func(f *Facts) {
			f.Pods = []corev1.Pod{onNode("node-a", isReadyPod("False")), onNode("node-b", isReadyPod("False")), onNode("node-c", isReadyPod("True"))}
		}, available, "False", ReasonPartlyUnavailable, "2 of 3 nodes are without a collector"},
		"a pod that ends on a node that does not count any more is no collector that is missing": {func(f *Facts) {
			ending := onNode("node-d", isReadyPod("False"))
			ending.DeletionTimestamp = &deleted
			f.Pods = []corev1.Pod{onNode("node-a", isReadyPod("True")), onNode("node-b", isReadyPod("True")), onNode("node-c", isReadyPod("True")), ending}
		}, available, "True", ReasonAvailable, "3 of 3"},
		"a Service that is being deleted": {func(f *Facts) {
			f.Service.DeletionTimestamp, f.Applied.Going = &deleted, []string{"Service edge-collector is being deleted"}
		}, service, "False", ReasonPending, "the Service edge-collector is being deleted"},
		"a load balancer that does not take a port": {func(f *Facts) {
			refuse(f, "192.0.2.10", "2001:db8::10")
		}, service, "False", ReasonPortsRefused, "(2055/UDP: example.com/UDPNotSupported)"},
		"a load balancer that did not take a port that the Service does not have any more": {func(f *Facts) {
			refuse(f, "192.0.2.10")
			f.Service.Spec.Ports = f.Service.Spec.Ports[1:]
		}, service, "True", ReasonAddressAssigned, "192.0.2.10 (ipfix 4739, tcp 2055)"},
		"a load balancer that says so in a condition": {func(f *Facts) {
			f.Service.Status.Conditions = []metav1.Condition{{Type: corev1.LoadBalancerPortsError, Status: metav1.ConditionTrue, Reason: "Mixed", Message: "UDP and TCP are mixed"}}
		}, service, "False", ReasonPortsRefused, "UDP and TCP are mixed"},
		"a load balancer that has neither address nor name": {func(f *Facts) {
			f.Service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{}}
		}, service, "False", ReasonAddressPending, "no address yet"},
		"a node port that is asked for while nothing is applied": {func(f *Facts) {
			f.Collector.Spec.Service.Type, f.Collector.Spec.Suspend = v1alpha1.ServiceNodePort, true
			f.Applied.Waiting, f.Service.Spec.Type = []string{"Service edge-collector"}, corev1.ServiceTypeLoadBalancer
			f.Service.Spec.Ports = []corev1.ServicePort{{Name: "netflow", Port: 2055}}
		}, service, "True", ReasonAddressAssigned, "192.0.2.10 (netflow 2055)"},
		"a load balancer that a quota refuses": {func(f *Facts) {
			f.Applied.Denied, f.Service.Spec.Type = []string{"exceeded quota: services.loadbalancers"}, corev1.ServiceTypeClusterIP
			f.Service.Spec.ClusterIPs, f.Service.Status.LoadBalancer.Ingress = []string{"10.0.0.9"}, nil
			f.Service.Spec.Ports = []corev1.ServicePort{{Name: "netflow", Port: 2055}}
		}, service, "True", ReasonAddressAssigned, "10.0.0.9 (netflow 2055)"},
		"a headless Service of before that cannot become the fleet's": {func(f *Facts) {
			f.Applied.Refused, f.Service.Spec.Type = []string{"may not be set to 'None'"}, corev1.ServiceTypeClusterIP
			f.Service.Spec.ClusterIP, f.Service.Spec.ClusterIPs, f.Service.Status.LoadBalancer.Ingress = "None", []string{"None"}, nil
		}, service, "False", ReasonAddressPending, "has no address of its own (type ClusterIP, clusterIP \"None\")"},
		"a Service that is to go while nothing is applied": {func(f *Facts) {
			f.Collector.Spec.Service.Type, f.Collector.Spec.Suspend = v1alpha1.ServiceNone, true
			f.Applied.Waiting, f.Service.Spec.Type = []string{"Service edge-collector"}, corev1.ServiceTypeLoadBalancer
			f.Service.Spec.Ports = []corev1.ServicePort{{Name: "netflow", Port: 2055}}
		}, service, "True", ReasonAddressAssigned, "192.0.2.10 (netflow 2055)"},
		"a Service that was changed in this pass, as it was before": {func(f *Facts) {
			f.Collector.Spec.Service.Type = v1alpha1.ServiceNodePort
			f.Applied.Changed, f.Service.Spec.Type = []string{"Service"}, corev1.ServiceTypeLoadBalancer
		}, service, "False", ReasonPending, "is being changed"},
		"a traffic policy that is asked for while nothing is applied": {func(f *Facts) {
			f.Collector.Spec.Service.ExternalTrafficPolicy, f.Collector.Spec.Suspend = corev1.ServiceExternalTrafficPolicyCluster, true
			f.Service.Spec.Type, f.Service.Spec.ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, corev1.ServiceExternalTrafficPolicyLocal
		}, v1alpha1.ConditionSourceIPPreserved, "True", ReasonAddressesKept, ""},
		"a traffic policy that goes on while another one is asked for": {func(f *Facts) {
			f.Collector.Spec.Suspend = true
			f.Service.Spec.Type, f.Service.Spec.ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, corev1.ServiceExternalTrafficPolicyCluster
		}, v1alpha1.ConditionSourceIPPreserved, "False", ReasonClusterTraffic, ""},
		"a Service of the fleet's name that is somebody else's": {func(f *Facts) {
			f.Service, f.Applied.Taken = nil, []string{"there is a Service edge-collector that does not belong to this FlowCollector"}
		}, service, "False", ReasonPending, "is not made until ConfigurationValid is True"},
	} {
		t.Run(name, func(t *testing.T) {
			f := settledBefore()
			test.change(f)
			v := pass(f, 0)
			if c := conditionIn(t, v, test.kind); string(c.Status) != test.status || c.Reason != test.reason || !strings.Contains(c.Message, test.says) {
				t.Errorf("%+v, not %s %s saying %q", c, test.status, test.reason, test.says)
			}
			if c := conditionIn(t, v, v1alpha1.ConditionReady); test.status == "False" && test.kind != v1alpha1.ConditionSourceIPPreserved && c.Status != metav1.ConditionFalse {
				t.Errorf("and Ready is %+v", c)
			}
		})
	}
}

// A pod says in many places why it is not ready. Where it does not, the condition says where to look.
func TestAPodThatIsNotReadyNeverHasNoReason(t *testing.T) {
	long, lately := metav1.NewTime(noon.Add(-2*time.Minute)), metav1.NewTime(noon.Add(-10*time.Second))
	waiting := func(name, reason string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}
	}
	runs := corev1.ContainerStatus{Name: fleet.Component, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	creating := func(since metav1.Time, network corev1.ConditionStatus) corev1.PodStatus {
		return corev1.PodStatus{Phase: corev1.PodPending, StartTime: &since, Conditions: []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: network}},
			ContainerStatuses: []corev1.ContainerStatus{waiting(fleet.Component, "ContainerCreating")}}
	}
	for name, test := range map[string]struct {
		status  corev1.PodStatus
		deleted *metav1.Time
		want    string
	}{
		"evicted": {corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}, nil,
			"failed, Evicted: The node was low on resource: memory."},
		"not taken by its node": {corev1.PodStatus{Phase: corev1.PodFailed, Reason: "OutOfcpu"}, nil, "failed, OutOfcpu"},
		"a volume is missing for long": {creating(long, "False"), nil,
			"is not started yet, since its volumes or its network are not there: kubectl describe pod says which"},
		"an image is pulled for long":        {creating(long, "True"), nil, "is not started yet, since its image or a volume is not there: kubectl describe pod says which"},
		"it was taken by its node just now":  {creating(lately, "False"), nil, ""},
		"it is being deleted":                {isReadyPod("True"), &lately, ""},
		"it does not end":                    {isReadyPod("False"), &long, "does not end, though its time is up"},
		"it runs, and was never not started": {corev1.PodStatus{StartTime: &long, ContainerStatuses: []corev1.ContainerStatus{runs}}, nil, ""},
		"a container before it runs for long": {corev1.PodStatus{StartTime: &long, InitContainerStatuses: []corev1.ContainerStatus{{Name: "first", State: runs.State}},
			ContainerStatuses: []corev1.ContainerStatus{waiting(fleet.Component, "PodInitializing")}}, nil, ""},
		"a sidecar fails": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{runs, waiting("shipper", "CrashLoopBackOff")}}, nil,
			"container shipper: CrashLoopBackOff"},
		"a sidecar fails, and the collector": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("agent", "CrashLoopBackOff"),
			waiting(fleet.Component, "ErrImagePull")}}, nil, "ErrImagePull"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := onNode("node-a", test.status)
			pod.DeletionTimestamp = test.deleted
			got := podTrouble(&pod, fleet.Component, noon)
			if got != test.want && (test.want == "" || !strings.HasPrefix(got, test.want)) {
				t.Errorf("%q, not %q", got, test.want)
			}
			if told := fmt.Sprint(PodTroubles([]corev1.Pod{pod}, fleet.Component, noon)); test.want != "" && !strings.Contains(told, "(1, such as pod edge-node-a)") {
				t.Error(told)
			}
		})
	}
}

// ofSpec gives the DaemonSet its generation, and the collectors theirs, each with the hash of its template.
func ofSpec(f *Facts, present string, pods ...string) {
	f.DaemonSet.Annotations = map[string]string{templateGeneration: present}
	for i, of := range pods {
		generation, hash, _ := strings.Cut(of, " ")
		f.Pods[i].Labels = map[string]string{templateGenerationOfPod: generation, appsv1.ControllerRevisionHashLabelKey: hash}
	}
}

// A node that is away keeps its collector of before, whatever is rolled out. That is no failure of the rollout, which Flux would stop at; that one
// which is there is not replaced, is.
func TestARolloutDoesNotFailForANodeThatIsAway(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(f *Facts)
		reason  string
		stalled bool
	}{
		"the node is away":          {func(*Facts) {}, ReasonSettled, false},
		"the node is there":         {func(f *Facts) { f.Nodes["node-c"] = Node{Ready: true} }, ReasonProgressDeadlineExceeded, true},
		"it is cordoned, and there": {func(f *Facts) { f.Nodes["node-c"] = Node{Ready: true, Cordoned: true} }, ReasonProgressDeadlineExceeded, true},
		"another one's collector is not replaced, and none is asked for on the node that is away": {func(f *Facts) {
			f.Nodes["node-c"] = Node{Taints: []corev1.Taint{{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule}}}
			f.DaemonSet.Status.NumberMisscheduled = 1
		}, ReasonProgressDeadlineExceeded, true},
		"another one's collector is not replaced": {func(f *Facts) {
			f.Pods[2].Labels[templateGenerationOfPod] = "8"
			f.Pods[0].Labels[templateGenerationOfPod] = "7"
		}, ReasonProgressDeadlineExceeded, true},
		"nothing tells of which spec collectors are": {func(f *Facts) { f.DaemonSet.Annotations = nil }, ReasonProgressDeadlineExceeded, true},
		"another one is not replaced, either":        {func(f *Facts) { f.DaemonSet.Status.UpdatedNumberScheduled = 1 }, ReasonProgressDeadlineExceeded, true},
		"its collector is of the spec that was rolled back to, and another one's is not": {func(f *Facts) {
			ofSpec(f, "9", "8 b", "9 a", "7 a")
		}, ReasonProgressDeadlineExceeded, true},
		"its collector is of the spec that was rolled back to, and those of more such nodes are, and the only other one's is not": {func(f *Facts) {
			f.Nodes["node-b"] = Node{}
			f.Pods[1].Status.Conditions[0].Status = corev1.ConditionFalse
			ofSpec(f, "9", "8 b", "7 a", "7 a")
		}, ReasonProgressDeadlineExceeded, true},
		"its collector is of the spec that was rolled back": {func(f *Facts) { ofSpec(f, "9", "7 a", "7 a", "8 b") }, ReasonSettled, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := well()
			f.DaemonSet.Annotations = map[string]string{templateGeneration: "8"}
			f.DaemonSet.Status.UpdatedNumberScheduled, f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable = 2, 2, 2
			for node, generation := range map[string]string{"node-a": "8", "node-b": "8", "node-c": "7"} {
				ready := corev1.ConditionTrue
				if node == "node-c" {
					ready = corev1.ConditionFalse
				}
				pod := onNode(node, isReadyPod(ready))
				pod.Labels = map[string]string{templateGenerationOfPod: generation}
				f.Pods = append(f.Pods, pod)
			}
			slices.SortFunc(f.Pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
			f.Nodes = map[string]Node{"node-a": {Ready: true}, "node-b": {Ready: true}, "node-c": {}}
			test.change(f)
			pass(f, 0)
			at := f.Now
			for f.Now.Before(at.Add(2 * f.Deadline())) {
				pass(f, time.Minute)
			}
			v := pass(f, 0)
			c := conditionIn(t, v, v1alpha1.ConditionProgressing)
			if c.Reason != test.reason || meta.IsStatusConditionTrue(v.Status.Conditions, v1alpha1.ConditionStalled) != test.stalled {
				t.Errorf("%+v", v.Status.Conditions)
			}
			if !test.stalled && (!strings.Contains(c.Message, "node-c") || v.Status.Collectors.Updated != 2 || !meta.IsStatusConditionTrue(v.Status.Conditions, v1alpha1.ConditionReady)) {
				t.Errorf("%+v; %+v", c, v.Status)
			}
		})
	}
}
