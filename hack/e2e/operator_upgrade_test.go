package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

const (
	newField = "site"     // of the definition of a version to come
	newTag   = "e2e-next" // of an image to come
)

// nextChart makes the chart of a version to come from the present one: its number is higher, and the spec has a field more.
func nextChart(t *testing.T) string {
	t.Helper()
	chart := filepath.Join(t.TempDir(), "flowfleet")
	must(t, os.CopyFS(chart, os.DirFS(cluster.Chart())))
	edit := func(path string, change func([]byte) []byte) {
		content, err := os.ReadFile(filepath.Join(chart, path))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(chart, path), change(content), 0o644))
	}
	edit("Chart.yaml", func(content []byte) []byte {
		return regexp.MustCompile(`(?m)^version: .*$`).ReplaceAll(content, []byte("version: 99.0.0"))
	})
	edit("files/crds/flowfleet.io_flowcollectors.yaml", func(content []byte) []byte {
		var definition map[string]any
		must(t, yaml.Unmarshal(content, &definition))
		version := definition["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)
		properties := func(schema any) map[string]any { return schema.(map[string]any)["properties"].(map[string]any) }
		schema := version["schema"].(map[string]any)["openAPIV3Schema"]
		properties(properties(schema)["spec"])[newField] = map[string]any{"type": "string", "description": "site where the fleet is."}
		content, err := yaml.Marshal(definition)
		must(t, err)
		return content
	})
	return chart
}

// lives tells the collectors' lives: one line for each node with the pod's identity and how often it was started anew.
func lives(t *testing.T, f rig.Fleet) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "get", "pods", "-l", "app.kubernetes.io/instance="+f.Name, "--sort-by=.spec.nodeName",
		"-o", `jsonpath={range .items[*]}{.spec.nodeName} {.metadata.uid} {.status.containerStatuses[0].restartCount}{"\n"}{end}`)
	must(t, err)
	return out
}

// images returns the images of the collectors' pods, each once.
func images(t *testing.T, f rig.Fleet) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), "--namespace", f.Namespace, "get", "pods", "-l", "app.kubernetes.io/instance="+f.Name,
		"-o", `jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}`)
	must(t, err)
	var each []string
	for image := range strings.Lines(out) {
		if !strings.Contains(strings.Join(each, ""), image) {
			each = append(each, image)
		}
	}
	return strings.TrimSpace(strings.Join(each, ""))
}

// object returns a part of the FlowCollector.
func object(t *testing.T, path string) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get", "flowcollector", fleet.Name, "-o", "jsonpath={"+path+"}")
	must(t, err)
	return out
}

// explained waits until the API server explains the new field, or knows it no more.
func explained(t *testing.T, want bool) {
	t.Helper()
	must(t, rig.Await(t.Context(), time.Minute, func() error {
		out, err := cluster.Kubectl(t.Context(), "explain", "flowcollector.spec."+newField)
		if is := err == nil && strings.Contains(out, "site where the fleet is"); is != want {
			return fmt.Errorf("whether the field %s is explained: %v, not %v (%w)", newField, is, want, err)
		}
		return nil
	}))
}

// settled waits until the operator has looked at the present object, and all collectors have the image.
func settled(t *testing.T, image string) {
	t.Helper()
	must(t, rig.Await(t.Context(), 2*time.Minute, func() error {
		if got := object(t, ".status.image"); got != image {
			return fmt.Errorf("the operator is still for %s", got)
		}
		if got, want := object(t, ".status.observedGeneration"), object(t, ".metadata.generation"); got != want {
			return fmt.Errorf("the operator has seen generation %s, not %s", got, want)
		}
		return nil
	}))
	must(t, cluster.Ready(t.Context(), fleet))
	must(t, rig.Await(t.Context(), time.Minute, func() error {
		if got := images(t, fleet); got != image {
			return fmt.Errorf("collectors have the images %s, not %s", got, image)
		}
		return nil
	}))
	condition(t, "Ready", "True", "")
}

// revision returns the number of the release's present revision.
func revision(t *testing.T) string {
	t.Helper()
	out, err := cluster.Helm(t.Context(), "history", rig.Release, "--namespace", rig.OperatorNamespace, "--max", "1", "-o", "yaml")
	must(t, err)
	var history []struct{ Revision int }
	must(t, yaml.Unmarshal([]byte(out), &history))
	if len(history) != 1 {
		t.Fatalf("helm history: %s", out)
	}
	return fmt.Sprint(history[0].Revision)
}

// Flows go on all the while, each from the first to the last step of a change.
func TestOperatorIsUpgradedAndRolledBackWithoutLoss(t *testing.T) {
	ownNodes(t) // the new image has to get there
	diagnose(t)
	first, chart := revision(t), nextChart(t)
	upgrade := func(t *testing.T, more ...string) {
		t.Helper()
		_, err := cluster.Helm(t.Context(), append([]string{"upgrade", rig.Release, chart, "--namespace", rig.OperatorNamespace,
			"--reset-then-reuse-values", "--wait", "--timeout", "2m"}, more...)...)
		must(t, err)
	}
	back := false
	rollBack := func(ctx context.Context) error {
		back = true
		_, err := cluster.Helm(ctx, "rollback", rig.Release, first, "--namespace", rig.OperatorNamespace, "--wait", "--timeout", "2m")
		return err
	}
	defer func() {
		if !back {
			must(t, rollBack(context.WithoutCancel(t.Context())))
		}
	}()
	present := cluster.Image + ":" + cluster.Tag

	t.Run("a new field with the same image restarts no collector", func(t *testing.T) {
		explained(t, false)
		collectors, generation, spec := lives(t, fleet), object(t, ".metadata.generation"), object(t, ".spec")
		end := meanwhile(t, fleet, "--exporters", "40", "--rate", "1000", "--records", "4")
		unforbidden(t) // the operator's log goes with it
		upgrade(t)
		explained(t, true)
		settled(t, present)
		if now := object(t, ".spec"); now != spec || object(t, ".metadata.generation") != generation {
			t.Errorf("the object was changed:\n%s\n%s", spec, now)
		}
		// An operator that does not know the field leaves it alone.
		patch(t, `{"spec":{"`+newField+`":"attic"}}`)
		settled(t, present)
		if value := object(t, ".spec."+newField); value != "attic" {
			t.Errorf("the new field is %q, not attic", value)
		}
		complete(t, end())
		if now := lives(t, fleet); now != collectors {
			t.Errorf("collectors were replaced or started anew; before, then after:\n%s\n%s", collectors, now)
		}
	})
	t.Run("a new image replaces operator and collectors", func(t *testing.T) {
		must(t, cluster.LoadImage(t.Context(), newTag))
		end := meanwhile(t, fleet, "--exporters", "40", "--rate", "1000", "--records", "4")
		unforbidden(t)
		began := time.Now()
		upgrade(t, "--set", "image.tag="+newTag)
		settled(t, cluster.Image+":"+newTag)
		t.Logf("all had the new image after %s", time.Since(began).Round(time.Second))
		complete(t, end())
		replaced(t, fmt.Sprintf("image %s:%s instead of %s", cluster.Image, newTag, present))
	})
	t.Run("what it was before comes back", func(t *testing.T) {
		end := meanwhile(t, fleet, "--exporters", "40", "--rate", "1000", "--records", "4")
		unforbidden(t)
		must(t, rollBack(t.Context()))
		explained(t, false)
		settled(t, present)
		complete(t, end())
		replaced(t, fmt.Sprintf("image %s instead of %s:%s", present, cluster.Image, newTag))
		if value := object(t, ".spec."+newField); value != "" {
			t.Errorf("the field that the schema does not have any more is still served: %s", value)
		}
	})
}

// replaced fails the test unless the FlowCollector's events tell why collectors were replaced.
func replaced(t *testing.T, why string) {
	t.Helper()
	must(t, rig.Await(t.Context(), 30*time.Second, func() error {
		out, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "describe", "flowcollector", fleet.Name)
		if err == nil && !strings.Contains(out, why) {
			err = errors.New("nothing tells \"" + why + "\" in\n" + out)
		}
		return err
	}))
}

// Collectors need no operator: neither those that run, nor one that comes anew.
func TestFleetGoesOnWithoutItsOperator(t *testing.T) {
	long(t)
	diagnose(t)
	collectors := lives(t, fleet)
	operators := func(number string) {
		_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "--namespace", rig.OperatorNamespace, "scale", rig.Operator, "--replicas="+number)
		must(t, err)
	}
	unforbidden(t)
	operators("0")
	away := true
	defer func() {
		if away {
			operators("1")
		}
	}()
	_, err := cluster.Kubectl(t.Context(), "--namespace", rig.OperatorNamespace, "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=operator", "--timeout=1m")
	must(t, err)
	complete(t, begin(t, "--exporters", "40", "--rate", "1000", "--duration", "5s")())
	if now := lives(t, fleet); now != collectors {
		t.Errorf("collectors were replaced or started anew; before, then after:\n%s\n%s", collectors, now)
	}

	pods, err := cluster.Collectors(t.Context(), fleet)
	must(t, err)
	end := begin(t, "--exporters", "24", "--rate", "1000", "--duration", "20s", "--template-interval", "0")
	time.Sleep(5 * time.Second)
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "delete", "pod", slices.Sorted(maps.Values(pods))[0], "--grace-period=0", "--force")
	must(t, err)
	gap(t, end(), 5*time.Second)
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "status", fleet.DaemonSet(), "--timeout=1m")
	must(t, err)
	collectors = lives(t, fleet)

	// It has work to do when it is back, by which it can be seen at work.
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "delete", "service", fleet.Name+"-collector-metrics")
	must(t, err)
	operators("1")
	away = false
	must(t, rig.Await(t.Context(), time.Minute, func() error {
		_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get", "service", fleet.Name+"-collector-metrics")
		return err
	}))
	condition(t, "Ready", "True", "")
	complete(t, begin(t, "--exporters", "40", "--rate", "1000", "--duration", "5s")())
	if now := lives(t, fleet); now != collectors {
		t.Errorf("the operator that came back replaced collectors; before, then after:\n%s\n%s", collectors, now)
	}
}
