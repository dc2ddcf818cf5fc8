package controllers

import (
	"cmp"
	"fmt"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// replacement says why applying an object replaces the collectors' pods. It is empty where they stay.
func replacement(c child) (reasons []string, err error) {
	live, ok := c.live.(*appsv1.DaemonSet)
	if !ok {
		return nil, nil
	}
	owned, err := appsac.ExtractDaemonSet(live, fieldOwner)
	if err != nil {
		return nil, fmt.Errorf("extracting what was applied: %w", err)
	}
	if owned.Spec == nil || owned.Spec.Template == nil {
		return nil, nil
	}
	before, after := owned.Spec.Template, c.wanted.(*appsac.DaemonSetApplyConfiguration).Spec.Template
	have, err := plain(before)
	if err != nil {
		return nil, err
	}
	want, err := plain(after)
	if err != nil {
		return nil, err
	}
	if reflect.DeepEqual(have, want) {
		return nil, nil
	}
	// Somebody else who writes a field has it.
	if was, is := cmp.Or(image(before), fleet.ImageOf(&live.Spec.Template.Spec)), image(after); was != is {
		reasons = append(reasons, fmt.Sprintf("image %s instead of %s", is, was))
	}
	for _, change := range [][2]string{
		{fleet.AnnotationConfiguration, "what collectors read at their start only has changed"},
		{fleet.AnnotationSecrets, "Secrets of their environment have changed"},
	} {
		if annotationOf(before, change[0]) != annotationOf(after, change[0]) {
			reasons = append(reasons, change[1])
		}
	}
	if len(reasons) == 0 {
		reasons = append(reasons, "the pods' own settings have changed")
	}
	return reasons, nil
}

func image(pod *coreac.PodTemplateSpecApplyConfiguration) string {
	if pod.Spec == nil || len(pod.Spec.Containers) == 0 || pod.Spec.Containers[0].Image == nil {
		return ""
	}
	return *pod.Spec.Containers[0].Image
}

func annotationOf(pod *coreac.PodTemplateSpecApplyConfiguration, name string) string {
	if pod.ObjectMetaApplyConfiguration == nil {
		return ""
	}
	return pod.Annotations[name]
}
