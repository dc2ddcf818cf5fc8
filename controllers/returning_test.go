package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/flowfleet/flowfleet/controllers/judge"
)

const (
	noRight = `pods is forbidden: User "system:serviceaccount:flows:operator" cannot list resource "pods" in API group "" at the cluster scope`
	noPath  = `forbidden: User "system:serviceaccount:flows:operator" cannot get path "/apis/monitoring.coreos.com/v1"`
	noOwner = `daemonsets.apps "edge" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>`
	quota   = `services "edge" is forbidden: exceeded quota: small, requested: services=1, used: services=1, limited: services=1`
	early   = `services "edge" is forbidden: not yet ready to handle request`
	policy  = `flowcollectors.flowfleet.io "edge" is forbidden: ValidatingAdmissionPolicy 'flowfleet-tenants' denied request: spec.collector.image`
)

// A refusal is a refusal, but one of authorization, by an API server that was away a moment ago.
func TestAnAPIServerThatHasJustComeBackRefusesNothing(t *testing.T) {
	gone, answer := func(err error) any { return err }, func(code int) any { return code }
	refused := gone(syscall.ECONNREFUSED)
	away := []any{refused, refused, refused, 3 * time.Second}
	for name, test := range map[string]struct {
		before  []any // requests' errors and answers, and how long until the next one
		code    int
		message string
		want    int
	}{
		"it was never away":                        {nil, 403, noRight, 403},
		"it was away a moment ago":                 {away, 403, noRight, 503},
		"it was, and does not know who asks":       {away, 401, "Unauthorized", 503},
		"it was, and broke off":                    {[]any{gone(io.ErrUnexpectedEOF), gone(io.EOF), refused, 3 * time.Second}, 403, noRight, 503},
		"it was, and answers something else first": {append(away, answer(200), 20*time.Second), 403, noRight, 503},
		"it was, and does not say which kinds":     {away, 403, noPath, 503},
		"it was never, and does not say kinds":     {nil, 403, noPath, 403},
		"it was, and does not let name owners":     {away, 403, noOwner, 503},
		"it was, and a quota is full":              {away, 403, quota, 403},
		"it was, and a policy refuses":             {away, 403, policy, 403},
		"it was, and says more than is read":       {away, 403, noRight + strings.Repeat(".", longestRefusal), 403},
		"it was, and lets it":                      {away, 200, "", 200},
		"it was, and does not find it":             {away, 404, "", 404},
		"it was long ago":                          {append(away, answer(200), time.Minute), 403, noRight, 403},
		"it was for long, and has just come back":  {[]any{refused, refused, time.Hour, refused, time.Minute}, 403, noRight, 503},
		"it has yet to begin, whoever noticed":     {nil, 403, early, 503},
		"one request broke off":                    {[]any{gone(io.EOF), 10 * time.Second}, 403, noRight, 403},
		"one does, again and again":                {[]any{gone(io.EOF), time.Second, answer(200), gone(io.EOF), time.Second, answer(404), gone(io.EOF), time.Second}, 403, noRight, 403},
		"many did at once, and the next did not":   {[]any{refused, refused, refused, refused, 10 * time.Millisecond}, 403, noRight, 403},
		"the operator itself gave requests up":     {[]any{gone(context.Canceled), gone(context.Canceled), gone(context.Canceled), 3 * time.Second}, 403, noRight, 403},
	} {
		for form, encode := range map[string]func(*metav1.Status) []byte{"application/json": inJSON(t), "application/vnd.kubernetes.protobuf": inProtobuf(t)} {
			clock := clocktesting.NewFakePassiveClock(time.Unix(1e9, 0))
			w := NewWatches(clock)
			text := string(encode(&metav1.Status{Status: metav1.StatusFailure, Code: int32(test.code)}))
			if test.message != "" {
				text = string(encode(&metav1.Status{Status: metav1.StatusFailure, Code: int32(test.code), Message: test.message, Reason: metav1.StatusReasonForbidden}))
			}
			ask := func(outcome any) *http.Response {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				err, _ := outcome.(error)
				if errors.Is(err, context.Canceled) {
					cancel()
				}
				request, e := http.NewRequestWithContext(ctx, http.MethodGet, "https://api/api/v1/pods", nil)
				if e != nil {
					t.Fatal(e)
				}
				response, e := w.Watch(tripper(func(*http.Request) (*http.Response, error) {
					if err != nil {
						return nil, err
					}
					return &http.Response{StatusCode: outcome.(int), Header: http.Header{"Content-Type": {form}}, Body: io.NopCloser(strings.NewReader(text))}, nil
				})).RoundTrip(request)
				if !errors.Is(e, err) {
					t.Fatalf("%s: %v", name, e)
				}
				return response
			}
			for _, b := range test.before {
				if d, ok := b.(time.Duration); ok {
					clock.SetTime(clock.Now().Add(d))
				} else if response := ask(b); response != nil {
					_ = response.Body.Close()
				}
			}
			response := ask(test.code)
			said, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode != test.want || (string(said) == text) != (test.want == test.code) || err != nil {
				t.Errorf("%s, in %s: it becomes %d, %s, %v", name, form, response.StatusCode, said, err)
			}
			var status metav1.Status
			if test.want != test.code && (json.Unmarshal(said, &status) != nil || !strings.Contains(status.Message, test.message) || status.Code != 503) {
				t.Errorf("%s, in %s: what was said is kept from whoever asked: %s", name, form, said)
			}
		}
	}
}

// A pass that fails while the API server is away, or has just come back, is none of those in a row of which a status tells.
func TestPassesThatFailWhileTheAPIServerIsAwayAreNotTold(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1e9, 0))
	w, m := NewWatches(clock), &memory{}
	fails := func() int {
		f := &judge.Facts{}
		_ = m.failed(f, io.EOF, w.away())
		return f.Failures
	}
	if a, b := fails(), fails(); a != 1 || b != 2 {
		t.Errorf("while it answers: %d, %d", a, b)
	}
	for range awayRequests {
		w.returning.unanswered(clock.Now())
	}
	fails() // nobody knows yet
	clock.SetTime(clock.Now().Add(awayAtLeast))
	if n := fails(); n != 0 {
		t.Errorf("while it is away: %d", n)
	}
	w.returning.answered(clock.Now())
	if n := fails(); n != 0 {
		t.Errorf("as it comes back: %d", n)
	}
	clock.SetTime(clock.Now().Add(returnTime))
	if a, b := fails(), fails(); a != 1 || b != 2 {
		t.Errorf("when it has been back for long: %d, %d", a, b)
	}
	if (*Watches)(nil).away() {
		t.Error("without Watches nobody knows")
	}
}

func inJSON(t *testing.T) func(*metav1.Status) []byte {
	return func(s *metav1.Status) []byte {
		s.Kind, s.APIVersion = "Status", "v1"
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

func inProtobuf(t *testing.T) func(*metav1.Status) []byte {
	return func(s *metav1.Status) []byte {
		s.Kind, s.APIVersion = "Status", "v1"
		text, err := runtime.Encode(protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme), s)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}
