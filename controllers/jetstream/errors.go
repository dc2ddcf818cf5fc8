package jetstream

import (
	"context"
	"errors"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/capacity"
	collector "github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/controllers/redact"
)

// Codes of JetStream that nats.go has no name for.
const (
	codeNoSuitablePeers jetstream.ErrorCode = 10005
	codeNoLeader        jetstream.ErrorCode = 10008
	codeMaximumStreams  jetstream.ErrorCode = 10027
	codeSubjectsOverlap jetstream.ErrorCode = 10065
	codeNotClustered    jetstream.ErrorCode = 10074
)

// tooFewServers reports whether JetStream refused replicas because it has too few servers for them, and not because those that it has
// are full.
func tooFewServers(err error) bool {
	return hasCode(err, codeNoSuitablePeers, codeNotClustered) && !capacity.Exceeded(err)
}

// hasCode reports whether JetStream answered with one of the codes.
func hasCode(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode == code {
			return true
		}
	}
	return false
}

// explained is an error in words for people.
type explained struct {
	error
	text string
}

// Error says what happened, and what to do.
func (e *explained) Error() string { return e.text }

// Unwrap returns the error as it was.
func (e *explained) Unwrap() error { return e.error }

// passing is what reads differently each time, though the fault is the same: it would make news of every pass.
var passing = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(`current time \S+ is`), "now is"},
	{regexp.MustCompile(`_INBOX\.[^"\s]+`), "_INBOX.>"},
	{regexp.MustCompile(`(tcp|udp) \S+->`), "$1 "}, // one's own port
	// What names a certificate has is nobody's business who may only name addresses.
	{regexp.MustCompile(`certificate is (valid for .*, not|not valid for any names, but wanted to match) `), "certificate is not for "},
}

// explain adds what an on-call engineer can do about an error, where that is known.
func explain(err error) error {
	text := err.Error()
	e := &explained{error: err, text: plain(redact.Words(text[:min(len(text), 8*maxLine)]), maxLine)} // a server may repeat what it was told
	for _, p := range passing {
		e.text = p.pattern.ReplaceAllString(e.text, p.replacement)
	}
	if h := hint(err); h != "" {
		e.text += " (" + h + ")"
	}
	return e
}

// several are errors in one line.
type several []error

// Error is all of them.
func (s several) Error() string {
	texts := make([]string, len(s))
	for i, err := range s {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns all of them.
func (s several) Unwrap() []error { return s }

// joined is what is not nil of errors, nil where nothing is.
func joined(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	return several(errs)
}

func hint(err error) string {
	var resolution *net.DNSError
	text := strings.ToLower(err.Error())
	ofCertificate := collector.CertificateHint(err, "the server", collector.CertificateSettings{Authority: "nats.tls.ca", ServerName: "nats.tls.serverName",
		Client: "nats.tls.clientCertificate"})
	switch {
	case ofCertificate != "":
		return ofCertificate
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the server has no TLS: configure it there, or leave nats.tls out"
	case errors.Is(err, nats.ErrPermissionViolation):
		return "the NATS user may not use this subject: grant it"
	case strings.Contains(text, "authentication expired"): // the client does not make all of these its own errors
		return "the credentials, or those of the account, are expired: renew them"
	case strings.Contains(text, "authentication revoked"):
		return "the credentials are revoked: issue new ones"
	case strings.Contains(text, "authorization violation"):
		return "the server refuses the credentials: are they of this server, and current?"
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		return "run nats-server with JetStream: -js, or jetstream {} in its configuration"
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return "the account of the NATS user has no JetStream: enable it for the account"
	case hasCode(err, codeNoLeader):
		return "the NATS cluster has no leader: are most of its servers running?"
	case collector.OfflineHint(err) != "":
		return collector.OfflineHint(err)
	case capacity.Exceeded(err):
		return capacity.Hint
	case hasCode(err, codeMaximumStreams):
		return "the account may have no more streams: raise its limit, or delete what is not needed"
	case errors.As(err, &resolution):
		return "the name cannot be resolved: is nats.urls right, and does the Service exist?"
	case strings.Contains(text, "connection refused"):
		return "is the server running, and is nats.urls right?"
	case errors.Is(err, context.DeadlineExceeded), strings.Contains(text, "timeout"):
		return "no answer in time: is something between operator and server, such as a NetworkPolicy; does a server not run that has the only copy " +
			"(replicas: 1); or has the NATS cluster no quorum or no JetStream?"
	}
	return ""
}
