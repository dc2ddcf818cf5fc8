package install_test

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What load balancers and DNS controllers read of a Service is the administrator's to give, and whose Services are anyway.
func TestAnnotationsOfTheServiceAreThoseThatAnAdministratorLists(t *testing.T) {
	server, admin, place, user := installed(t, "ursula", "--set", "tenants.serviceAnnotationPrefixes={metallb.io/address-pool}", "--set", "tenants.labelPrefixes={team/}")
	services := tenant(t, server, place, "ulrich", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"create"}})
	const pool, address, team, other = `service: {annotations: {metallb.io/address-pool: flows}}`, `service: {annotations: {metallb.io/address-pool: flows, metallb.io/loadBalancerIPs: 192.0.2.1}}`,
		`service: {labels: {team/a: b}}`, `service: {labels: {team/a: b, announce: internet}}`
	for spec, names := range map[string]string{pool: "", address: "spec.service.annotations", team: "", other: "spec.service.labels"} {
		o := collector(t, place, "served", spec)
		checkRefusal(t, user.Create(t.Context(), o.DeepCopy(), client.DryRunAll), names, "flowfleet-flowcollector-privileged")
		checkRefusal(t, services.Create(t.Context(), o.DeepCopy(), client.DryRunAll), "", "")
	}
	// What an administrator has set stays, and may go.
	o := collector(t, place, "given", address)
	if err := admin.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for patch, names := range map[string]string{
		`{"spec":{"collector":{"logLevel":"debug"}}}`:                                          "",
		`{"spec":{"service":{"annotations":null}}}`:                                            "",
		`{"spec":{"service":{"annotations":{"metallb.io/loadBalancerIPs":"192.0.2.2"}}}}`:      "spec.service.annotations",
		`{"spec":{"service":{"annotations":{"external-dns.alpha.kubernetes.io/ttl":"60"}}}}`:   "spec.service.annotations",
		`{"spec":{"service":{"labels":{"announce":"internet"}}}}`:                              "spec.service.labels",
		`{"spec":{"commonAnnotations":{"external-dns.alpha.kubernetes.io/hostname":"a.com"}}}`: "spec.commonAnnotations",
	} {
		t.Run(patch, func(t *testing.T) {
			err := user.Patch(t.Context(), o.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)), client.DryRunAll)
			checkRefusal(t, err, names, "flowfleet-flowcollector-privileged")
		})
	}
}
