package judge

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestWhatIsForbiddenIsRefusedInAStatusAndNamesStayNames(t *testing.T) {
	for said, want := range map[string]string{
		`pods is forbidden: User "operator" cannot list resource "pods"`:             `pods is refused: User "operator" cannot list resource "pods"`,
		`pods "edge-x" is forbidden: exceeded quota: few`:                            `pods "edge-x" is refused: exceeded quota: few`,
		`DaemonSet "edge" is invalid: spec.x: Forbidden: may not be set`:             `DaemonSet "edge" is invalid: spec.x: refused: may not be set`,
		`ErrImagePull: https://example.com/v2/: 403 Forbidden`:                       `ErrImagePull: https://example.com/v2/: 403 refused`,
		`denied: access forbidden.`:                                                  `denied: access refused.`,
		`image example.com/forbidden:v1 of the namespace forbidden-zone`:             `image example.com/forbidden:v1 of the namespace forbidden-zone`,
		`kubectl describe daemonset edge -n forbidden; it is (forbidden) there`:      `kubectl describe daemonset edge -n forbidden; it is (refused) there`,
		`kubectl label namespace forbidden pod-security.kubernetes.io/enforce=privi`: `kubectl label namespace forbidden pod-security.kubernetes.io/enforce=privi`,
		`nothing of that kind`: `nothing of that kind`,
	} {
		if got := Plain(said); got != want {
			t.Errorf("%q\nnot %q", got, want)
		}
	}
}

// Whoever said it, and wherever it stands.
func TestNoMessageOfAStatusSaysForbidden(t *testing.T) {
	const words = `pods is forbidden: User "operator" cannot list resource "pods"`
	for about, change := range map[string]func(*Facts){
		"a kind that may not be watched":        func(f *Facts) { f.Unseen = Unseen{"Pod": {Words: words}} },
		"a Service that may not be watched":     func(f *Facts) { f.Unseen = Unseen{"Service": {Words: words}} },
		"a pass that fails":                     func(f *Facts) { f.Failures, f.Failure, f.Applied.Failed = 9, "reading ConfigMap: "+words, true },
		"an object that the API server refuses": func(f *Facts) { f.Applied.Refused = []string{"DaemonSet: spec.x: Forbidden: may not be set"} },
		"a registry that refuses": func(f *Facts) {
			f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable = 0, 0
			f.Pods = []corev1.Pod{{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "https://example.com/v2/: 403 Forbidden"}}}}}}}
		},
		"a pod that is no collector": func(f *Facts) {
			for i := range f.Collectors.Reports {
				f.Collectors.Reports[i].Error = "asking collector: 403 Forbidden"
			}
		},
		"what keeps an object that is deleted": func(f *Facts) { f.Deletion = &Deletion{Message: words} },
	} {
		f := well()
		change(f)
		refused := false
		v := Judge(f)
		for _, c := range v.Status.Conditions {
			refused = refused || strings.Contains(c.Message, "refused")
			if strings.Contains(strings.ToLower(c.Message), "forbidden") {
				t.Errorf("%s: %s says %s", about, c.Type, c.Message)
			}
		}
		for _, said := range v.Transitions {
			if strings.Contains(strings.ToLower(said.Message), "forbidden") {
				t.Errorf("%s: an event says %s", about, said.Message)
			}
		}
		if !refused {
			t.Errorf("%s: nothing says that anything was refused: %+v", about, v.Status.Conditions)
		}
	}
}
