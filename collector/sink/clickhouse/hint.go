package clickhouse

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/flowfleet/flowfleet/collector/connect"
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
	var record tls.RecordHeaderError
	var slow net.Error
	var op *net.OpError
	ofCertificate := connect.CertificateHint(err, "ClickHouse", connect.CertificateSettings{Authority: "the authority that is to be trusted",
		ServerName: "the server name of tls", Client: "the client certificate of tls"})
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "does the proxy of HTTP_PROXY or HTTPS_PROXY run, and is its address right?"
	case errors.Is(err, os.ErrNotExist):
		return "the file is missing: is the Secret there, with this key, and mounted?"
	case errors.As(err, &dns):
		return "is the name in the url right, and does DNS work?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "is ClickHouse running, and is the url right?"
	case ofCertificate != "":
		return ofCertificate
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "this port speaks no TLS: is the url right?"
	case errors.As(err, &slow) && slow.Timeout():
		return "nobody answers: is the url right, and does something on the way drop what is sent, such as a NetworkPolicy?"
	}
	return ""
}
