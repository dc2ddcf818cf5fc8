package clickhouse

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// On a cluster each statement waits for all servers: a check has not the time for all of them.
func TestTablesThatTakeLongerThanACheckAreMade(t *testing.T) {
	var made atomic.Bool
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(headerQuery, "a")
		asked, _ := io.ReadAll(r.Body)
		switch statement := string(asked); {
		case strings.HasPrefix(statement, "SELECT uuid "):
			_, _ = io.WriteString(w, "0b9dd2a4-5f0c-4f0f-8a2f-6f3c0e5f2f11\n")
		case strings.HasPrefix(statement, "SELECT version ") && !made.Load():
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "Code: 60. DB::Exception: no such table")
		case strings.HasPrefix(statement, "SELECT version "):
			_, _ = fmt.Fprintln(w, Version)
		case strings.HasPrefix(statement, "CREATE "), strings.HasPrefix(statement, "ALTER "):
			time.Sleep(20 * time.Millisecond)
			made.Store(strings.Contains(statement, ".schema_version"))
		}
	}))
	defer front.Close()
	c := Config{URL: front.URL, CreateTables: true, Cluster: "many"}
	c.SetDefaults()
	k := New(c)
	var err error
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		found, failed := k.Check(ctx)
		cancel()
		if err = failed; err == nil && found.Problem == "" && found.Version == Version {
			return
		}
	}
	t.Errorf("they are never made: %v", err)
}
