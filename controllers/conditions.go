package controllers

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Reasons of conditions. docs/conditions.md says what to do about each.
const (
	reasonReady   = "Ready"
	reasonPending = "Pending"

	reasonValid                = "Valid"
	reasonInvalidConfiguration = "InvalidConfiguration"
	reasonSecretMissing        = "SecretMissing"
	reasonSecretInvalid        = "SecretInvalid"
	reasonSecretsNotReadable   = "SecretsNotReadable"
	reasonNameTaken            = "NameTaken"
	// reasonNotAllowed: the operator's flags do not allow what the spec asks for.
	reasonNotAllowed = "NotAllowed"
	reasonRefused    = "Refused"

	reasonAvailable          = "Available"
	reasonStarting           = "Starting"
	reasonNoNodes            = "NoNodes"
	reasonUnavailable        = "Unavailable"
	reasonPartlyUnavailable  = "PartlyUnavailable"
	reasonRolling            = "Rolling"
	reasonSettled            = "Settled"
	reasonSuspended          = "Suspended"
	reasonDeleting           = "Deleting"
	reasonRetrying           = "Retrying"
	reasonAddressAssigned    = "AddressAssigned"
	reasonAddressPending     = "AddressPending"
	reasonNoService          = "NoService"
	reasonLocalTrafficPolicy = "LocalTrafficPolicy"
	reasonClusterTraffic     = "ClusterTrafficPolicy"
	reasonHostNetwork        = "HostNetwork"
	reasonInsideCluster      = "InsideCluster"
	reasonAddressesRewritten = "AddressesRewritten"

	reasonDisabled             = "Disabled"
	reasonReportedByCollectors = "ReportedByCollectors"
	reasonNATSUnreachable      = "NATSUnreachable"
	reasonBucketConflict       = "BucketConflict"
	reasonBucketForeign        = "BucketForeign"
	reasonBucketFailed         = "BucketFailed"
	reasonStreamConflict       = "StreamConflict"
	reasonStreamForeign        = "StreamForeign"
	reasonStreamFailed         = "StreamFailed"
	reasonDifferences          = "ReadyWithDifferences"

	reasonDistributed      = "Distributed"
	reasonSingleCollector  = "SingleCollector"
	reasonTooLittleTraffic = "TooLittleTraffic"

	reasonMonitored   = "Applied"
	reasonKindMissing = "KindMissing"

	reasonAsWanted = "AsWanted"
)

// set sets a condition of the new status.
func (p *pass) set(kind string, status metav1.ConditionStatus, reason, format string, args ...any) {
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	const longest = 32768 // the API's bound
	meta.SetStatusCondition(&p.fc.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: cut(message, longest), ObservedGeneration: p.fc.Generation,
	})
}

// cut shortens a text to a number of bytes, between characters.
func cut(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "")
}

func (p *pass) condition(kind string) *metav1.Condition {
	return meta.FindStatusCondition(p.fc.Status.Conditions, kind)
}

// essential conditions must be True for a fleet to do its job, in the order in which their troubles are worth telling.
var essential = []string{
	v1alpha1.ConditionConfigurationValid,
	v1alpha1.ConditionCollectorsAvailable,
	v1alpha1.ConditionTemplateStoreReady,
	v1alpha1.ConditionStreamReady,
	v1alpha1.ConditionServiceReady,
}

// degrading conditions that are False make a fleet less than it should be.
var degrading = append(essential[:len(essential):len(essential)],
	v1alpha1.ConditionSourceIPPreserved,
	v1alpha1.ConditionLoadDistributed,
	v1alpha1.ConditionMonitoringReady,
)

// summarize says in Ready and Degraded what the other conditions come to.
func (p *pass) summarize() {
	if c := p.worst(); c != nil {
		p.set(v1alpha1.ConditionReady, c.Status, c.Reason, "%s: %s", c.Type, c.Message)
	} else {
		message := fmt.Sprintf("%s collectors are ready", p.fc.Status.Collectors.Summary)
		if p.fc.Status.Address != "" {
			message += "; exporters send to " + p.fc.Status.Address
		}
		p.set(v1alpha1.ConditionReady, metav1.ConditionTrue, reasonReady, "%s", message)
	}

	var troubles []string
	first := ""
	for _, kind := range degrading {
		if c := p.condition(kind); c != nil && c.Status == metav1.ConditionFalse && !transient[c.Reason] {
			troubles = append(troubles, kind+": "+c.Message)
			if first == "" {
				first = c.Reason
			}
		}
	}
	if len(troubles) > 0 {
		p.set(v1alpha1.ConditionDegraded, metav1.ConditionTrue, first, "%s", strings.Join(troubles, "; "))
	} else {
		p.set(v1alpha1.ConditionDegraded, metav1.ConditionFalse, reasonAsWanted, "nothing is known to be wrong")
	}
}

// worst is the first essential condition that is False, or else the first that is Unknown; nil where all are True.
func (p *pass) worst() *metav1.Condition {
	for _, status := range []metav1.ConditionStatus{metav1.ConditionFalse, metav1.ConditionUnknown} {
		for _, kind := range essential {
			if c := p.condition(kind); c != nil && c.Status == status {
				return c
			}
		}
	}
	return nil
}

// transient reasons are part of every start: nothing is wrong yet.
var transient = map[string]bool{reasonPending: true, reasonStarting: true, reasonAddressPending: true}

// failuresTold is how many passes in a row have to fail before a condition says so: most failures, such as of a cache that is
// behind, are gone at the next one.
const failuresTold = 4

// judgeFailures says in Progressing what keeps the operator from doing its work. An admission webhook that does not answer, for
// one, would otherwise stand in the operator's log only.
func (p *pass) judgeFailures(err error) {
	if err == nil {
		p.view.failedPasses = 0
		return
	}
	if p.view.failedPasses++; p.view.failedPasses >= failuresTold {
		p.set(v1alpha1.ConditionProgressing, metav1.ConditionTrue, reasonRetrying, "the operator tries again, at least once a minute: %s",
			strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

// suspended leaves all as it is, and says so.
func (p *pass) suspended() {
	p.set(v1alpha1.ConditionProgressing, metav1.ConditionFalse, reasonSuspended,
		"spec.suspend is set: the fleet goes on as it is, changes wait, and what is said here is not kept up to date")
	if p.condition(v1alpha1.ConditionReady) == nil || p.condition(v1alpha1.ConditionReady).Reason == reasonPending {
		p.set(v1alpha1.ConditionReady, metav1.ConditionUnknown, reasonSuspended, "spec.suspend is set: nothing was made yet")
	}
}
