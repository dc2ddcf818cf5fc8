package jetstream

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Server is how to reach NATS. It holds secrets: they stand in no error and no log line.
type Server struct {
	// URLs such as nats://nats:4222, of one server or of those of one cluster.
	URLs []string
	// Namespace that hosts without dots are Services of, whatever the operator's own is; empty for none.
	Namespace string
	// TLS, nil for what the URLs and the server say.
	TLS *TLS
	// At most one of the following: a credentials file (JWT and NKey seed), an NKey seed, a token, user and password.
	Credentials, NKeySeed []byte
	Token                 string
	User, Password        string
}

// TLS is how the server is checked, and how the client shows who it is.
type TLS struct {
	// CA certificates; nil for those of the system. PEM.
	CA []byte
	// Certificate and Key of the client, both or neither. PEM.
	Certificate, Key []byte
	// ServerName that the server's certificate is checked against; empty for the URL's host.
	ServerName string
}

// Check reports what of the server's secrets cannot work: all problems at once, each named by its field of the spec's
// nats section, none with any part of a secret.
func (s *Server) Check() error {
	_, err := s.options(time.Now())
	return err
}

// options returns how to connect, and everything that is wrong with it.
func (s *Server) options(now time.Time) ([]nats.Option, error) {
	var options []nats.Option
	var problems []error
	problem := func(field string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("nats.%s: %w", field, err))
		}
	}
	problem("urls", s.checkURLs())
	if s.TLS != nil {
		c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.TLS.ServerName}
		var err error
		c.RootCAs, err = authorities(s.TLS.CA, now)
		problem("tls.ca", err)
		c.Certificates, err = clientCertificate(s.TLS.Certificate, s.TLS.Key, now)
		problem("tls.clientCertificate", err)
		options = append(options, nats.Secure(c))
	}
	switch {
	case s.Credentials != nil:
		problem("credentials", checkCredentials(s.Credentials, now))
		options = append(options, nats.UserCredentialBytes(s.Credentials))
	case s.NKeySeed != nil:
		option, err := signer(s.NKeySeed)
		problem("nkey", err)
		options = append(options, option)
	case s.Token != "":
		options = append(options, nats.Token(s.Token))
	case s.User != "":
		options = append(options, nats.UserInfo(s.User, s.Password))
	}
	return options, joined(problems)
}

func (s *Server) checkURLs() error {
	if len(s.URLs) == 0 {
		return errors.New("no server is named")
	}
	for i, text := range s.URLs {
		u, err := url.Parse(text)
		switch {
		case strings.Contains(text, "@"):
			return fmt.Errorf("number %d names a user, token or password: those come from Secrets", i+1)
		case err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme):
			return fmt.Errorf("%q is not an address such as nats://nats:4222 or tls://nats:4222", text)
		}
	}
	return nil
}

// authorities reads CA certificates; none are nil, for those of the system.
func authorities(text []byte, now time.Time) (*x509.CertPool, error) {
	if text == nil {
		return nil, nil
	}
	pool := x509.NewCertPool()
	var expired time.Time
	count, valid := 0, 0
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		count++
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read: %w", count, err)
		}
		pool.AddCert(certificate)
		if now.After(certificate.NotAfter) {
			expired = certificate.NotAfter
		} else {
			valid++
		}
	}
	switch {
	case count == 0:
		return nil, errors.New("there is no PEM certificate (-----BEGIN CERTIFICATE-----) in it")
	case valid == 0:
		return nil, fmt.Errorf("the certificate expired at %s", expired.UTC().Format(time.RFC3339))
	}
	return pool, nil
}

func clientCertificate(certificate, key []byte, now time.Time) ([]tls.Certificate, error) {
	switch {
	case certificate == nil && key == nil:
		return nil, nil
	case certificate == nil:
		return nil, errors.New("tls.crt is missing, tls.key is there")
	case key == nil:
		return nil, errors.New("tls.key is missing, tls.crt is there")
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("tls.crt and tls.key cannot be used: %w", err)
	}
	if end := pair.Leaf.NotAfter; now.After(end) {
		return nil, fmt.Errorf("tls.crt expired at %s", end.UTC().Format(time.RFC3339))
	}
	return []tls.Certificate{pair}, nil
}

// checkCredentials reports what is wrong with a credentials file. Errors of the parsers are not repeated: they may quote.
func checkCredentials(text []byte, now time.Time) error {
	token, err := nkeys.ParseDecoratedJWT(text)
	if err != nil {
		return errors.New("there is no user JWT in it")
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return errors.New("there is no valid user JWT in it: it has the form of a .creds file of nsc, with -----BEGIN NATS USER JWT-----")
	}
	pair, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return errors.New("there is no valid seed of a user in it, after -----BEGIN USER NKEY SEED-----")
	}
	defer pair.Wipe()
	if public, err := pair.PublicKey(); err != nil || public != claims.Subject {
		return errors.New("JWT and seed are of different users")
	}
	if end := time.Unix(claims.Expires, 0); claims.Expires != 0 && now.After(end) {
		return fmt.Errorf("the JWT expired at %s", end.UTC().Format(time.RFC3339))
	}
	return nil
}

// signer authenticates with an NKey.
func signer(seed []byte) (nats.Option, error) {
	pair, err := nkeys.ParseDecoratedUserNKey(seed)
	if err != nil {
		return nil, errors.New("it is not the seed of a user: one line that begins with SU")
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err != nil {
		return nil, errors.New("the seed has no public key")
	}
	return nats.Nkey(public, func(nonce []byte) ([]byte, error) {
		pair, err := nkeys.ParseDecoratedUserNKey(seed)
		if err != nil {
			return nil, errors.New("the seed cannot be read")
		}
		defer pair.Wipe()
		return pair.Sign(nonce)
	}), nil
}
