package main

import (
	"slices"
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

func TestAStatusThatNoOperatorKeepsSaysSo(t *testing.T) {
	for _, away := range []bool{true, false} {
		var out strings.Builder
		if err := printStatus(&out, &v1alpha1.FlowCollector{}, away, nil, nil); err != nil || strings.Contains(out.String(), "conditions may be out of date") != away {
			t.Errorf("away %t: %v, %s", away, err, out.String())
		}
	}
}

// Records on disk survive the collector's end; those in memory do not.
func TestStatusTellsWhatWaitsInMemoryFromWhatWaitsOnDisk(t *testing.T) {
	document := status.Document{Output: status.Output{Published: 7, Waiting: 11, Spooled: 13}}
	var out strings.Builder
	err := printStatus(&out, &v1alpha1.FlowCollector{}, false, []fleet.Collector{{Node: "a", Pod: "p"}, {Node: "b", Pod: "q"}}, []*status.Document{&document, nil})
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(out.String(), "\nNODE")
	var got []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		got = append(got, strings.Join(fields[len(fields)-4:], " "))
	}
	if want := []string{"MEMORY ON DISK DROPPED", "7 11 13 0", "? ? ? ?"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q in\n%s", got, want, &out)
	}
}
