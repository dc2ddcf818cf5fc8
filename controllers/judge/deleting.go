package judge

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// deleting says what is waited for; nothing else is known of a fleet that goes. Its collectors run until Kubernetes or the operator
// ends them, which may be long where others keep the object.
func (j *judgement) deleting(status *v1alpha1.FlowCollectorStatus) {
	var r rollout
	if set := j.DaemonSet; set != nil && set.DeletionTimestamp.IsZero() {
		j.count(&r)
	} else {
		r.ready = len(readyNodes(j.Pods))
		r.desired = r.ready // what was wanted went with the DaemonSet
	}
	status.Collectors = r.counts()
	if r.ready == 0 { // nobody receives what is sent there
		status.Address, status.Addresses, status.Exporters, status.Templates = "", nil, nil, nil
	}
	message := j.Deletion.Message
	if j.Failures >= failuresTold {
		message += "; the operator tries again, at least once a minute: " + j.Failure
	}
	for _, c := range j.Collector.Status.Conditions {
		j.said[c.Type] = isUnknown(ReasonDeleting, "the FlowCollector is being deleted")
	}
	j.said[v1alpha1.ConditionReady] = isFalse(ReasonDeleting, "%s", message)
	j.said[v1alpha1.ConditionProgressing] = isTrue(ReasonDeleting, "%s", message)
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		j.said[kind] = said{}
	}
	j.said[v1alpha1.ConditionDegraded] = say(metav1.ConditionUnknown, ReasonDeleting, "the FlowCollector is being deleted")
}
