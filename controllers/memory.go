package controllers

import (
	"errors"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

const (
	// annotationReconcileAt with another value than before makes the operator look now at everything that it otherwise looks at when
	// that is due.
	annotationReconcileAt = "flowfleet.io/reconcile-at"
	// lookInterval is how often what is not watched is read: Secrets, kinds of monitoring, what was refused.
	lookInterval = 30 * time.Second
)

// memory is what the operator knows of one FlowCollector from one pass to the next.
type memory struct {
	uid       types.UID
	judgement judge.Memory
	// looked is when what is not watched was last read, at which generation and which value of annotationReconcileAt.
	looked     time.Time
	generation int64
	reconcile  string
	due        bool // in this pass
	servers    *servers
	// complete are the servers of the last look that found all Secrets: for deleting in NATS when these have gone first.
	complete *servers
	// monitoring is what the last look at it came to.
	monitoring monitoringOutcome
	// tried are objects, by kind and name, that the last attempt to apply left as they were: it is not repeated before it is due.
	tried  map[string]attempt
	fights fights
	// running are the names in the collectors' ConfigMap.
	running readNames
	// consumers of the stream that were wanted, the latest last, and may be there whether the status has them or not.
	consumers []string
	// reading is since when passes wait for ConfigMaps that are still to be read.
	reading time.Time
	// letPass is what others than the operator ask of the fleet, until a pass finds all of it applied: see askedOf.
	letPass string
	// workedOut is for what, as askedOf says it, objects were worked out last; empty for never.
	workedOut string
	// deleting is since when the object is seen to be deleted, and deeds what was deleted in NATS for that.
	deleting time.Time
	deeds    []string
	// failures are passes in a row that returned an error.
	failures int
	// wrote is when the status was last written.
	wrote time.Time
}

// attempt is one to apply an object.
type attempt struct {
	wanted, version string // of the object before
	err             error
}

// edited notes what is asked for, and reports whether it is something else than at the pass before. What is new to the operator, as all is when it
// starts, was not edited.
func (m *memory) edited(asked string) bool {
	before := m.workedOut
	m.workedOut = asked
	return before != "" && before != asked
}

// asked notes whether what is not watched is due, and calls lookNow where somebody asks for that.
func (m *memory) asked(fc *v1alpha1.FlowCollector, now time.Time, lookNow func()) {
	asks := fc.Annotations[annotationReconcileAt]
	if !m.looked.IsZero() && asks != m.reconcile {
		lookNow()
	}
	m.due = m.looked.IsZero() || asks != m.reconcile || fc.Generation != m.generation || now.Sub(m.looked) >= lookInterval
	if m.due {
		m.looked, m.generation, m.reconcile = now, fc.Generation, asks
		m.tried = make(map[string]attempt)
	}
}

// abandonIn is for how long NATS may still keep an object from going. That is counted from when an operator has first seen the deletion: one that was
// away would give up at the first trouble. It stands in the status, so that a restart does not begin anew: no condition of this reason is older.
// server is now by the API server's clock, which has set the times of the object.
func (m *memory) abandonIn(fc *v1alpha1.FlowCollector, now, server time.Time) time.Duration {
	if m.deleting.IsZero() {
		since := server
		c := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionDegraded)
		if c != nil && c.Status == metav1.ConditionUnknown && c.Reason == judge.ReasonDeleting && c.LastTransitionTime.Time.Before(since) {
			since = c.LastTransitionTime.Time
		}
		if d := fc.DeletionTimestamp.Time; d.After(since) && d.Before(server) { // a clock that was behind has written the status
			since = d
		}
		m.deleting = now.Add(since.Sub(server))
	}
	return m.deleting.Sub(now) + abandonAfter
}

// wait is the time until something is due.
func (m *memory) wait(now time.Time) time.Duration {
	return max(m.looked.Add(lookInterval).Sub(now), time.Millisecond)
}

// failed counts passes that fail, but for those in which the API server was away: what it did not say then is no trouble of the fleet's.
func (m *memory) failed(f *judge.Facts, err error, away bool) error {
	if err == nil {
		m.failures = 0
		return nil
	}
	if m.failures++; away {
		m.failures = 0
	}
	m.due, m.looked = false, time.Time{} // the next pass is to look at all of it
	f.Failures, f.Failure, f.Applied.Failed = m.failures, strings.ReplaceAll(err.Error(), "\n", "; "), true
	return err
}

func joined(errs ...error) error { return errors.Join(errs...) }

// memories of all FlowCollectors.
type memories struct {
	mu  sync.Mutex
	all map[types.NamespacedName]*memory
}

func newMemories() *memories { return &memories{all: make(map[types.NamespacedName]*memory)} }

// of returns the memory of one object. Only one reconciliation of an object runs at a time, so it needs no lock of its own.
func (v *memories) of(name types.NamespacedName, uid types.UID) *memory {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all[name] == nil || v.all[name].uid != uid {
		v.all[name] = &memory{uid: uid, tried: make(map[string]attempt), fights: make(fights)}
	}
	return v.all[name]
}

func (v *memories) forget(name types.NamespacedName) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.all, name)
}
