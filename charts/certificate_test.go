package charts_test

import (
	"strings"
	"testing"
)

// What Prometheus checks the certificate against is what cert-manager was asked for.
func TestCertManagerSignsWhatTheServiceMonitorChecks(t *testing.T) {
	const issuer = `metrics.certificate.certManager={"enabled":true,"issuerRef":{"name":"internal","kind":"ClusterIssuer"},"duration":"2160h"}`
	for about, test := range map[string]struct {
		set         []string
		want, never []string
	}{
		"a Secret of the chart's own": {[]string{issuer, "metrics.serviceMonitor.enabled=true"}, []string{
			"kind: Certificate", "secretName: flowfleet-manager-metrics-certificate", "- flowfleet-manager-metrics.flowfleet-system.svc\n",
			"kind: ClusterIssuer", "name: internal", "duration: 2160h", "--metrics-certificate=/etc/flowfleet/metrics",
			"serverName: flowfleet-manager-metrics.flowfleet-system.svc", "key: ca.crt"}, []string{"insecureSkipVerify"}},
		"a Secret with a name": {[]string{issuer, `metrics.certificate.secretName="mine"`}, []string{"kind: Certificate", "secretName: mine"}, []string{"manager-metrics-certificate"}},
		"a check of one's own": {[]string{issuer, "metrics.serviceMonitor.enabled=true", `metrics.serviceMonitor.tlsConfig={"insecureSkipVerify":false,"serverName":"a"}`},
			[]string{"serverName: a\n"}, []string{"ca.crt"}},
		"a Secret that somebody else fills": {[]string{`metrics.certificate.secretName="mine"`}, []string{"secretName: mine", "--metrics-certificate="}, []string{"kind: Certificate"}},
		"none":                              {nil, nil, []string{"kind: Certificate", "--metrics-certificate", "volumes:\n        - name: metrics"}},
	} {
		t.Run(about, func(t *testing.T) {
			var arguments []string
			for _, set := range test.set {
				arguments = append(arguments, "--set-json", set)
			}
			got, err := template(t, arguments...)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("lacks %q", want)
				}
			}
			for _, never := range test.never {
				if strings.Contains(got, never) {
					t.Errorf("has %q", never)
				}
			}
		})
	}
}
