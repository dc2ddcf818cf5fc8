package clickhouse

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/sink"
)

func TestOnlyClickHousesOwnAnswerSaysThatABatchIsStored(t *testing.T) {
	for name, c := range map[string]struct {
		query, body string
		stored      bool
	}{
		"ClickHouse":                       {query: "a", stored: true},
		"a page to log in":                 {body: "<html>Log in</html>"},
		"a proxy that swallows it":         {},
		"ClickHouse's answer to no insert": {query: "a", body: "Ok.\n"},
	} {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked, _ := io.ReadAll(r.Body); strings.HasPrefix(string(asked), "SELECT uuid ") {
				w.Header().Set("X-ClickHouse-Query-Id", "view")
				_, _ = io.WriteString(w, "0b9dd2a4-5f0c-4f0f-8a2f-6f3c0e5f2f11\n")
				return
			}
			if c.query != "" {
				w.Header().Set("X-ClickHouse-Query-Id", c.query)
			}
			_, _ = io.WriteString(w, c.body)
		}))
		configuration := Config{URL: front.URL}
		configuration.SetDefaults()
		err := New(configuration).Store(t.Context(), sink.Batch{Payload: encode(sample()), Token: "a"})
		front.Close()
		if c.stored != (err == nil) || !c.stored && !errors.Is(err, sink.ErrUnanswered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server that is too slow is a usual reason: the words are what a FlowSink's status shows.
func TestAServerThatDoesNotAnswerInTimeIsToldAsOne(t *testing.T) {
	held := make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer front.Close()
	defer close(held)
	configuration := Config{URL: front.URL}
	configuration.SetDefaults()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := New(configuration).Store(ctx, sink.Batch{Payload: encode(sample()), Token: "a"})
	if !errors.Is(err, sink.ErrUnanswered) || !strings.Contains(err.Error(), "in time (is ClickHouse overloaded") {
		t.Error(err)
	}
}
