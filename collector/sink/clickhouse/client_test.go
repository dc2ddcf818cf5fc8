package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// A profile that nobody could ask for may have a batch stored twice: only a server that does not know what is asked has none such.
func TestAQuestionForTheProfileThatFailsIsNotTakenForAnOldServer(t *testing.T) {
	for code, old := range map[string]bool{"46": true, "115": true, "241": false, "202": false} {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-ClickHouse-Query-Id", "a")
			if asked, _ := io.ReadAll(r.Body); strings.Contains(string(asked), "deduplicate_insert") {
				w.Header().Set("X-ClickHouse-Exception-Code", code)
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = io.WriteString(w, "Code: "+code+". DB::Exception: no")
				return
			}
			_, _ = io.WriteString(w, "0\n")
		}))
		c := Config{URL: front.URL}
		c.SetDefaults()
		_, err := New(c).Check(t.Context())
		front.Close()
		if (err == nil) != old {
			t.Errorf("code %s: %v", code, err)
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

// Whatever stands before ClickHouse, or in its place: a batch is neither stored nor refused, its sender's password goes nowhere else, and what is read
// of an answer is bounded.
func TestABatchWaitsWhateverElseAnswers(t *testing.T) {
	stranger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed, with the key %q", r.Header.Get("X-ClickHouse-Key"))
	}))
	defer stranger.Close()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	endless := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(headerQuery, "a")
			w.WriteHeader(code)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}
	}
	for name, insert := range map[string]http.HandlerFunc{
		"a redirect 301":         status(301, "Location", stranger.URL, headerQuery, "a"),
		"a redirect 302":         status(302, "Location", stranger.URL),
		"a redirect 307":         status(307, "Location", stranger.URL, headerQuery, "a"),
		"a redirect 308":         status(308, "Location", stranger.URL),
		"401":                    status(401, "WWW-Authenticate", "Basic"),
		"403":                    status(403),
		"404":                    status(404),
		"413":                    status(413),
		"429, at once":           status(429, "Retry-After", "0"),
		"503, in 30 years":       status(503, "Retry-After", "1000000000"),
		"503, on a day":          status(503, "Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"),
		"204":                    status(204, headerQuery, "a"),
		"206":                    status(206, headerQuery, "a"),
		"an endless error":       endless(500),
		"an endless affirmation": endless(200),
		"an exception behind 200": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(headerQuery, "a")
			_, _ = io.WriteString(w, "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)")
		},
		"an exception behind something": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(headerQuery, "a")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "\r\n__exception__\r\nCode: 6. DB::Exception: no")
		},
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(headerQuery, "a")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"an exception that says no more where it was": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(headerQuery, "a")
			w.WriteHeader(500)
			_, _ = io.WriteString(w, "Code: 6. DB::Exception: Cannot parse string '"+strings.Repeat("x", maxAnswer))
		},
		"no answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"another's view, behind a long text": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(headerQuery, "a")
			w.Header().Set("X-ClickHouse-Exception-Code", "6")
			w.WriteHeader(500)
			_, _ = fmt.Fprintf(w, "Code: 6. DB::Exception: Cannot parse string '%s' as UInt8: while pushing to view a.own. (CANNOT_PARSE_TEXT)",
				strings.Repeat("x", 1<<16))
		},
	} {
		t.Run(name, func(t *testing.T) {
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Header.Get("X-ClickHouse-Key") != "secret" {
					t.Error("no password")
				}
				if strings.HasPrefix(string(body), "SELECT uuid ") {
					w.Header().Set(headerQuery, "view")
					_, _ = io.WriteString(w, "0b9dd2a4-5f0c-4f0f-8a2f-6f3c0e5f2f11\n")
					return
				}
				insert(w, r)
			}))
			defer front.Close()
			c := Config{URL: front.URL, User: "sink", PasswordFile: password}
			c.SetDefaults()
			err := New(c).Store(t.Context(), sink.Batch{Payload: encode(sample()), Token: "a"})
			var refused *sink.Refusal
			if err == nil || errors.As(err, &refused) || len(err.Error()) > 2*maxText {
				t.Errorf("%.300v", err)
			}
		})
	}
}
