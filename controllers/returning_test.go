package controllers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// A refusal is a refusal, but of an API server that was away a moment ago.
func TestAnAPIServerThatHasJustComeBackRefusesNothing(t *testing.T) {
	for name, test := range map[string]struct {
		away  error // of the request before
		after time.Duration
		code  int
		want  int
	}{
		"it was never away":                     {nil, 0, http.StatusForbidden, http.StatusForbidden},
		"it was away a moment ago":              {syscall.ECONNREFUSED, 10 * time.Second, http.StatusForbidden, http.StatusServiceUnavailable},
		"it was, and does not know who asks":    {syscall.ECONNREFUSED, 10 * time.Second, http.StatusUnauthorized, http.StatusServiceUnavailable},
		"it was, and broke off":                 {io.ErrUnexpectedEOF, 10 * time.Second, http.StatusForbidden, http.StatusServiceUnavailable},
		"it was, and lets it":                   {syscall.ECONNREFUSED, 10 * time.Second, http.StatusOK, http.StatusOK},
		"it was, and does not find it":          {syscall.ECONNREFUSED, 10 * time.Second, http.StatusNotFound, http.StatusNotFound},
		"it was long ago":                       {syscall.ECONNREFUSED, time.Minute, http.StatusForbidden, http.StatusForbidden},
		"the operator itself gave a request up": {context.Canceled, 0, http.StatusForbidden, http.StatusForbidden},
	} {
		clock := clocktesting.NewFakePassiveClock(time.Unix(1e9, 0))
		w := NewWatches(clock)
		ctx, cancel := context.WithCancel(t.Context())
		if errors.Is(test.away, context.Canceled) {
			cancel()
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api/api/v1/pods", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer := func() (*http.Response, error) { return nil, test.away }
		through := w.Watch(tripper(func(*http.Request) (*http.Response, error) { return answer() }))
		if test.away != nil {
			if _, err := through.RoundTrip(request); !errors.Is(err, test.away) { //nolint:bodyclose // there is none
				t.Errorf("%s: %v", name, err)
			}
		}
		clock.SetTime(clock.Now().Add(test.after))
		answer = func() (*http.Response, error) {
			return &http.Response{StatusCode: test.code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("words"))}, nil
		}
		response, err := through.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != test.want || (string(text) == "words") != (test.want == test.code) || err != nil {
			t.Errorf("%s: it becomes %d, %s", name, response.StatusCode, text)
		}
		cancel()
	}
}
