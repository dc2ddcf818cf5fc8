package judge

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// history is what happens to a fleet and its operator, at random: all that facts can be, in any order.
type history struct {
	*rand.Rand
	f *Facts
	// told is what happened since the judgement before.
	told []string
	// edited is when the spec was last, by the API server's clock.
	edited time.Time
	// seen is the generation of the DaemonSet at the judgement before, 0 for none.
	seen int64
}

func (h *history) restart() {
	restart(h.f)
	h.f.Failures, h.f.Failure, h.f.Blind, h.f.Unseen = 0, "", false, nil
}

func newHistory(seed uint64) *history {
	h := &history{Rand: rand.New(rand.NewPCG(seed, 1)), f: well()}
	h.f.Server = h.f.Now
	for range h.IntN(4) {
		h.edit(&h.f.Collector.Spec)
	}
	h.f.Collector.CreationTimestamp = metav1.NewTime(noon.Add(-time.Hour))
	return h
}

func (h *history) maybe() bool { return h.IntN(2) == 0 }

// words of others, which may be anything.
func (h *history) words() string {
	if h.IntN(200) == 0 {
		return strings.Repeat("a long story ", longestMessage/10)
	}
	return []string{"exceeded quota", "no route to host", "first\nsecond", `pods "x" is forbidden: User "operator" cannot`, "größe\xff\xfe"}[h.IntN(5)]
}

func (h *history) list() []string {
	if h.maybe() {
		return nil
	}
	out := make([]string, 1+h.IntN(3))
	for i := range out {
		out[i] = h.words()
	}
	return out
}

func (h *history) counts() map[string]uint64 {
	if h.maybe() {
		return nil
	}
	return map[string]uint64{"a": uint64(h.IntN(5)), "b": uint64(h.IntN(5))}
}

// happen is one of what can happen, with its name.
func (h *history) happen() {
	f := h.f
	events := []struct {
		name string
		do   func()
	}{
		{"time passes", func() {
			d := []time.Duration{time.Second, 30 * time.Second, 6 * time.Minute, 20 * time.Minute, 2 * time.Hour}[h.IntN(5)]
			f.Now, f.Server = f.Now.Add(d), f.Server.Add(d)
			for _, l := range h.looks() {
				l.Age += d
			}
		}},
		{"the operator is restarted", h.restart},
		// While it runs, it goes by the monotonic clock.
		{"the operator is restarted with another clock", func() {
			f.Now = f.Now.Add([]time.Duration{time.Hour, -time.Hour, 24 * time.Hour}[h.IntN(3)])
			h.restart()
		}},
		{"the spec is edited", func() {
			f.Collector.Generation++
			h.edited = f.Server
			f.Collector.ManagedFields = []metav1.ManagedFieldsEntry{{Time: new(metav1.NewTime(f.Server))}}
			if f.DaemonSet != nil && h.maybe() {
				f.DaemonSet.Generation++
			}
			h.edit(&f.Collector.Spec)
			h.unlook()
		}},
		{"what is applied", func() {
			f.Applied = Applied{Monitoring: h.maybe()}
			switch h.IntN(11) {
			case 7:
				f.Applied.Contested = h.list()
			case 0:
				f.Applied.Refused = h.list()
			case 1:
				f.Applied.Denied = h.list()
			case 2:
				f.Applied.Forbidden = h.list()
			case 3:
				f.Applied.Taken = h.list()
			case 4:
				f.Applied.MissingKinds = h.list()
			case 6:
				f.Applied.Going = h.list()
			case 5:
				f.Applied.Changed = []string{"DaemonSet"}
			}
		}},
		{"a pass fails", func() {
			f.Failures, f.Failure, f.Applied.Failed, f.Unchecked = f.Failures+1, h.words(), true, h.maybe()
		}},
		{"a pass goes well", func() { f.Failures, f.Failure, f.Applied.Failed, f.Unchecked = 0, "", false, false }},
		{"the spec cannot be used", func() { f.Invalid, f.NotAllowed = h.list(), h.list() }},
		{"the spec can be used", func() { f.Invalid, f.NotAllowed = nil, nil }},
		{"a change is held, tried or waits", func() {
			f.Held, f.Trying, f.Waits = "", false, ""
			switch h.IntN(6) {
			case 0:
				f.Held = h.words()
			case 1:
				f.Trying = true
			case 2:
				f.Waits = h.words()
			}
		}},
		{"Secrets", func() {
			f.Secrets = Secrets{}
			switch h.IntN(5) {
			case 0:
				f.Secrets.Forbidden = true
			case 1:
				f.Secrets.Missing, f.Secrets.NoTemplates, f.Secrets.NoOutput = []string{h.words()}, h.maybe(), h.maybe()
			case 2:
				f.Secrets.Problems = []string{h.words()}
			}
		}},
		{"the DaemonSet", h.set},
		{"the Service", h.service},
		{"pods and nodes", h.pods},
		{"a kind cannot be watched", func() {
			f.Unseen = Unseen{[]string{"DaemonSet", "Pod", "Service", "Node"}[h.IntN(4)]: {Words: h.words(), Fails: h.maybe()}}
			f.Blind = h.IntN(3) == 0
			f.Unchecked = f.Blind
		}},
		{"all kinds can be watched", func() { f.Unchecked, f.Unseen, f.Blind = f.Unchecked && !f.Blind, nil, false }},
		{"a look at NATS", h.look},
		{"collectors are asked", h.ask},
		{"collectors go and come", h.replace},
		{"it is deleted", func() {
			if h.IntN(8) == 0 {
				f.Deletion = &Deletion{Message: h.words()}
			}
		}},
	}
	e := events[h.IntN(len(events))]
	e.do()
	h.told = append(h.told, e.name)
}

func (h *history) edit(s *v1alpha1.FlowCollectorSpec) {
	switch h.IntN(9) {
	case 0:
		s.Suspend = !s.Suspend
	case 1:
		s.Output.Consumers = []v1alpha1.Consumer{{Name: "reader"}, {Name: "other"}}[:h.IntN(3)]
	case 2:
		s.Service.Type = []v1alpha1.ServiceType{v1alpha1.ServiceLoadBalancer, v1alpha1.ServiceNodePort, v1alpha1.ServiceClusterIP, v1alpha1.ServiceNone}[h.IntN(4)]
	case 3:
		s.Collector.HostNetwork = !s.Collector.HostNetwork
	case 4:
		s.TemplateStore.Disabled = !s.TemplateStore.Disabled
	case 5:
		s.Service.ExternalTrafficPolicy = []corev1.ServiceExternalTrafficPolicy{corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal}[h.IntN(2)]
	case 6:
		s.Collector.MinReady = []*intstr.IntOrString{nil, new(intstr.FromInt32(1)), new(intstr.FromString("50%"))}[h.IntN(3)]
	case 7:
		s.Collector.NodeTuning = []v1alpha1.NodeTuning{"", v1alpha1.NodeTuningReceiveBuffer}[h.IntN(2)]
	}
}

// unlook makes what was found in NATS that of the spec before.
func (h *history) unlook() {
	for _, l := range h.looks() {
		l.Current = h.maybe()
	}
}

func (h *history) looks() (out []*jetstream.Look) {
	if b := h.f.NATS.Bucket; b != nil {
		out = append(out, &b.Look)
	}
	if s := h.f.NATS.Stream; s != nil {
		out = append(out, &s.Look)
	}
	return out
}

func (h *history) set() {
	f := h.f
	if h.IntN(6) == 0 {
		f.DaemonSet = nil
		return
	}
	generation := int64(1)
	if f.DaemonSet != nil {
		generation = f.DaemonSet.Generation
	}
	f.DaemonSet = &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "edge-collector", Generation: generation,
		CreationTimestamp: metav1.NewTime(f.Server.Add(-time.Duration(h.IntN(1e6)) * time.Second))}}
	n := int32(h.IntN(5))
	upTo := func() int32 { return n - min(n, int32(h.IntN(2))*int32(h.IntN(4))) }
	f.DaemonSet.Status = appsv1.DaemonSetStatus{ObservedGeneration: generation - int64(h.IntN(2)), DesiredNumberScheduled: n, CurrentNumberScheduled: upTo(),
		UpdatedNumberScheduled: upTo(), NumberReady: upTo(), NumberAvailable: upTo()}
	if h.maybe() {
		f.DaemonSet.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{MaxUnavailable: new(intstr.FromInt32(1))}
	}
}

func (h *history) service() {
	f := h.f
	f.Service = &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "edge-collector", Namespace: "flows"}}
	f.Service.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	f.Service.Spec.Ports = []corev1.ServicePort{{Name: "netflow", Port: 2055, NodePort: 32055}}
	switch h.IntN(4) {
	case 0:
		f.Service = nil
	case 1:
		f.Service.Status.LoadBalancer.Ingress, f.Service.Spec.ClusterIPs = []corev1.LoadBalancerIngress{{IP: "192.0.2.10"}}, []string{"10.0.0.1"}
	case 2:
		for i := range 40 {
			f.Service.Status.LoadBalancer.Ingress = append(f.Service.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{Hostname: fmt.Sprintf("lb%d", i)})
		}
	}
}

func (h *history) pods() {
	f := h.f
	f.Pods, f.Nodes = nil, map[string]Node{}
	for i := range h.IntN(5) {
		node := fmt.Sprintf("node-%c", 'a'+i)
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "edge-" + node, CreationTimestamp: metav1.NewTime(f.Server.Add(-time.Minute))}, Spec: corev1.PodSpec{NodeName: node}}
		pod.Status.HostIPs, pod.Status.PodIP = []corev1.HostIP{{IP: fmt.Sprintf("203.0.113.%d", i)}}, fmt.Sprintf("10.244.%d.5", i)
		switch h.IntN(3) {
		case 0:
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(f.Server)}}
		case 1:
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: h.words()}}}}
		}
		f.Pods = append(f.Pods, pod)
		f.Nodes[node] = Node{Ready: h.IntN(3) > 0, Cordoned: h.IntN(3) == 0, Created: f.Server.Add(-time.Duration(h.IntN(1e4)) * time.Second),
			Addresses: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("203.0.113.%d", i))}}
	}
	if h.IntN(4) == 0 {
		f.Nodes = nil
	}
}

func (h *history) look() {
	f := h.f
	classes := []jetstream.Class{jetstream.ClassNone, jetstream.ClassNone, jetstream.ClassNone, jetstream.ClassSilent, jetstream.ClassForbidden, jetstream.ClassReplicas,
		jetstream.ClassConflict, jetstream.ClassForeign, jetstream.ClassRefused, jetstream.ClassNoLeader}
	one := func() jetstream.Look {
		l := jetstream.Look{Current: h.IntN(5) > 0, At: f.Now, Class: classes[h.IntN(len(classes))]}
		if l.Class != jetstream.ClassNone {
			l.Error = h.words()
		}
		if h.IntN(6) == 0 {
			l = jetstream.Look{Current: true} // not yet
		}
		return l
	}
	if h.IntN(8) == 0 {
		f.NATS = jetstream.Finding{}
		return
	}
	b, s := &jetstream.BucketFinding{Look: one(), FoundAt: f.Now}, &jetstream.StreamFinding{Look: one(), FoundAt: f.Now}
	b.Found.TTL, b.Found.Kept, s.Found.Offline = time.Hour, h.list(), h.list()
	if h.IntN(4) > 0 && len(f.Collector.Spec.Output.Consumers) > 0 {
		s.Found.Consumers = h.consumers()
	}
	if h.IntN(5) == 0 {
		s.Found.ConsumersError = h.words()
	}
	f.NATS = jetstream.Finding{Bucket: b, Stream: s}
	if h.IntN(8) == 0 {
		f.NATS.Bucket = nil
	}
}

func (h *history) consumers() *jetstream.Consumers {
	f := h.f
	made := noon.Add(-time.Hour)
	if h.maybe() {
		made = time.Time{}.Add(-time.Hour) // as a server may say
	}
	out := &jetstream.Consumers{StreamMade: made, First: uint64(h.IntN(100)), Last: 100 + uint64(h.IntN(100)), Bytes: 1 << 20, MaxAge: time.Hour,
		MaxBytes: 1 << 21, MaxMessages: -1}
	for _, c := range f.Collector.Spec.Output.Consumers {
		k := jetstream.Consumer{Name: c.Name, Found: h.IntN(5) > 0, Managed: true, Made: made, Pending: uint64(h.IntN(100)), AckPending: uint64(h.IntN(10)),
			Delivered: uint64(h.IntN(100)), Deliveries: uint64(h.IntN(100)), AckFloor: uint64(h.IntN(100)), AckWait: time.Second, Oldest: uint64(h.IntN(100)),
			Lag: time.Duration(h.IntN(7200)) * time.Second, LagKnown: h.IntN(3) > 0, LastRead: made, Filtered: h.maybe()}
		if h.IntN(5) == 0 {
			k.Class, k.Error = jetstream.ClassConflict, h.words()
		}
		out.Each = append(out.Each, k)
	}
	return out
}

// ask makes each collector answer, or not.
func (h *history) ask() {
	f := h.f
	for i := range f.Collectors.Reports {
		r := &f.Collectors.Reports[i]
		r.Asked = f.Now
		if h.IntN(4) == 0 {
			r.Error, r.FailedSince = h.words(), f.Now
			continue
		}
		d := h.document()
		if r.Now != nil && h.IntN(4) > 0 {
			d.Started = r.Now.Started
			r.Before = r.Now
		} else {
			r.Before = nil
		}
		r.Now, r.Error, r.Answered = d, "", f.Now
		if r.Since.IsZero() {
			r.Since = f.Now
		}
	}
	f.Collectors.At = f.Now
	f.Collectors.Distribution = observation.Distribute(f.Collectors.Reports)
}

func (h *history) document() *status.Document {
	d := document()
	d.Time = h.f.Server
	d.Started = d.Time.Add(-time.Duration(h.IntN(600)) * time.Second)
	d.Begun = h.IntN(4) > 0
	if h.IntN(3) == 0 {
		d.Bucket = &status.Bucket{Connected: h.maybe(), Loaded: h.maybe(), Read: h.maybe(), Write: h.maybe(), LastError: h.words()}
	}
	if h.IntN(3) == 0 {
		d.Output = status.Output{Connected: h.maybe(), StreamReady: h.maybe(), Waiting: uint64(h.IntN(5)), Failures: uint64(h.IntN(3)), Dropped: h.counts(), LastError: h.words()}
	}
	if h.IntN(5) == 0 {
		d.Spool = &status.Spool{Usable: h.maybe(), Error: h.words()}
	}
	l := &d.Listeners[0]
	l.KernelDropped, l.Refused, l.SetsExpired, l.Received = uint64(h.IntN(2)*h.IntN(9)), h.counts(), h.counts(), uint64(h.IntN(1000))
	if h.IntN(4) == 0 {
		l.GrantedBytes = 1000
	}
	if h.IntN(4) == 0 {
		d.Listeners = nil
	}
	if !d.Begun {
		d.Bucket, d.Output, d.Listeners = nil, status.Output{}, nil
	}
	d.Senders = nil
	for range h.IntN(4) {
		d.Senders = append(d.Senders, status.Sender{Address: []string{"198.51.100.1", "203.0.113.1", "10.244.1.1", "::ffff:198.51.100.2", "?"}[h.IntN(5)],
			Ports: 1 + h.IntN(2)*20, Domains: 1 + h.IntN(2)*20})
	}
	return d
}

// replace makes other collectors of some.
func (h *history) replace() {
	f := h.f
	f.Collectors = observation.Finding{At: f.Now}
	for i := range h.IntN(5) {
		f.Collectors.Reports = append(f.Collectors.Reports, observation.Report{Pod: observation.Pod{Name: fmt.Sprintf("edge-%d-%d", i, h.IntN(1000)), Node: fmt.Sprintf("node-%c", 'a'+i)},
			Wanted: f.Now})
	}
}

// consistent leaves of what has happened what a pass can find together.
func (h *history) consistent() {
	f := h.f
	f.Applied.Failed = f.Failures > 0
	f.Unchecked = f.Blind || f.Unchecked && f.Failures > 0
	if f.Unchecked { // it ended before it had looked at the spec
		f.Invalid, f.NotAllowed, f.Secrets, f.Applied, f.Held, f.Trying, f.Waits = nil, nil, Secrets{}, Applied{Failed: f.Failures > 0}, "", false, ""
	}
	if f.Unusable() { // and nothing is applied
		f.Applied, f.Held, f.Trying, f.Waits = Applied{Failed: f.Failures > 0}, "", false, ""
	}
}
