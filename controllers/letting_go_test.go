package controllers

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	eventsv1 "k8s.io/api/events/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// conflicts refuses, some times, to let a FlowCollector go, as if somebody had changed it meanwhile.
type conflicts struct{ left atomic.Int32 }

func (c *conflicts) between(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodPatch || request.Body == nil || !strings.Contains(request.URL.Path, "/flowcollectors/") {
			return next.RoundTrip(request)
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		if !bytes.Contains(body, []byte(`"finalizers":null`)) || c.left.Add(-1) < 0 {
			return next.RoundTrip(request)
		}
		answer := `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409,"message":"the object has been modified"}`
		return &http.Response{StatusCode: http.StatusConflict, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: request,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer))}, nil
	})
}

// What became of the bucket and the stream is told once, and as it was, also where the object cannot be let go at the first attempt.
func TestWhatADeletionDidIsToldOnceAndAsItWas(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*v1alpha1.FlowCollector)
		reason string
		says   []string
	}{
		"deleted": {deletesBoth, "Deleted", []string{"deleted the bucket", "deleted the stream"}},
		"abandoned": {func(fc *v1alpha1.FlowCollector) {
			deletesBoth(fc)
			fc.Annotations = map[string]string{annotationAbandon: "true"}
		}, "LeftBehind", []string{"left behind what is in NATS, as the annotation"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := &conflicts{}
			c.left.Store(3)
			startOperator(w, w.s, w.namespace, operatorOptions{between: c.between})
			fc := w.create("edge", test.change)
			w.run(fc, 0)
			w.expectReady(fc)
			if err := w.c.Delete(t.Context(), fc); err != nil {
				t.Fatal(err)
			}
			natstest.Eventually(t, "it is gone", func() bool { return !w.exists(fc.DeepCopy()) })
			if c.left.Load() >= 0 {
				t.Errorf("it was let go at once: %d conflicts are left", c.left.Load())
			}
			told := func() (out []string) {
				for _, e := range w.events(fc) {
					if e.Reason == test.reason {
						out = append(out, slices.Repeat([]string{e.Note}, 1+series(&e))...)
					}
				}
				return out
			}
			natstest.Eventually(t, "it is told", func() bool { return len(told()) > 0 })
			got := told()
			if len(got) != 1 {
				t.Errorf("%q", got)
			}
			for _, says := range test.says {
				if !strings.Contains(got[0], says) {
					t.Errorf("%q does not say %q", got[0], says)
				}
			}
		})
	}
}

// series is how often an event was repeated.
func series(e *eventsv1.Event) int {
	if e.Series == nil {
		return 0
	}
	return int(e.Series.Count)
}
