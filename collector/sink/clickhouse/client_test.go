package clickhouse

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

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
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
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
