package main

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/fleet"
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

func TestStatusTellsWhatWaitsInMemoryFromWhatIsOnDisk(t *testing.T) {
	var out strings.Builder
	d := &status.Document{Output: status.Output{Published: 11, Waiting: 22, Spooled: 33, Dropped: map[string]uint64{"oldest": 44}}}
	if err := printStatus(&out, &v1alpha1.FlowCollector{}, false, []fleet.Collector{{Pod: "a"}, {Pod: "b"}}, []*status.Document{d, nil}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	heading, answers, silent := lines[len(lines)-3], lines[len(lines)-2], lines[len(lines)-1]
	for title, want := range map[string]string{"PUBLISHED": "11", "WAITING": "22", "ON DISK": "33", "DROPPED": "44"} {
		at := strings.Index(heading, title)
		if at < 0 || !strings.HasPrefix(answers[at:], want) || !strings.HasPrefix(silent[at:], "?") {
			t.Errorf("%s is not %s:\n%s", title, want, &out)
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
