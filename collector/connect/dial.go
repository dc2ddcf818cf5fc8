// Package connect makes the collector's connections to NATS. They never give up and never make anyone wait: a server that
// is away, a secret that is not there yet or an expired certificate heal without a restart.
package connect

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/flowfleet/flowfleet/collector/config"
)

// Bounds of the back-off between connection attempts.
const (
	shortestWait = 500 * time.Millisecond
	longestWait  = 30 * time.Second
)

// A connection that is dead in silence is given up after two pings without an answer.
const (
	pingInterval   = 10 * time.Second
	unansweredPing = 2
	// connectTimeout bounds an attempt to connect to one address, and the handshake.
	connectTimeout = 5 * time.Second
	// writeTimeout ends the connection to a server that reads nothing any more.
	writeTimeout = 10 * time.Second
)

// Of the errors that a server reports the first ones are logged, and then one in a time, with how many there were between.
const (
	firstErrors   = 10
	errorInterval = 10 * time.Second
)

// backOff is the wait after a number of attempts (from 1): doubled each time, within the bounds, and spread by a quarter,
// so that a fleet does not come back in step.
func backOff(attempts int) time.Duration {
	wait := shortestWait << min(max(attempts-1, 0), 10)
	wait = min(wait, longestWait)
	return wait - time.Duration(rand.Int64N(int64(wait)/4+1))
}

// Dial returns a connection that is made and kept up in the background, for ever. purpose says in the logs and on the
// server what it is for. An error means that the configuration cannot work. Close the connection when done.
func Dial(purpose string, c config.NATS, log *slog.Logger) (*nats.Conn, error) {
	log = log.With("connection", purpose, "servers", strings.Join(c.URLs, ","))
	// A permission that is missing is an error with each message. The library calls one handler at a time.
	errorLines, suppressed := rate.Sometimes{First: firstErrors, Interval: errorInterval}, 0
	d := &dialer{secrets: c}
	again := &resubscriber{log: log}
	options := []nats.Option{
		nats.Name("flowfleet collector: " + purpose),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(backOff),
		nats.SetCustomDialer(d),
		nats.Timeout(connectTimeout),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(unansweredPing),
		nats.FlusherTimeout(writeTimeout),
		nats.ReconnectOnFlusherError(),
		// What cannot be sent is an error at once: what to do with it is for the caller to decide, and to count.
		nats.ReconnectBufSize(-1),
		nats.ConnectHandler(func(nc *nats.Conn) { log.Info("connected to NATS", "server", nc.ConnectedUrlRedacted()) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("connected to NATS again", "server", nc.ConnectedUrlRedacted()) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("lost the connection to NATS; trying again until it is back", "error", err)
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			log.Warn("cannot connect to NATS; trying again with up to 30s between", "error", err, "hint", hint(err))
		}),
		nats.ErrorHandler(func(nc *nats.Conn, subscription *nats.Subscription, err error) {
			if RefusedSubscription(err) {
				again.refused(nc)
			}
			subject := ""
			if subscription != nil {
				subject = subscription.Subject
			}
			suppressed++
			errorLines.Do(func() {
				log.Error("NATS reports an error", "error", err, "subject", subject, "hint", hint(err), "suppressed", suppressed-1)
				suppressed = 0
			})
		}),
	}
	if c.InboxPrefix != "" {
		options = append(options, nats.CustomInboxPrefix(c.InboxPrefix))
	}
	options = append(options, d.authentication()...)
	if c.TLS != nil {
		options = append(options, secure(*c.TLS))
	}
	nc, err := nats.Connect(strings.Join(c.URLs, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("preparing the connection to NATS (%s): %w", purpose, err)
	}
	d.conn.Store(nc)
	go reportRefusals(nc, log)
	return nc, nil
}

// refusalInterval is how often a connection that is not there is asked why.
const refusalInterval = time.Second

// reportRefusals logs why attempts to connect again are refused: nats.go calls no handler where it reached a server and
// then failed, such as over a certificate that has expired since. It ends when the connection is closed.
func reportRefusals(nc *nats.Conn, log *slog.Logger) {
	reported := ""
	for ; !nc.IsClosed(); time.Sleep(refusalInterval) {
		if nc.IsConnected() {
			reported = ""
			continue
		}
		err := nc.LastError()
		if err == nil {
			continue
		}
		// Once for each kind: errors name ports, which change.
		if kind := cmp.Or(hint(err), err.Error()); kind != reported {
			reported = kind
			log.Warn("the server was reached, and the connection failed; trying again", "error", err, "hint", hint(err))
		}
	}
}

// hint says what an operator can do about an error, where that is known.
func hint(err error) string {
	text := strings.ToLower(err.Error())
	ofCertificate := CertificateHint(err, "the server", CertificateSettings{"nats.tls.caFile", "nats.tls.serverName", "nats.tls.certFile"})
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "the file is missing: is the Secret there, and mounted?"
	case ofCertificate != "":
		return ofCertificate
	case strings.Contains(text, "permissions violation"):
		return "the NATS user may not use this subject: grant it"
	case strings.Contains(text, "authorization"), strings.Contains(text, "authentication"):
		return "the server refuses the credentials: they are read again at the next attempt"
	case strings.Contains(text, "connection refused"), strings.Contains(text, "no such host"):
		return "is the server running, and is nats.urls right?"
	}
	return ""
}

// secure asks for TLS. Certificates are read at each attempt, so that they can be rotated, and that one which is not there
// yet is no reason not to start.
func secure(c config.TLS) nats.Option {
	return func(o *nats.Options) error {
		o.Secure, o.TLSHandshakeFirst = true, c.HandshakeFirst
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
		if c.CAFile != "" {
			o.RootCAsCB = func() (*x509.CertPool, error) {
				pem, err := os.ReadFile(c.CAFile)
				if err != nil {
					return nil, fmt.Errorf("reading the CA certificates: %w", err)
				}
				pool := x509.NewCertPool()
				if !pool.AppendCertsFromPEM(pem) {
					return nil, fmt.Errorf("%s has no PEM certificate", c.CAFile)
				}
				return pool, nil
			}
		}
		if c.CertFile != "" {
			o.TLSCertCB = func() (tls.Certificate, error) {
				certificate, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
				if err != nil {
					return certificate, fmt.Errorf("reading the client certificate: %w", err)
				}
				return certificate, nil
			}
		}
		return nil
	}
}
