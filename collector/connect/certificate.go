package connect

import (
	"crypto/x509"
	"errors"
	"strings"
)

// CertificateSettings are what the settings are called that certificates depend on: the authority that signs the server's, the name in it, and the
// client's own certificate.
type CertificateSettings struct{ Authority, ServerName, Client string }

// CertificateHint says what can be done about a certificate, the server's or the client's, because of which there is no connection to server, such
// as "the server". It is empty for all other errors.
func CertificateHint(err error, server string, s CertificateSettings) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return server + "'s certificate is not signed by " + s.Authority
	case errors.As(err, &name):
		return server + "'s certificate is for another name: see " + s.ServerName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return server + "'s certificate is expired or not valid yet: renew it"
	}
	text := strings.ToLower(err.Error())
	for _, alert := range []string{"certificate required", "bad certificate", "unknown certificate authority", "expired certificate",
		"revoked certificate",
		// With TLS 1.3 a client has done its part before the server looks at the certificate, and may see no more than that it hangs up: that is how
		// nats.go tells of it.
		"closed by remote after tls handshake"} {
		if strings.Contains(text, alert) {
			return server + " wants a client certificate that it trusts: see " + s.Client
		}
	}
	return ""
}
