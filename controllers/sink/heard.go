package sink

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// Heard is what one sink said of itself. What it says is bounded, and may be a lie: an image is what the FlowSink names.
type Heard struct {
	Pod observation.Pod
	// Asked is when it was asked last.
	Asked time.Time
	// Said is its answer, nil where it gave none, and Error says why.
	Said  *status.Sink
	Error string
}

// LaterPlace reports whether h looked at the place of its consumer after other did. Sinks answer in any order, and with pages that are up to some
// seconds old: of two that were asked at almost the same time the NATS server's clock tells, as far as both have it.
func (h *Heard) LaterPlace(other *Heard) bool {
	a, b := h.Said.Place.Time, other.Said.Place.Time
	if apart := h.Asked.Sub(other.Asked); apart.Abs() < answersWithin && !a.IsZero() && !b.IsZero() {
		return a.After(b)
	}
	return h.Asked.After(other.Asked)
}

// answersWithin is more than the time between a sink's look at NATS and the end of being asked: it is asked for 3 seconds at most, and serves a page
// for 2, which takes it 2.
const answersWithin = 10 * time.Second

// heardFor is for how long what a sink said counts: for some rounds of asking, each of which may end before all had their turn.
const heardFor = 5 * time.Minute

// heard is what sinks said lately. Of one that was last asked long ago nothing is known: neither that it stores, nor that it cannot.
func (f *Facts) heard() (out []Heard) {
	for _, h := range f.Heard {
		if f.Now.Sub(h.Asked) <= heardFor {
			out = append(out, h)
		}
	}
	return out
}

// maxAsked bounds the pods of one FlowSink that are asked: those that may be wanted, and those that are replaced.
const maxAsked = 96

// Askable are the pods that the FlowSink's Deployment made, that run and have an address: labels are on any pod that wants them.
func Askable(s *v1alpha1.FlowSink, pods []corev1.Pod) (ask []observation.Pod) {
	for i := range pods {
		p := &pods[i]
		if owner := metav1.GetControllerOf(p); owner == nil || !ofDeployment(s, p, owner) {
			continue
		}
		if p.Status.Phase == corev1.PodRunning && p.Status.PodIP != "" && p.DeletionTimestamp.IsZero() && len(ask) < maxAsked {
			ask = append(ask, observation.Pod{Name: p.Name, Node: p.Spec.NodeName, Address: p.Status.PodIP, Port: cmp.Or(fleet.MetricsPortOf(p, Component), port)})
		}
	}
	return ask
}

// ofDeployment reports whether the controller of a pod is a ReplicaSet of the FlowSink's Deployment.
func ofDeployment(s *v1alpha1.FlowSink, p *corev1.Pod, controller *metav1.OwnerReference) bool {
	return controller.Kind == "ReplicaSet" && controller.APIVersion == "apps/v1" &&
		controller.Name == ObjectName(s)+"-"+p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
}

// present are the pods that tell how the sinks are now: those of others are none, whatever their labels say, and one that has ended, as by eviction,
// stays for long beside the one that was made in its place.
func (f *Facts) present() []corev1.Pod {
	var present, ended []corev1.Pod
	for i := range f.Pods {
		p := &f.Pods[i]
		owner := metav1.GetControllerOf(p)
		switch {
		case owner != nil && !ofDeployment(f.Sink, p, owner):
		case p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded:
			ended = append(ended, *p)
		default:
			present = append(present, *p)
		}
	}
	if len(present) == 0 {
		return ended
	}
	return present
}

// books adds up what the sinks have; nil where none tells.
func books(heard []Heard) *v1alpha1.FlowSinkBooks {
	var out v1alpha1.FlowSinkBooks
	var stored, waiting uint64
	refused := make(map[string]uint64)
	for i := range heard {
		d := heard[i].Said
		if d == nil {
			continue
		}
		out.Sinks++
		stored, waiting = plus(stored, d.Stored), plus(waiting, d.Waiting)
		for reason, n := range d.Refused {
			if refused[reason] > 0 || len(refused) < status.MaxReasons {
				refused[strings.Clone(reason)] = plus(refused[reason], n)
			}
		}
	}
	if out.Sinks == 0 {
		return nil
	}
	out.Stored, out.Waiting = coarse(stored), coarse(waiting)
	for _, reason := range slices.Sorted(maps.Keys(refused)) {
		out.Refused = append(out.Refused, v1alpha1.FlowSinkRefused{Reason: reason, Records: coarse(refused[reason])})
	}
	return &out
}

func plus(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// coarse leaves two digits of a number, so that a status need not be written for each record.
func coarse(n uint64) int64 {
	unit := uint64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return int64(min(n/unit*unit, math.MaxInt64))
}

// place of the consumer in the stream as the sink says that looked at it last; nil where none of those that are there knows it, and why, empty for
// unknown. A sink of the former spec may read another stream, where the consumer has the same name.
//
// Losses are counted from one place to the next. So one that was seen before another, which was judged, counts no more, also where the sink is gone
// that told of the later one: what was lost between the two would count twice, and a stream would seem to have lost what it has.
func place(heard []Heard, last *Heard, stream, consumer string) (found *jetstream.Consumers, at time.Time, why string) {
	latest := latestPlace(heard, last, stream, consumer)
	if latest != nil {
		return consumers(latest.Said.Place), latest.Asked, ""
	}
	var silent *Heard // the first of them by name, lest each look names another one
	for i := range heard {
		d := heard[i].Said
		switch {
		case d == nil:
			if h := &heard[i]; h.Error != "" && (silent == nil || h.Pod.Name < silent.Pod.Name) {
				silent = h
			}
		case d.Place == nil:
			if why == "" {
				why = heard[i].Pod.Name + " says: " + d.Unplaced
			}
		case d.Place.Stream != stream:
			if why == "" {
				why = fmt.Sprintf("%s reads stream %q", heard[i].Pod.Name, d.Place.Stream)
			}
		}
	}
	if why == "" && silent != nil {
		why = fmt.Sprintf("no sink tells how far it has read: see Ready; asking %s: %s", silent.Pod.Name, silent.Error)
	}
	return nil, at, why
}

// latestPlace is the one that looked last at the consumer's place in the stream, which may be the last of all, of a sink that is gone or does not
// tell any more; nil where none of those that were heard knows it.
func latestPlace(heard []Heard, last *Heard, stream, consumer string) (latest *Heard) {
	knows := func(h *Heard) bool {
		return h.Said != nil && h.Said.Place != nil && h.Said.Place.Stream == stream && h.Said.Place.Consumer == consumer
	}
	for i := range heard {
		if h := &heard[i]; knows(h) && (latest == nil || h.LaterPlace(latest)) {
			latest = h
		}
	}
	if latest != nil && last != nil && knows(last) && last.LaterPlace(latest) {
		return last
	}
	return latest
}

func consumers(p *status.Place) *jetstream.Consumers {
	k := jetstream.Consumer{Name: p.Consumer, Found: true, Managed: true, Filtered: p.Filtered, Start: p.Start, Made: p.Made, Pending: p.Pending, AckPending: p.AckPending,
		Redelivered: p.Redelivered, Delivered: p.Delivered, Deliveries: p.Deliveries, AckFloor: p.AckFloor, AckWait: p.AckWait, LastRead: p.LastRead,
		Oldest: p.Oldest, LagKnown: p.Lag != nil, LagError: p.LagError}
	if p.Lag != nil {
		k.Lag = max(*p.Lag, 0)
	}
	return &jetstream.Consumers{StreamMade: p.StreamMade, First: p.First, Last: p.Last, Bytes: p.Bytes, Replicas: p.Replicas, ForReaders: p.ForReaders, MaxAge: max(p.MaxAge, 0), MaxBytes: p.MaxBytes, MaxMessages: p.MaxMessages,
		Each: []jetstream.Consumer{k}}
}
