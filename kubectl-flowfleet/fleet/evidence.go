package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	controllers "github.com/flowfleet/flowfleet/controllers/fleet"
)

const (
	// maxLog bounds what is read of one container's log: its end.
	maxLog = 2 << 20
	// maxLogLines likewise, before the server cuts by bytes from the beginning.
	maxLogLines = 10_000
	// maxPage bounds one page of a collector.
	maxPage = 16 << 20
	// maxEvents bounds the events of a report, eventsAtATime those that are asked for at a time, and maxEventPages how often: those of a namespace come
	// in the order of their names, with everybody else's between.
	maxEvents     = 2000
	eventsAtATime = 500
	maxEventPages = 200
	// maxExporters bounds the FlowExporters of a report: those that are not Ready come first.
	maxExporters = 2000
)

// Objects are the DaemonSet, the ConfigMap, the Services and the pods of a fleet, as far as they may be read. They say their kind.
func (c *Client) Objects(ctx context.Context, f *v1alpha1.FlowCollector) (objects []any, err error) {
	selector := client.MatchingLabelsSelector{Selector: labels.SelectorFromSet(controllers.Selector(f))}
	for _, list := range []client.ObjectList{&appsv1.DaemonSetList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{}, &corev1.PodList{}} {
		e := c.objects.List(ctx, list, client.InNamespace(f.Namespace), selector)
		if e != nil {
			kind, _ := c.objects.GroupVersionKindFor(list) // these are all known
			e = fmt.Errorf("listing %ss: %w", strings.TrimSuffix(kind.Kind, "List"), e)
		}
		err = errors.Join(err, e, meta.EachListItem(list, func(o runtime.Object) error {
			objects = append(objects, o)
			return c.sayKind(o)
		}))
	}
	return objects, err
}

// Exporters are the FlowExporters of a fleet, as far as they may be read, up to a bound. They say their kind.
func (c *Client) Exporters(ctx context.Context, f *v1alpha1.FlowCollector) (objects []any, err error) {
	all, err := c.AllFlowExporters(ctx, f)
	if errors.Is(err, ErrNoFlowExporters) {
		return nil, nil
	}
	if more := len(all) - maxExporters; more > 0 {
		ready := func(e *v1alpha1.FlowExporter) bool {
			return meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionReady)
		}
		slices.SortStableFunc(all, func(a, b v1alpha1.FlowExporter) int {
			switch {
			case ready(&a) == ready(&b):
				return 0
			case ready(&a):
				return 1
			}
			return -1
		})
		all, err = all[:maxExporters], fmt.Errorf("%d more FlowExporters are left out", more)
	}
	for i := range all {
		objects, err = append(objects, &all[i]), errors.Join(err, c.sayKind(&all[i]))
	}
	return objects, err
}

// Sinks are the FlowSinks that read a fleet's flows, as far as they may be read. They say their kind. A cluster without the kind has none.
func (c *Client) Sinks(ctx context.Context, f *v1alpha1.FlowCollector) (objects []any, err error) {
	all, err := c.FlowSinks(ctx, f)
	for i := range all {
		objects, err = append(objects, &all[i]), errors.Join(err, c.sayKind(&all[i]))
	}
	return objects, err
}

// FlowSinks are those that store the flows of a fleet; none where the kind is not installed.
func (c *Client) FlowSinks(ctx context.Context, f *v1alpha1.FlowCollector) ([]v1alpha1.FlowSink, error) {
	var list v1alpha1.FlowSinkList
	err := c.objects.List(ctx, &list, client.InNamespace(f.Namespace))
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explained(fmt.Errorf("listing the FlowSinks of namespace %s: %w", f.Namespace, err), f.Namespace)
	}
	return slices.DeleteFunc(list.Items, func(s v1alpha1.FlowSink) bool { return s.Spec.From.FlowCollector != f.Name }), nil
}

// sayKind writes into an object what kind it is of: what Go reads from an API server does not know.
func (c *Client) sayKind(o runtime.Object) error {
	kind, err := c.objects.GroupVersionKindFor(o)
	o.GetObjectKind().SetGroupVersionKind(kind)
	return err
}

// Events are those of a namespace on a fleet and what belongs to it, a line each, in no order: its own objects, which have its name or begin
// with it and a dash, and its FlowExporters and FlowSinks, whose names are others.
func (c *Client) Events(ctx context.Context, f *v1alpha1.FlowCollector, others ...any) ([]byte, error) {
	own := map[[2]string]bool{}
	for _, o := range others {
		switch o := o.(type) {
		case *v1alpha1.FlowExporter:
			own[[2]string{"FlowExporter", o.Name}] = true
		case *v1alpha1.FlowSink:
			own[[2]string{"FlowSink", o.Name}] = true
		}
	}
	var text strings.Builder
	found, next := 0, ""
	for range maxEventPages {
		list, err := c.pods.CoreV1().Events(f.Namespace).List(ctx, metav1.ListOptions{Limit: eventsAtATime, Continue: next})
		if err != nil {
			return []byte(text.String()), fmt.Errorf("listing events of %s: %w", f.Namespace, err)
		}
		for i := range list.Items {
			e := &list.Items[i]
			name := e.InvolvedObject.Name
			if name != f.Name && !strings.HasPrefix(name, f.Name+"-") && !own[[2]string{e.InvolvedObject.Kind, name}] {
				continue
			}
			if found++; found > maxEvents {
				return []byte(text.String()), fmt.Errorf("there are more than %d events on the fleet in %s", maxEvents, f.Namespace)
			}
			when := e.LastTimestamp.Time
			if when.IsZero() {
				when = e.EventTime.Time
			}
			_, _ = fmt.Fprintf(&text, "%s %d %s %s/%s %s: %s\n", when.UTC().Format("2006-01-02T15:04:05Z"), e.Count, e.Type, e.InvolvedObject.Kind,
				e.InvolvedObject.Name, e.Reason, e.Message) // a Builder takes everything
		}
		if next = list.Continue; next == "" {
			return []byte(text.String()), nil
		}
	}
	return []byte(text.String()), fmt.Errorf("there are more than %d events in %s: not all were looked at", maxEventPages*eventsAtATime, f.Namespace)
}

// Page is what a collector says on a path of its HTTP port.
func (c *Client) Page(ctx context.Context, of Collector, path string) ([]byte, error) {
	return c.fetch(ctx, of, path, maxPage)
}

// Log is the end of a collector's log, or of what it said before its container started anew.
func (c *Client) Log(ctx context.Context, of Collector, previous bool) ([]byte, error) {
	return c.log(ctx, of.namespace, of.Pod, corev1.PodLogOptions{Container: controllers.Component, Previous: previous})
}

func (c *Client) log(ctx context.Context, namespace, pod string, options corev1.PodLogOptions) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lines, bytes := int64(maxLogLines), int64(maxLog)
	options.TailLines, options.LimitBytes, options.Timestamps = &lines, &bytes, true
	stream, err := c.pods.CoreV1().Pods(namespace).GetLogs(pod, &options).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the log of %s: %w", pod, err)
	}
	text, err := io.ReadAll(io.LimitReader(stream, maxLog))
	return text, errors.Join(err, stream.Close())
}

// OperatorRuns reports whether a pod of an operator is ready in any namespace. Known is false where that cannot be told: for want of the
// right to list the pods of all namespaces, which most who look at a fleet have for its namespace only; or where other programs' operators
// run, and one of them may be this one under another name.
func (c *Client) OperatorRuns(ctx context.Context) (runs, known bool) {
	list, err := c.pods.CoreV1().Pods("").List(ctx, metav1.ListOptions{LabelSelector: controllers.LabelComponent + "=operator"})
	if err != nil {
		return false, false
	}
	others := len(list.Items) > 0
	for i := range list.Items {
		if list.Items[i].Labels[controllers.LabelName] != controllers.Product { // both installations call it so, unless somebody renamed it
			continue
		}
		others = false
		if controllers.IsReady(&list.Items[i]) && list.Items[i].DeletionTimestamp == nil {
			return true, true
		}
	}
	return false, !others
}

// OperatorLogs are the ends of the logs of the operator's pods in a namespace, by pod.
func (c *Client) OperatorLogs(ctx context.Context, namespace string) (logs map[string][]byte, err error) {
	list, err := c.pods.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: controllers.LabelComponent + "=operator"})
	if err != nil {
		return nil, fmt.Errorf("listing the operator's pods: %w", err)
	}
	if len(list.Items) == 0 {
		return nil, fmt.Errorf("namespace %s has no pod of the operator: name another with --operator-namespace", namespace)
	}
	logs = make(map[string][]byte)
	for i := range list.Items {
		name := list.Items[i].Name
		text, e := c.log(ctx, namespace, name, corev1.PodLogOptions{})
		logs[name], err = text, errors.Join(err, e)
	}
	return logs, err
}
