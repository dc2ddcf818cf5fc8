package natstest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Names are those of a fleet in NATS. Flows is what its subjects begin with.
type Names struct{ Bucket, Stream, Flows string }

// DocumentedPermissions returns the subjects that docs/nats.md lets "Operator" or "Collectors" publish on.
func DocumentedPermissions(t testing.TB, who string, names Names) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot(t), "docs", "nats.md"))
	if err != nil {
		t.Fatal(err)
	}
	var subjects []string
	column := -1
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[1] == "Subject" {
			column = slices.Index(cells, who)
		}
		if column > 0 && cells[column] == "yes" {
			subject := strings.Trim(cells[1], "`")
			// Whole tokens: the word STREAM is one of JetStream's, too.
			subject = strings.Replace(subject, "BUCKET", names.Bucket, 1)
			subject = strings.Replace(subject, "FLOWS", names.Flows, 1)
			if prefix, rest, ok := cutStream(subject); ok {
				subject = prefix + names.Stream + rest
			}
			subjects = append(subjects, subject)
		}
	}
	if len(subjects) == 0 {
		t.Fatalf("docs/nats.md lets %s publish on nothing", who)
	}
	return subjects
}

// cutStream cuts a subject around the place of a stream's name: the token STREAM that does not follow "$JS.API.".
func cutStream(subject string) (before, after string, found bool) {
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		if token == "STREAM" && i > 2 {
			before = strings.Join(tokens[:i], ".") + "."
			return before, strings.TrimPrefix(subject, before+token), true
		}
	}
	return "", "", false
}

// InDomain are these subjects for JetStream in a domain, as docs/nats.md says.
func InDomain(domain string, subjects []string) []string {
	out := make([]string, len(subjects))
	for i, subject := range subjects {
		prefix := "$JS." + domain + ".API."
		switch rest, api := strings.CutPrefix(subject, "$JS.API."); {
		case api:
			out[i] = prefix + rest
		case strings.HasPrefix(subject, "$KV."):
			out[i] = prefix + subject
		default:
			out[i] = subject
		}
	}
	return out
}

// As adds an administrator, whose name and password are "admin", and a user "fleet" with password "secret" who may publish on these
// subjects and subscribe to its inbox.
func As(publish []string) func(*server.Options) {
	return func(o *server.Options) {
		o.Users = append(o.Users, &server.User{Username: "admin", Password: "admin"}, &server.User{Username: "fleet", Password: "secret",
			Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: publish},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
			}})
	}
}

// moduleRoot is the directory above that has go.mod.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's directory")
		}
	}
}

// Denials are the subjects that a server refused to a connection.
type Denials struct {
	mu       sync.Mutex
	subjects []string
}

// ConnectAs connects as the user that As adds, and notes what is refused to it.
func (s *Server) ConnectAs(d *Denials) *nats.Conn {
	return s.Connect(nats.UserInfo("fleet", "secret"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if _, subject, ok := strings.Cut(err.Error(), "Permissions Violation for Publish to "); ok {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.subjects = append(d.subjects, strings.Trim(subject, `"`))
		}
	}))
}

// Subjects that were refused so far.
func (d *Denials) Subjects() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.subjects)
}
