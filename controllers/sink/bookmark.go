package sink

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
)

// bookmarkStep is how far sinks come, in messages, until their bookmark is written again. A destination knows 10,000 batches again: what a
// bookmark is late by has to stay within that.
const bookmarkStep = 2000

// BookmarkName names the ConfigMap with the bookmark, which sinks read where their consumer is missing.
func BookmarkName(s *v1alpha1.FlowSink) string { return ObjectName(s) + "-bookmark" }

// BookmarkIn is what a ConfigMap has; nil where that is none.
func BookmarkIn(data map[string]string) *status.Bookmark {
	b, err := status.DecodeBookmark([]byte(data[status.BookmarkFile]))
	if err != nil {
		return nil // such as none: the next one takes its place
	}
	return b
}

// NoBookmark is the ConfigMap before the first sink runs: its name is taken, so that sinks begin where nobody else says.
func (s *Sink) NoBookmark() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: BookmarkName(s.Sink), Namespace: s.Sink.Namespace, Labels: s.labels(),
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(s.Sink, v1alpha1.SchemeGroupVersion.WithKind("FlowSink"))}}}
}

// Bookmark is the ConfigMap with how far the sinks have come, as they say; written is what it has, nil for none, and last is Facts.Placed. It is nil
// where it is to stay as it is.
func (s *Sink) Bookmark(written *status.Bookmark, heard []Heard, last *Heard) (*coreac.ConfigMapApplyConfiguration, error) {
	latest := latestPlace(heard, last, s.Stream, ConsumerName(s.Sink))
	if latest == nil {
		return nil, nil
	}
	next := latest.Said.Place.Bookmark()
	switch {
	case written != nil && latest.Said.Place.BegunAnew(written): // nobody is to begin behind what the stream had before
		if next == nil {
			next = new(*written)
			next.Acknowledged = 0
		}
	case next == nil, written != nil && written.SameBook(next) && next.Acknowledged < written.Acknowledged+bookmarkStep:
		return nil, nil
	}
	text, err := next.Encode()
	if err != nil {
		return nil, err
	}
	return coreac.ConfigMap(BookmarkName(s.Sink), s.Sink.Namespace).
		WithLabels(s.labels()).
		WithOwnerReferences(s.owner()).
		WithData(map[string]string{status.BookmarkFile: string(text)}), nil
}
