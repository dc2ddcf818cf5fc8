package controllers

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
)

func TestWhatAServerFillsInIsSettledAndWhatIsNotWantedAnyMoreIsNot(t *testing.T) {
	object := func(text string) map[string]any {
		var o map[string]any
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	const stamped = `"metadata":{"annotations":{"flowfleet.io/applied":"a"}}`
	for _, test := range []struct {
		about, have, want string
		settled           bool
	}{
		{"a default within a field that is one piece", `{"env":[{"name":"A","fieldRef":{"apiVersion":"v1","fieldPath":"x"}}],` + stamped + `}`,
			`{"env":[{"name":"A","fieldRef":{"fieldPath":"x"}}],` + stamped + `}`, true},
		{"a default within a list", `{"relabelings":[{"action":"replace","targetLabel":"node"}],` + stamped + `}`,
			`{"relabelings":[{"targetLabel":"node"}],` + stamped + `}`, true},
		{"nothing for an empty object and an empty list", `{` + stamped + `}`, `{"affinity":{},"tolerations":[],` + stamped + `}`, true},
		{"another value", `{"a":1,` + stamped + `}`, `{"a":2,` + stamped + `}`, false},
		{"a value that is gone", `{` + stamped + `}`, `{"a":2,` + stamped + `}`, false},
		{"one more element", `{"a":[1,2],` + stamped + `}`, `{"a":[1],` + stamped + `}`, false},
		{"one less", `{"a":[1],` + stamped + `}`, `{"a":[1,2],` + stamped + `}`, false},
		{"a field that the spec asked for until now", `{"ref":{"name":"x","optional":true},` + stamped + `}`,
			`{"ref":{"name":"x"},"metadata":{"annotations":{"flowfleet.io/applied":"b"}}}`, false},
		{"an object that an earlier version applied", `{"a":1}`, `{"a":1,` + stamped + `}`, false},
	} {
		if got := settled(object(test.have), object(test.want)); got != test.settled {
			t.Errorf("%s: %v", test.about, got)
		}
	}
}

func TestTheStampChangesWithWhatIsWantedAndOnlyWithIt(t *testing.T) {
	set := func(change func(*coreac.PodSpecApplyConfiguration)) *appsac.DaemonSetApplyConfiguration {
		pod := coreac.PodSpec().WithNodeSelector(map[string]string{"a": "1", "b": "2"}).WithDNSPolicy(corev1.DNSClusterFirst)
		change(pod)
		return appsac.DaemonSet("edge-collector", "flows").WithLabels(map[string]string{"x": "y"}).
			WithSpec(appsac.DaemonSetSpec().WithTemplate(coreac.PodTemplateSpec().WithSpec(pod)))
	}
	hash := func(change func(*coreac.PodSpecApplyConfiguration)) string {
		s := set(change)
		if err := stamp(s); err != nil {
			t.Fatal(err)
		}
		if s.Labels["x"] != "y" || s.Spec.Template.Spec.NodeSelector["b"] != "2" {
			t.Fatalf("what is wanted was changed: %+v", s)
		}
		return s.Annotations[annotationApplied]
	}
	same := func(*coreac.PodSpecApplyConfiguration) {}
	if first := hash(same); first == "" || first != hash(same) || first == hash(func(p *coreac.PodSpecApplyConfiguration) { p.WithHostNetwork(true) }) {
		t.Errorf("it is %q", first)
	}
}
