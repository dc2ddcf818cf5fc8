package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/hack/cluster/image"
	"github.com/flowfleet/flowfleet/hack/cluster/node"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/cluster/supervise"
)

func newLoadImage(name *string) *cobra.Command {
	var built image.Image
	command := &cobra.Command{
		Use:   "load-image [FILE.tar]",
		Short: "Give an image to all nodes: one that \"docker save\" wrote, or one made here from static programs",
		Example: "  cluster load-image --tag flowfleet.io/flowfleet:dev --file /manager=bin/manager --file /collector=bin/collector " +
			"--entrypoint /manager",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			p, err := existing(*name)
			if err != nil {
				return err
			}
			if (len(arguments) == 1) == (built.Tag != "") {
				return errors.New("either a file or --tag is needed")
			}
			if built.Tag == "" {
				return loadImage(command.Context(), p, arguments[0])
			}
			target := filepath.Join(os.TempDir(), "flowfleet-image-"+strings.NewReplacer("/", "_", ":", "_").Replace(built.Tag)+".tar")
			defer func() { _ = os.Remove(target) }()
			if err := built.Write(target); err != nil {
				return err
			}
			return loadImage(command.Context(), p, target)
		},
	}
	flags := command.Flags()
	flags.StringVar(&built.Tag, "tag", "", "name of the image to make")
	flags.StringToStringVar(&built.Files, "file", nil, "path in the image = path of a static program; may be repeated")
	flags.StringSliceVar(&built.Entrypoint, "entrypoint", nil, "what the image runs")
	flags.StringVar(&built.User, "user", "", "user and group it runs as (default "+image.Nonroot+")")
	return command
}

// loadImage imports an image into each node that runs, and keeps it for those that are started later.
func loadImage(ctx context.Context, p plan.Plan, path string) error {
	kept := p.Path("images", filepath.Base(path))
	if err := copyFile(path, kept); err != nil {
		return err
	}
	pid := supervisor(p)
	if pid == 0 {
		return fmt.Errorf("cluster %s has ended", p.Name)
	}
	status, err := supervise.NewClient(p).Status(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(status)) {
		if !strings.HasPrefix(name, "n") || status[name].PID == 0 {
			continue // not a node, or not running
		}
		arguments := node.ImportArguments(node.Socket(pid, status[name].PID), kept)
		if out, err := exec.CommandContext(ctx, p.Program("ctr"), arguments...).CombinedOutput(); err != nil {
			return fmt.Errorf("importing %s into %s: %w\n%s", path, name, err, out)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := os.CreateTemp(filepath.Dir(to), "new-")
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if err = errors.Join(err, target.Close()); err == nil {
		err = os.Rename(target.Name(), to)
	}
	if err != nil {
		_ = os.Remove(target.Name())
	}
	return err
}
