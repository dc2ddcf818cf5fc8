package metricsserver

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// writeSecret writes a certificate for a name as the kubelet does: files are links through ..data, which is replaced as a whole.
func writeSecret(t *testing.T, directory, version, name string) {
	t.Helper()
	certificate, key := natstest.NewAuthority(t).Issue(t, name)
	if err := os.Mkdir(filepath.Join(directory, version), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{"tls.crt": certificate, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(directory, version, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if link := filepath.Join(directory, file); os.Symlink(filepath.Join("..data", file), link) != nil {
			if _, err := os.Lstat(link); err != nil {
				t.Fatal(err)
			}
		}
	}
	next := filepath.Join(directory, "..next")
	if err := os.Symlink(version, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(directory, "..data")); err != nil {
		t.Fatal(err)
	}
}

// Prometheus that checks the certificate goes on when it is renewed, and the operator goes on too.
func TestMetricsHaveTheCertificateOfTheSecretAndTakeUpItsRotation(t *testing.T) {
	directory := t.TempDir()
	writeSecret(t, directory, "..1", "before.example.com")
	options, err := Options("127.0.0.1:0", directory)
	if err != nil {
		t.Fatal(err)
	}
	options.FilterProvider = nil // needs an API server
	served, err := server.NewServer(options, &rest.Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- served.Start(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	address := served.(interface{ GetBindAddr() string })
	names := func() string {
		c, err := tls.Dial("tcp", address.GetBindAddr(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
		if err != nil {
			return err.Error()
		}
		defer func() { _ = c.Close() }()
		return strings.Join(c.ConnectionState().PeerCertificates[0].DNSNames, " ")
	}
	natstest.Eventually(t, "the certificate of the Secret is served", func() bool { return names() == "before.example.com" })
	writeSecret(t, directory, "..2", "after.example.com")
	natstest.Eventually(t, "the next one is served", func() bool { return names() == "after.example.com" })
}

// Silently serving another certificate would be found out by whoever checks it only.
func TestADirectoryWithoutACertificateIsRefused(t *testing.T) {
	directory := t.TempDir()
	if _, err := Options(":0", directory); err == nil || !strings.Contains(err.Error(), "--metrics-certificate") {
		t.Errorf("an empty directory: %v", err)
	}
	writeSecret(t, directory, "..1", "a")
	if err := os.WriteFile(filepath.Join(directory, "..1", "tls.key"), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Options(":0", directory); err == nil {
		t.Error("a key that is none is accepted")
	}
	if _, err := Options(":0", ""); err != nil {
		t.Errorf("without a directory: %v", err)
	}
}
