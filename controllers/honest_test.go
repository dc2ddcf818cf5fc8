package controllers

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// saysSo is an object that its operator lacks a right for: it is done all the same, or it says so.
type saysSo struct {
	when  string
	right right
	name  string
	// conditions as they were read last.
	conditions *[]metav1.Condition
	// done and says read the object; claims reports that it is called what it is only when it is done.
	done, says, claims func() bool
}

// expect waits until the object is done, or says which right is missing. It is called done then only if it is.
func (s saysSo) expect(t *testing.T) {
	t.Helper()
	done := false
	natstest.Eventually(t, fmt.Sprintf("%s, without the right to %s, %s is done or says that it lacks it", s.when, s.right, s.name), func() bool {
		done = s.done()
		return done || s.says()
	})
	if done {
		return
	}
	if s.claims() {
		t.Errorf("%s, without the right to %s, %s is called done: %+v", s.when, s.right, s.name, *s.conditions)
	}
	for _, c := range *s.conditions {
		if strings.Contains(strings.ToLower(c.Message), "forbidden") {
			t.Errorf("%s: %s says %s", s.name, c.Type, c.Message)
		}
	}
}
