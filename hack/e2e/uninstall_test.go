package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// With the default deletion policies bucket and stream stay, and so does the CustomResourceDefinition. All is installed again
// at the end, so that it does not matter which tests come after this one: go test takes files by their names.
func TestUninstallLeavesNothingButWhatIsToBeKept(t *testing.T) {
	diagnose(t)
	defer func() {
		must(t, cluster.InstallOperator(context.WithoutCancel(t.Context())))
		must(t, applyFleet(context.WithoutCancel(t.Context())))
		complete(t, begin(t, "--exporters", "20", "--rate", "500", "--duration", "3s")())
	}()
	_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "delete", "flowcollector", fleet.Name, "--timeout=60s")
	must(t, err)
	must(t, rig.Await(t.Context(), time.Minute, func() error {
		left, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get",
			"daemonsets,pods,services,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies", "-o", "name")
		if err != nil {
			return err
		}
		for name := range strings.Lines(left) {
			if !strings.Contains(name, "kube-root-ca") && !strings.Contains(name, "serviceaccount/default") {
				return errors.New("left: " + left)
			}
		}
		return nil
	}))
	unforbidden(t) // its log goes with it
	_, err = cluster.Helm(t.Context(), "uninstall", rig.Release, "--namespace", rig.OperatorNamespace, "--wait")
	must(t, err)
	left, err := cluster.Kubectl(t.Context(), "get", "clusterroles,clusterrolebindings,customresourcedefinitions", "-o", "name")
	must(t, err)
	for name := range strings.Lines(left) {
		if strings.Contains(name, "flowfleet") && !strings.Contains(name, "customresourcedefinition") { // kept: crds.keep
			t.Errorf("left: %s", name)
		}
	}
	if !strings.Contains(left, "flowcollectors.flowfleet.io") {
		t.Error("the CustomResourceDefinition is gone, though crds.keep says that it stays")
	}
}
