package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/flowfleet/flowfleet/hack/cluster/image"
)

// existing is a cluster that somebody else runs. It has a load balancer whose addresses this machine reaches, and pulls images by
// itself. What the rig installs must not be there already, since the rig removes it at the end.
type existing struct {
	r          *Rig
	kubeconfig string
	ours       bool // what is installed: nothing of it was there before
}

func newExisting(r *Rig) (place, error) {
	kubeconfig := os.Getenv("KUBECONFIG")
	if kubeconfig == "" {
		return nil, errors.New("an existing cluster needs KUBECONFIG")
	}
	if repository, tag, found := cutTag(r.options.Image); found {
		r.Image, r.Tag = repository, tag
	} else if r.options.Image != "" {
		return nil, fmt.Errorf("IMAGE=%s has no tag", r.options.Image)
	}
	r.natsImage = r.options.NATSImage
	if r.natsImage == "" {
		r.natsImage = "docker.io/library/nats:2.12-alpine"
	}
	return &existing{r: r, kubeconfig: kubeconfig}, nil
}

// cutTag separates an image's tag; a port of its registry is none.
func cutTag(image string) (repository, tag string, found bool) {
	i := strings.LastIndex(image, ":")
	if i < 0 || strings.Contains(image[i:], "/") {
		return image, "", false
	}
	return image[:i], image[i+1:], true
}

// definition is the CustomResourceDefinition's name.
const definition = "flowcollectors.flowfleet.io"

func (e *existing) up(ctx context.Context) (string, error) {
	e.r.kubeconfig = e.kubeconfig
	if e.r.options.Image == "" {
		return "", errors.New("an existing cluster needs IMAGE, with a tag, of operator and collectors where it can pull it")
	}
	found, err := e.r.Kubectl(ctx, "get", "namespaces,customresourcedefinitions", "--ignore-not-found", "-o", "name")
	if err != nil {
		return "", err
	}
	for _, name := range []string{"namespace/" + OperatorNamespace, "namespace/" + NATSNamespace, "namespace/" + FleetNamespace,
		"customresourcedefinition.apiextensions.k8s.io/" + definition} {
		for line := range strings.Lines(found) {
			if strings.TrimSpace(line) == name {
				return "", fmt.Errorf("the cluster has %s already: it is left alone, so nothing is installed", name)
			}
		}
	}
	e.ours = true
	return e.kubeconfig, nil
}

func (e *existing) load(context.Context, image.Image) error { return nil }

func (e *existing) exec(ctx context.Context, _ string, arguments ...string) *exec.Cmd {
	return e.r.here(ctx, arguments[0], arguments[1:]...)
}

// down removes what was installed, fleets first, while their operator is there.
func (e *existing) down(ctx context.Context) error {
	if !e.ours {
		return nil
	}
	const own = "app.kubernetes.io/managed-by=flowfleet-rig"
	names, listing := e.r.Kubectl(ctx, "get", "namespaces", "-l", own, "-o", `jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}`)
	var fleets error
	for _, namespace := range strings.Fields(names) {
		_, err := e.r.Kubectl(ctx, "--namespace", namespace, "delete", definition, "--all", "--ignore-not-found", "--timeout=1m")
		if err != nil && !strings.Contains(err.Error(), "doesn't have a resource type") { // the definition was not installed yet
			fleets = errors.Join(fleets, err)
		}
	}
	_, chart := e.r.Helm(ctx, "uninstall", Release, "--namespace", OperatorNamespace, "--ignore-not-found", "--wait")
	_, namespaces := e.r.Kubectl(ctx, "delete", "namespace", "-l", own, "--timeout=2m")
	// With the definition all FlowCollectors go: also those that others made meanwhile.
	var schema error
	if left, err := e.r.Kubectl(ctx, "get", definition, "--all-namespaces", "-o", "name"); err == nil && strings.TrimSpace(left) != "" {
		e.r.Say("the CustomResourceDefinition stays, since there are others' FlowCollectors: %s", strings.Join(strings.Fields(left), ", "))
	} else {
		_, schema = e.r.Kubectl(ctx, "delete", "customresourcedefinition", definition, "flowexporters.flowfleet.io", "--ignore-not-found")
	}
	return errors.Join(listing, fleets, chart, namespaces, schema)
}

// installed reports whether a rig has installed its things there.
func (e *existing) installed(ctx context.Context) (bool, error) {
	e.r.kubeconfig = e.kubeconfig
	names, err := e.r.Kubectl(ctx, "get", "namespaces", "-l", "app.kubernetes.io/managed-by=flowfleet-rig", "-o", "name")
	return strings.TrimSpace(names) != "", err
}
