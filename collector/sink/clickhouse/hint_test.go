package clickhouse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/sink"
)

// A request that found no proxy was not sent: it is not one that may have been stored.
func TestAProxyThatIsGoneIsToldAsNoConnection(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	for _, address := range []string{"http://clickhouse:8123", "https://clickhouse:8443"} {
		c := Config{URL: address}
		c.SetDefaults()
		k := New(c)
		k.http.Transport.(*transport).proxy = http.ProxyURL(proxy)
		err := k.Store(t.Context(), sink.Batch{Payload: encode(sample()), Token: "a"})
		if err == nil || errors.Is(err, sink.ErrUnanswered) || !strings.Contains(err.Error(), "connecting to ClickHouse: ") ||
			!strings.Contains(hinted(err).Error(), "does the proxy of HTTP_PROXY or HTTPS_PROXY run") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

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
		"no certificate": {Config{URL: secure.URL, TLS: &config.TLS{CAFile: "/nowhere/ca"}},
			[]string{"reading the CA certificates: open /nowhere/ca", "(the file is missing: is the Secret there, with this key, and mounted?)"}},
		"an authority that is not trusted": {Config{URL: secure.URL},
			[]string{"certificate signed by unknown authority (ClickHouse's certificate is not signed by the authority that is to be trusted)"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.c.Database, test.c.Timeout = "flowfleet", config.Duration(5*time.Second)
			_, err := New(test.c).Check(context.Background())
			if err == nil {
				t.Fatal("it goes well")
			}
			if errors.Is(err, sink.ErrUnanswered) && errors.Is(err, os.ErrNotExist) {
				t.Errorf("a request that was not made counts as one without an answer: %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v; %q is wanted in it", err, want)
				}
			}
		})
	}
}

// Certificates are read for each request, and judged at each connection: one that expires, or that nobody trusts, has batches wait until there is
// another. A connection that is kept goes with the certificates that it was made with.
func TestABatchWaitsForAnotherCertificate(t *testing.T) {
	ours, strangers := natstest.NewAuthority(t), natstest.NewAuthority(t)
	dir := t.TempDir()
	write := func(name string, pem []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var server atomic.Pointer[tls.Certificate]
	serve := func(by *natstest.Authority, change ...func(*x509.Certificate)) {
		t.Helper()
		pair, err := tls.X509KeyPair(by.Issue(t, "clickhouse", change...))
		if err != nil {
			t.Fatal(err)
		}
		server.Store(&pair)
	}
	present := func(by *natstest.Authority, change ...func(*x509.Certificate)) {
		certificate, key := by.Issue(t, "sink", change...)
		write("tls.crt", certificate)
		write("tls.key", key)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(ours.PEM)
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(headerQuery, "a")
		if asked, _ := io.ReadAll(r.Body); strings.HasPrefix(string(asked), "SELECT uuid ") {
			_, _ = io.WriteString(w, "0b9dd2a4-5f0c-4f0f-8a2f-6f3c0e5f2f11\n")
		}
	}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return server.Load(), nil }}
	serve(ours)
	present(ours)
	front.StartTLS()
	defer front.Close()
	c := Config{URL: front.URL, TLS: &config.TLS{CAFile: write("ca.crt", ours.PEM), CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"),
		ServerName: "clickhouse"}}
	c.SetDefaults()
	k := New(c)
	store := func(k *Client) error {
		k.http.CloseIdleConnections()
		return k.Store(t.Context(), sink.Batch{Payload: encode(sample()), Token: "a"})
	}
	good := func() { serve(ours); present(ours) }
	var proxied atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		there, err := net.Dial("tcp", r.Host)
		if r.Method != http.MethodConnect || err != nil {
			t.Errorf("the proxy is asked %s %s: %v", r.Method, r.Host, err)
			return
		}
		proxied.Add(1)
		w.WriteHeader(http.StatusOK)
		here, rest, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() { _, _ = io.Copy(there, rest); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	defer proxy.Close()
	through, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	byProxy := New(c)
	byProxy.http.Transport.(*transport).proxy = http.ProxyURL(through)
	for _, step := range []struct {
		name   string
		change func()
		want   string
	}{
		{"all is well", good, ""},
		{"the server's is expired", func() { serve(ours, natstest.Expired) }, "(ClickHouse's certificate is expired or not valid yet: renew it)"},
		{"the server's is another's", func() { serve(strangers) }, "(ClickHouse's certificate is not signed by the authority that is to be trusted)"},
		{"they are renewed", good, ""},
		{"the client's is expired", func() { present(ours, natstest.Expired) }, "client certificate"},
		{"the client's is another's", func() { present(strangers) }, "client certificate"},
		{"they are renewed again", good, ""},
	} {
		step.change()
		for way, k := range map[string]*Client{"directly": k, "through a proxy": byProxy} {
			err := store(k)
			var refused *sink.Refusal
			if step.want == "" && err != nil || step.want != "" && (err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), step.want)) {
				t.Errorf("%s, %s: %v; %q is wanted in it", step.name, way, err, step.want)
			}
		}
	}
	for way, k := range map[string]*Client{"directly": k, "through a proxy": byProxy} {
		good()
		if err := store(k); err != nil {
			t.Errorf("before a change, %s: %v", way, err)
		}
		present(strangers)
		if err := k.Store(t.Context(), sink.Batch{Payload: encode(sample()), Token: "a"}); err == nil || !strings.Contains(err.Error(), "client certificate") {
			t.Errorf("the client's is another's, and a connection is kept %s: %v", way, err)
		}
	}
	if proxied.Load() == 0 {
		t.Error("no request went through the proxy")
	}
}
