package rig

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/hack/cluster/image"
)

// existing is a cluster that somebody else runs. It has a load balancer whose addresses this machine reaches, and pulls images by
// itself. What the rig installs must not be there already, since the rig removes it at the end.
type existing struct {
	r          *Rig
	kubeconfig string
	ours       bool // what is installed: nothing of it was there before
	reused     bool // a rig had installed it before
	kept       bool // the definitions, by down, since others have objects of them
}

func newExisting(r *Rig) (place, error) {
	kubeconfig := os.Getenv("KUBECONFIG")
	if kubeconfig == "" {
		return nil, errors.New("an existing cluster needs KUBECONFIG")
	}
	// Without any of its files kubectl would ask localhost, whoever is there.
	if !slices.ContainsFunc(filepath.SplitList(kubeconfig), func(path string) bool { _, err := os.Stat(path); return err == nil }) {
		return nil, fmt.Errorf("KUBECONFIG=%s: there is no such file", kubeconfig)
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
	if err := e.answers(ctx); err != nil {
		return "", err
	}
	if err := e.look(ctx); err != nil {
		return "", err
	}
	e.ours = !e.reused
	return e.kubeconfig, nil
}

// answers finds out whether the cluster is there, and lets its user make what has no namespace: without these rights half of it would be made.
func (e *existing) answers(ctx context.Context) error {
	if _, err := e.r.Kubectl(ctx, "get", "--raw", "/version", "--request-timeout=20s"); err != nil {
		return fmt.Errorf("that cluster does not answer, and nothing was changed: %w", err)
	}
	var lacking []string
	for _, kind := range []string{"namespaces", "customresourcedefinitions.apiextensions.k8s.io", "clusterroles.rbac.authorization.k8s.io",
		"clusterrolebindings.rbac.authorization.k8s.io", "validatingadmissionpolicies.admissionregistration.k8s.io",
		"validatingadmissionpolicybindings.admissionregistration.k8s.io"} {
		for _, verb := range []string{"list", "create", "delete"} {
			out, err := e.r.KubectlCommand(ctx, "auth", "can-i", verb, kind).Output()
			switch said := strings.TrimSpace(string(out)); {
			case strings.HasPrefix(said, "yes"):
			case strings.HasPrefix(said, "no"): // its status is 1 then
				lacking = append(lacking, verb+" "+kind)
			default:
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
				}
				return fmt.Errorf("asking whether you may %s %s there, and nothing was changed: %w", verb, kind, cmp.Or(err, errors.New("no answer")))
			}
		}
	}
	if len(lacking) > 0 {
		return fmt.Errorf("it needs the rights of a cluster's administrator, and nothing was changed. You may not: %s", strings.Join(lacking, ", "))
	}
	return ctx.Err()
}

// attach takes what a rig has installed there, and changes nothing.
func (e *existing) attach(ctx context.Context) error {
	e.r.kubeconfig = e.kubeconfig
	if _, err := e.r.Kubectl(ctx, "get", "--raw", "/version", "--request-timeout=20s"); err != nil {
		return fmt.Errorf("that cluster does not answer: %w", err)
	}
	names, err := e.r.Kubectl(ctx, "get", "namespace", e.r.Namespaces().Operator, "-l", own, "--ignore-not-found", "-o", "name")
	if err == nil && strings.TrimSpace(names) == "" {
		err = errors.New("no demo is installed in that cluster: \"make demo\" installs one")
	}
	e.reused = err == nil
	return err
}

// look finds out whether the cluster has what the rig would install, and whose that is.
func (e *existing) look(ctx context.Context) error {
	names := e.r.Namespaces()
	wanted := []string{"namespace/" + names.Operator, "namespace/" + names.NATS, "namespace/" + names.Fleet,
		"customresourcedefinition.apiextensions.k8s.io/" + definition}
	found, err := e.r.Kubectl(ctx, "get", "namespaces,customresourcedefinitions", "--ignore-not-found", "-o", "name")
	if err != nil {
		return err
	}
	made, err := e.r.Kubectl(ctx, "get", "namespaces", "-l", own, "-o", "name")
	if err != nil {
		return err
	}
	ours, err := e.ofRelease(ctx, "customresourcedefinitions")
	if err != nil {
		return err
	}
	there, rigs := strings.Fields(found), append(strings.Fields(made), ours...)
	// The definition came with the operator of a rig.
	reused := e.r.options.Reuse && slices.Contains(rigs, "namespace/"+names.Operator)
	for _, name := range wanted {
		switch {
		case !slices.Contains(there, name), reused && (slices.Contains(rigs, name) || !strings.HasPrefix(name, "namespace/")),
			name == wanted[3] && slices.Contains(rigs, name): // left for others' objects; helm takes it over
		case slices.Contains(rigs, name):
			return fmt.Errorf("the cluster has %s of a demo or a test before: \"make demo-down\" removes it; nothing was changed", name)
		case name == wanted[3]:
			return fmt.Errorf("the cluster has %s already: Flowfleet is installed there, and not by a demo. Nothing was changed. Use what is there, "+
				"or uninstall it first (docs/installation.md)", name)
		default:
			return fmt.Errorf("the cluster has %s already, which is not the demo's: it is left alone, and nothing was changed", name)
		}
	}
	if e.reused = reused; reused {
		e.r.Say("what a demo installed there before is used, and brought up to date")
	}
	return nil
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
	names, listing := e.r.Kubectl(ctx, "get", "namespaces", "-l", own, "-o", `jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}`)
	var fleets error
	for _, namespace := range strings.Fields(names) {
		_, err := e.r.Kubectl(ctx, "--namespace", namespace, "delete", definition, "--all", "--ignore-not-found", "--timeout=1m")
		if err != nil && !strings.Contains(err.Error(), "doesn't have a resource type") { // the definition was not installed yet
			fleets = errors.Join(fleets, err)
		}
	}
	if _, err := e.r.Helm(ctx, "uninstall", Release, "--namespace", e.r.Namespaces().Operator, "--ignore-not-found", "--wait"); err != nil {
		// The namespace has Helm's record of what the release made in the whole cluster: without it nobody would remove that.
		return errors.Join(listing, fleets, err)
	}
	_, namespaces := e.r.Kubectl(ctx, "delete", "namespace", "-l", own, "--timeout=5m")
	// What Helm had no record of any more, since somebody had deleted the namespace.
	var rest error
	if left, err := e.ofRelease(ctx, clusterWide); err != nil || len(left) > 0 {
		if rest = err; err == nil {
			_, rest = e.r.Kubectl(ctx, append([]string{"delete", "--ignore-not-found"}, left...)...)
		}
	}
	return errors.Join(listing, fleets, namespaces, rest, e.removeDefinitions(ctx))
}

// clusterWide are the kinds that the chart makes objects of outside of namespaces, without the definitions.
const clusterWide = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"

// removeDefinitions removes the release's CustomResourceDefinitions. With them all FlowCollectors go: where others made some meanwhile, they stay.
func (e *existing) removeDefinitions(ctx context.Context) error {
	definitions, err := e.ofRelease(ctx, "customresourcedefinitions")
	if err != nil || len(definitions) == 0 {
		return err
	}
	left, err := e.r.Kubectl(ctx, "get", definition, "--all-namespaces", "-o", `jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}`)
	if err != nil && !strings.Contains(err.Error(), "doesn't have a resource type") { // of which there can be no objects
		return fmt.Errorf("seeing whether the CustomResourceDefinitions are still used: %w", err)
	}
	if others := strings.Fields(left); err == nil && len(others) > 0 {
		e.kept = true
		e.r.Say("the CustomResourceDefinitions stay, since there are others' FlowCollectors: %s. Their collectors go on without an operator. Delete "+
			"them, and \"make demo-down\" removes the definitions too", strings.Join(others, ", "))
		return nil
	}
	if _, err = e.r.Kubectl(ctx, append([]string{"delete", "--ignore-not-found", "--wait=false"}, definitions...)...); err != nil {
		return err
	}
	return Await(ctx, time.Minute, func() error {
		if definitions, err = e.ofRelease(ctx, "customresourcedefinitions"); err == nil && len(definitions) > 0 {
			err = fmt.Errorf("%s are still there", strings.Join(definitions, ", "))
		}
		return err
	})
}

// ofRelease returns those objects of some kinds which the rig's release made, whatever became of the release: Helm writes on each which it was.
func (e *existing) ofRelease(ctx context.Context, kinds string) (names []string, err error) {
	out, err := e.r.Kubectl(ctx, "get", kinds, "-l", "app.kubernetes.io/managed-by=Helm", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []metav1.PartialObjectMetadata
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	for _, item := range list.Items {
		if item.Annotations["meta.helm.sh/release-name"] == Release && item.Annotations["meta.helm.sh/release-namespace"] == e.r.Namespaces().Operator {
			kind := item.GroupVersionKind().GroupKind()
			names = append(names, strings.ToLower(kind.String())+"/"+item.Name)
		}
	}
	return names, nil
}

// installed reports whether a rig has installed its things there.
func (e *existing) installed(ctx context.Context) (bool, error) {
	e.r.kubeconfig = e.kubeconfig
	if err := e.answers(ctx); err != nil {
		return false, err
	}
	names, err := e.r.Kubectl(ctx, "get", "namespaces", "-l", own, "-o", "name")
	if err != nil || strings.TrimSpace(names) != "" {
		return err == nil, err
	}
	left, err := e.ofRelease(ctx, clusterWide+",customresourcedefinitions")
	return len(left) > 0, err
}
