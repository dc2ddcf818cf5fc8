package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	corev1 "k8s.io/api/core/v1"

	"github.com/flowfleet/flowfleet/hack/manifest"
)

// A server runs as the manifest says. Who has both files gets in, and has JetStream; who lacks one does not.
func TestTheServerTakesWhoHasTheAuthorityAndTheCredentials(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "tls")
	if err := run(folder, "example.com/nats:v1"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "nats.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		secret, ok := o.Object.(*corev1.Secret)
		if !ok {
			continue
		}
		for name, text := range secret.StringData {
			text = strings.NewReplacer("/data", filepath.Join(folder, "data"), "/etc/nats", folder, "8222", "-1").Replace(text)
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	options, err := server.ProcessConfigFile(filepath.Join(folder, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	options.Host, options.Port, options.NoSigs, options.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	running, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	running.Start()
	t.Cleanup(func() {
		running.Shutdown()
		running.WaitForShutdown()
	})
	if !running.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not run")
	}
	authority := x509.NewCertPool()
	if text, err := os.ReadFile(filepath.Join(folder, "ca.crt")); err != nil || !authority.AppendCertsFromPEM(text) {
		t.Fatalf("no certificate of the authority: %v", err)
	}
	credentials := nats.UserCredentials(filepath.Join(folder, "collector.creds"))
	for name, test := range map[string]struct {
		options []nats.Option
		enters  bool
	}{
		"with both":               {[]nats.Option{nats.Secure(&tls.Config{RootCAs: authority, ServerName: host}), credentials}, true},
		"without the authority":   {[]nats.Option{nats.Secure(&tls.Config{ServerName: host}), credentials}, false},
		"without the credentials": {[]nats.Option{nats.Secure(&tls.Config{RootCAs: authority, ServerName: host})}, false},
	} {
		err := hasJetStream(running.ClientURL(), test.options)
		if (err == nil) != test.enters {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hasJetStream connects, and asks for the account's JetStream.
func hasJetStream(url string, options []nats.Option) error {
	connection, err := nats.Connect(url, append(options, nats.Timeout(30*time.Second))...)
	if err != nil {
		return err
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err = js.AccountInfo(ctx)
	return err
}
