package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// where returns the cluster that the demo is on: one of this machine, unless KUBECONFIG or CLUSTER names another.
func where(out io.Writer) rig.Options {
	o := rig.FromEnvironment()
	o.Name, o.Progress, o.Reuse = "flowfleet", out, true
	if kubeconfig := os.Getenv("KUBECONFIG"); o.Cluster == rig.OnThisMachine && kubeconfig != "" && !ownKubeconfig(kubeconfig) {
		o.Cluster = rig.Existing
	}
	if o.Cluster == rig.Existing {
		o.Namespaces = rig.OfItsOwn
	}
	return o
}

// choose says on which cluster the demo runs, and why: it is the first line that is printed.
func choose(out io.Writer) (rig.Options, error) {
	o := where(out)
	switch kubeconfig := os.Getenv("KUBECONFIG"); {
	case o.Cluster == rig.Existing && os.Getenv("CLUSTER") == "":
		_, _ = fmt.Fprintf(out, "The demo runs on the cluster of KUBECONFIG=%s, because that is set.\n", kubeconfig)
		if o.Image == "" {
			return o, errors.New("your cluster has to pull an image of operator and collectors: build it and push it " +
				"(docs/installation.md), then run \"make demo IMAGE=registry.example.com/flowfleet:v0.1.0\"; or unset KUBECONFIG for a " +
				"cluster on this machine")
		}
	case o.Cluster != rig.OnThisMachine:
		_, _ = fmt.Fprintf(out, "The demo runs on the cluster that CLUSTER=%s asks for.\n", o.Cluster)
	default:
		o.Values = []string{"sinks.enabled=true"} // ClickHouse runs beside these nodes
		_, _ = fmt.Fprintln(out, "The demo runs on a cluster of three nodes that it brings up on this machine, because KUBECONFIG names no other. "+
			"The first time its programs are built, which takes 15 to 20 minutes on 2 cores; interrupt it when you like, it goes on from there.")
	}
	return o, nil
}

// ownKubeconfig reports whether a file is that of a cluster which the demo brought up: its own hint sets it.
func ownKubeconfig(path string) bool {
	return strings.Contains(path, "/clusters/flowfleet/")
}

// agree asks before anything of somebody's cluster is changed. Who interrupts the question has said no.
func agree(ctx context.Context, o rig.Options, yes bool, in *os.File, out io.Writer) error {
	if o.Cluster != rig.Existing || yes {
		return nil
	}
	if _, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS); err != nil {
		return errors.New("nothing was changed: nobody is there to be asked, and \"make demo YES=1\" changes that cluster without asking")
	}
	_, _ = fmt.Fprintf(out, "It installs there: the namespaces %s, %s and %s, the Helm release %s and Flowfleet's "+
		"CustomResourceDefinitions. None of them may be there before, but of a demo. Two Services get a load balancer's address: the fleet's, and "+
		"the one of NATS, which has no password. \"make demo-down\" removes all of it. Go on? [y/N] ",
		o.Namespaces.Operator, o.Namespaces.NATS, o.Namespaces.Fleet, rig.Release)
	answer := make(chan string, 1)
	go func() { // nothing ends a read from a terminal: an interrupt leaves it behind
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil {
			line = ""
		}
		answer <- line
	}()
	select {
	case line := <-answer:
		if ctx.Err() == nil && strings.EqualFold(strings.TrimSpace(line), "y") {
			return nil
		}
	case <-ctx.Done():
		_, _ = fmt.Fprintln(out)
	}
	return errors.New("nothing was changed")
}
