package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// samplesNamespace lets pods be on the host network.
const samplesNamespace = "samples"

// Each sample is applied as it is printed, after what its head says that it needs.
func TestEverySampleBecomesReady(t *testing.T) {
	ownNodes(t)
	diagnose(t)
	ctx := context.WithoutCancel(t.Context())
	_, err := cluster.Kubectl(ctx, "create", "namespace", samplesNamespace)
	must(t, err)
	defer func() {
		_, err := cluster.Kubectl(ctx, "delete", "namespace", samplesNamespace, "--timeout=2m")
		must(t, err)
	}()
	files, err := filepath.Glob("../../config/samples/*.yaml")
	must(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if name == "kustomization" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if name == "tls" {
				t.Skip("needs servers with TLS and credentials of one's own, as its head says")
			}
			text, err := os.ReadFile(file)
			must(t, err)
			f := rig.Fleet{Namespace: samplesNamespace, Name: name}
			do, undo := needs(string(text))
			_, err = cluster.Shell(ctx, "cd ../..\n"+do)
			must(t, err)
			defer func() {
				// What it has in NATS goes too, or it would take the room of other tests.
				patchOf(t, f, `{"spec":{"templateStore":{"deletionPolicy":"Delete"},"output":{"stream":{"deletionPolicy":"Delete"}}}}`)
				_, err := cluster.Shell(ctx, "cd ../..\nkubectl -n "+samplesNamespace+" delete -f config/samples/"+name+".yaml --timeout=2m\n"+undo)
				must(t, err)
			}()
			_, err = cluster.Shell(ctx, "cd ../..\nkubectl -n "+samplesNamespace+" apply -f config/samples/"+name+".yaml\n")
			must(t, err)
			must(t, cluster.Ready(ctx, f))
		})
	}
}

// needs returns the commands that the head of a sample prints, with a node's name in them, and those that undo them.
func needs(text string) (do, undo string) {
	for line := range strings.Lines(text) {
		command, found := strings.CutPrefix(line, "#   kubectl ")
		if !found {
			continue
		}
		command = "kubectl " + strings.ReplaceAll(command, " NODE ", " n1 ")
		do += command
		switch {
		case strings.HasPrefix(command, "kubectl label "):
			undo += strings.Replace(command, "=\n", "-\n", 1)
		case strings.HasPrefix(command, "kubectl apply "):
			undo += strings.Replace(command, "kubectl apply ", "kubectl delete ", 1)
		}
	}
	return do, undo
}
