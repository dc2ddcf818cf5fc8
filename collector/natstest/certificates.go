package natstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Authority signs certificates for tests.
type Authority struct {
	// PEM is its own certificate.
	PEM         []byte
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority returns an authority that signs itself; change may adjust its certificate.
func NewAuthority(t testing.TB, change ...func(*x509.Certificate)) *Authority {
	t.Helper()
	a := &Authority{}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	a.certificate, a.key, a.PEM, _ = sign(t, template, nil, change)
	return a
}

// Issue returns a certificate (PEM), for servers at 127.0.0.1 and clients, and its key; change may adjust it.
func (a *Authority) Issue(t testing.TB, name string, change ...func(*x509.Certificate)) (certificate, key []byte) {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	_, _, certificate, key = sign(t, template, a, change)
	return certificate, key
}

// Expired makes a certificate that was valid until an hour ago.
func Expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
}

// Secure makes a server use TLS with a certificate for a name; clients is the authority of clients that it wants a
// certificate from, nil for none.
func (a *Authority) Secure(t testing.TB, name string, clients *Authority, change ...func(*x509.Certificate)) func(*server.Options) {
	t.Helper()
	pair, err := tls.X509KeyPair(a.Issue(t, name, change...))
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clients != nil {
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		c.ClientCAs.AddCert(clients.certificate)
	}
	return func(o *server.Options) { o.TLS, o.TLSVerify, o.TLSConfig = true, clients != nil, c }
}

// sign makes a certificate, by itself where there is no authority.
func sign(t testing.TB, template *x509.Certificate, by *Authority, change []func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey, []byte, []byte) {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = serial, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for _, f := range change {
		f(template)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, parentKey := template, key
	if by != nil {
		parent, parentKey = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}
