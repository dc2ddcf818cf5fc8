package clickhouse

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
)

func TestWhatKeepsARequestFromClickHouseSaysWhoseItIsAndWhatToDo(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, test := range map[string]struct {
		c    Config
		want []string
	}{
		"nobody listens":               {Config{URL: gone.URL}, []string{"connecting to ClickHouse: ", "connection refused (is ClickHouse running, and is the url right?)"}},
		"a name that does not resolve": {Config{URL: "http://clickhouse.invalid:8123"}, []string{"connecting to ClickHouse: ", "(is the name in the url right, and does DNS work?)"}},
		"no Secret": {Config{URL: plain.URL, User: "sink", PasswordFile: "/nowhere/password"},
			[]string{"reading the password: open /nowhere/password", "(the file is missing: is the Secret there, with this key, and mounted?)"}},
		"TLS where none is spoken": {Config{URL: strings.Replace(plain.URL, "http:", "https:", 1)}, []string{"(this port speaks no TLS: is the url right?)"}},
		"an authority that is not trusted": {Config{URL: secure.URL},
			[]string{"certificate signed by unknown authority (ClickHouse's certificate is not signed by the authority that is to be trusted)"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.c.Database, test.c.Timeout = "flowfleet", config.Duration(5*time.Second)
			_, err := New(test.c).Check(context.Background())
			if err == nil {
				t.Fatal("it goes well")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v; %q is wanted in it", err, want)
				}
			}
		})
	}
}
