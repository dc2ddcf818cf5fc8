// Command chart brings what the Helm chart has from elsewhere up to date: the CustomResourceDefinitions and the operator's
// rules, which controller-gen makes in config/, and the chart's README, which helm-docs makes of its values.
//
// It is generated after packages api and controllers, whose output it copies: "go generate ./..." goes by the alphabet.
package main

//go:generate go run . -root ../..

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/flowfleet/flowfleet/hack/binaries/build"
)

// copies are the files of the chart that are files of other folders, from and to.
var copies = map[string]string{
	"config/crd/bases/flowfleet.io_flowcollectors.yaml": "charts/flowfleet/files/crds/flowfleet.io_flowcollectors.yaml",
	"config/crd/bases/flowfleet.io_flowexporters.yaml":  "charts/flowfleet/files/crds/flowfleet.io_flowexporters.yaml",
	"config/crd/bases/flowfleet.io_flowsinks.yaml":      "charts/flowfleet/files/sinks/crd.yaml",
	"config/sinks/role.yaml":                            "charts/flowfleet/files/sinks/role.yaml",
	"config/rbac/role.yaml":                             "charts/flowfleet/files/rbac/role.yaml",
	"controllers/fleet/dashboard.json":                  "charts/flowfleet/files/dashboards/collectors.json",
}

func main() {
	root := flag.String("root", ".", "directory of the clone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *root); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string) error {
	for from, to := range copies {
		content, err := os.ReadFile(filepath.Join(root, from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, to), content, 0o644); err != nil {
			return err
		}
	}
	builder, err := build.New(os.Stderr)
	if err != nil {
		return err
	}
	programs, err := builder.Build(ctx, "helm-docs")
	if err != nil {
		return err
	}
	// Without a version of its own, which it would print into the README.
	docs := exec.CommandContext(ctx, filepath.Join(programs, "helm-docs"), "--chart-search-root", filepath.Join(root, "charts"),
		"--sort-values-order", "file", "--log-level", "warning", "--skip-version-footer")
	docs.Stdout, docs.Stderr = os.Stderr, os.Stderr
	if err := docs.Run(); err != nil {
		return fmt.Errorf("helm-docs: %w", err)
	}
	return nil
}
