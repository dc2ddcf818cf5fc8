package controllers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/flowfleet/flowfleet/controllers/judge"
)

const (
	// awayRequests is how many requests have to fail, and awayAtLeast for how long none is answered, for the API server to count as away: no single
	// request that breaks off says that of it. Where its process ends, all watches break at once, and none begins in less.
	awayRequests = 3
	awayAtLeast  = time.Second
	// returnTime is for how long after it has come back its refusals are taken for an error that passes. One that has just started refuses
	// everything until it has read roles and bindings.
	returnTime = 30 * time.Second
	// longestRefusal bounds what is read of a refusal, in bytes; a longer one is none of authorization. longestRefusalWords bounds what is
	// repeated of it.
	longestRefusal      = 64 << 10
	longestRefusalWords = 512
)

// notReadyYet is how the API server's admission refuses before it has read quotas, policies and what else it needs.
const notReadyYet = "not yet ready to handle request"

// returning notes when the API server was away. It is safe for concurrent use.
type returning struct {
	mu     sync.Mutex
	failed int       // requests since it answered last
	since  time.Time // when the first of them failed
	back   time.Time // when it answered for the first time after it was away; zero for never
}

func (r *returning) unanswered(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == 0 {
		r.since = at
	}
	r.failed++
}

// answered notes an answer, and reports whether the API server has come back a moment ago.
func (r *returning) answered(at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed >= awayRequests && at.Sub(r.since) >= awayAtLeast {
		r.back = at
	}
	r.failed = 0
	return !r.back.IsZero() && at.Sub(r.back) < returnTime
}

// away reports whether the API server answers nobody, or has come back a moment ago.
func (r *returning) away(at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed >= awayRequests && at.Sub(r.since) >= awayAtLeast || !r.back.IsZero() && at.Sub(r.back) < returnTime
}

// tempered is an answer as it is to be understood: that an API server that has just come back does not know who asks, or that one may do so, means
// nothing yet. Everything that the operator does is then tried again, and nothing says that rights are missing. What a quota or a policy refuses
// stays refused, but one that says itself that it has yet to begin.
func (r *returning) tempered(response *http.Response, at time.Time) *http.Response {
	back := r.answered(at)
	if response.StatusCode != http.StatusForbidden && (response.StatusCode != http.StatusUnauthorized || !back) {
		return response
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, longestRefusal+1))
	whole := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), response.Body), response.Body}
	refusal := &metav1.Status{}
	if err == nil && len(text) <= longestRefusal {
		if _, _, err := clientgoscheme.Codecs.UniversalDeserializer().Decode(text, nil, refusal); err != nil {
			refusal = &metav1.Status{}
		}
	}
	words := "the API server was away a moment ago, and refuses what it may allow once it has read roles and bindings"
	switch {
	case strings.Contains(refusal.Message, notReadyYet):
		words = "the API server has yet to read what it admits"
	case response.StatusCode == http.StatusForbidden && (!back || !lacksRight(&apierrors.StatusError{ErrStatus: *refusal})):
		response.Body = whole
		return response
	}
	_ = response.Body.Close()
	if refusal.Message != "" {
		words += ": " + judge.Cut(refusal.Message, longestRefusalWords)
	}
	status := apierrors.NewServiceUnavailable(words).ErrStatus
	status.Kind, status.APIVersion = "Status", "v1"
	text, _ = json.Marshal(status) // of texts and numbers
	response.Status, response.StatusCode, response.ContentLength = http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable, int64(len(text))
	response.Header = http.Header{"Content-Type": {"application/json"}, "Date": response.Header["Date"]}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response
}
