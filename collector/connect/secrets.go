package connect

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/flowfleet/flowfleet/collector/config"
)

// dialer connects to servers once the secrets are there. Without them, a server that asks for none would let the collector in as a
// stranger, into an account that need not be the fleet's.
type dialer struct {
	secrets config.NATS
	// public key of the options that the connection began with; empty without one.
	public string
	// conn is what it dials for, once nats.go has returned it.
	conn atomic.Pointer[nats.Conn]
	// failed is why the last attempt reached no server; nil where it reached one.
	failed atomic.Pointer[error]
}

// authentication returns the options for the method that is configured. Files are read at each attempt.
func (d *dialer) authentication() []nats.Option {
	switch c := &d.secrets; {
	case c.CredentialsFile != "":
		// nats.UserCredentials reads the file at once, and one that is not there yet would be an error for ever.
		return []nats.Option{func(o *nats.Options) error {
			o.UserJWT, o.SignatureCB = func() (string, error) { return userJWT(c.CredentialsFile) }, signer(c.CredentialsFile)
			return nil
		}}
	case c.TokenFile != "":
		return []nats.Option{nats.TokenHandler(func() string {
			token, _ := secret(c.TokenFile) // the dialer has reported an error
			return token
		})}
	case c.User != "":
		return []nats.Option{nats.UserInfoHandler(func() (string, string) {
			password, _ := secret(c.PasswordFile) // as above
			return c.User, password
		})}
	case c.NKeySeedFile != "":
		d.public, _ = publicKey(c.NKeySeedFile) // as above
		return []nats.Option{nats.Nkey(d.public, signer(c.NKeySeedFile))}
	}
	return nil
}

// Dial connects to an address. nats.go reports an error as that of the attempt, and tries again.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	err := d.prepare()
	var conn net.Conn
	if err == nil {
		conn, err = (&net.Dialer{Timeout: connectTimeout}).Dial(network, address)
	}
	if err != nil {
		d.failed.Store(&err)
		return nil, err
	}
	d.failed.Store(nil)
	return conn, nil
}

func (d *dialer) prepare() (err error) {
	switch c := &d.secrets; {
	case c.CredentialsFile != "":
		_, err = publicKey(c.CredentialsFile)
	case c.TokenFile != "":
		_, err = secret(c.TokenFile)
	case c.PasswordFile != "":
		_, err = secret(c.PasswordFile)
	case c.NKeySeedFile != "":
		err = d.nameUser(c.NKeySeedFile)
	}
	return err
}

// nameUser tells the server whose signature it gets. nats.go takes the public key from its options, which are of before the seed
// was there, or of a seed that was replaced since; it reads them after dialing, with the lock held that it holds now.
func (d *dialer) nameUser(path string) error {
	public, err := publicKey(path)
	if err != nil {
		return err
	}
	if nc := d.conn.Load(); nc != nil {
		nc.Opts.Nkey = public
	} else if public != d.public { // the first attempt, which comes before the connection is known
		return fmt.Errorf("%s has just come, or was just replaced", path)
	}
	return nil
}

func publicKey(path string) (string, error) {
	pair, err := keyPair(path)
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err != nil {
		return "", fmt.Errorf("reading the NKey of %s: %w", path, err)
	}
	return public, nil
}

// secret reads a secret of one line.
func secret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", fmt.Errorf("reading the secret: %s is empty", path)
	}
	return text, nil
}

// userJWT reads the user's token of a credentials file.
func userJWT(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the credentials: %w", err)
	}
	token, err := nkeys.ParseDecoratedJWT(b)
	if err != nil {
		return "", fmt.Errorf("reading the credentials of %s: %w", path, err)
	}
	return token, nil
}

// signer signs with the seed of a file, which is read for each signature.
func signer(path string) nats.SignatureHandler {
	return func(nonce []byte) ([]byte, error) {
		pair, err := keyPair(path)
		if err != nil {
			return nil, err
		}
		defer pair.Wipe()
		return pair.Sign(nonce)
	}
}

// keyPair reads a seed, from a file of its own or from a credentials file.
func keyPair(path string) (nkeys.KeyPair, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the NKey seed: %w", err)
	}
	pair, err := nkeys.ParseDecoratedNKey(b)
	if err != nil {
		return nil, fmt.Errorf("reading the NKey seed of %s: %w", path, err)
	}
	return pair, nil
}
