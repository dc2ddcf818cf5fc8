package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
	"github.com/flowfleet/flowfleet/controllers/sink"
)

// Bounds of asking sinks. An answer has at most 16 KiB.
const (
	// sinksInterval is between two rounds.
	sinksInterval = 15 * time.Second
	// sinksOfNamespace is how many pods of one namespace are asked at a time, and sinksTime bounds a round: whose turn does not come is
	// asked first in the next.
	sinksOfNamespace = 4
	sinksTime        = 15 * time.Second
	// sinksAtATime is how many are asked at a time in all.
	sinksAtATime = 32
)

// sinkLook asks sinks how they are, beside the reconciliations, which read what was heard.
type sinkLook struct {
	client   client.Client
	asking   *http.Client
	interval time.Duration
	// notify is called for each FlowSink whose sinks were asked.
	notify func(types.NamespacedName)
	// asked: a round has ended.
	asked atomic.Bool

	mu    sync.Mutex
	heard map[types.NamespacedName]map[observation.Pod]sink.Heard
	// placed is who looked last at where the consumer stands.
	placed map[types.NamespacedName]*sink.Heard
}

func newSinkLook(c client.Client, interval time.Duration, notify func(types.NamespacedName)) *sinkLook {
	return &sinkLook{client: c, asking: observation.NewClient(), interval: cmp.Or(interval, sinksInterval), notify: notify,
		heard: make(map[types.NamespacedName]map[observation.Pod]sink.Heard), placed: make(map[types.NamespacedName]*sink.Heard)}
}

// of is what those of the pods said that are there now, and the last that said where the consumer stands, which may be gone.
func (l *sinkLook) of(name types.NamespacedName, pods []observation.Pod) (out []sink.Heard, placed *sink.Heard) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, pod := range pods {
		if h, ok := l.heard[name][pod]; ok {
			out = append(out, h)
		}
	}
	return out, l.placed[name]
}

func (l *sinkLook) forget(name types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.heard, name)
	delete(l.placed, name)
}

// run asks in rounds until ctx ends.
func (l *sinkLook) run(ctx context.Context) {
	ticker := time.NewTicker(l.interval)
	defer ticker.Stop()
	for {
		l.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// question is one pod of one FlowSink.
type question struct {
	sink types.NamespacedName
	pod  observation.Pod
	last time.Time // asked before
}

// round asks all sinks once, each namespace's beside the others', so that pods that are silent hold up their own namespace.
func (l *sinkLook) round(ctx context.Context) {
	all, err := l.questions(ctx)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing FlowSinks and their pods") // the cache is ending, or not there yet
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sinksTime)
	defer cancel()
	slots := make(chan struct{}, sinksAtATime)
	var namespaces sync.WaitGroup
	for _, questions := range all {
		namespaces.Go(func() {
			var asking errgroup.Group
			asking.SetLimit(sinksOfNamespace)
			for _, q := range questions {
				asking.Go(func() error {
					select {
					case slots <- struct{}{}:
						defer func() { <-slots }()
						l.ask(ctx, q)
					case <-ctx.Done():
					}
					return nil
				})
			}
			_ = asking.Wait() // who does not answer is noted
		})
	}
	namespaces.Wait()
	l.asked.Store(true)
	seen := make(map[types.NamespacedName]bool)
	for _, questions := range all {
		for _, q := range questions {
			if !seen[q.sink] {
				seen[q.sink] = true
				l.notify(q.sink)
			}
		}
	}
}

// questions of a round by namespace, those that were asked longest ago first; what was heard of pods and FlowSinks that are gone is forgotten: one
// may have been asked when its FlowSink went.
func (l *sinkLook) questions(ctx context.Context) (map[string][]question, error) {
	sinks := &v1alpha1.FlowSinkList{}
	if err := l.client.List(ctx, sinks, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	listed := make(map[types.NamespacedName]bool)
	for i := range sinks.Items {
		listed[client.ObjectKeyFromObject(&sinks.Items[i])] = true
	}
	l.mu.Lock()
	maps.DeleteFunc(l.heard, func(name types.NamespacedName, _ map[observation.Pod]sink.Heard) bool { return !listed[name] })
	maps.DeleteFunc(l.placed, func(name types.NamespacedName, _ *sink.Heard) bool { return !listed[name] })
	l.mu.Unlock()
	out := make(map[string][]question)
	for i := range sinks.Items {
		s := &sinks.Items[i]
		pods := &corev1.PodList{}
		if err := l.client.List(ctx, pods, client.InNamespace(s.Namespace), client.MatchingLabels(sink.Selector(s)), client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		name := client.ObjectKeyFromObject(s)
		now := sink.Askable(s, pods.Items)
		l.mu.Lock()
		for pod := range l.heard[name] {
			if !slices.Contains(now, pod) {
				delete(l.heard[name], pod)
			}
		}
		for _, pod := range now {
			out[s.Namespace] = append(out[s.Namespace], question{name, pod, l.heard[name][pod].Asked})
		}
		l.mu.Unlock()
	}
	for _, questions := range out {
		slices.SortStableFunc(questions, func(a, b question) int { return a.last.Compare(b.last) })
	}
	return out, nil
}

func (l *sinkLook) ask(ctx context.Context, q question) {
	said, err := observation.FetchPage(ctx, l.asking, q.pod, &url.URL{Path: status.SinkPath}, status.DecodeSink)
	if err != nil && ctx.Err() != nil {
		return // the round's time is up: that is not the sink's fault
	}
	if err == nil && !q.pod.Answers(said.Instance) {
		err = fmt.Errorf("another one answers at %s", q.pod.HostPort())
	}
	h := sink.Heard{Pod: q.pod, Asked: time.Now(), Said: said}
	if err != nil {
		h.Said, h.Error = nil, status.Text(err.Error())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heard[q.sink] == nil {
		l.heard[q.sink] = make(map[observation.Pod]sink.Heard)
	}
	l.heard[q.sink][q.pod] = h
	if last := l.placed[q.sink]; h.Said != nil && h.Said.Place != nil && (last == nil || h.LaterPlace(last)) {
		l.placed[q.sink] = &h
	}
}
