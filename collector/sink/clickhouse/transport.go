package clickhouse

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
)

// idleTime is how long a connection waits for another request, and then goes with the certificates that it was made with.
const idleTime = 10 * time.Second

// transport makes requests over connections with the certificates that the files have then, also those that go through a proxy. It is safe for
// concurrent use.
type transport struct {
	config *config.TLS // nil for the authorities that the system trusts
	proxy  func(*http.Request) (*url.URL, error)

	mu   sync.Mutex
	sum  [sha256.Size]byte // of the files
	made *http.Transport
}

// unsent is the error for a request that was not made.
type unsent struct{ error }

func (e *unsent) Unwrap() error { return e.error }

// RoundTrip implements http.RoundTripper. The error is also that a file cannot be read.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	present, err := t.present(r.URL.Scheme == "https")
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // of bytes in memory
		}
		return nil, &unsent{err}
	}
	return present.RoundTrip(r)
}

// CloseIdleConnections ends connections that wait for another request.
func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made != nil {
		t.made.CloseIdleConnections()
	}
}

// present is a transport with what the files have now; secure says that they are needed.
func (t *transport) present(secure bool) (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var read files
	if secure && t.config != nil {
		var err error
		if read, err = readFiles(t.config); err != nil {
			return nil, err
		}
	}
	if sum := read.sum(); t.made == nil || sum != t.sum {
		c, err := t.tls(read)
		if err != nil {
			return nil, err
		}
		if t.made != nil {
			t.made.CloseIdleConnections()
		}
		t.sum, t.made = sum, &http.Transport{Proxy: t.proxy, DialContext: (&net.Dialer{Timeout: connectTimeout}).DialContext, TLSClientConfig: c,
			TLSHandshakeTimeout: connectTimeout, MaxIdleConnsPerHost: 64, IdleConnTimeout: idleTime}
	}
	return t.made, nil
}

// files of a config.TLS; nil for those that it has not.
type files struct{ authorities, certificate, key []byte }

func readFiles(c *config.TLS) (f files, err error) {
	if c.CAFile != "" {
		if f.authorities, err = os.ReadFile(c.CAFile); err != nil {
			return f, fmt.Errorf("reading the CA certificates: %w", err)
		}
	}
	if c.CertFile != "" {
		if f.certificate, err = os.ReadFile(c.CertFile); err == nil {
			f.key, err = os.ReadFile(c.KeyFile)
		}
		if err != nil {
			return f, fmt.Errorf("reading the client certificate: %w", err)
		}
	}
	return f, nil
}

func (f *files) sum() [sha256.Size]byte {
	var all []byte
	for _, content := range [][]byte{f.authorities, f.certificate, f.key} {
		each := sha256.Sum256(content)
		all = append(all, each[:]...)
	}
	return sha256.Sum256(all)
}

func (t *transport) tls(f files) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.config == nil {
		return c, nil
	}
	c.ServerName = t.config.ServerName // empty: that of the URL
	if f.authorities != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(f.authorities) {
			return nil, fmt.Errorf("%s has no PEM certificate", t.config.CAFile)
		}
	}
	if f.certificate != nil {
		pair, err := tls.X509KeyPair(f.certificate, f.key)
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
