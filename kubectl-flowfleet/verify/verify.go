// Package verify judges, from what Kubernetes and the collectors say, whether flows get through a fleet, step by step. It asks nobody.
package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// Facts are what was found out.
type Facts struct {
	FlowCollector *v1alpha1.FlowCollector
	// Before and Now are the documents of the collectors at two moments, in the same order, nil of one that did not answer.
	Before, Now []*status.Document
	// Exporters are the FlowExporters of the fleet. ExportersError is why they could not be listed.
	Exporters      []v1alpha1.FlowExporter
	ExportersError error
	// Sinks are the FlowSinks of the fleet. SinksError is why they could not be listed.
	Sinks      []v1alpha1.FlowSink
	SinksError error
	// NoOperator is set where it is known that no operator runs: what it said last need not be so any more.
	NoOperator bool
}

// Step is a part of the way that flows take.
type Step struct {
	Name string
	// Status is True where the step was looked at and is well, and Unknown where nobody can tell.
	Status metav1.ConditionStatus
	// Says why, and what to do.
	Says string
}

// OperatorPods is the command that shows the pods of operators.
const OperatorPods = "kubectl get pods -A -l app.kubernetes.io/component=operator,app.kubernetes.io/name=flowfleet"

// Steps of the way, in its order. There is one of readers only where the fleet looks after some, one of FlowSinks only where there are some or
// nobody knows, and those of the operator, of a deletion, of a spec that the collectors do not have and of what else the operator
// finds wrong only where these are troubles.
func Steps(f Facts) []Step {
	steps := []Step{
		ofCondition(f, "exporters have an address to send to", v1alpha1.ConditionServiceReady),
		ofCondition(f, "their own addresses arrive", v1alpha1.ConditionSourceIPPreserved),
		f.arriving(),
		f.sharing(),
		f.publishing(),
		ofCondition(f, "collectors lose nothing", v1alpha1.ConditionNothingLost),
		f.exporting(),
	}
	if since := f.FlowCollector.DeletionTimestamp; since != nil {
		steps = append(steps, Step{"the fleet stays", metav1.ConditionFalse, "the FlowCollector is being deleted since " + since.UTC().Format(time.RFC3339) +
			"; its condition Ready says what it waits for"})
	}
	if step, trouble := f.applying(); trouble {
		steps = append(steps, step)
	}
	if len(f.FlowCollector.Spec.Output.Consumers) > 0 {
		steps = append(steps, ofCondition(f, "readers keep up with the stream", v1alpha1.ConditionConsumersKeepUp))
	}
	if len(f.Sinks) > 0 || f.SinksError != nil {
		steps = append(steps, f.storing())
	}
	if step, trouble := f.degraded(steps); trouble {
		steps = append(steps, step)
	}
	if f.NoOperator {
		steps = append(steps, Step{"an operator looks after the fleet", metav1.ConditionFalse, "no operator is ready, so what is said above of conditions and " +
			"FlowExporters may be out of date; type: " + OperatorPods})
	}
	return steps
}

// degraded is about what the operator finds wrong, and no step before is about: monitoring that cannot be made, a stream of another fleet.
// trouble is false where there is none, or where a step says what to do first.
func (f Facts) degraded(before []Step) (step Step, trouble bool) {
	if slices.ContainsFunc(before, func(s Step) bool { return s.Status == metav1.ConditionFalse }) {
		return Step{}, false
	}
	step = ofCondition(f, "the operator finds nothing else wrong", v1alpha1.ConditionDegraded)
	if step.Status != metav1.ConditionTrue {
		return Step{}, false
	}
	step.Status = metav1.ConditionFalse
	return step, true
}

// Condition of a FlowCollector, nil where it has none of that type.
func Condition(f *v1alpha1.FlowCollector, kind string) *metav1.Condition {
	return meta.FindStatusCondition(f.Status.Conditions, kind)
}

// ofCondition takes over what the operator judged, where that is of the spec that the fleet is to run with.
func ofCondition(f Facts, name, kind string) Step {
	c := Condition(f.FlowCollector, kind)
	switch {
	case c == nil:
		return Step{name, metav1.ConditionUnknown, "the operator has not said anything of it: does it run? " + OperatorPods}
	case c.ObservedGeneration < f.FlowCollector.Generation && !f.FlowCollector.Spec.Suspend: // a suspended fleet keeps its former spec
		return Step{name, metav1.ConditionUnknown, "the operator has not applied the present spec yet"}
	}
	return Step{name, c.Status, c.Message}
}

// applying is about a spec that the collectors do not run with; trouble is false where they do, or where somebody wants it so. All other steps
// can be well meanwhile: the collectors go on with their former spec.
func (f Facts) applying() (step Step, trouble bool) {
	const name = "collectors have the present spec"
	if f.FlowCollector.Spec.Suspend || f.FlowCollector.DeletionTimestamp != nil {
		return Step{}, false
	}
	if c := Condition(f.FlowCollector, v1alpha1.ConditionConfigurationValid); c != nil && c.Status == metav1.ConditionFalse {
		return Step{name, metav1.ConditionFalse, c.Message}, true
	}
	// An address that is missing is the first step's.
	if c := Condition(f.FlowCollector, v1alpha1.ConditionStalled); c != nil && c.Status == metav1.ConditionTrue && c.Reason != v1alpha1.ReasonAddressMissing {
		return Step{name, metav1.ConditionFalse, c.Message}, true
	}
	if c := Condition(f.FlowCollector, v1alpha1.ConditionProgressing); c != nil && c.Status != metav1.ConditionFalse {
		return Step{name, metav1.ConditionUnknown, c.Message}, true
	}
	return Step{}, false
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
	var all, fresh, decoded, waiting, lost, records uint64
	for i, d := range now {
		n := Sum(d)
		all += n.Datagrams
		waiting += n.SetsWaiting
		if before[i] != nil {
			was := Sum(before[i])
			fresh += n.Datagrams - was.Datagrams
			decoded += n.Decoded - was.Decoded
			lost += n.SetsLost - was.SetsLost
			records += n.Records - was.Records
		}
	}
	// A datagram counts as decoded once its header was read. What is in it may still wait for a template, or be given up.
	says := fmt.Sprintf("%d datagrams arrived, %d of them are flow data, with %d records that were read", fresh, decoded, records)
	if waiting > 0 {
		says += fmt.Sprintf("; %d data sets wait for their templates", waiting)
	}
	whose := fmt.Sprintf(": SETS LOST and WAITING of kubectl flowfleet exporters %s -n %s -o wide say whose", f.FlowCollector.Name, f.FlowCollector.Namespace)
	switch {
	case all == 0 && slices.ContainsFunc(now, func(d *status.Document) bool { return !d.Begun }):
		return Step{name, metav1.ConditionUnknown, "nothing has arrived yet: a collector is starting; try again in a moment"}
	case fresh == 0 && all == 0:
		return Step{name, metav1.ConditionUnknown, "nothing has arrived yet: set up an exporter (docs/routers.md)"}
	case fresh == 0:
		return Step{name, metav1.ConditionUnknown, "nothing arrived just now; exporters may pause: try again with a longer --interval"}
	case decoded == 0:
		return Step{name, metav1.ConditionFalse, fmt.Sprintf("%d datagrams arrived, and none could be decoded: see REFUSED in kubectl flowfleet status", fresh)}
	case lost > 0:
		return Step{name, metav1.ConditionFalse, fmt.Sprintf("%s; %d data sets were given up without their templates%s", says, lost, whose)}
	case waiting > 0 && records == 0:
		return Step{name, metav1.ConditionUnknown, says + whose}
	case waiting > 0:
		return Step{name, metav1.ConditionTrue, says + whose}
	}
	return Step{name, metav1.ConditionTrue, says}
}

// maxNamed bounds how many objects a step names.
const maxNamed = 5

// some of a list, as a step names them.
func some(list []string) string {
	out := strings.Join(list[:min(len(list), maxNamed)], ", ")
	if more := len(list) - maxNamed; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

// exporting takes over what the operator judged of each exporter. What the FlowCollector's conditions say is of the collectors: what never
// arrived, is not among it. One that is silent counts if somebody declared it; another one may have been taken away. So does one whose datagrams are
// refused: anybody can send such, with any address.
func (f Facts) exporting() Step {
	const name = "exporters are well"
	fc := f.FlowCollector
	switch {
	case f.ExportersError != nil:
		return Step{name, metav1.ConditionUnknown, f.ExportersError.Error()}
	case fc.Spec.Exporters.Objects == v1alpha1.ObjectsOff:
		return Step{name, metav1.ConditionUnknown, "exporters.objects is Off: nobody judges them; see kubectl flowfleet exporters"}
	case len(f.Exporters) == 0 && fc.Spec.Exporters.Objects == v1alpha1.ObjectsDeclared:
		return Step{name, metav1.ConditionUnknown, "exporters.objects is Declared, and no FlowExporter is declared: nobody judges those that are heard; see kubectl flowfleet exporters"}
	case len(f.Exporters) == 0:
		return Step{name, metav1.ConditionUnknown, "there is no FlowExporter yet: one is made within about a minute for each exporter that keeps sending"}
	}
	var troubled []v1alpha1.FlowExporter
	ready, silent, refused, unknown := 0, 0, 0, 0
	for _, e := range f.Exporters {
		switch c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionReady); {
		case c == nil || c.Status == metav1.ConditionUnknown:
			unknown++
		case c.Status == metav1.ConditionTrue:
			ready++
		case fleet.Discovered(&e) && meta.IsStatusConditionFalse(e.Status.Conditions, v1alpha1.ConditionSending):
			silent++
		case fleet.Discovered(&e) && onlyRefused(&e):
			refused++
		default:
			troubled = append(troubled, e)
		}
	}
	if len(troubled) > 0 {
		slices.SortFunc(troubled, func(a, b v1alpha1.FlowExporter) int {
			if x, y := fleet.Discovered(&a), fleet.Discovered(&b); x != y {
				if y {
					return -1
				}
				return 1
			}
			return cmp.Compare(a.Name, b.Name)
		})
		var names []string
		for _, e := range troubled[:min(len(troubled), maxNamed)] {
			names = append(names, fmt.Sprintf("%s (%s)", e.Name, meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionReady).Reason))
		}
		if more := len(troubled) - len(names); more > 0 {
			names = append(names, fmt.Sprintf("and %d more", more))
		}
		return Step{name, metav1.ConditionFalse, fmt.Sprintf("%d of %d are not: %s%s; type: kubectl describe fexp -n %s %s", len(troubled), len(f.Exporters),
			strings.Join(names, ", "), f.onTheWay(troubled), fc.Namespace, troubled[0].Name)}
	}
	says := fmt.Sprintf("%d of %d FlowExporters are Ready", ready, len(f.Exporters))
	if unknown > 0 {
		says += fmt.Sprintf("; %d are not judged yet", unknown)
	}
	if silent > 0 {
		says += fmt.Sprintf("; %d that nobody declared are silent", silent)
	}
	if refused > 0 {
		says += fmt.Sprintf("; of %d that nobody declared datagrams are refused: kubectl flowfleet ledger %s -n %s says why", refused, fc.Name, fc.Namespace)
	}
	if ready == 0 {
		return Step{name, metav1.ConditionUnknown, says}
	}
	return Step{name, metav1.ConditionTrue, says}
}

// onTheWay says where the data of exporters went that the collectors do not know of: what a FlowExporter says of a loss leaves that open, and sends
// people here.
func (f Facts) onTheWay(troubled []v1alpha1.FlowExporter) string {
	c := Condition(f.FlowCollector, v1alpha1.ConditionNothingLost)
	lost := slices.ContainsFunc(troubled, func(e v1alpha1.FlowExporter) bool {
		c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionReady)
		return c != nil && c.Reason == v1alpha1.ReasonLost
	})
	if !lost || c == nil || c.Status != metav1.ConditionTrue {
		return ""
	}
	return "; no collector has lost anything lately, so look for what is Lost on the way to the nodes (links, policers, the load balancer)"
}

// reasonRefused is the operator's of Decoding, and of Ready.
const reasonRefused = "DatagramsRefused"

// onlyRefused reports whether nothing else is wrong than that datagrams are refused.
func onlyRefused(e *v1alpha1.FlowExporter) bool {
	return !slices.ContainsFunc(e.Status.Conditions, func(c metav1.Condition) bool {
		return c.Status == metav1.ConditionFalse && c.Reason != reasonRefused
	})
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
	var fresh, stuck uint64
	var begins, failure, spoolless string
	for i, d := range now {
		switch o := &d.Output; {
		case starting(d) && (!d.Begun || o.Kind == "JetStream" && (!o.Connected || !o.StreamReady)):
			begins = d.Instance
		case o.Kind == "JetStream" && (!o.Connected || !o.StreamReady):
			return Step{name, metav1.ConditionFalse, fmt.Sprintf("%s cannot publish on the stream %s: %s", d.Instance, o.Stream, o.LastError)}
		}
		if s := d.Spool; s != nil && !s.Usable && d.Begun {
			spoolless = cmp.Or(spoolless, fmt.Sprintf("%s cannot use its spool, and keeps what waits in memory only: %s", d.Instance, s.Error))
		}
		if before[i] == nil {
			continue
		}
		fresh += d.Output.Published - before[i].Output.Published
		if waited := before[i].Output.Waiting + before[i].Output.Spooled; waited > 0 && d.Output.Published == before[i].Output.Published {
			stuck += d.Output.Waiting + d.Output.Spooled
			failure = cmp.Or(failure, d.Output.LastError)
		}
	}
	if begins != "" {
		return Step{name, metav1.ConditionUnknown, begins + isStarting}
	}
	if stuck > 0 { // batches may be meant to wait for longer than the look took
		says := fmt.Sprintf("%d records wait in collectors that published nothing just now", stuck)
		if failure == "" {
			return Step{name, metav1.ConditionUnknown, says + ": if that stays so, NATS does not confirm them: is each of its servers running?"}
		}
		return Step{name, metav1.ConditionFalse, says + ": " + failure}
	}
	if spoolless != "" {
		return Step{name, metav1.ConditionFalse, spoolless}
	}
	if fresh == 0 {
		// A collector takes any stream that takes its messages, such as another fleet's.
		if step := ofCondition(f, name, v1alpha1.ConditionStreamReady); step.Status == metav1.ConditionFalse {
			return step
		}
		says := "no records were published just now"
		if stream := now[0].Output.Stream; stream != "" {
			says += "; collectors reach the stream " + stream
		}
		return Step{name, metav1.ConditionUnknown, says}
	}
	return Step{name, metav1.ConditionTrue, fmt.Sprintf("%d records were published on the stream %s", fresh, now[0].Output.Stream)}
}

// storing takes over what the operator judged of each FlowSink: whether it stores, and whether it does before the stream deletes what it has not.
func (f Facts) storing() Step {
	const name = "FlowSinks store the flows"
	if f.SinksError != nil {
		return Step{name, metav1.ConditionUnknown, f.SinksError.Error()}
	}
	told := map[metav1.ConditionStatus][]string{}
	first := map[metav1.ConditionStatus]string{}
	for _, s := range f.Sinks {
		status, why, says := metav1.ConditionTrue, "", ""
		for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionKeepingUp} {
			c := meta.FindStatusCondition(s.Status.Conditions, kind)
			switch {
			case status == metav1.ConditionFalse || c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration >= s.Generation:
			case c == nil || c.ObservedGeneration < s.Generation:
				if status == metav1.ConditionTrue {
					status, why, says = metav1.ConditionUnknown, "NotLookedAt", "the operator has not looked at its present spec yet"
				}
			case status == metav1.ConditionTrue || c.Status == metav1.ConditionFalse:
				status, why, says = c.Status, c.Reason, c.Message
			}
		}
		if told[status] == nil {
			first[status] = fmt.Sprintf("%s; type: kubectl describe flowsinks -n %s %s", says, s.Namespace, s.Name)
		}
		told[status] = append(told[status], fmt.Sprintf("%s (%s)", s.Name, why))
	}
	for _, status := range []metav1.ConditionStatus{metav1.ConditionFalse, metav1.ConditionUnknown} {
		if names := told[status]; len(names) > 0 {
			list := some(names)
			verb := "do not"
			if status == metav1.ConditionUnknown {
				verb = "may not"
			}
			return Step{name, status, fmt.Sprintf("%d of %d %s: %s: %s", len(names), len(f.Sinks), verb, list, first[status])}
		}
	}
	return Step{name, metav1.ConditionTrue, fmt.Sprintf("%d are Ready, and keep up%s", len(f.Sinks), f.refusedForEver())}
}

// refusedForEver tells of records that are in no table, though their FlowSinks are well: what destinations refuse is put aside, and
// the sinks go on. It is counted since the sinks started, so that it makes no step fail.
func (f Facts) refusedForEver() string {
	var told []string
	for _, s := range f.Sinks {
		if s.Status.Books == nil {
			continue
		}
		var reasons []string
		for _, r := range s.Status.Books.Refused {
			if r.Records > 0 {
				reasons = append(reasons, fmt.Sprintf("%s %d", r.Reason, r.Records))
			}
		}
		if len(reasons) > 0 {
			told = append(told, fmt.Sprintf("%s (%s)", s.Name, strings.Join(reasons, ", ")))
		}
	}
	if len(told) == 0 {
		return ""
	}
	return "; but records were refused for ever since the sinks started, and are in no table: " + some(told) +
		"; they are kept (docs/clickhouse-once.md, What ClickHouse will never take)"
}
