package judge

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// blind takes back what was said before: an operator that may not watch cannot tell whether it is so.
func (j *judgement) blind() {
	message := CannotBegin + ", and nothing is known: " + UnseenKinds(j.Unseen)
	for _, c := range j.Collector.Status.Conditions {
		if c.Type != v1alpha1.ConditionStalled {
			j.said[c.Type] = isUnknown(ReasonOperatorForbidden, "the operator cannot begin its work: see Progressing")
		}
	}
	j.said[v1alpha1.ConditionReady] = isUnknown(ReasonOperatorForbidden, "%s", message)
	for _, kind := range []string{v1alpha1.ConditionProgressing, v1alpha1.ConditionReconciling, v1alpha1.ConditionDegraded} {
		j.said[kind] = isTrue(ReasonOperatorForbidden, "%s", message)
	}
	if c := j.condition(v1alpha1.ConditionStalled); c != nil && c.Status == metav1.ConditionTrue {
		j.said[v1alpha1.ConditionReconciling] = said{} // it is one of the two
	}
}
