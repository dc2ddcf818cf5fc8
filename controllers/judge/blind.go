package judge

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// blind takes back what was said before: an operator that cannot watch cannot tell whether it is so.
func (j *judgement) blind() {
	message := j.Unseen.CannotBegin() + ", and nothing is known: " + j.Unseen.String()
	reason := j.Unseen.Reason()
	for _, c := range j.Collector.Status.Conditions {
		if c.Type != v1alpha1.ConditionStalled {
			j.said[c.Type] = isUnknown(reason, "the operator cannot begin its work: see Progressing")
		}
	}
	j.said[v1alpha1.ConditionReady] = isUnknown(reason, "%s", message)
	for _, kind := range []string{v1alpha1.ConditionProgressing, v1alpha1.ConditionReconciling, v1alpha1.ConditionDegraded} {
		j.said[kind] = isTrue(reason, "%s", message)
	}
	if c := j.condition(v1alpha1.ConditionStalled); c != nil && c.Status == metav1.ConditionTrue {
		j.said[v1alpha1.ConditionReconciling] = said{} // it is one of the two
	}
}
