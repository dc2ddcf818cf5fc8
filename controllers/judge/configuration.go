package judge

import (
	"strings"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// configurationValid says whether the spec can be put to work.
func (j *judgement) configurationValid() said {
	s, a := &j.Secrets, &j.Applied
	switch {
	case j.Unchecked:
		if s := j.asBefore(v1alpha1.ConditionConfigurationValid); s.status != "" && s.reason != ReasonPending {
			return s
		}
		return isUnknown(ReasonPending, "the spec was not looked at yet").yet()
	case len(j.NotAllowed) > 0:
		return isFalse(ReasonNotAllowed, "%s: ask the administrator of Flowfleet in this cluster; what runs is left alone, and what is in NATS "+
			"not looked at", strings.Join(j.NotAllowed, "; "))
	case len(j.Invalid) > 0:
		return isFalse(ReasonInvalidConfiguration, "the collectors would refuse their configuration, what runs is left alone: %s",
			strings.Join(j.Invalid, "; "))
	case len(a.Taken) > 0:
		return isFalse(ReasonNameTaken, "%s", strings.Join(a.Taken, "; "))
	case len(a.Refused)+len(a.Denied) > 0:
		return isFalse(ReasonRefused, "Kubernetes refuses an object that the operator makes from the spec: %s", strings.Join(append(a.Refused[:len(a.Refused):len(a.Refused)], a.Denied...), "; "))
	case j.Held != "":
		return isFalse(ReasonRolloutHeld, "the collectors go on with the connection to NATS that they have until the operator can use the new one: %s", j.Held)
	case len(s.Missing) > 0:
		return isFalse(ReasonSecretMissing, "%s: create it, and the collectors load it by themselves", strings.Join(s.Missing, "; "))
	case len(s.Problems) > 0:
		return isFalse(ReasonSecretInvalid, "%s", strings.Join(s.Problems, "; "))
	case s.Forbidden:
		return isTrue(ReasonSecretsNotReadable, "the operator may not read the Secrets that the spec names, so it checks neither them nor "+
			"NATS; to let it: %s", j.Grant())
	}
	return isTrue(ReasonValid, "the collectors can work with the spec")
}
