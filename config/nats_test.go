package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	corev1 "k8s.io/api/core/v1"

	"github.com/flowfleet/flowfleet/hack/manifest"
)

// README tells to apply it: a server runs with its configuration, and has JetStream with room for a fleet.
func TestTheServerForTryingRunsAsItsManifestSays(t *testing.T) {
	text, err := os.ReadFile("nats/trial.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	configuration := ""
	ids := map[string]bool{}
	for _, object := range objects {
		ids[object.ID()] = true
		if c, ok := object.Object.(*corev1.ConfigMap); ok {
			configuration = c.Data["nats.conf"]
		}
	}
	for _, id := range []string{"Namespace nats", "Service nats/nats", "Deployment nats/nats", "ConfigMap nats/nats"} {
		if !ids[id] {
			t.Errorf("no %s among %v", id, ids)
		}
	}
	path := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(path, []byte(strings.NewReplacer("/data", t.TempDir(), "8222", "-1").Replace(configuration)), 0o600); err != nil {
		t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(path)
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
	if !running.ReadyForConnections(30*time.Second) || !running.JetStreamEnabled() {
		t.Fatal("it does not run, or without JetStream")
	}
	if room := running.JetStreamConfig().MaxStore; room < 1<<30 {
		t.Errorf("it has room for %d bytes", room)
	}
}
