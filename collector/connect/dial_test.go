package connect

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

var quiet = slog.New(slog.DiscardHandler)

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func dial(t *testing.T, c config.NATS) *nats.Conn {
	t.Helper()
	nc, err := Dial("test", c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestBackOffGrowsWithinItsBounds(t *testing.T) {
	for attempts := range 100 {
		if wait := backOff(attempts); wait < shortestWait*3/4 || wait > longestWait {
			t.Errorf("after %d attempts the wait is %s", attempts, wait)
		}
	}
	if backOff(1) > shortestWait || backOff(50) < longestWait*3/4 {
		t.Error("it does not grow")
	}
}

// A machine that is gone says nothing, and takes what the kernel's buffers hold.
func TestAServerThatTakesNothingAnyMoreIsGivenUp(t *testing.T) {
	proxy := natstest.NewProxy(t, natstest.Start(t))
	nc := dial(t, config.NATS{URLs: []string{proxy.URL()}})
	natstest.Eventually(t, "the connection is made", nc.IsConnected)
	proxy.Stall()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for payload := make([]byte, 64<<10); ; {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = nc.Publish("flows", payload) // what becomes of it is for others
			}
		}
	}()
	natstest.Eventually(t, "the connection is given up", func() bool { return !nc.IsConnected() })
	proxy.Heal()
	natstest.Eventually(t, "another one is made", nc.IsConnected)
	close(stop)
	<-done
}

// newUser makes an NKey, and returns its public key and its seed.
func newUser(t *testing.T) (public string, seed []byte) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	if seed, err = pair.Seed(); err != nil {
		t.Fatal(err)
	}
	return public, seed
}

// newAccounts makes an operator of NATS with an account and a user in it. It returns what a server has to have, and the user's credentials
// file.
func newAccounts(t *testing.T) (change func(*server.Options), credentials []byte) {
	t.Helper()
	pair := func(create func() (nkeys.KeyPair, error)) (key nkeys.KeyPair, name string) {
		key, err := create()
		if err == nil {
			name, err = key.PublicKey()
		}
		if err != nil {
			t.Fatal(err)
		}
		return key, name
	}
	operator, operatorName := pair(nkeys.CreateOperator)
	account, accountName := pair(nkeys.CreateAccount)
	user, userName := pair(nkeys.CreateUser)
	accountToken, err := jwt.NewAccountClaims(accountName).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	userToken, err := jwt.NewUserClaims(userName).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if credentials, err = jwt.FormatUserConfig(userToken, seed); err != nil {
		t.Fatal(err)
	}
	return func(o *server.Options) {
		resolver := &server.MemAccResolver{}
		if err := resolver.Store(accountName, accountToken); err != nil {
			t.Fatal(err)
		}
		o.JetStream, o.TrustedKeys, o.AccountResolver = false, []string{operatorName}, resolver
	}, credentials
}

func TestEveryWayToAuthenticate(t *testing.T) {
	directory := t.TempDir()
	public, seed := newUser(t)
	accounts, credentials := newAccounts(t)
	for _, test := range []struct {
		name   string
		server func(*server.Options)
		client config.NATS
	}{
		{"token", func(o *server.Options) { o.Authorization = "secret" },
			config.NATS{TokenFile: write(t, filepath.Join(directory, "token"), []byte("secret\n"))}},
		{"user", func(o *server.Options) { o.Username, o.Password = "fleet", "secret" },
			config.NATS{User: "fleet", PasswordFile: write(t, filepath.Join(directory, "password"), []byte("secret\n"))}},
		{"nkey", func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} },
			config.NATS{NKeySeedFile: write(t, filepath.Join(directory, "seed"), seed)}},
		{"credentials", accounts, config.NATS{CredentialsFile: write(t, filepath.Join(directory, "user.creds"), credentials)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t, test.server)
			test.client.URLs = []string{s.URL()}
			nc := dial(t, test.client)
			natstest.Eventually(t, "the connection is made", nc.IsConnected)
		})
	}
}

// lines counts the lines of a log.
type lines struct{ atomic.Int64 }

func (l *lines) Write(b []byte) (int, error) {
	l.Add(int64(bytes.Count(b, []byte("NATS reports an error"))))
	return len(b), nil
}

func TestAnErrorThatComesWithEachMessageDoesNotFillTheLog(t *testing.T) {
	s := natstest.Start(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "fleet", Password: "secret", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Deny: []string{"flows.>"}},
		}}}
	})
	var log lines
	nc, err := Dial("test", config.NATS{URLs: []string{s.URL()}, User: "fleet",
		PasswordFile: write(t, filepath.Join(t.TempDir(), "password"), []byte("secret"))}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	natstest.Eventually(t, "the connection is made", nc.IsConnected)
	for range 1000 {
		if err := nc.Publish("flows.x", nil); err != nil {
			t.Fatal(err)
		}
	}
	natstest.Eventually(t, "the first errors are logged", func() bool { return log.Load() >= firstErrors })
	time.Sleep(300 * time.Millisecond) // the others would follow at once
	if n := log.Load(); n > 5*firstErrors {
		t.Errorf("%d lines for 1000 messages", n)
	}
}

func TestAWrongSecretHealsWhenItIsReplaced(t *testing.T) {
	s := natstest.Start(t, func(o *server.Options) { o.Authorization = "secret" })
	path := write(t, filepath.Join(t.TempDir(), "token"), []byte("wrong"))
	nc := dial(t, config.NATS{URLs: []string{s.URL()}, TokenFile: path})
	natstest.Eventually(t, "the server has refused it several times", func() bool { return nc.LastError() != nil })
	if nc.IsConnected() || nc.IsClosed() {
		t.Fatalf("the connection is %s", nc.Status())
	}
	time.Sleep(3 * shortestWait)
	write(t, path, []byte("secret"))
	natstest.Eventually(t, "the connection is made", nc.IsConnected)
}

// A collector starts without its Secret, receives and decodes, and connects once the Secret is there; until then it is nobody, not
// even where a server lets strangers in.
func TestASecretThatIsNotThereYetIsWaitedFor(t *testing.T) {
	public, seed := newUser(t)
	accounts, credentials := newAccounts(t)
	for _, test := range []struct {
		name   string
		client func(path string) config.NATS
		secret []byte
		server func(*server.Options)
	}{
		{"token", func(path string) config.NATS { return config.NATS{TokenFile: path} }, []byte("secret"), func(*server.Options) {}},
		{"password", func(path string) config.NATS { return config.NATS{User: "fleet", PasswordFile: path} }, []byte("secret"), func(*server.Options) {}},
		{"nkey", func(path string) config.NATS { return config.NATS{NKeySeedFile: path} }, seed, func(o *server.Options) {
			stranger := &server.User{Username: "stranger"}
			o.Users, o.NoAuthUser = []*server.User{stranger}, stranger.Username
			o.Nkeys = []*server.NkeyUser{{Nkey: public, Permissions: &server.Permissions{}}}
		}},
		{"credentials", func(path string) config.NATS { return config.NATS{CredentialsFile: path} }, credentials, accounts},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t, test.server)
			path := filepath.Join(t.TempDir(), "secret")
			c := test.client(path)
			c.URLs = []string{s.URL()}
			var log sawHint
			nc, err := Dial("test", c, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			natstest.Eventually(t, "the log says what is missing", log.Load)
			write(t, path, []byte("\n"))
			time.Sleep(3 * shortestWait)
			if nc.IsConnected() {
				t.Fatal("it is connected without the secret")
			}
			write(t, path, test.secret)
			natstest.Eventually(t, "the connection is made", nc.IsConnected)
		})
	}
}

// sawHint tells whether a log has said that a file is missing.
type sawHint struct{ atomic.Bool }

func (s *sawHint) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("the file is missing")) {
		s.Store(true)
	}
	return len(b), nil
}

// Another seed may be that of another user.
func TestAnotherUsersSeedIsTakenUp(t *testing.T) {
	var seeds [2][]byte
	var users []*server.NkeyUser
	for i := range seeds {
		users = append(users, &server.NkeyUser{})
		users[i].Nkey, seeds[i] = newUser(t)
	}
	s := natstest.Start(t, func(o *server.Options) { o.Nkeys = users[1:] })
	path := write(t, filepath.Join(t.TempDir(), "seed"), seeds[0])
	nc := dial(t, config.NATS{URLs: []string{s.URL()}, NKeySeedFile: path})
	natstest.Eventually(t, "the server has refused it", func() bool { return nc.LastError() != nil })
	write(t, path, seeds[1])
	natstest.Eventually(t, "the connection is made", nc.IsConnected)
}

func TestAServerThatIsAwayIsNoError(t *testing.T) {
	s := natstest.Prepare(t)
	nc := dial(t, config.NATS{URLs: []string{s.URL()}})
	if err := nc.Publish("x", nil); err == nil {
		t.Error("what was published without a connection is not an error")
	}
	s.Restart()
	natstest.Eventually(t, "the connection is made", nc.IsConnected)
}

func TestCertificatesAreReadAgainAtEachAttempt(t *testing.T) {
	right, wrong := natstest.NewAuthority(t), natstest.NewAuthority(t)
	s := natstest.Start(t, right.Secure(t, "nats.example.org", right))
	directory := t.TempDir()
	c := &config.TLS{CAFile: filepath.Join(directory, "ca"), CertFile: filepath.Join(directory, "crt"),
		KeyFile: filepath.Join(directory, "key"), ServerName: "nats.example.org"}
	nc := dial(t, config.NATS{URLs: []string{s.URL()}, TLS: c}) // nothing is there yet
	time.Sleep(shortestWait)
	clientCertificate, clientKey := wrong.Issue(t, "collector")
	write(t, c.CAFile, wrong.PEM)
	write(t, c.CertFile, clientCertificate)
	write(t, c.KeyFile, clientKey)
	time.Sleep(3 * shortestWait)
	if nc.IsConnected() {
		t.Fatal("connected with the wrong authority")
	}
	clientCertificate, clientKey = right.Issue(t, "collector")
	write(t, c.CAFile, right.PEM)
	write(t, c.CertFile, clientCertificate)
	write(t, c.KeyFile, clientKey)
	natstest.Eventually(t, "the connection is made", nc.IsConnected)
}

func TestTheEmbeddedServerNamesAPortInUse(t *testing.T) {
	c := config.Embedded{Address: "127.0.0.1:0", StoreDir: t.TempDir()}
	s, err := StartEmbedded(c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	nc := dial(t, config.NATS{URLs: []string{s.URL()}})
	natstest.Eventually(t, "the connection is made", nc.IsConnected)
	address := nc.ConnectedAddr()
	if _, err := StartEmbedded(config.Embedded{Address: address, StoreDir: t.TempDir()}, quiet); err == nil {
		t.Error("a port in use was taken")
	}
	s.Shutdown()
}
