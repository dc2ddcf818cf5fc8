package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/hack/cluster/pki"
)

func TestKubeconfigHoldsAClientThatTheAuthorityVouchesFor(t *testing.T) {
	directory := t.TempDir()
	authority, err := pki.NewAuthority(directory)
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Kubeconfig("n1", "https://10.77.0.1:6443", pki.Identity{User: "system:node:n1", Group: "system:nodes",
		Names: []string{"n1"}, Listen: []net.IP{net.IPv4(10, 77, 0, 11)}}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(directory, "n1.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
				CA     []byte `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Certificate []byte `json:"client-certificate-data"`
				Key         []byte `json:"client-key-data"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	if server := config.Clusters[0].Cluster.Server; server != "https://10.77.0.1:6443" {
		t.Errorf("server: %s", server)
	}
	pair, err := tls.X509KeyPair(config.Users[0].User.Certificate, config.Users[0].User.Key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(config.Clusters[0].Cluster.CA) {
		t.Fatal("no certificate of the authority")
	}
	for _, name := range []string{"n1", "10.77.0.11"} { // a kubelet serves with it too
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: name,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if subject := certificate.Subject; subject.CommonName != "system:node:n1" || subject.Organization[0] != "system:nodes" {
		t.Errorf("subject: %s", subject)
	}
}

func TestKeysAreForTheOwnerOnly(t *testing.T) {
	directory := t.TempDir()
	if _, err := pki.NewAuthority(directory); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
		}
	}
}
