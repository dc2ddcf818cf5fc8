package controllers

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// returnTime is for how long after an API server was away its refusals are taken for an error that passes. One that has just started refuses
// everything until it has read roles and bindings.
const returnTime = 30 * time.Second

// returning notes when the API server was away. It is safe for concurrent use.
type returning struct {
	mu   sync.Mutex
	away time.Time // when it last did not answer; zero for never
}

func (r *returning) unanswered(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = at
}

// tempered is an answer as it is to be understood: a refusal of an API server that has just come back is none yet. Everything that
// the operator does is then tried again, and nothing says that rights are missing.
func (r *returning) tempered(response *http.Response, at time.Time) *http.Response {
	r.mu.Lock()
	early := !r.away.IsZero() && at.Sub(r.away) < returnTime
	r.mu.Unlock()
	if !early || response.StatusCode != http.StatusForbidden && response.StatusCode != http.StatusUnauthorized {
		return response
	}
	_ = response.Body.Close()
	const text = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"ServiceUnavailable","code":503,` +
		`"message":"the API server was away a moment ago, and refuses what it may allow once it has read roles and bindings"}`
	response.Status, response.StatusCode, response.ContentLength = http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable, int64(len(text))
	response.Header = http.Header{"Content-Type": {"application/json"}, "Date": response.Header["Date"]}
	response.Body = io.NopCloser(strings.NewReader(text))
	return response
}
