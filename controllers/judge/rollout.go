package judge

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

const (
	// defaultDeadline is for what should come by itself: pods that run, an address.
	defaultDeadline = 10 * time.Minute
	// youngNode is how old a node that joins a fleet must be to count: its image is pulled meanwhile.
	youngNode = 5 * time.Minute
)

// rollout is how far the pods are.
type rollout struct {
	desired, ready, available, updated int
	// needed collectors are enough.
	needed int
	// excused nodes do not count: each with why.
	excused []string
	// lost nodes are not ready, and their collectors, which nobody hears, are of an earlier spec: Kubernetes replaces them once it hears of the nodes.
	lost []string
	// ran: the pods of the present spec run, or did once. settled: and this pass has found that all of it is applied; ran may rest on an earlier
	// pass where this one failed.
	ran, settled bool
	// stuck: nothing has got on for the deadline.
	stuck bool
	// text says how far it is, and what keeps it.
	text     string
	troubles []string
}

// rolloutMemory is what tells whether a rollout gets on.
type rolloutMemory struct {
	generation, set    int64
	updated, available int
	since              time.Time
	settled            bool
}

// Deadline is after how long without progress a rollout counts as stuck.
func (f *Facts) Deadline() time.Duration {
	if d := f.Collector.Spec.Collector.ProgressDeadline; d != nil && d.Std() > 0 {
		return d.Std()
	}
	return defaultDeadline
}

func (j *judgement) judgeRollout() rollout {
	r := rollout{troubles: PodTroubles(j.Pods, fleet.Component, j.server())}
	if j.DaemonSet == nil {
		r.text = "the DaemonSet is not made yet"
	} else {
		j.count(&r)
	}
	m := &j.memory.Rollout
	set := int64(0)
	if j.DaemonSet != nil {
		set = j.DaemonSet.Generation
	}
	unread := j.Unchecked && j.DaemonSet == nil && m.generation == j.Collector.Generation // that the pass did not come to it says nothing
	if !unread && (m.generation != j.Collector.Generation || m.set != set) {
		restarted := m.generation == 0
		*m = rolloutMemory{generation: j.Collector.Generation, set: set, since: j.Now}
		// What the operator knew before it was restarted stands in the status.
		if c := j.condition(v1alpha1.ConditionProgressing); restarted && c != nil {
			switch {
			case (c.Reason == ReasonSettled || c.Reason == ReasonRolloutWaiting) && c.ObservedGeneration == j.Collector.Generation && r.replaced():
				m.settled = true
			case c.Reason == ReasonProgressDeadlineExceeded && j.stalledBefore(): // that it got on since then would show in the status
				m.since = j.Now.Add(-j.Deadline())
			case c.Reason == ReasonRolling && c.ObservedGeneration == j.Collector.Generation && j.DaemonSet != nil:
				m.since = j.here(j.gotOnBefore(c.LastTransitionTime.Time))
			}
		}
	}
	if r.updated > m.updated || r.available > m.available {
		if m.updated+m.available > 0 {
			m.since = j.Now
		}
		m.updated, m.available = max(m.updated, r.updated), max(m.available, r.available)
	}
	if slices.Contains(j.Applied.Changed, "DaemonSet") {
		m.settled = false
		return r
	}
	taken := j.DaemonSet != nil && j.DaemonSet.Status.ObservedGeneration >= j.DaemonSet.Generation
	whole := j.appliedInFull() && taken
	m.settled = m.settled || whole && r.replaced() && r.available >= r.needed // a pass that fails later unsettles nothing
	r.ran, r.settled = m.settled && (whole || j.Applied.Failed), m.settled && whole
	if !m.settled {
		if due := m.since.Add(j.Deadline()); j.Now.Before(due) {
			j.lookAgainAt(due)
		} else {
			r.stuck = true
		}
	}
	return r
}

// stalledBefore reports whether the status says that the present spec is stuck. Stalled is of the spec that it speaks of, whatever is applied.
func (j *judgement) stalledBefore() bool {
	c := j.condition(v1alpha1.ConditionStalled)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == j.Collector.Generation
}

// gotOnBefore is when a rollout that began at a time got on last, as far as the cluster tells what an operator saw that was restarted since:
// its pods were made, became ready, or were to become others. Times of the future are of another clock, and say no more than now. All times are
// by the API server's clock.
func (j *judgement) gotOnBefore(began time.Time) time.Time {
	last := began
	note := func(t time.Time) {
		if t.After(last) {
			last = t
		}
	}
	note(lastWritten(&j.DaemonSet.ObjectMeta))
	note(lastWritten(&j.Collector.ObjectMeta)) // each spec has its time
	for i := range j.Pods {
		note(j.Pods[i].CreationTimestamp.Time)
		for _, c := range j.Pods[i].Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				note(c.LastTransitionTime.Time)
			}
		}
	}
	return earliest(last, j.server())
}

// count the collectors. The DaemonSet's own count looks at the older of two pods of a node, and so takes a node for empty whose new
// collector has taken over.
func (j *judgement) count(r *rollout) {
	s := &j.DaemonSet.Status
	r.desired, r.updated = int(s.DesiredNumberScheduled), int(s.UpdatedNumberScheduled)
	nodes := readyNodes(j.Pods)
	ready, available := int(s.NumberReady), int(s.NumberAvailable)
	if !j.DaemonSet.DeletionTimestamp.IsZero() { // Kubernetes does not count its pods any more
		ready, available = 0, 0
	}
	// Nor does it while its controllers are away: a pod that is not ready says so itself. A node that got a taint keeps its collector, and is none of
	// those that are desired: which one it is, only Kubernetes knows, so that as many of the ready ones are not counted, nor of those that wait. It
	// counts nodes that leave the fleet, too, whose collectors end.
	elsewhere := max(int(s.NumberMisscheduled)-endingNodes(j.Pods, j.server()), 0)
	most := max(r.desired-max(waitingNodes(j.Pods, nodes)-elsewhere, 0), 0)
	r.ready = min(max(len(nodes)-elsewhere, min(ready, most)), r.desired)
	r.available = min(max(len(nodes)-elsewhere, min(available, most)), r.desired)
	asked := func(string) bool { return true }
	if elsewhere > 0 {
		asked = j.tolerated
	}
	r.excused = j.excused(nodes, asked)
	r.excused = r.excused[:min(len(r.excused), r.desired-r.available)]
	r.lost = j.lostNodes(nodes, asked)
	r.lost = r.lost[:min(len(r.lost), max(r.desired-r.updated, 0))]
	r.needed = j.enough(r.desired - len(r.excused))
	switch {
	case s.ObservedGeneration < j.DaemonSet.Generation || slices.Contains(j.Applied.Changed, "DaemonSet"):
		r.text = "Kubernetes takes up the present spec"
	case r.updated < r.desired:
		r.text = fmt.Sprintf("%d of %d collectors have the present spec", r.updated, r.desired)
	default:
		r.text = fmt.Sprintf("%d of %d collectors of the present spec run", r.available, r.desired)
	}
	if len(r.troubles) > 0 {
		r.text += ": " + strings.Join(r.troubles, "; ")
	} else if unready := j.unready(); len(unready) > 0 {
		r.text += ": " + some(unready)
	} else if r.updated == 0 && r.desired > 0 {
		r.text += j.privileged()
	}
}

// privileged says what to do where pods are not made because of what the spec asks of their nodes, as the end of a message.
func (f *Facts) privileged() string {
	field, pods := "", ""
	switch c := &f.Collector.Spec.Collector; {
	case c.NodeTuning == v1alpha1.NodeTuningReceiveBuffer:
		field, pods = "nodeTuning", "privileged pods"
	case c.HostNetwork:
		field, pods = "hostNetwork", "pods on the network of their nodes"
	default:
		return ""
	}
	return fmt.Sprintf("; collector.%[1]s needs %[2]s: where the namespace refuses them, label it (kubectl label namespace %[3]s "+
		"pod-security.kubernetes.io/enforce=privileged), or leave %[1]s out", field, pods, f.Collector.Namespace)
}

// enough of so many nodes must have a collector that is ready.
func (f *Facts) enough(nodes int) int {
	want := fleet.MinReady(f.Collector)
	n, err := intstr.GetScaledValueFromIntOrPercent(&want, nodes, true)
	if err != nil {
		n = nodes
	}
	return max(min(n, nodes), 1)
}

// replaced reports whether all collectors are of the present spec that can be.
func (r *rollout) replaced() bool { return r.updated+len(r.lost) >= r.desired }

// templateGeneration of a DaemonSet is an annotation of it, and a label of the pods that it has made from that template.
const (
	templateGeneration      = appsv1.DeprecatedTemplateGeneration
	templateGenerationOfPod = "pod-template-generation"
)

// lostNodes are nodes that are not ready, and have a collector of an earlier spec and none that is ready. A rollout would wait for them for as long
// as they are away.
//
// After a rollback there are collectors of an earlier generation and the present spec, which Kubernetes counts as updated, also where nobody hears
// them. So nobody is lost before all others are of one spec, and that is known to be the present one: one of them was made from it, or Kubernetes
// counts more of them than it could count of the lost.
func (j *judgement) lostNodes(ready map[string]bool, asked func(node string) bool) (nodes []string) {
	present := j.DaemonSet.Annotations[templateGeneration]
	if present == "" {
		return nil
	}
	lost, heard := make(map[string]string), []string(nil)
	known := false
	for i := range j.Pods {
		pod := &j.Pods[i]
		name, generation, hash := nodeOf(pod), pod.Labels[templateGenerationOfPod], pod.Labels[appsv1.ControllerRevisionHashLabelKey]
		n, listed := j.Nodes[name]
		switch {
		case listed && !n.Ready && !ready[name] && generation != "" && generation != present:
			lost[name] = hash
		case pod.DeletionTimestamp.IsZero():
			heard = append(heard, hash)
			known = known || generation == present
		}
	}
	if !known && len(heard) <= len(lost) || len(slices.Compact(slices.Sorted(slices.Values(heard)))) > 1 {
		return nil
	}
	for name, hash := range lost {
		if asked(name) && (hash == "" || hash != heard[0]) {
			nodes = append(nodes, name)
		}
	}
	return sorted(nodes)
}

// excused are the nodes of the fleet that have no collector that is ready, for which the node is the reason: each with why. A node where none is
// asked for is no excuse for another.
func (f *Facts) excused(ready map[string]bool, asked func(node string) bool) (nodes []string) {
	seen := make(map[string]bool)
	for i := range f.Pods {
		name := nodeOf(&f.Pods[i])
		n, known := f.Nodes[name]
		if !known || ready[name] || seen[name] || !asked(name) {
			continue
		}
		seen[name] = true
		switch {
		case !n.Ready:
			nodes = append(nodes, name+" is not ready")
		case n.Cordoned:
			nodes = append(nodes, name+" is cordoned")
		case f.joined(n):
			nodes = append(nodes, name+" is new")
		}
	}
	return sorted(nodes)
}

// joined tells of a node that it came to a fleet that was there, a moment ago. A fleet on a new cluster waits for all of its nodes:
// else the first collector of many would make it Ready.
func (f *Facts) joined(n Node) bool {
	age := f.server().Sub(n.Created) // a little less than nothing for a node that is new, by far where the clock was put back
	return n.Created.After(f.Collector.CreationTimestamp.Time) && age.Abs() < youngNode
}

// foreignSelector is what the DaemonSet asks of nodes and the spec does not: what another writer adds stays. Until the spec is
// applied it may be that of the former one.
func (j *judgement) foreignSelector() string {
	if !j.appliedInFull() {
		return ""
	}
	var foreign []string
	for key, value := range j.DaemonSet.Spec.Template.Spec.NodeSelector {
		if own, ok := j.Collector.Spec.Collector.NodeSelector[key]; !ok || own != value {
			foreign = append(foreign, key+"="+value)
		}
	}
	return some(sorted(foreign))
}

// collectorsAvailable says whether the nodes have their collectors.
func (j *judgement) collectorsAvailable() said {
	set, r := j.DaemonSet, &j.rollout
	for _, kind := range []string{"DaemonSet", "Pod"} {
		if u, ok := j.Unseen[kind]; ok {
			return isUnknown(u.Reason(), "the operator %s see how the collectors are: %s", u.Cannot(), u.Words)
		}
	}
	switch {
	case set == nil && j.Unusable():
		return isFalse(j.unusableReason(), "the DaemonSet is not made until ConfigurationValid is True")
	case set == nil && !j.Applied.Full():
		return isFalse(ReasonStarting, "the DaemonSet is not made yet: see ConfigurationValid and Progressing").yet()
	case set == nil:
		return isFalse(ReasonStarting, "the DaemonSet is being made").yet()
	case set.Status.ObservedGeneration == 0:
		return isFalse(ReasonStarting, "Kubernetes has not looked at the DaemonSet %s yet", set.Name).yet()
	case r.desired == 0:
		if foreign := j.foreignSelector(); foreign != "" {
			return isFalse(ReasonNoNodes, "no node matches: somebody else wrote nodeSelector %[1]s into the DaemonSet %[2]s, where the spec does not have it: take it out "+
				"(kubectl edit daemonset %[2]s -n %[3]s)", foreign, set.Name, set.Namespace)
		}
		return isFalse(ReasonNoNodes, "no node matches spec.collector.nodeSelector, affinity and tolerations: label nodes, or change these fields")
	case r.available >= r.desired:
		return isTrue(ReasonAvailable, "%d of %d nodes have a collector that is ready", r.desired, r.desired)
	}
	unavailable := r.desired - r.available
	message := fmt.Sprintf("%d of %d nodes are without a collector that is ready", unavailable, r.desired)
	if len(r.excused) > 0 {
		message += fmt.Sprintf(" (that does not count for %d of them: %s)", len(r.excused), some(r.excused))
	}
	message += j.troubles()
	goes := !set.DeletionTimestamp.IsZero()
	changing := !r.ran && !r.replaced() && !goes
	var out said
	switch {
	case r.available >= r.needed:
		return isTrue(ReasonAvailable, "%s; %d are enough (collector.minReady)", message, r.needed)
	case changing && unavailable <= allowedUnavailable(set):
		return isTrue(ReasonRolling, "%s, as the update strategy allows", message)
	case len(r.troubles) == 0 && r.ready == 0 && !r.ran && !goes:
		out = isFalse(ReasonStarting, "%s", message)
	case r.available == 0:
		out = isFalse(ReasonUnavailable, "%s", message)
	default:
		out = isFalse(ReasonPartlyUnavailable, "%s", message)
	}
	out.passing = !r.ran && !r.stuck && !goes
	return out
}

// troubles of the collectors that are missing, as the end of a message; empty where none is known.
func (j *judgement) troubles() string {
	set := j.DaemonSet
	switch {
	case len(j.rollout.troubles) > 0:
		return ": " + strings.Join(j.rollout.troubles, "; ")
	case set != nil && set.Status.CurrentNumberScheduled < set.Status.DesiredNumberScheduled:
		return fmt.Sprintf(": pods are not made, see kubectl describe daemonset %s -n %s%s", set.Name, set.Namespace, j.privileged())
	}
	if unready := j.unready(); len(unready) > 0 {
		return ": " + some(unready)
	}
	return ""
}

// unready is what collectors say that answer the operator while their pods are not ready, each with its pod and node.
func (j *judgement) unready() (out []string) {
	reports := make(map[string]*observation.Report)
	for i := range j.Collectors.Reports {
		if r := &j.Collectors.Reports[i]; j.Answers(r) {
			reports[r.Pod.Name] = r
		}
	}
	for i := range j.Pods {
		pod := &j.Pods[i]
		r := reports[pod.Name]
		if r == nil || fleet.IsReady(pod) || !pod.DeletionTimestamp.IsZero() {
			continue
		}
		where := fmt.Sprintf("pod %s on node %s", r.Pod.Name, r.Pod.Node)
		switch {
		case !r.Now.Ready && r.Now.NotReady != "":
			out = append(out, where+" says: "+notReady(r.Now.NotReady))
		case r.Now.Ready && unreadyFor(pod, j.server()) >= lateAfter: // more than a report's age
			out = append(out, where+" says that it is ready, and its node finds that it is not: does something keep the node from the pod's port "+
				"collector.metricsPort, or is a container beside the collector not ready?")
		}
	}
	return out
}

// unreadyFor is for how long a pod has not been ready, and none of its containers has begun; 0 where that is not known. One that was just
// restarted takes a moment.
func unreadyFor(pod *corev1.Pod, now time.Time) time.Duration {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionFalse
	})
	if i < 0 || pod.Status.Conditions[i].LastTransitionTime.IsZero() {
		return 0
	}
	since := pod.Status.Conditions[i].LastTransitionTime.Time
	for i := range pod.Status.ContainerStatuses {
		if running := pod.Status.ContainerStatuses[i].State.Running; running != nil && running.StartedAt.After(since) {
			since = running.StartedAt.Time
		}
	}
	return now.Sub(since)
}

// unmet is a check of /readyz that is not ready, with its reason.
var unmet = regexp.MustCompile(`[a-z]+: not ready(?: \([^)]*\))?`)

// notReady are the checks that are not, of what a collector says of all.
func notReady(text string) string {
	if checks := unmet.FindAllString(text, -1); len(checks) > 0 {
		return strings.Join(checks, ", ")
	}
	return strings.TrimSpace(text)
}

// allowedUnavailable is how many nodes a rolling update may leave without a collector.
func allowedUnavailable(set *appsv1.DaemonSet) int {
	r := set.Spec.UpdateStrategy.RollingUpdate
	if r == nil || r.MaxUnavailable == nil {
		return 0
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(r.MaxUnavailable, int(set.Status.DesiredNumberScheduled), true)
	if err != nil {
		return 0
	}
	return n
}

func (r *rollout) counts() v1alpha1.CollectorCounts {
	return v1alpha1.CollectorCounts{Desired: int32(r.desired), Ready: int32(r.ready), Updated: int32(r.updated), Summary: fmt.Sprintf("%d/%d", r.ready, r.desired)}
}

// counts are what the status tells in figures.
func (j *judgement) counts(status *v1alpha1.FlowCollectorStatus) {
	r := &j.rollout
	status.Image = j.Image
	if j.DaemonSet != nil && (j.Collector.Spec.Suspend || j.Waits != "" || !j.appliedInFull()) {
		status.Image = cmp.Or(fleet.ImageOf(&j.DaemonSet.Spec.Template.Spec), status.Image) // the other one waits, or is refused
	}
	status.Collectors = r.counts()
	status.Address, status.Addresses = "", j.service.addresses
	if len(j.service.addresses) > 0 {
		status.Address = j.service.addresses[0].Address
	}
	j.storeCounts(status)
	if u := j.unreachable(); u == nil || u.reason != ReasonPending || len(j.answering()) > 0 { // else none was asked yet, as after a restart
		status.Exporters, status.Templates = nil, nil
	}
	if len(j.answering()) > 0 {
		status.Exporters = new(int64(j.senders.total))
	}
	// All collectors know the same, but for a moment after a change: the one that knows most speaks for all.
	for i := range j.Collectors.Reports {
		if report := &j.Collectors.Reports[i]; j.Answers(report) {
			status.Templates = larger(status.Templates, int64(report.Now.Known.Templates))
		}
	}
}

func larger(have *int64, n int64) *int64 {
	if have == nil || n > *have {
		return &n
	}
	return have
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
