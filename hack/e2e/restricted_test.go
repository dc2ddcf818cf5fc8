package e2e

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// Both namespaces enforce the restricted Pod Security standard, and warn of workloads whose pods would not meet it.
func TestOperatorAndFleetMeetTheRestrictedPodSecurityStandard(t *testing.T) {
	t.Parallel()
	diagnose(t)
	for namespace, workload := range map[string]string{rig.OperatorNamespace: rig.Operator, fleet.Namespace: fleet.DaemonSet()} {
		label, err := cluster.Kubectl(t.Context(), "get", "namespace", namespace, "-o", `jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}`)
		must(t, err)
		if label != "restricted" {
			t.Errorf("namespace %s enforces %q", namespace, label)
		}
		// The API server judges it as if it was applied now.
		list, err := cluster.Kubectl(t.Context(), "--namespace", namespace, "get", workload, "-o", "yaml")
		must(t, err)
		list = regexp.MustCompile(`(?m)^ *resourceVersion: .*\n`).ReplaceAllString(list, "") // a change meanwhile does not matter
		if !strings.Contains(list, "runAsNonRoot") {
			t.Errorf("%s in %s:\n%s", workload, namespace, list)
		}
		judge := func(manifests string) string {
			command := cluster.KubectlCommand(t.Context(), "replace", "--dry-run=server", "--warnings-as-errors", "-f", "-")
			command.Stdin = strings.NewReader(manifests)
			out, err := command.CombinedOutput()
			if err != nil {
				return string(out)
			}
			return ""
		}
		if problem := judge(list); problem != "" {
			t.Errorf("%s in %s is warned of:\n%s", workload, namespace, problem)
		}
		loose := strings.ReplaceAll(list, "runAsNonRoot: true", "runAsNonRoot: false")
		if problem := judge(loose); !strings.Contains(problem, "PodSecurity") {
			t.Errorf("what does not meet the standard is not warned of in %s: %q", namespace, problem)
		}
		events, err := cluster.Kubectl(t.Context(), "--namespace", namespace, "get", "events", "-o", `jsonpath={range .items[*]}{.reason} {.message}{"\n"}{end}`)
		must(t, err)
		for event := range strings.Lines(events) {
			if strings.Contains(event, "PodSecurity") { // pods fail to be created for other reasons, too, as while a namespace ends
				t.Errorf("a pod was refused in %s: %s", namespace, event)
			}
		}
	}
	var logs string
	must(t, rig.Await(t.Context(), time.Minute, func() (err error) { // a pod that begins has none
		logs, err = cluster.Kubectl(t.Context(), "--namespace", rig.OperatorNamespace, "logs", rig.Operator, "--tail=-1")
		return err
	}))
	if strings.Contains(logs, "would violate PodSecurity") {
		t.Error("the API server warned the operator of the pods that it asks for")
	}
}

// That the API server takes the policies is all that this cluster can show: its network does not enforce them.
func TestNetworkPoliciesAreValid(t *testing.T) {
	t.Parallel()
	diagnose(t)
	policy, err := cluster.Helm(t.Context(), "template", rig.Release, cluster.Chart(), "--namespace", rig.OperatorNamespace,
		"--show-only", "templates/networkpolicy.yaml", "--set", "networkPolicy.enabled=true",
		"--set", "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=monitoring",
		"--set", "networkPolicy.egress[0].to[0].ipBlock.cidr=10.96.0.0/16,networkPolicy.egress[0].ports[0].port=443")
	must(t, err)
	must(t, cluster.Apply(t.Context(), policy, "--dry-run=server"))
	if err := cluster.Apply(t.Context(), strings.ReplaceAll(policy, "10.96.0.0/16", "10.96.0.0/160"), "--dry-run=server"); err == nil {
		t.Error("the API server takes a policy that is not valid")
	}

	patch(t, `{"spec":{"networkPolicy":{"enabled":true},"exporters":{"allowedNetworks":["10.78.0.0/16"]}}}`)
	defer func() {
		patch(t, `{"spec":{"networkPolicy":null,"exporters":{"allowedNetworks":null}}}`)
		_, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "--namespace", fleet.Namespace, "wait", "--for=delete", "networkpolicy", fleet.Name+"-collector", "--timeout=30s")
		must(t, err)
	}()
	must(t, rig.Await(t.Context(), time.Minute, func() error {
		_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "get", "networkpolicy", fleet.Name+"-collector")
		return err
	}))
	condition(t, "ConfigurationValid", "True", "")
	complete(t, begin(t, "--exporters", "20", "--rate", "500", "--duration", "3s")())
}
