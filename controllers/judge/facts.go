package judge

import (
	"fmt"
	"net/netip"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// Facts are all that a judgement rests on. Judging changes none of them.
type Facts struct {
	// Now is the time of the judgement, by the operator's clock, which may be any. Server is the same moment by the API server's clock, of which the
	// times of objects are, those that a judgement writes included; Now where it is zero.
	Now, Server time.Time
	// Collector is the object as it was read: its spec, and the status that the judgement before came to.
	Collector *v1alpha1.FlowCollector
	Operator  Operator
	// Image that the collectors are to run.
	Image string
	// Unchecked: the pass failed before it had looked at the spec and its Secrets. Invalid, NotAllowed, Secrets and Applied say nothing then.
	Unchecked bool
	// Invalid says why collectors would refuse their configuration; nothing is applied of such a spec.
	Invalid []string
	// NotAllowed says what the operator's flags do not allow; nothing is applied of such a spec, nor looked at in NATS.
	NotAllowed []string
	Secrets    Secrets
	Applied    Applied
	// Held says why a change is not rolled out yet: the operator cannot use the new connection, and the fleet runs on the old one.
	Held string
	// Trying: the new connection was not tried yet, and the fleet goes on with the one that it has until it was.
	Trying bool
	// Waits says why a change of the operator's own making, such as a new version of it brings, is not rolled out to this fleet yet. What the
	// spec says is in the cluster all the same.
	Waits string
	// Deletion is nil but for an object that is being deleted.
	Deletion *Deletion
	// DaemonSet and Service are nil where there is none.
	DaemonSet *appsv1.DaemonSet
	Service   *corev1.Service
	// Pods of the fleet.
	Pods []corev1.Pod
	// Nodes of the cluster, by name; nil where the operator may not see them.
	Nodes map[string]Node
	// Unseen are the kinds of objects that the operator cannot watch (any more).
	Unseen Unseen
	// Blind: the operator cannot begin its work, because of Unseen. No other fact says anything then.
	Blind bool
	// NATS is what was found of bucket and stream.
	NATS jetstream.Finding
	// Configuration is the version of the file that collectors are to have (config.FileVersion); empty where that is not known.
	Configuration string
	// Collectors is what the fleet said of itself.
	Collectors observation.Finding
	// Failures are passes in a row, this one included, that ended with Failure.
	Failures int
	Failure  string
	// Before is what the judgement before has noted; its zero value after a start of the operator.
	Before Memory
}

// Operator is the one that judges.
type Operator struct {
	// Identity tells it from other operators.
	Identity string
	// Namespace and ServiceAccount of it, and SecretReaderRole, the ClusterRole by which it reads Secrets.
	Namespace, ServiceAccount, SecretReaderRole string
}

// grant is the command that lets the operator read the Secrets of a namespace.
func (o *Operator) grant(namespace string) string {
	return fmt.Sprintf("kubectl create rolebinding %s -n %s --clusterrole=%s --serviceaccount=%s:%s", o.SecretReaderRole,
		namespace, o.SecretReaderRole, o.Namespace, o.ServiceAccount)
}

// Grant is the command that lets the operator read the Secrets that a spec names.
func (f *Facts) Grant() string { return f.Operator.grant(f.Collector.Namespace) }

// Secrets are what is known of the Secrets that a spec names.
type Secrets struct {
	// Forbidden: the operator may not read them.
	Forbidden bool
	// Missing Secrets and keys, and Problems with what they hold.
	Missing, Problems []string
	// NoTemplates and NoOutput: what the connection of the bucket, of the stream, needs is missing.
	NoTemplates, NoOutput bool
}

// Applied is what became of the fleet's objects in this pass.
type Applied struct {
	// Changed names the kinds that were written in this pass.
	Changed []string
	// Waiting names what differs from the spec and was not written, because the FlowCollector is suspended.
	Waiting []string
	// Refused are the API server's words for what it will say again whatever the cluster does: only another spec helps.
	Refused []string
	// Denied are its words for what a quota or an admission policy keeps from being made.
	Denied []string
	// Forbidden are its words for what the operator lacks the right to do.
	Forbidden []string
	// Taken are objects of others under names of ours.
	Taken []string
	// Going are objects that somebody deletes and finalizers keep, with what they wait for: they are made again once they are gone.
	Going []string
	// Contested are objects that others change each time that they are put back: they are not as the spec says, or not for long.
	Contested []string
	// Failed: something else kept an object from being applied; see Facts.Failure.
	Failed bool
	// Monitoring is asked for; MissingKinds are those that the cluster does not have.
	Monitoring   bool
	MissingKinds []string
}

// Full reports whether everything is in the cluster as the spec says.
func (a *Applied) Full() bool {
	return len(a.Waiting)+len(a.Refused)+len(a.Denied)+len(a.Forbidden)+len(a.Taken)+len(a.Going)+len(a.Contested) == 0 && !a.Failed
}

// Deletion is how the deletion of an object goes.
type Deletion struct {
	// Message says what is waited for, and how to let the object go without.
	Message string
}

// Node is what matters of a node.
type Node struct {
	Ready, Cordoned bool
	Created         time.Time
	// Taints of the node. Judging changes none of them: they are the cache's.
	Taints []corev1.Taint
	// Addresses of the node, and the ranges of its pods.
	Addresses []netip.Addr
	Pods      []netip.Prefix
}

// Memory is what one judgement tells the next. It lives in the operator's memory only: what has to outlive that is in the status.
type Memory struct {
	Rollout rolloutMemory
	// AddressMissing is since when exporters have no address to send to; zero where they have one.
	AddressMissing time.Time
	// Hindered is since when something keeps the operator from applying the spec; zero while nothing does.
	Hindered time.Time
	// Generation of the spec, and since when it is seen: what an earlier one waited for in vain says nothing of this one.
	Generation int64
	Asked      time.Time
	// Lost is when something was last lost, and LostMessage what.
	Lost                    time.Time
	LostReason, LostMessage string
}

// server is now by the clock of which the times of objects are.
func (f *Facts) server() time.Time {
	if f.Server.IsZero() {
		return f.Now
	}
	return f.Server
}

// here is a time of an object by the operator's clock. It goes on from there by the monotonic one: that a clock jumps later makes it no older.
func (f *Facts) here(t time.Time) time.Time { return f.Now.Add(t.Sub(f.server())) }

// there is a time of the operator's clock as an object has it.
func (f *Facts) there(t time.Time) time.Time { return f.server().Add(t.Sub(f.Now)) }

// appliedInFull reports whether the spec as it is now is in the cluster as a whole.
func (f *Facts) appliedInFull() bool {
	return !f.Unchecked && !f.Unusable() && f.Held == "" && !f.Trying && f.Deletion == nil && f.Applied.Full() && f.DaemonSet != nil
}

// WasWell reports whether bucket and stream could be used when they were judged last, or a rollout is held because they could. Where that
// is not known, because the operator does not come to look, nothing says that they could not.
func (f *Facts) WasWell() bool {
	for _, kind := range []string{v1alpha1.ConditionConfigurationValid, v1alpha1.ConditionProgressing} {
		if c := f.condition(kind); c != nil && c.Reason == ReasonRolloutHeld {
			return true
		}
	}
	for _, kind := range []string{v1alpha1.ConditionTemplateStoreReady, v1alpha1.ConditionStreamReady} {
		if c := f.condition(kind); c == nil || c.Status != metav1.ConditionTrue && c.Reason != ReasonLookOverdue {
			return false
		}
	}
	return true
}

// Unusable reports that nothing of the spec is applied: collectors would refuse it, or the operator's flags do not allow it.
func (f *Facts) Unusable() bool { return len(f.Invalid)+len(f.NotAllowed) > 0 }

// unusableReason is the reason of ConfigurationValid for it.
func (f *Facts) unusableReason() string {
	if len(f.NotAllowed) > 0 {
		return ReasonNotAllowed
	}
	return ReasonInvalidConfiguration
}
