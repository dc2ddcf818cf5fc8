// Package pki makes the keys and certificates of a cluster, and the kubeconfigs that hold them.
package pki

import (
	"crypto"
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
	"time"
)

// lifetime is how long certificates are valid: clusters are for hours, not for months.
const lifetime = 30 * 24 * time.Hour

// Authority signs a cluster's certificates, and writes them into a directory.
type Authority struct {
	directory   string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

// Identity is who a certificate is for.
type Identity struct {
	User   string // common name
	Group  string // organisation; may be empty
	Names  []string
	Listen []net.IP // addresses, for servers
}

// NewAuthority makes an authority: ca.crt and ca.key in directory, and the key pair of service accounts, sa.key and sa.pub.
func NewAuthority(directory string) (*Authority, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "flowfleet-cluster"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(lifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &Authority{directory: directory, certificate: certificate, key: key, pem: encode("CERTIFICATE", der)}
	if err := a.write("ca.crt", a.pem); err != nil {
		return nil, err
	}
	if err := a.writeKey("ca.key", key); err != nil {
		return nil, err
	}
	return a, a.serviceAccounts()
}

func (a *Authority) serviceAccounts() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := a.write("sa.pub", encode("PUBLIC KEY", public)); err != nil {
		return err
	}
	return a.writeKey("sa.key", key)
}

// Issue writes NAME.crt and NAME.key, good for clients and servers.
func (a *Authority) Issue(name string, identity Identity) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: identity.User},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     identity.Names,
		IPAddresses:  identity.Listen,
	}
	if identity.Group != "" {
		template.Subject.Organization = []string{identity.Group}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, private.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", identity.User, err)
	}
	certificate = encode("CERTIFICATE", der)
	if key, err = encodeKey(private); err != nil {
		return nil, nil, err
	}
	if err := a.write(name+".crt", certificate); err != nil {
		return nil, nil, err
	}
	return certificate, key, a.write(name+".key", key)
}

func (a *Authority) writeKey(name string, key crypto.PrivateKey) error {
	content, err := encodeKey(key)
	if err != nil {
		return err
	}
	return a.write(name, content)
}

func (a *Authority) write(name string, content []byte) error {
	return os.WriteFile(filepath.Join(a.directory, name), content, 0o600)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func encodeKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return encode("PRIVATE KEY", der), nil
}
