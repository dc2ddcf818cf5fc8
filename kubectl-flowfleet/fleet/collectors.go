package fleet

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/status"
	controllers "github.com/flowfleet/flowfleet/controllers/fleet"
)

const (
	// atATime is how many collectors are asked at a time.
	atATime = 16
	// patience with one collector.
	patience = 10 * time.Second
	// maxAccount bounds the books of one collector: some thousand exporters.
	maxAccount = 64 << 20
)

// Collector is one pod of a fleet.
type Collector struct {
	Pod, Node string
	// Ready as Kubernetes has it.
	Ready    bool
	Restarts int32
	// waits is why the pod has no collector that could answer, in Kubernetes' words; empty where it may have one.
	waits string
	// namespace of the pod, and the port that it serves its pages on.
	namespace string
	port      int32
}

// Collectors returns the pods of a fleet that are not told to end, in order of their nodes.
func (c *Client) Collectors(ctx context.Context, f *v1alpha1.FlowCollector) ([]Collector, error) {
	list, err := c.pods.CoreV1().Pods(f.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(controllers.Selector(f)).String()})
	if err != nil {
		return nil, explained(fmt.Errorf("listing the collectors of %s: %w", f.Name, err), f.Namespace)
	}
	var all []Collector
	for i := range list.Items {
		pod := &list.Items[i]
		if pod.DeletionTimestamp != nil {
			continue
		}
		one := Collector{Pod: pod.Name, Node: pod.Spec.NodeName, Ready: controllers.IsReady(pod), namespace: pod.Namespace, port: controllers.MetricsPort(f, pod)}
		for _, container := range pod.Status.ContainerStatuses {
			one.Restarts += container.RestartCount
		}
		one.waits = waits(pod)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Collector) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Pod, b.Pod)) })
	return all, nil
}

// waits is why a pod has no program that runs: it has no node, its image is not there, or the program ended and is not started again yet.
func waits(pod *corev1.Pod) string {
	for _, container := range pod.Status.ContainerStatuses {
		if w := container.State.Waiting; w != nil && container.Name == controllers.Component {
			return cmp.Or(w.Reason, "its container waits")
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return cmp.Or(c.Reason, "no node has room")
		}
	}
	return ""
}

// Accounts are the books of the collectors that answer, in their order. Missing says of each other one why it does not.
func (c *Client) Accounts(ctx context.Context, of []Collector) (accounts []ledger.Account, missing []error) {
	answers, missing := each(of, func(one Collector) (*ledger.Account, error) {
		var account ledger.Account
		body, err := c.fetch(ctx, one, "/ledger", maxAccount)
		if err == nil {
			err = json.Unmarshal(body, &account)
		}
		clean(&account)
		return &account, errors.Join(err, one.is(account.Instance))
	})
	for _, answer := range answers {
		if answer != nil {
			accounts = append(accounts, *answer)
		}
	}
	return accounts, missing
}

// clean takes control characters from what a pod says of itself: it is printed to a terminal, and a pod is not always what it seems.
func clean(a *ledger.Account) {
	a.Instance = status.Text(a.Instance)
	for i := range a.Listeners {
		a.Listeners[i].Name = status.Text(a.Listeners[i].Name)
	}
	for i := range a.Exporters {
		e := &a.Exporters[i]
		e.Address, e.Protocol = status.Text(e.Address), status.Text(e.Protocol)
	}
	for i := range a.Streams {
		s := &a.Streams[i]
		s.Exporter, s.Protocol = status.Text(s.Exporter), status.Text(s.Protocol)
	}
	reasons := []*map[string]uint64{&a.Output.Dropped}
	for i := range a.Listeners {
		l := &a.Listeners[i]
		reasons = append(reasons, &l.Datagrams.Refused, &l.Sets.Expired, &l.Sets.Dropped)
	}
	for i := range a.Exporters {
		e := &a.Exporters[i]
		reasons = append(reasons, &e.Datagrams.Refused, &e.Sets.Expired, &e.Sets.Dropped)
	}
	for _, m := range reasons {
		for reason, n := range *m {
			if text := status.Text(reason); text != reason {
				delete(*m, reason)
				(*m)[text] += n
			}
		}
	}
}

// Statuses are what the collectors say of themselves, in their order, nil of one that does not answer; missing says why.
func (c *Client) Statuses(ctx context.Context, of []Collector) (statuses []*status.Document, missing []error) {
	return each(of, func(one Collector) (*status.Document, error) {
		body, err := c.fetch(ctx, one, status.Path, status.MaxBytes)
		if err != nil {
			return nil, err
		}
		d, err := status.Decode(bytes.NewReader(body))
		if err == nil {
			err = one.is(d.Instance)
		}
		return d, err
	})
}

// is returns an error where what answers for a pod says that it is another one: what is asked for is a port of the pod's address, which on a node's
// own network may be another fleet's. A collector of an earlier version does not say who it is.
func (c *Collector) is(instance string) error {
	if instance == "" || instance == c.Pod {
		return nil
	}
	return fmt.Errorf("%s answers at its port: do two fleets have the same collector.metricsPort on the network of a node?", instance)
}

// each asks all collectors, some at a time. The answers are in the order of the collectors, nil where there is an error.
func each[T any](of []Collector, ask func(Collector) (*T, error)) (answers []*T, missing []error) {
	answers = make([]*T, len(of))
	failures := make([]error, len(of))
	slots := make(chan struct{}, atATime)
	var asked sync.WaitGroup
	for i, one := range of {
		asked.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if one.waits != "" { // the API server would only say that it cannot reach an address
				failures[i] = fmt.Errorf("collector %s on node %s does not run: %s", one.Pod, cmp.Or(one.Node, "none"), status.Text(one.waits))
				return
			}
			if answers[i], failures[i] = ask(one); failures[i] != nil {
				answers[i] = nil
				failures[i] = explained(fmt.Errorf("collector %s on node %s does not answer: %w", one.Pod, one.Node, failures[i]), one.namespace)
			}
		})
	}
	asked.Wait()
	for _, failure := range failures {
		if failure != nil {
			missing = append(missing, failure)
		}
	}
	return answers, missing
}

// fetch has the API server fetch a page of a collector, of so many bytes at most.
func (c *Client) fetch(ctx context.Context, of Collector, path string, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := c.pods.CoreV1().Pods(of.namespace).ProxyGet("http", of.Pod, strconv.Itoa(int(of.port)), path, nil).Stream(ctx)
	if err != nil {
		return nil, err
	}
	page, err := io.ReadAll(io.LimitReader(body, most+1))
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	if int64(len(page)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return page, nil
}
