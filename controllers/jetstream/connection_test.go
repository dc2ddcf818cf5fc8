package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// pair is a new NKey with its public key and seed.
func pair(t *testing.T, prefix nkeys.PrefixByte) (pair nkeys.KeyPair, public string, seed []byte) {
	t.Helper()
	pair, err := nkeys.CreatePair(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	if seed, err = pair.Seed(); err != nil {
		t.Fatal(err)
	}
	return pair, public, seed
}

// trust is an operator of NATS with one account, whose users have credentials files.
type trust struct {
	t       *testing.T
	account nkeys.KeyPair
	change  func(*server.Options)
}

// newTrust returns an operator; withJetStream says whether the account may use it.
func newTrust(t *testing.T, withJetStream bool) *trust {
	t.Helper()
	operator, operatorPublic, _ := pair(t, nkeys.PrefixByteOperator)
	_, systemPublic, _ := pair(t, nkeys.PrefixByteAccount)
	account, accountPublic, _ := pair(t, nkeys.PrefixByteAccount)
	resolver := &server.MemAccResolver{}
	for public, limits := range map[string]jwt.JetStreamLimits{
		systemPublic: {},
		accountPublic: {MemoryStorage: 1 << 30, DiskStorage: 1 << 30, Streams: -1, Consumer: -1, MaxAckPending: -1,
			MemoryMaxStreamBytes: -1, DiskMaxStreamBytes: -1},
	} {
		claims := jwt.NewAccountClaims(public)
		if withJetStream {
			claims.Limits.JetStreamLimits = limits
		}
		token, err := claims.Encode(operator)
		if err != nil {
			t.Fatal(err)
		}
		if err := resolver.Store(public, token); err != nil {
			t.Fatal(err)
		}
	}
	return &trust{t: t, account: account, change: func(o *server.Options) {
		o.TrustedKeys, o.SystemAccount, o.AccountResolver = []string{operatorPublic}, systemPublic, resolver
	}}
}

// credentials returns the credentials file of a new user.
func (a *trust) credentials(change ...func(*jwt.UserClaims)) []byte {
	a.t.Helper()
	_, public, seed := pair(a.t, nkeys.PrefixByteUser)
	claims := jwt.NewUserClaims(public)
	for _, f := range change {
		f(claims)
	}
	token, err := claims.Encode(a.account)
	if err != nil {
		a.t.Fatal(err)
	}
	file, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		a.t.Fatal(err)
	}
	return file
}

func expired(c *jwt.UserClaims) { c.Expires = time.Now().Add(-time.Hour).Unix() }

// works makes a bucket through a server.
func works(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	c, err := Connect(background(t), s)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if _, err := c.EnsureBucket(background(t), edge, templates(), false); err != nil {
		t.Error(err)
	}
}

func TestEveryWayToAuthenticate(t *testing.T) {
	_, public, seed := pair(t, nkeys.PrefixByteUser)
	a := newTrust(t, true)
	authority := natstest.NewAuthority(t)
	certificate, key := authority.Issue(t, "operator")
	for _, test := range []struct {
		name   string
		change func(*server.Options)
		server Server
	}{
		{"nothing", func(*server.Options) {}, Server{}},
		{"token", func(o *server.Options) { o.Authorization = "secret" }, Server{Token: "secret"}},
		{"user and password", func(o *server.Options) { o.Username, o.Password = "fleet", "secret" }, Server{User: "fleet", Password: "secret"}},
		{"nkey", func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} }, Server{NKeySeed: append(seed, '\n')}},
		{"credentials", a.change, Server{Credentials: a.credentials()}},
		{"TLS", authority.Secure(t, "nats.example.org", nil), Server{TLS: &TLS{CA: authority.PEM}}},
		{"TLS by another name", authority.Secure(t, "nats.example.org", nil), Server{TLS: &TLS{CA: authority.PEM, ServerName: "nats.example.org"}}},
		{"client certificate", authority.Secure(t, "nats.example.org", authority),
			Server{TLS: &TLS{CA: authority.PEM, Certificate: certificate, Key: key}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t, test.change)
			test.server.URLs = []string{s.URL()}
			works(t, &test.server)
		})
	}
}

func TestConnectSaysWhatToLookAt(t *testing.T) {
	authority, stranger := natstest.NewAuthority(t), natstest.NewAuthority(t)
	ca := &TLS{CA: authority.PEM}
	strangers := &TLS{CA: authority.PEM}
	strangers.Certificate, strangers.Key = stranger.Issue(t, "operator")
	old := natstest.NewAuthority(t)
	_, _, seed := pair(t, nkeys.PrefixByteUser)
	_, otherPublic, _ := pair(t, nkeys.PrefixByteUser)
	a, b := newTrust(t, true), newTrust(t, true)
	token := func(o *server.Options) { o.Authorization = "right" }
	for _, test := range []struct {
		name   string
		change func(*server.Options)
		server Server
		words  []string
	}{
		{"unknown authority", stranger.Secure(t, "nats.example.org", nil), Server{TLS: ca}, []string{"unknown authority", "nats.tls.ca"}},
		{"unknown authority, TLS by the server's wish", stranger.Secure(t, "nats.example.org", nil), Server{}, []string{"unknown authority", "nats.tls.ca"}},
		{"expired certificate", authority.Secure(t, "nats.example.org", nil, natstest.Expired), Server{TLS: ca}, []string{"expired", "renew it"}},
		{"another name", authority.Secure(t, "nats.example.org", nil), Server{TLS: &TLS{CA: authority.PEM, ServerName: "nats.example.com"}},
			[]string{"nats.example.com", "nats.tls.serverName"}},
		{"client certificate missing", authority.Secure(t, "nats.example.org", authority), Server{TLS: ca}, []string{"nats.tls.clientCertificate"}},
		{"client certificate of a stranger", authority.Secure(t, "nats.example.org", authority), Server{TLS: strangers}, []string{"nats.tls.clientCertificate"}},
		{"a server without TLS", func(*server.Options) {}, Server{TLS: ca}, []string{"the server has no TLS"}},
		{"wrong token", token, Server{Token: "xyzzy"}, []string{"refuses the credentials"}},
		{"no token", token, Server{}, []string{"refuses the credentials"}},
		{"wrong password", func(o *server.Options) { o.Username, o.Password = "fleet", "right" }, Server{User: "fleet", Password: "xyzzy"},
			[]string{"refuses the credentials"}},
		{"another user's nkey", func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: otherPublic}} }, Server{NKeySeed: seed},
			[]string{"refuses the credentials"}},
		{"credentials of another operator", a.change, Server{Credentials: b.credentials()}, []string{"refuses the credentials"}},
		{"expired credentials", a.change, Server{Credentials: a.credentials(expired)}, []string{"nats.credentials", "expired"}},
		{"authority that is none", func(*server.Options) {}, Server{TLS: &TLS{CA: []byte("xyzzy")}}, []string{"nats.tls.ca", "no PEM certificate"}},
		{"authority that expired", old.Secure(t, "x", nil), Server{TLS: &TLS{CA: natstest.NewAuthority(t, natstest.Expired).PEM}}, []string{"nats.tls.ca", "expired"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Start(t, test.change)
			test.server.URLs = []string{s.URL()}
			c, err := Connect(background(t), &test.server)
			if err == nil {
				c.Close()
				t.Fatal("it connects")
			}
			for _, w := range test.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "xyzzy") {
				t.Errorf("%q has a secret in it", err)
			}
			if strings.Contains(test.name, "client certificate") {
				return // where the refusal meets the client is a matter of chance
			}
			time.Sleep(time.Second) // what has the time in it has another one then
			if _, second := Connect(background(t), &test.server); second == nil || second.Error() != err.Error() {
				t.Errorf("the same fault reads %q and then %q", err, second)
			}
		})
	}
}

func TestAServerThatIsAwayIsAnErrorWithinTheContext(t *testing.T) {
	away := natstest.Prepare(t).URL()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	mute := "nats://" + silent.Addr().String()
	_, err = Connect(background(t), &Server{URLs: []string{away}})
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "is the server running") {
		t.Errorf("%v", err)
	}
	_, err = Connect(background(t), &Server{URLs: []string{"nats://nats.invalid:4222"}})
	if err == nil || !strings.Contains(err.Error(), "cannot be resolved") {
		t.Errorf("%v", err)
	}
	for _, urls := range [][]string{{mute}, {mute, away}, {mute, mute, mute}} {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		_, err = Connect(ctx, &Server{URLs: urls})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "NetworkPolicy") {
			t.Errorf("%q: %v", urls, err)
		}
		cancel()
	}
	_, err = Connect(background(t), &Server{URLs: []string{away, "nats://nats.invalid:4222"}})
	if err == nil || !strings.Contains(err.Error(), away+": ") || !strings.Contains(err.Error(), "; nats://nats.invalid:4222: ") {
		t.Errorf("not every server is named, in order: %v", err)
	}
	// Nobody waits for longer than a pass may take without a deadline, nor until then with one.
	ends := make(chan string, 2)
	for _, deadline := range []bool{false, true} {
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if deadline {
			ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
		}
		go func() {
			defer cancel()
			_, err := Connect(ctx, &Server{URLs: []string{mute}})
			if err == nil || !strings.Contains(err.Error(), "NetworkPolicy") {
				t.Errorf("%v", err)
			}
			ends <- fmt.Sprintf("deadline: %t", deadline)
		}()
	}
	if first, second := <-ends, <-ends; first != "deadline: true" {
		t.Errorf("%q ends before %q", first, second)
	}
}

func TestAnotherServerIsTriedWhereOneIsAwayOrSilent(t *testing.T) {
	s := natstest.Start(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	works(t, &Server{URLs: []string{natstest.Prepare(t).URL(), "nats://" + silent.Addr().String(), s.URL()}})
}

func TestAConnectionThatIsLostEndsWhatWaits(t *testing.T) {
	s := natstest.Start(t)
	c := open(t, s.URL())
	s.Stop()
	if _, err := c.EnsureBucket(context.Background(), edge, templates(), false); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestACancelledContextEndsARequest(t *testing.T) {
	c := open(t, natstest.Start(t).URL())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.EnsureBucket(ctx, edge, templates(), false); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := c.EnsureStream(ctx, edge, flows(), false); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := c.DeleteBucket(ctx, edge, "flowfleet-templates"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWithoutJetStreamTheErrorSaysSo(t *testing.T) {
	a := newTrust(t, false)
	for _, test := range []struct {
		name   string
		change func(*server.Options)
		server Server
		is     error
		hint   string
	}{
		{"server", func(o *server.Options) { o.JetStream = false }, Server{}, nats.ErrNoResponders, "run nats-server with JetStream"},
		{"account", a.change, Server{Credentials: a.credentials()}, jetstream.ErrJetStreamNotEnabledForAccount, "enable it for the account"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t, test.change)
			test.server.URLs = []string{s.URL()}
			c, err := Connect(background(t), &test.server)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.EnsureBucket(background(t), edge, templates(), false); !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.hint) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAPermissionThatIsMissingIsNamedAtOnce(t *testing.T) {
	everything := &server.SubjectPermission{Allow: []string{">"}}
	for _, test := range []struct {
		name               string
		publish, subscribe *server.SubjectPermission
		denied             string
		streamWorks        bool
	}{
		{"looking", &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.INFO.KV_>", "$JS.API.STREAM.INFO.KV_flowfleet-templates"}}, everything,
			"$JS.API.STREAM.INFO.KV_flowfleet-templates", true},
		{"creating", &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.CREATE.KV_flowfleet-templates"}}, everything,
			"$JS.API.STREAM.CREATE.KV_flowfleet-templates", true},
		{"answers", everything, &server.SubjectPermission{Deny: []string{"_INBOX.>"}}, "_INBOX", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t, func(o *server.Options) {
				o.Users = []*server.User{{Username: "fleet", Password: "secret",
					Permissions: &server.Permissions{Publish: test.publish, Subscribe: test.subscribe}}}
			})
			c, err := Connect(background(t), &Server{URLs: []string{s.URL()}, User: "fleet", Password: "secret"})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, first := c.EnsureBucket(context.Background(), edge, templates(), false)
			if !errors.Is(first, nats.ErrPermissionViolation) || !strings.Contains(first.Error(), test.denied) || !strings.Contains(first.Error(), "grant it") {
				t.Fatalf("%v", first)
			}
			again, err := Connect(background(t), &Server{URLs: []string{s.URL()}, User: "fleet", Password: "secret"})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if _, second := again.EnsureBucket(context.Background(), edge, templates(), false); second == nil || second.Error() != first.Error() {
				t.Errorf("the same fault reads %q and then %q", first, second)
			}
			// It is the permission of one request: others go on, unless no answer can come.
			if _, err = c.EnsureStream(context.Background(), edge, flows(), false); (err == nil) != test.streamWorks {
				t.Errorf("%v", err)
			}
			if !test.streamWorks && !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestLimitsOfTheServerAreNamed(t *testing.T) {
	s := natstest.Start(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
	_, err := open(t, s.URL()).EnsureStream(background(t), edge, flows(), false)
	if err != nil {
		t.Fatalf("what has room: %v", err)
	}
	_, err = open(t, s.URL()).EnsureBucket(background(t), edge, templates(), false)
	if err == nil || !strings.Contains(err.Error(), "creating bucket flowfleet-templates") || !strings.Contains(err.Error(), "smaller maxBytes") {
		t.Errorf("%v", err)
	}
}

func TestSecretsAreCheckedAndNeverRepeated(t *testing.T) {
	authority := natstest.NewAuthority(t)
	certificate, key := authority.Issue(t, "operator")
	_, otherKey := authority.Issue(t, "operator")
	oldCertificate, oldKey := authority.Issue(t, "operator", natstest.Expired)
	a := newTrust(t, true)
	good := string(a.credentials())
	_, _, userSeed := pair(t, nkeys.PrefixByteUser)
	_, _, accountSeed := pair(t, nkeys.PrefixByteAccount)
	otherUser := string(a.credentials())
	cut := strings.Index(good, "-----BEGIN USER NKEY SEED-----")
	otherCut := strings.Index(otherUser, "-----BEGIN USER NKEY SEED-----")
	for _, test := range []struct {
		name   string
		server Server
		words  []string // empty: nothing is wrong
	}{
		{"nothing", Server{}, nil},
		{"all there can be", Server{TLS: &TLS{CA: append([]byte("# ours\n"), authority.PEM...), Certificate: certificate, Key: key}, Credentials: []byte(good)}, nil},
		{"one authority of two expired", Server{TLS: &TLS{CA: append(natstest.NewAuthority(t, natstest.Expired).PEM, authority.PEM...)}}, nil},
		{"no server", Server{URLs: []string{}}, []string{"nats.urls", "no server"}},
		{"an address that is none", Server{URLs: []string{"nats:4222"}}, []string{"nats.urls", "not an address"}},
		{"a password in the address", Server{URLs: []string{"nats://fleet:xyzzy@nats:4222"}}, []string{"nats.urls", "those come from Secrets"}},
		{"an authority that is none", Server{TLS: &TLS{CA: []byte("xyzzy")}}, []string{"nats.tls.ca", "no PEM certificate"}},
		{"an authority's key", Server{TLS: &TLS{CA: key}}, []string{"nats.tls.ca", "no PEM certificate"}},
		{"an empty authority", Server{TLS: &TLS{CA: []byte{}}}, []string{"nats.tls.ca", "no PEM certificate"}},
		{"a broken authority", Server{TLS: &TLS{CA: []byte("-----BEGIN CERTIFICATE-----\neHl6enk=\n-----END CERTIFICATE-----\n")}}, []string{"nats.tls.ca", "certificate 1 cannot be read"}},
		{"certificate without key", Server{TLS: &TLS{Certificate: certificate}}, []string{"nats.tls.clientCertificate", "tls.key is missing"}},
		{"key without certificate", Server{TLS: &TLS{Key: key}}, []string{"nats.tls.clientCertificate", "tls.crt is missing"}},
		{"key of another certificate", Server{TLS: &TLS{Certificate: certificate, Key: otherKey}}, []string{"nats.tls.clientCertificate", "does not match"}},
		{"a certificate that expired", Server{TLS: &TLS{Certificate: oldCertificate, Key: oldKey}}, []string{"nats.tls.clientCertificate", "expired at"}},
		{"credentials that are none", Server{Credentials: []byte("xyzzy")}, []string{"nats.credentials", "no valid user JWT"}},
		{"empty credentials", Server{Credentials: []byte{}}, []string{"nats.credentials", "no valid user JWT"}},
		{"credentials without a seed", Server{Credentials: []byte(good[:cut])}, []string{"nats.credentials", "no valid seed"}},
		{"credentials of two users", Server{Credentials: []byte(good[:cut] + otherUser[otherCut:])}, []string{"nats.credentials", "different users"}},
		{"credentials that expired", Server{Credentials: a.credentials(expired)}, []string{"nats.credentials", "expired at"}},
		{"an nkey that is none", Server{NKeySeed: []byte("xyzzy")}, []string{"nats.nkey", "begins with SU"}},
		{"an account's nkey", Server{NKeySeed: accountSeed}, []string{"nats.nkey", "begins with SU"}},
		{"an nkey", Server{NKeySeed: userSeed}, nil},
		{"several at once", Server{TLS: &TLS{CA: []byte("xyzzy"), Certificate: certificate}, NKeySeed: []byte("xyzzy")},
			[]string{"nats.tls.ca", "nats.tls.clientCertificate", "nats.nkey"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.server.URLs == nil {
				test.server.URLs = []string{"nats://nats:4222"}
			}
			err := test.server.Check()
			if err == nil {
				if test.words != nil {
					t.Fatal("nothing is found")
				}
				return
			}
			if test.words == nil {
				t.Fatal(err)
			}
			for _, w := range test.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			for _, secret := range []string{"xyzzy", "eHl6enk", string(accountSeed), good[60:100], string(key[40:80])} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q has a secret in it", err)
				}
			}
		})
	}
}

func TestCredentialsThatExpireDuringAPassAreNamed(t *testing.T) {
	a := newTrust(t, true)
	s := natstest.Start(t, a.change)
	c, err := Connect(background(t), &Server{URLs: []string{s.URL()},
		Credentials: a.credentials(func(c *jwt.UserClaims) { c.Expires = time.Now().Add(2 * time.Second).Unix() })})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	natstest.Eventually(t, "they expire", func() bool {
		_, err := c.EnsureBucket(background(t), edge, templates(), false)
		return err != nil && strings.Contains(err.Error(), "expired: renew them")
	})
}
