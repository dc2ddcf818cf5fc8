package main

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// A FlowCollector that waits to be deleted keeps its conditions, which say that all is well.
func TestStatusTellsThatAFleetIsBeingDeleted(t *testing.T) {
	f := &v1alpha1.FlowCollector{}
	for _, deleted := range []bool{false, true} {
		if deleted {
			f.DeletionTimestamp = &metav1.Time{Time: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
		}
		var out strings.Builder
		if err := printStatus(&out, f, false, nil, nil); err != nil || strings.Contains(out.String(), "under way since 2026-01-01T12:00:00Z") != deleted {
			t.Errorf("deleted %t: %v\n%s", deleted, err, &out)
		}
	}
}

func TestAStatusThatNoOperatorKeepsSaysSo(t *testing.T) {
	for _, away := range []bool{true, false} {
		var out strings.Builder
		if err := printStatus(&out, &v1alpha1.FlowCollector{}, away, nil, nil); err != nil || strings.Contains(out.String(), "conditions may be out of date") != away {
			t.Errorf("away %t: %v, %s", away, err, out.String())
		}
	}
}
