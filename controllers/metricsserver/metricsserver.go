// Package metricsserver says how the operator serves its metrics.
package metricsserver

import (
	"crypto/tls"
	"fmt"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Options of a server of metrics at an address over HTTPS, to those whom the API server lets read them. The certificate is that of a
// directory, which is read again when it changes, or, without one, one that is signed at each start. It returns an error for a directory
// without a certificate: whoever checks it would be given another one.
func Options(address, certificate string) (server.Options, error) {
	options := server.Options{
		BindAddress:    address,
		SecureServing:  true,
		CertDir:        certificate,
		CertName:       "tls.crt",
		KeyName:        "tls.key",
		FilterProvider: filters.WithAuthenticationAndAuthorization,
		TLSOpts:        []func(*tls.Config){func(c *tls.Config) { c.MinVersion = tls.VersionTLS12 }},
	}
	if certificate != "" {
		if _, err := tls.LoadX509KeyPair(filepath.Join(certificate, options.CertName), filepath.Join(certificate, options.KeyName)); err != nil {
			return options, fmt.Errorf("reading the certificate of metrics in %s (--metrics-certificate): %w", certificate, err)
		}
	}
	return options, nil
}
