package judge

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Who asks may not come to all collectors of a large fleet. What one said an hour ago is no answer.
func TestAnAnswerOfLongAgoIsNone(t *testing.T) {
	f := settledBefore()
	pass(f, 0)
	for i := range f.Collectors.Reports { // they answered when they were last asked, which was an hour ago
		f.Collectors.Reports[i].Answered = f.Now.Add(-time.Hour)
	}
	f.Before.LostReason = ""
	v := pass(f, 0)
	for _, kind := range []string{v1alpha1.ConditionNothingLost, v1alpha1.ConditionLoadDistributed, v1alpha1.ConditionReceiveBuffersGranted} {
		c := conditionIn(t, v, kind)
		if c.Status != metav1.ConditionUnknown || c.Reason != ReasonCollectorsUnreachable || !strings.Contains(c.Message, "0 of 3 collectors have answered") {
			t.Errorf("%s is %s, %s: %s", kind, c.Status, c.Reason, c.Message)
		}
	}
	if v.Status.Exporters != nil || v.Status.Templates != nil {
		t.Error("counts of an hour ago are told")
	}
	for i := range f.Collectors.Reports {
		f.Collectors.Reports[i].Answered = f.Now
	}
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionNothingLost); c.Status != metav1.ConditionTrue {
		t.Errorf("they answer again, and NothingLost is %s: %s", c.Status, c.Message)
	}
}
