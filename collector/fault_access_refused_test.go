package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault 12: certificates and credentials that are wrong, expire, are revoked and replaced; permissions that are missing. The
// log says what is wrong, and it heals without a restart of the collector.

// authority signs certificates for tests.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// issue writes a certificate for this machine and its key.
func (a *authority) issue(t *testing.T, certificateFile, keyFile string, notAfter time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "nats"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: notAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certificateFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// hinted reports whether a line of the log has a hint that contains text.
func (p *process) hinted(text string) bool {
	p.logs.mu.Lock()
	defer p.logs.mu.Unlock()
	for _, line := range p.logs.lines {
		if hint, ok := line["hint"].(string); ok && strings.Contains(hint, text) {
			return true
		}
	}
	return false
}

func TestCertificatesThatAreWrongExpiredAndRotated(t *testing.T) {
	t.Parallel()
	right, wrong := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	right.issue(t, file("server.crt"), file("server.key"), time.Now().Add(time.Hour))
	port := natstest.FreePort(t)
	write(t, file("nats.conf"), fmt.Sprintf("host: 127.0.0.1\nport: %d\njetstream: {store_dir: %q}\ntls: {cert_file: %q, key_file: %q, ca_file: %q, verify: true}\n",
		port, t.TempDir(), file("server.crt"), file("server.key"), file("server-ca.crt")))
	write(t, file("server-ca.crt"), string(right.pem))
	s := natstest.StartFile(t, file("nats.conf"), port)
	write(t, file("ca.crt"), string(wrong.pem))
	wrong.issue(t, file("client.crt"), file("client.key"), time.Now().Add(time.Hour))
	a := startConfigured(t, "a", fmt.Sprintf(`
listeners: [{name: any, address: "127.0.0.1:0", workers: 2}]
nats: {urls: ["tls://127.0.0.1:%d"], tls: {caFile: %q, certFile: %q, keyFile: %q}}
templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`, port, file("ca.crt"), file("client.crt"), file("client.key")))
	e := newExporter(t, 1)
	e.send(a.port, 1, oldLayout.template(), oldLayout.data(1))
	natstest.Eventually(t, "the wrong authority is named", func() bool { return a.hinted("not signed by nats.tls.caFile") })
	right.issue(t, file("server.crt"), file("server.key"), time.Now().Add(-time.Hour)) // it expired
	s.Reload()
	write(t, file("ca.crt"), string(right.pem)) // the Secret changes
	natstest.Eventually(t, "the expired certificate is named", func() bool { return a.hinted("expired or not valid yet") })
	right.issue(t, file("server.crt"), file("server.key"), time.Now().Add(time.Hour))
	s.Reload()
	natstest.Eventually(t, "the client's certificate is named", func() bool { return a.hinted("wants a client certificate that it trusts") })
	right.issue(t, file("client.crt"), file("client.key"), time.Now().Add(time.Hour))
	natstest.Eventually(t, "it is published", func() bool { return a.metric("records_published_total") == 1 })
	a.awaitReady()
	a.checkLedger()
}

// accounts is a server's configuration with one user.
func accounts(t *testing.T, file string, port int, store, user string) {
	t.Helper()
	write(t, file, fmt.Sprintf("host: 127.0.0.1\nport: %d\njetstream: {store_dir: %q}\nauthorization: {users: [{user: \"admin\", password: \"admin\"}, %s]}\n",
		port, store, user))
}

func TestRevokedCredentialsHealWhenTheyAreReplaced(t *testing.T) {
	t.Parallel()
	dir, store, port := t.TempDir(), t.TempDir(), natstest.FreePort(t)
	conf, password := filepath.Join(dir, "nats.conf"), filepath.Join(dir, "password")
	accounts(t, conf, port, store, `{user: "collector", password: "first"}`)
	write(t, password, "first\n")
	s := natstest.StartFile(t, conf, port)
	a := startConfigured(t, "a", fmt.Sprintf(`
listeners: [{name: any, address: "127.0.0.1:0", workers: 2}]
nats: {urls: [%q], user: collector, passwordFile: %q}
templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`, s.URL(), password)).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 1, oldLayout.template(), oldLayout.data(1))
	natstest.Eventually(t, "it is published", func() bool { return a.metric("records_published_total") == 1 })
	accounts(t, conf, port, store, `{user: "collector", password: "second"}`)
	s.Reload()
	natstest.Eventually(t, "the connections are closed", func() bool { return a.metric("nats_connected") == 0 })
	e.send(a.port, 1, oldLayout.data(2))
	natstest.Eventually(t, "the credentials are named", func() bool { return a.hinted("the server refuses the credentials") })
	write(t, password, "second\n")
	natstest.Eventually(t, "all is published", func() bool { return a.metric("records_published_total") == 2 })
	a.checkLedger()
}

// The user may write templates, and not sampling rates: these stay in memory, and nothing else is held up.
func TestPermissionDeniedOnOneKeyPrefix(t *testing.T) {
	t.Parallel()
	dir, store, port := t.TempDir(), t.TempDir(), natstest.FreePort(t)
	conf, password := filepath.Join(dir, "nats.conf"), filepath.Join(dir, "password")
	deny := `{user: "collector", password: "x", permissions: {publish: {deny: ["$KV.flowfleet-templates.s1.>"]}}}`
	accounts(t, conf, port, store, deny)
	write(t, password, "x")
	s := natstest.StartFile(t, conf, port)
	content := fmt.Sprintf(`
listeners: [{name: any, address: "127.0.0.1:0", workers: 2}]
nats: {urls: [%q], user: collector, passwordFile: %q}
templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`, s.URL(), password)
	a, b := startConfigured(t, "a", content).awaitReady(), startConfigured(t, "b", content).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 1, selectorOptions(512)...)
	natstest.Eventually(t, "the error is counted", func() bool { return a.metric("store_write_errors_total") > 0 })
	for id := range uint16(20) {
		e.send(a.port, 0, layout{310 + id, oldLayout.fields}.template())
	}
	natstest.Eventually(t, "templates reach the other all the same", func() bool { return b.metric("templates") == 21 })
	if b.metric("sampling_rates") != 0 || !a.hinted("the NATS user may not use this subject") {
		t.Errorf("the other has %v rates, and the log gives no hint", b.metric("sampling_rates"))
	}
	accounts(t, conf, port, store, `{user: "collector", password: "x"}`)
	s.Reload()
	natstest.Eventually(t, "the rate reaches the other once it may", func() bool { return b.metric("sampling_rates") == 1 })
	a.checkLedger()
	b.checkLedger()
}
