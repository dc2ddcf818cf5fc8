package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
		_, err := cluster.Kubectl(ctx, "delete", "namespace", samplesNamespace, "--timeout=5m")
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
			text, err := os.ReadFile(file)
			must(t, err)
			named := fleetName.FindStringSubmatch(string(text))
			if named == nil {
				t.Fatalf("%s has no FlowCollector", file)
			}
			f := rig.Fleet{Namespace: samplesNamespace, Name: named[1]}
			do, undo := needs(string(text))
			// What it writes goes with the test.
			prepare := fmt.Sprintf("cd ../..\nTLS=%s\n", t.TempDir())
			_, err = cluster.Shell(ctx, prepare+do)
			must(t, err)
			defer func() {
				// What it has in NATS goes too, or it would take the room of other tests.
				patchOf(t, f, `{"spec":{"templateStore":{"deletionPolicy":"Delete"},"output":{"stream":{"deletionPolicy":"Delete"}}}}`)
				_, err := cluster.Shell(ctx, prepare+"kubectl -n "+samplesNamespace+" delete -f config/samples/"+name+".yaml --timeout=5m\n"+undo)
				must(t, err)
			}()
			_, err = cluster.Shell(ctx, "cd ../..\nkubectl -n "+samplesNamespace+" apply -f config/samples/"+name+".yaml\n")
			must(t, err)
			must(t, cluster.Ready(ctx, f))
		})
	}
}

// fleetName finds the FlowCollector of a sample.
var fleetName = regexp.MustCompile(`(?m)^kind: FlowCollector\nmetadata:\n  name: (\S+)$`)

// needs returns the commands that the head of a sample prints, for this cluster and the samples' namespace, and those that undo them.
func needs(text string) (do, undo string) {
	for line := range strings.Lines(text) {
		command, found := strings.CutPrefix(line, "#   ")
		if !found {
			continue
		}
		command = here.Replace(command)
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

// here makes of the commands of a sample those for this cluster: a node's name, an image that it has, the samples' namespace, which goes
// with all that is in it, and a folder that goes, too.
var here = strings.NewReplacer(
	" NODE ", " n1 ",
	"go run ./hack/natstls nats-tls", "go run ./hack/natstls -image flowfleet.io/nats-server:e2e $TLS/nats-tls",
	" -f nats-tls/", " -f $TLS/nats-tls/", "--from-file=nats-tls/", "--from-file=$TLS/nats-tls/",
	" -n flows ", " -n "+samplesNamespace+" ",
)
