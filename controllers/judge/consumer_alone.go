package judge

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// Reader judges one consumer that no spec names by the rules of those that one does: found has it, as it was found at a time, before is its
// status of a look before, nil for none, and was the condition of that, nil for none. It returns both as they are now; of the condition
// only status, reason and message are set.
func Reader(found *jetstream.Consumers, at, now time.Time, before *v1alpha1.ConsumerStatus, was *metav1.Condition) (v1alpha1.ConsumerStatus, metav1.Condition) {
	k := &found.Each[0]
	s := counted(before, k, found, at)
	r := judgeReader(k, &s, was, now)
	c := metav1.Condition{Status: metav1.ConditionFalse, Reason: r.reason, Message: r.words}
	switch r.kind {
	case readsInTime:
		c.Status, c.Reason = metav1.ConditionTrue, ReasonKeepingUp
		c.Message = fmt.Sprintf("what consumer %s has not acknowledged has more than half of its time and room in the stream left", k.Name)
	case notKnown:
		c.Status = metav1.ConditionUnknown
	}
	return s, c
}
