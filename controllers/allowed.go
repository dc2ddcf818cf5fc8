package controllers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/allow"
)

// Allowed is what the operator's flags let every FlowCollector use, whoever made it.
type Allowed struct {
	Images  allow.Images
	Servers allow.Servers
}

// refusals says in words what of a FlowCollector, whose collectors run an image, is not allowed. The operator's own image always is.
func (a Allowed) refusals(fc *v1alpha1.FlowCollector, own string) []string {
	out := a.refusedImages("spec.collector.image", fc.Spec.Collector.Image, own, "spec.collector", &fc.Spec.Collector.Pod)
	return append(out, a.refusedServers(fc)...)
}

// refusedSink is the same of a FlowSink and the FlowCollector whose NATS servers it uses.
func (a Allowed) refusedSink(s *v1alpha1.FlowSink, fc *v1alpha1.FlowCollector, own string) []string {
	out := a.refusedImages("spec.image", s.Spec.Image, own, "spec.pod", &s.Spec.Pod)
	for _, refused := range a.refusedServers(fc) {
		out = append(out, fmt.Sprintf("FlowCollector %s: %s", fc.Name, refused))
	}
	return out
}

// refusedImages looks at the image at a path, and at those of the containers beside it in the section about pods.
func (a Allowed) refusedImages(path, image, own, section string, pod *v1alpha1.Pod) []string {
	var out []string
	check := func(path, image string) {
		if image != "" && image != own && !a.Images.Allow(image) {
			out = append(out, fmt.Sprintf("%s: %s is not of the repositories that --allowed-images of the operator lists (%s)",
				path, image, strings.Join(a.Images, ", ")))
		}
	}
	check(path, image)
	for list, containers := range map[string][]v1alpha1.Container{"initContainers": pod.InitContainers, "sidecars": pod.Sidecars} {
		for i := range containers {
			var container struct{ Image string }
			// As the pods are made of it, also where a key comes twice. What is no container is refused elsewhere.
			_ = json.Unmarshal(containers[i].Raw, &container)
			check(fmt.Sprintf("%s.%s[%d].image", section, list, i), container.Image)
		}
	}
	slices.Sort(out)
	return out
}

func (a Allowed) refusedServers(fc *v1alpha1.FlowCollector) []string {
	var out []string
	for _, section := range []struct {
		path string
		nats *v1alpha1.NATS
	}{{"spec.nats", &fc.Spec.NATS}, {"spec.templateStore.nats", fc.Spec.TemplateStore.NATS}, {"spec.output.nats", fc.Spec.Output.NATS}} {
		if section.nats == nil {
			continue
		}
		for i, u := range section.nats.URLs {
			if !a.Servers.Allow(u) {
				out = append(out, fmt.Sprintf("%s.urls[%d]: %s is none of the servers that --allowed-nats of the operator lists (%s)",
					section.path, i, u, strings.Join(a.Servers, ", ")))
			}
		}
	}
	return out
}
