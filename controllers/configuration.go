package controllers

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// configure derives the fleet from the spec and says whether it can work.
func (p *pass) configure() {
	p.fleet = fleet.New(p.fc, p.Image, p.Namespace, p.secrets.started)
	p.fc.Status.Image = p.fleet.Image
	var problems []string
	for _, problem := range p.fleet.Filled().Check() {
		problems = append(problems, problem.String())
	}
	problems = append(problems, fleet.Problems(p.fc)...)
	invalid := func(reason, format string, args ...any) {
		p.set(v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, reason, format, args...)
	}
	refusals := p.Allowed.refusals(p.fc, p.Image)
	switch s := &p.secrets; {
	case len(refusals) > 0:
		p.invalid = true
		invalid(reasonNotAllowed, "%s: ask whoever administers Flowfleet in this cluster; what runs is left alone, and what is in NATS not "+
			"looked at", strings.Join(refusals, "; "))
	case len(problems) > 0:
		p.invalid = true
		invalid(reasonInvalidConfiguration, "the collectors would refuse their configuration, what runs is left alone: %s",
			strings.Join(problems, "; "))
	case len(s.missing) > 0:
		invalid(reasonSecretMissing, "%s: create it, the collectors take it up by themselves", strings.Join(s.missing, "; "))
	case len(s.problems) > 0:
		invalid(reasonSecretInvalid, "%s", strings.Join(s.problems, "; "))
	case s.forbidden:
		p.set(v1alpha1.ConditionConfigurationValid, metav1.ConditionTrue, reasonSecretsNotReadable,
			"the operator may not read the Secrets that the spec names, so it checks neither them nor NATS; to let it: %s", p.grant())
	default:
		p.set(v1alpha1.ConditionConfigurationValid, metav1.ConditionTrue, reasonValid, "the collectors can work with the spec")
	}
}

// grant is the command that lets the operator read Secrets of a namespace.
func (p *pass) grant() string {
	return fmt.Sprintf("kubectl create rolebinding %s -n %s --clusterrole=%s --serviceaccount=%s:%s", p.SecretReaderRole,
		p.fc.Namespace, p.SecretReaderRole, p.Namespace, p.ServiceAccount)
}
