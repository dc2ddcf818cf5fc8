package clickhouse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// hinted adds to an error what somebody can do about it, where that is known. ClickHouse's own errors have advice.
func hinted(err error) error {
	if h := hint(err); h != "" {
		return fmt.Errorf("%w (%s)", err, h)
	}
	return err
}

// hint is for what keeps a request from ClickHouse. It names no field: a FlowSink's are called otherwise than those of a sink's file.
func hint(err error) string {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var slow net.Error
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "the file is missing: is the Secret there, with this key, and mounted?"
	case errors.As(err, &dns):
		return "is the name in the url right, and does DNS work?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "is ClickHouse running, and is the url right?"
	case errors.As(err, &unknown):
		return "ClickHouse's certificate is not signed by the authority that is to be trusted"
	case errors.As(err, &name):
		return "ClickHouse's certificate is for another name: see the server name of tls"
	case errors.As(err, &invalid):
		return "ClickHouse's certificate is expired or not valid yet"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "this port speaks no TLS: is the url right?"
	case strings.Contains(err.Error(), "certificate required"):
		return "ClickHouse wants a client certificate"
	case errors.As(err, &slow) && slow.Timeout():
		return "nobody answers: is the url right, and does something on the way drop what is sent, such as a NetworkPolicy?"
	}
	return ""
}
