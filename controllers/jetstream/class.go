package jetstream

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// connectError is for a server that no connection could be made to.
type connectError struct{ err error }

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// ClassOf says what kind of trouble an error of this package is.
func ClassOf(err error) Class {
	var conflict *ConflictError
	var foreign *ForeignError
	var replicas *ReplicasError
	var invalid *invalidError
	var excess *excessError
	var connecting *connectError
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if err == nil {
		return ClassNone
	}
	text := strings.ToLower(err.Error())
	switch {
	case errors.As(err, &invalid):
		return ClassInvalid
	case errors.As(err, &conflict):
		return ClassConflict
	case errors.As(err, &foreign):
		return ClassForeign
	case errors.As(err, &replicas):
		return ClassReplicas
	case errors.Is(err, errNotNATS), errors.As(err, &excess), errors.As(err, &syntax), errors.As(err, &kind):
		return ClassNotNATS
	case isTLS(err):
		return ClassTLS
	case errors.Is(err, nats.ErrPermissionViolation):
		return ClassForbidden
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked),
		strings.Contains(text, "authorization violation"), strings.Contains(text, "authentication expired"),
		strings.Contains(text, "authentication revoked"), strings.Contains(text, "authentication timeout"):
		return ClassDenied
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		return ClassNoJetStream
	case hasCode(err, codeNoLeader):
		return ClassNoLeader
	case hasCode(err, codeInsufficient, codeInsufficientMemory, codeInsufficientStorage, codeMaximumStreams):
		return ClassStorage
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return ClassMissing
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return ClassSilent
	case errors.As(err, &connecting), lostConnection(err):
		return ClassUnreachable
	}
	return ClassRefused
}

func isTLS(err error) bool {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.Is(err, nats.ErrTLS) || errors.Is(err, nats.ErrSecureConnWanted) || errors.Is(err, nats.ErrSecureConnRequired) ||
		errors.As(err, &unknown) || errors.As(err, &name) || errors.As(err, &invalid)
}

func lostConnection(err error) bool {
	var network *net.OpError
	return errors.Is(err, nats.ErrConnectionClosed) || errors.As(err, &network) || hungUp(err)
}
