package judge

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// well are the facts about a fleet of three whose second generation runs.
func well() *Facts {
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge", Generation: 2}}
	fc.Spec.Service.Type = v1alpha1.ServiceLoadBalancer
	f := &Facts{Now: noon, Collector: fc, Image: "v1"}
	f.DaemonSet = &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge-collector", Generation: 2}}
	f.DaemonSet.Status = appsv1.DaemonSetStatus{ObservedGeneration: 2, DesiredNumberScheduled: 3, CurrentNumberScheduled: 3,
		UpdatedNumberScheduled: 3, NumberReady: 3, NumberAvailable: 3}
	f.Service = &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "edge-collector", Namespace: "flows"}}
	f.Service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.10"}}
	look := jetstream.Look{Current: true, At: noon}
	f.NATS = jetstream.Finding{Bucket: &jetstream.BucketFinding{Look: look}, Stream: &jetstream.StreamFinding{Look: look}}
	f.Collectors.At = noon
	for _, name := range []string{"a", "b", "c"} {
		f.Collectors.Reports = append(f.Collectors.Reports, observation.Report{Pod: observation.Pod{Name: "edge-" + name, Node: "node-" + name},
			Asked: noon, Answered: noon, Now: document(), Before: document()})
	}
	return f
}

func document() *status.Document {
	return &status.Document{Begun: true, Ready: true, Started: noon.Add(-time.Hour), Time: noon,
		Bucket:    &status.Bucket{Connected: true, Loaded: true, Read: true, Write: true},
		Output:    status.Output{Kind: "jetstream", Connected: true, StreamReady: true},
		Listeners: []status.Listener{{Name: "netflow", AskedBytes: 1 << 20, GrantedBytes: 1 << 20}},
		Senders:   []status.Sender{{Address: "198.51.100.1", Ports: 1, Domains: 1}, {Address: "198.51.100.2", Ports: 1, Domains: 1}}}
}

func each(f *Facts, change func(d *status.Document)) {
	for i := range f.Collectors.Reports {
		change(f.Collectors.Reports[i].Now)
	}
}

func TestNoConditionLies(t *testing.T) {
	type want struct{ kind, status, reason, says string }
	const (
		ready, store, stream, lost = v1alpha1.ConditionReady, v1alpha1.ConditionTemplateStoreReady, v1alpha1.ConditionStreamReady, v1alpha1.ConditionNothingLost
		progressing, degraded      = v1alpha1.ConditionProgressing, v1alpha1.ConditionDegraded
		sources                    = v1alpha1.ConditionSourceIPPreserved
	)
	for name, test := range map[string]struct {
		change   func(f *Facts)
		kstatus  kstatus.Status
		observed int64
		want     []want
	}{
		"all is well": {func(*Facts) {}, kstatus.CurrentStatus, 2, []want{{ready, "True", ReasonReady, "3/3"}, {degraded, "False", ReasonAsWanted, ""},
			{progressing, "False", ReasonSettled, ""}, {lost, "True", ReasonNothingLost, ""}, {sources, "True", ReasonAddressesKept, ""},
			{v1alpha1.ConditionReceiveBuffersGranted, "True", ReasonGranted, ""}}},
		"every collector is cut off from bucket and stream": {func(f *Facts) {
			each(f, func(d *status.Document) {
				d.Bucket.Connected, d.Output.StreamReady, d.Output.LastError = false, false, "no route"
			})
		}, kstatus.InProgressStatus, 2, []want{{ready, "False", ReasonCollectorsCutOff, ""}, {store, "False", ReasonCollectorsCutOff, "3 of 3"},
			{stream, "False", ReasonCollectorsCutOff, "pod edge-a on node node-a"}, {stream, "False", ReasonCollectorsCutOff, "no route"}, {degraded, "True", ReasonCollectorsCutOff, ""}}},
		"the NATS user may not publish flows": {func(f *Facts) {
			o := &f.Collectors.Reports[0].Now.Output
			o.Waiting, o.Failures, o.LastError = 44990, 4380, "permissions violation"
		}, kstatus.InProgressStatus, 2, []want{{stream, "False", ReasonCollectorsCutOff, "44990 records wait"}, {stream, "False", ReasonCollectorsCutOff, "permissions violation"}}},
		"the NATS user may not write definitions": {func(f *Facts) { f.Collectors.Reports[1].Now.Bucket.Write = false },
			kstatus.InProgressStatus, 2, []want{{store, "False", ReasonCollectorsCutOff, "cannot write"}}},
		"a spool cannot be used": {func(f *Facts) { f.Collectors.Reports[2].Now.Spool = &status.Spool{Error: "read-only"} },
			kstatus.InProgressStatus, 2, []want{{stream, "False", ReasonSpoolUnusable, "edge-c on node node-c: what waits is in memory only: read-only"}}},
		"a bucket of another that the collectors use": {func(f *Facts) {
			f.NATS.Bucket.Class, f.NATS.Bucket.Error = jetstream.ClassConflict, "belongs to flows/other"
		}, kstatus.InProgressStatus, 2, []want{{store, "False", ReasonBucketConflict, "3 of 3 collectors that answer use it"}}},
		"a bucket of another fleet, which collectors that have just begun do not use": {func(f *Facts) {
			f.NATS.Bucket.Class, f.NATS.Bucket.Error = jetstream.ClassConflict, "belongs to another"
			each(f, func(d *status.Document) { d.Started, d.Bucket.Loaded = d.Time, false })
		}, kstatus.InProgressStatus, 2, []want{{store, "False", ReasonBucketConflict, "0 of 3 collectors that answer use it"}}},
		"records are dropped": {func(f *Facts) { f.Collectors.Reports[1].Now.Output.Dropped = map[string]uint64{"buffer_full": 7} },
			kstatus.CurrentStatus, 2, []want{{lost, "False", ReasonRecordsDropped, "7 records"}, {lost, "False", ReasonRecordsDropped, "pod edge-b on node node-b: 7"}, {degraded, "True", ReasonRecordsDropped, ""}}},
		"the kernel drops": {func(f *Facts) { f.Collectors.Reports[0].Now.Listeners[0].KernelDropped = 9 },
			kstatus.CurrentStatus, 2, []want{{lost, "False", ReasonKernelDrops, "9 datagrams"}}},
		"templates are missing": {func(f *Facts) { f.Collectors.Reports[0].Now.Listeners[0].SetsExpired = map[string]uint64{"age": 3} },
			kstatus.CurrentStatus, 2, []want{{lost, "False", ReasonSetsUndecodable, "3 sets"}, {lost, "False", ReasonSetsUndecodable, "kubectl flowfleet exporters edge -n flows -o wide says which"}}},
		"strangers send what is refused": {func(f *Facts) { f.Collectors.Reports[0].Now.Listeners[0].Refused = map[string]uint64{"version": 1} },
			kstatus.CurrentStatus, 2, []want{{lost, "False", ReasonDatagramsRefused, "1 datagrams"}, {degraded, "False", ReasonAsWanted, ""}}},
		"small receive buffers": {func(f *Facts) { each(f, func(d *status.Document) { d.Listeners[0].GrantedBytes = 208 << 10 }) },
			kstatus.CurrentStatus, 2, []want{{v1alpha1.ConditionReceiveBuffersGranted, "False", ReasonBuffersSmaller, "each worker of netflow asks for 1048576 bytes and has 212992 in all its sockets, about 184 datagrams"},
				{v1alpha1.ConditionReceiveBuffersGranted, "False", ReasonBuffersSmaller, "net.core.rmem_max=1048576"}}},
		"small receive buffers, though a container was to raise the limit": {func(f *Facts) {
			f.Collector.Spec.Collector.NodeTuning = v1alpha1.NodeTuningReceiveBuffer
			each(f, func(d *status.Document) { d.Listeners[0].GrantedBytes = 208 << 10 })
		}, kstatus.CurrentStatus, 2, []want{{v1alpha1.ConditionReceiveBuffersGranted, "False", ReasonBuffersSmaller, "kubectl logs -n flows -c tune-node"}}},
		"pods that would tune their nodes are forbidden": {func(f *Facts) {
			f.Collector.Spec.Collector.NodeTuning = v1alpha1.NodeTuningReceiveBuffer
			f.DaemonSet.Status.UpdatedNumberScheduled, f.Before.Rollout = 0, rolloutMemory{}
		}, kstatus.InProgressStatus, 2, []want{{progressing, "True", ReasonRolling, "pod-security.kubernetes.io/enforce=privileged"}}},
		"pods on the network of their nodes are forbidden, and nobody can be sent to": {func(f *Facts) {
			f.Collector.Spec.Service.Type, f.Collector.Spec.Collector.HostNetwork = v1alpha1.ServiceNone, true
			f.DaemonSet.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{MaxUnavailable: ptr.To(intstr.FromInt32(3))}
			f.DaemonSet.Status = appsv1.DaemonSetStatus{ObservedGeneration: 2, DesiredNumberScheduled: 3}
			f.Collectors.Reports = nil
		}, kstatus.InProgressStatus, 2, []want{{ready, "False", ReasonAddressPending, "kubectl describe daemonset edge-collector -n flows"},
			{ready, "False", ReasonAddressPending, "collector.hostNetwork needs pods on the network of their nodes"}}},
		"no collector can be asked": {func(f *Facts) {
			for i := range f.Collectors.Reports {
				f.Collectors.Reports[i].Now, f.Collectors.Reports[i].Error = nil, "connection refused"
			}
		}, kstatus.CurrentStatus, 2, []want{{lost, "Unknown", ReasonCollectorsUnreachable, "0 of 3"},
			{v1alpha1.ConditionLoadDistributed, "Unknown", ReasonCollectorsUnreachable, "0 of 3"}, {sources, "Unknown", ReasonCollectorsUnreachable, ""},
			{ready, "True", ReasonReady, ""}, {degraded, "Unknown", ReasonCollectorsUnreachable, "not everything could be checked: NothingLost: 0 of 3"}}},
		"nobody has looked at bucket and stream": {func(f *Facts) { f.NATS, f.Collectors = jetstream.Finding{}, observation.Finding{} },
			kstatus.InProgressStatus, 2, []want{{store, "Unknown", ReasonPending, ""}, {ready, "Unknown", ReasonPending, ""},
				{degraded, "Unknown", ReasonPending, "no problem is known, but not everything could be checked: TemplateStoreReady: the bucket"}}},
		"no collector runs, and the rest is well": {func(f *Facts) { f.Collectors = observation.Finding{} },
			kstatus.CurrentStatus, 2, []want{{lost, "Unknown", ReasonNoCollectors, ""}, {degraded, "False", ReasonAsWanted, ""}}},
		"a collector on a node that is lost cannot be asked": {func(f *Facts) {
			f.Collectors.Reports[0].Now, f.Collectors.Reports[0].Error = nil, "no route to host"
			f.Nodes = map[string]Node{f.Collectors.Reports[0].Pod.Node: {}}
		}, kstatus.CurrentStatus, 2, []want{{lost, "Unknown", ReasonCollectorsUnreachable, "no route to host: the node is not Ready (kubectl describe node node-a)"}}},
		"collectors were looked at once, and did not run before": {func(f *Facts) {
			for i := range f.Collectors.Reports {
				f.Collectors.Reports[i].Before = nil
			}
			f.Collector.Status.Conditions = []metav1.Condition{{Type: lost, Status: "Unknown", Reason: ReasonNoCollectors, Message: "none runs",
				ObservedGeneration: f.Collector.Generation}}
		}, kstatus.CurrentStatus, 2, []want{{lost, "Unknown", ReasonPending, "ask the collectors twice"}}},
		"two of three were not asked yet": {func(f *Facts) {
			for i := range f.Collectors.Reports[1:] {
				f.Collectors.Reports[1+i].Now = nil
			}
		}, kstatus.CurrentStatus, 2, []want{{lost, "Unknown", ReasonPending, "1 of 3 collectors were asked so far"},
			{degraded, "Unknown", ReasonPending, "not everything could be checked"}}},
		"two of three were not asked yet, and nothing was wrong": {func(f *Facts) {
			for i := range f.Collectors.Reports[1:] {
				f.Collectors.Reports[1+i].Now = nil
			}
			f.Collector.Status.Conditions = []metav1.Condition{{Type: degraded, Status: "False", Reason: ReasonAsWanted, ObservedGeneration: f.Collector.Generation}}
		}, kstatus.CurrentStatus, 2, []want{{lost, "Unknown", ReasonPending, "1 of 3 collectors were asked so far"}, {degraded, "False", ReasonAsWanted, ""}}},
		"an image that cannot be pulled": {func(f *Facts) { broken(f); f.Before.Rollout.since = noon.Add(-time.Minute) },
			kstatus.InProgressStatus, 2, []want{{progressing, "True", ReasonRolling, "ImagePullBackOff"}, {degraded, "False", ReasonAsWanted, ""}}},
		"an image that cannot be pulled, past the deadline": {func(f *Facts) { broken(f); f.Before.Rollout.since = noon.Add(-11 * time.Minute) },
			kstatus.FailedStatus, 2, []want{{progressing, "False", ReasonProgressDeadlineExceeded, "ImagePullBackOff"}, {degraded, "True", ReasonProgressDeadlineExceeded, ""}}},
		"none of three runs": {func(f *Facts) { f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable = 0, 0 },
			kstatus.InProgressStatus, 2, []want{{progressing, "True", ReasonRolling, "0 of 3"}, {degraded, "False", ReasonAsWanted, ""}}},
		"an admission webhook is away": {func(f *Facts) { f.Applied.Failed, f.Failures, f.Failure = true, 1, "failed calling webhook" },
			kstatus.InProgressStatus, 1, []want{{progressing, "True", ReasonRolling, ""}}},
		"a toleration is refused": {func(f *Facts) { f.Applied.Refused = []string{"tolerations"} },
			kstatus.FailedStatus, 2, []want{{progressing, "False", ReasonRefused, ""}, {ready, "False", ReasonRefused, "tolerations"}}},
		"collectors would refuse the spec": {func(f *Facts) { f.Invalid = []string{"subjects"} },
			kstatus.FailedStatus, 2, []want{{ready, "False", ReasonInvalidConfiguration, ""}}},
		"suspended with changes": {func(f *Facts) {
			f.Collector.Spec.Suspend, f.Applied.Waiting = true, []string{"DaemonSet edge-collector"}
		},
			kstatus.InProgressStatus, 1, []want{{progressing, "False", ReasonSuspended, "DaemonSet edge-collector"}}},
		"the operator lacks rights": {func(f *Facts) { f.Applied.Forbidden = []string{`User "operator" cannot patch`} },
			kstatus.InProgressStatus, 1, []want{{progressing, "True", ReasonOperatorForbidden, "cannot patch"}, {degraded, "True", ReasonOperatorForbidden, ""}}},
		"a rollout is held": {func(f *Facts) { f.Held = "no such host" },
			kstatus.InProgressStatus, 1, []want{{v1alpha1.ConditionConfigurationValid, "False", ReasonRolloutHeld, "no such host"}, {stream, "True", ReasonReportedByCollectors, ""}}},
		"an upgrade of the operator waits": {func(f *Facts) { f.Waits, f.Image = "flows/a takes it up", "flowfleet:next" },
			kstatus.InProgressStatus, 2, []want{{progressing, "True", ReasonRolloutWaiting, "flows/a takes it up"}, {ready, "True", ReasonReady, ""},
				{v1alpha1.ConditionConfigurationValid, "True", ReasonValid, ""}, {degraded, "False", ReasonAsWanted, ""}}},
		"an address is pending": {func(f *Facts) { f.Service.Status.LoadBalancer.Ingress = nil },
			kstatus.InProgressStatus, 2, []want{{v1alpha1.ConditionServiceReady, "False", ReasonAddressPending, ""}, {degraded, "False", ReasonAsWanted, ""}}},
		"an address never comes": {func(f *Facts) {
			f.Service.Status.LoadBalancer.Ingress, f.Before.AddressMissing = nil, noon.Add(-time.Hour)
		}, kstatus.FailedStatus, 2, []want{{v1alpha1.ConditionServiceReady, "False", ReasonAddressMissing, ""}, {degraded, "True", ReasonAddressMissing, ""}}},
		"one of a thousand is new": {func(f *Facts) {
			s := &f.DaemonSet.Status
			s.DesiredNumberScheduled, s.UpdatedNumberScheduled, s.NumberReady, s.NumberAvailable = 1001, 1001, 1000, 1000
		}, kstatus.CurrentStatus, 2, []want{{ready, "True", ReasonReady, "1000/1001"}}},
		"a node of three is cordoned": {func(f *Facts) {
			f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable = 2, 2
			f.Pods = []corev1.Pod{{Spec: corev1.PodSpec{NodeName: "node-c"}}}
			f.Nodes = map[string]Node{"node-c": {Ready: true, Cordoned: true}}
		}, kstatus.CurrentStatus, 2, []want{{ready, "True", ReasonReady, "2/3"},
			{v1alpha1.ConditionCollectorsAvailable, "True", ReasonAvailable, "node-c is cordoned"}}},
		"a node has joined three minutes ago": {func(f *Facts) { twoOfThree(f, noon.Add(-3*time.Minute)) },
			kstatus.CurrentStatus, 2, []want{{ready, "True", ReasonReady, "2/3"}}},
		"a node has joined ten minutes ago": {func(f *Facts) { twoOfThree(f, noon.Add(-10*time.Minute)) },
			kstatus.InProgressStatus, 2, []want{{ready, "False", ReasonPartlyUnavailable, "1 of 3"}}},
		"a fleet on a cluster that is new": {func(f *Facts) {
			twoOfThree(f, noon.Add(-3*time.Minute))
			f.Collector.CreationTimestamp = metav1.NewTime(noon.Add(-time.Minute))
		}, kstatus.InProgressStatus, 2, []want{{ready, "False", ReasonPartlyUnavailable, "1 of 3"}}},
		"nobody sends": {func(f *Facts) { each(f, func(d *status.Document) { d.Senders = nil }) },
			kstatus.CurrentStatus, 2, []want{{sources, "Unknown", ReasonNobodySends, ""}, {degraded, "False", ReasonAsWanted, ""}}},
		"a proxy before all exporters": {func(f *Facts) {
			each(f, func(d *status.Document) {
				d.Senders = []status.Sender{{Address: "198.51.100.1", Ports: 40, Domains: 12}}
			})
		}, kstatus.CurrentStatus, 2, []want{{sources, "Unknown", ReasonMaybeRewritten, ""}}},
		"the cluster's nodes export flows": {func(f *Facts) {
			nodeAddress(f)
			each(f, func(d *status.Document) { d.Senders = []status.Sender{{Address: "203.0.113.7", Ports: 1, Domains: 1}} })
		}, kstatus.CurrentStatus, 2, []want{{sources, "Unknown", ReasonMaybeRewritten, ""}}},
		"a node without a collector rewrites": {func(f *Facts) {
			nodeAddress(f)
			each(f, func(d *status.Document) { d.Senders = []status.Sender{{Address: "203.0.113.7", Ports: 50, Domains: 9}} })
		}, kstatus.CurrentStatus, 2, []want{{sources, "False", ReasonAddressesRewritten, "203.0.113.7"}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := well()
			f.Before.Rollout = rolloutMemory{generation: 2, set: 2, since: noon, updated: 3, available: 3}
			f.Collector.Status.ObservedGeneration = 1
			test.change(f)
			v := Judge(f)
			for _, w := range test.want {
				c := meta.FindStatusCondition(v.Status.Conditions, w.kind)
				if c == nil || string(c.Status) != w.status || c.Reason != w.reason || !strings.Contains(c.Message, w.says) {
					t.Errorf("%s is %+v, not %s %s saying %q", w.kind, c, w.status, w.reason, w.says)
				}
			}
			if v.Status.ObservedGeneration != test.observed {
				t.Errorf("observedGeneration is %d, not %d", v.Status.ObservedGeneration, test.observed)
			}
			f.Collector.Status = v.Status
			if got := controllertest.Kstatus(t, f.Collector); got != test.kstatus {
				t.Errorf("kstatus says %s, not %s", got, test.kstatus)
			}
			checkArgoCD(t, f.Collector, test.kstatus)
		})
	}
}

func nodeAddress(f *Facts) {
	f.Nodes = map[string]Node{"elsewhere": {Ready: true, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.7")}}}
}

func broken(f *Facts) {
	f.DaemonSet.Status.UpdatedNumberScheduled = 1
	f.Before.Rollout.updated = 1
	f.Pods = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "edge-x"}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}}}}}
}

// twoOfThree nodes have a collector that is ready; the third was made at that time.
func twoOfThree(f *Facts, made time.Time) {
	f.Collector.CreationTimestamp = metav1.NewTime(noon.Add(-time.Hour))
	f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable = 2, 2
	f.Pods = []corev1.Pod{{Spec: corev1.PodSpec{NodeName: "node-c"}}}
	f.Nodes = map[string]Node{"node-c": {Ready: true, Created: made}}
}

// The status counts exporters by address, whatever they send, as its messages do.
func TestExportersAreCountedByAddress(t *testing.T) {
	f := well()
	each(f, func(d *status.Document) { d.SendersTotal, d.Known.Exporters = 2, 7 })
	v := pass(f, 0)
	if v.Status.Exporters == nil || *v.Status.Exporters != 2 { // both send to all three collectors
		t.Errorf("%v", v.Status.Exporters)
	}
	each(f, func(d *status.Document) { d.SendersTotal = 500 }) // and list the two that send most
	v = pass(f, 0)
	if *v.Status.Exporters != 500 {
		t.Errorf("of all that send to each collector: %d", *v.Status.Exporters)
	}
	for i := range f.Collectors.Reports {
		f.Collectors.Reports[i].Now.Senders = []status.Sender{{Address: fmt.Sprintf("198.51.100.%d", i), Ports: 1, Domains: 1}}
	}
	v = pass(f, 0)
	if *v.Status.Exporters != 1500 {
		t.Errorf("of exporters that send to one collector each: %d", *v.Status.Exporters)
	}
	if c := conditionIn(t, v, v1alpha1.ConditionSourceIPPreserved); !strings.HasPrefix(c.Message, "the 3 senders that send most") {
		t.Error(c.Message)
	}
}
