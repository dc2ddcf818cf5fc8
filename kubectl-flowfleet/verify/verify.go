// Package verify judges, from what Kubernetes and the collectors say, whether flows get through a fleet, step by step. It asks nobody.
package verify

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
)

// Facts are what was found out.
type Facts struct {
	FlowCollector *v1alpha1.FlowCollector
	// Before and Now are the documents of the collectors at two moments, in the same order, nil of one that did not answer.
	Before, Now []*status.Document
}

// Step is a part of the way that flows take.
type Step struct {
	Name string
	// Status is True where the step was looked at and is well, and Unknown where nobody can tell.
	Status metav1.ConditionStatus
	// Says why, and what to do.
	Says string
}

// Steps of the way, in its order.
func Steps(f Facts) []Step {
	return []Step{
		ofCondition(f, "exporters have an address to send to", v1alpha1.ConditionServiceReady),
		ofCondition(f, "their own addresses arrive", v1alpha1.ConditionSourceIPPreserved),
		f.arriving(),
		f.sharing(),
		f.publishing(),
		ofCondition(f, "nothing is lost", v1alpha1.ConditionNothingLost),
	}
}

// Condition of a FlowCollector, nil where it has none of that type.
func Condition(f *v1alpha1.FlowCollector, kind string) *metav1.Condition {
	return meta.FindStatusCondition(f.Status.Conditions, kind)
}

// ofCondition takes over what the operator judged, where that is of the present spec.
func ofCondition(f Facts, name, kind string) Step {
	c := Condition(f.FlowCollector, kind)
	switch {
	case c == nil:
		return Step{name, metav1.ConditionUnknown, "the operator has not said anything of it: does it run? kubectl get pods -A -l app.kubernetes.io/component=operator"}
	case c.ObservedGeneration < f.FlowCollector.Generation:
		return Step{name, metav1.ConditionUnknown, "the operator has not looked at the present spec yet"}
	}
	return Step{name, c.Status, c.Message}
}

// answering are the documents of the collectors that answered now, with those of before, nil where there is none.
func (f Facts) answering() (now, before []*status.Document) {
	for i, d := range f.Now {
		if d == nil {
			continue
		}
		now = append(now, d)
		if i < len(f.Before) && f.Before[i] != nil && f.Before[i].Started.Equal(d.Started) {
			before = append(before, f.Before[i])
		} else {
			before = append(before, nil)
		}
	}
	return now, before
}

func (f Facts) arriving() Step {
	const name = "datagrams arrive and are decoded"
	now, before := f.answering()
	if len(now) == 0 {
		return Step{name, metav1.ConditionUnknown, "no collector answers"}
	}
	var all, fresh, decoded uint64
	for i, d := range now {
		n := Sum(d)
		all += n.Datagrams
		if before[i] != nil {
			was := Sum(before[i])
			fresh += n.Datagrams - was.Datagrams
			decoded += n.Decoded - was.Decoded
		}
	}
	switch {
	case all == 0 && slices.ContainsFunc(now, func(d *status.Document) bool { return !d.Begun }):
		return Step{name, metav1.ConditionUnknown, "nothing has arrived yet: a collector is starting; try again in a moment"}
	case fresh == 0 && all == 0:
		return Step{name, metav1.ConditionUnknown, "nothing has arrived yet: set up an exporter (docs/routers.md)"}
	case fresh == 0:
		return Step{name, metav1.ConditionUnknown, "nothing arrived just now; exporters may pause: try again with a longer --interval"}
	case decoded == 0:
		return Step{name, metav1.ConditionFalse, fmt.Sprintf("%d datagrams arrived, and none could be decoded: see REFUSED in kubectl flowfleet status", fresh)}
	}
	return Step{name, metav1.ConditionTrue, fmt.Sprintf("%d datagrams arrived, %d were decoded", fresh, decoded)}
}

// settling is how long a collector may take to connect before that is told, as in the operator's conditions.
const settling = 30 * time.Second

const isStarting = " is starting: try again in a moment"

// starting collectors may not have bound their ports, or not be connected yet.
func starting(d *status.Document) bool { return !d.Begun || d.Time.Sub(d.Started) < settling }

func (f Facts) sharing() Step {
	const name = "collectors share what exporters teach"
	if f.FlowCollector.Spec.TemplateStore.Disabled {
		return Step{name, metav1.ConditionUnknown, "templateStore.disabled is true: each collector knows only what it hears itself"}
	}
	now, _ := f.answering()
	if len(now) == 0 {
		return Step{name, metav1.ConditionUnknown, "no collector answers"}
	}
	var begins string
	for _, d := range now {
		switch b := d.Bucket; {
		case starting(d) && (b == nil || !b.Connected || !b.Loaded || !b.Read || !b.Write):
			begins = d.Instance
		case b == nil:
			return Step{name, metav1.ConditionFalse, d.Instance + " shares nothing: its configuration is of before"}
		case !b.Connected:
			return Step{name, metav1.ConditionFalse, d.Instance + " is not connected to NATS: " + b.LastError}
		case !b.Loaded || !b.Read:
			return Step{name, metav1.ConditionFalse, d.Instance + " cannot read the bucket " + b.Name + ": " + b.LastError}
		case !b.Write:
			return Step{name, metav1.ConditionFalse, d.Instance + " cannot write to the bucket " + b.Name + ": " + b.LastError}
		}
	}
	if begins != "" {
		return Step{name, metav1.ConditionUnknown, begins + isStarting}
	}
	says := fmt.Sprintf("%d collectors read and write the bucket %s", len(now), now[0].Bucket.Name)
	if missing := len(f.Now) - len(now); missing > 0 {
		return Step{name, metav1.ConditionUnknown, fmt.Sprintf("%s; %d do not answer", says, missing)}
	}
	return Step{name, metav1.ConditionTrue, says}
}

func (f Facts) publishing() Step {
	const name = "flows get into the stream"
	now, before := f.answering()
	if len(now) == 0 {
		return Step{name, metav1.ConditionUnknown, "no collector answers"}
	}
	var fresh uint64
	var begins string
	for i, d := range now {
		switch o := &d.Output; {
		case starting(d) && (!d.Begun || o.Kind == "JetStream" && (!o.Connected || !o.StreamReady)):
			begins = d.Instance
		case o.Kind == "JetStream" && (!o.Connected || !o.StreamReady):
			return Step{name, metav1.ConditionFalse, fmt.Sprintf("%s cannot publish on the stream %s: %s", d.Instance, o.Stream, o.LastError)}
		}
		if before[i] != nil {
			fresh += d.Output.Published - before[i].Output.Published
		}
	}
	if begins != "" {
		return Step{name, metav1.ConditionUnknown, begins + isStarting}
	}
	if fresh == 0 {
		return Step{name, metav1.ConditionUnknown, "the stream takes flows; none were published just now"}
	}
	return Step{name, metav1.ConditionTrue, fmt.Sprintf("%d records were published on the stream %s", fresh, now[0].Output.Stream)}
}
