package jetstream

import (
	"net"
	"strings"
)

// qualified is the address that a host without dots has for the pods of a namespace: their resolver looks for a Service of their own
// namespace, and the operator's would look in the operator's. The certificate is still checked against the name as it was written.
func qualified(address, namespace string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || namespace == "" || host == "localhost" || strings.ContainsAny(host, ".:") {
		return address
	}
	return net.JoinHostPort(host+"."+namespace, port)
}
