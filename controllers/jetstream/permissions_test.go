package jetstream

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// life is all that the operator does with a bucket and a stream: making, claiming, changing, deleting, and saying who has the subjects.
func life(t *testing.T, s *natstest.Server, change ...func(*Server)) error {
	t.Helper()
	to := &Server{URLs: []string{s.URL()}, User: "fleet", Password: "secret"}
	for _, f := range change {
		f(to)
	}
	nc := s.Connect(nats.UserInfo("admin", "admin"))
	js, err := jetstream.New(nc)
	if to.Domain != "" {
		js, err = jetstream.NewWithDomain(nc, to.Domain)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := Connect(background(t), to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	bucket := func(want config.TemplateStore) error {
		_, err := c.EnsureBucket(background(t), edge, want, true)
		return err
	}
	stream := func(want config.Stream) error {
		_, err := c.EnsureStream(background(t), edge, want, true)
		return err
	}
	found := func(direct bool) error { // a bucket that nobody signed, and that has keys
		made := bucketAsCollectors(t, templates())
		made.AllowDirect = direct
		natstest.CreateStream(t, js, made)
		kv, err := js.KeyValue(background(t), "flowfleet-templates")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Put(background(t), key, nil); err != nil {
			t.Fatal(err)
		}
		if err := bucket(templates()); err != nil {
			return err
		}
		return js.DeleteStream(background(t), made.Name)
	}
	steps := []func() error{
		func() error { return bucket(templates()) },
		func() error { return bucket(templates(func(c *config.TemplateStore) { c.History = 2 })) },
		func() error { _, err := c.DeleteBucket(background(t), edge, "flowfleet-templates"); return err },
		func() error { return stream(flows()) },
		func() error { return stream(flows(func(c *config.Stream) { c.MaxBytes = 2 << 20 })) },
		func() error { _, err := c.DeleteStream(background(t), edge, "flows"); return err },
		func() error { return found(true) },
		func() error { return found(false) },
		func() error { // another stream has the subjects
			natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "everything", Subjects: []string{"flows.>"}})
			if err := stream(flows()); err != nil && !errors.As(err, new(*ForeignError)) {
				return err
			}
			return nil
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Each permission of docs/nats.md is needed, all together are enough, and the one that is missing is named in the error, which becomes
// the condition's message, with the reason for it.
func TestTheOperatorNeedsEachPermissionOfTheDocumentationAndNoMore(t *testing.T) {
	all := natstest.DocumentedPermissions(t, "Operator", natstest.Names{Bucket: "flowfleet-templates", Stream: "flows", Flows: "flows"})
	if err := life(t, natstest.Start(t, natstest.As(all))); err != nil {
		t.Errorf("with all of them: %v", err)
	}
	for i, subject := range all {
		t.Run(subject, func(t *testing.T) {
			without := slices.Delete(slices.Clone(all), i, i+1)
			err := life(t, natstest.Start(t, natstest.As(without)))
			if err == nil || !strings.Contains(err.Error(), subject) || ClassOf(err) != ClassForbidden {
				t.Errorf("without it: %v (%v)", err, ClassOf(err))
			}
		})
	}
}

// The same for consumers: the stream is there, and what is missing stands with the consumer.
func TestTheOperatorNeedsEachPermissionForConsumersAndNoMore(t *testing.T) {
	names := natstest.Names{Bucket: "flowfleet-templates", Stream: "flows", Flows: "flows"}
	usual := natstest.DocumentedPermissions(t, "Operator", names)
	more := natstest.DocumentedPermissions(t, "Operator with consumers", names)
	trouble := func(t *testing.T, allowed []string) (troubles []string) {
		s := natstest.Start(t, natstest.As(append(slices.Clone(usual), allowed...)))
		js, err := jetstream.New(s.Connect(nats.UserInfo("admin", "admin")))
		if err != nil {
			t.Fatal(err)
		}
		c, err := Connect(background(t), &Server{URLs: []string{s.URL()}, User: "fleet", Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		note := func(all *Consumers) {
			for _, k := range all.Each {
				if k.Class != ClassNone && k.Class != ClassForbidden {
					t.Errorf("%+v", k)
				}
				troubles = append(troubles, slices.DeleteFunc([]string{k.Error, k.LagError}, func(s string) bool { return s == "" })...)
			}
		}
		filtered := reader("a", func(w *WantConsumer) { w.Subjects = []string{"flows.ipfix"} })
		for _, direct := range []bool{false, true} {
			config := streamAsCollectors(flows())
			config.AllowDirect = direct
			natstest.CreateStream(t, js, config)
			publishTo(t, js, "flows.ipfix", 1)
			note(mustConsumers(t, c, edge, nil, filtered, reader("b")))
			note(mustConsumers(t, c, edge, nil, reader("a")))
			troubles = append(troubles, mustConsumers(t, c, edge, []string{"a"}).Kept...)
			if err := js.DeleteStream(background(t), "flows"); err != nil {
				t.Fatal(err)
			}
		}
		return troubles
	}
	if troubles := trouble(t, more); len(troubles) > 0 {
		t.Errorf("with all of them: %q", troubles)
	}
	for i, subject := range more {
		t.Run(subject, func(t *testing.T) {
			says(t, trouble(t, slices.Delete(slices.Clone(more), i, i+1)), "grant it", strings.TrimSuffix(subject, ">"))
		})
	}
}

// JetStream in a domain behind a leaf node, and with answers on subjects of one's own: the documented permissions are enough there, too.
func TestTheOperatorReachesADomainBehindALeafNodeWithTheDocumentedPermissions(t *testing.T) {
	all := natstest.DocumentedPermissions(t, "Operator", natstest.Names{Bucket: "flowfleet-templates", Stream: "flows", Flows: "flows"})
	as := natstest.As(natstest.InDomain("leaf", all))
	s := natstest.StartBehindLeaf(t, "leaf", func(o *server.Options) {
		as(o)
		o.Users[1].Permissions.Subscribe.Allow = []string{"fleet.answers.>"}
	})
	inDomain := func(to *Server) { to.Domain, to.InboxPrefix = "leaf", "fleet.answers" }
	if err := life(t, s, inDomain); err != nil {
		t.Error(err)
	}
	if err := life(t, s, func(to *Server) { to.Domain = "leaf" }); ClassOf(err) != ClassForbidden || !strings.Contains(err.Error(), "_INBOX") {
		t.Errorf("with the inbox of others: %v", err)
	}
	if err := life(t, s, func(to *Server) { to.InboxPrefix = "fleet.answers" }); err == nil {
		t.Error("JetStream is found without the domain")
	}
}

// A server that begins with TLS says nothing before: who waits for its greeting waits for ever.
func TestTheOperatorReachesAServerThatBeginsWithTLS(t *testing.T) {
	authority := natstest.NewAuthority(t)
	s := natstest.Start(t, authority.Secure(t, "nats", nil), func(o *server.Options) { o.TLSHandshakeFirst = true })
	for _, first := range []bool{true, false} {
		c, err := Connect(background(t), &Server{URLs: []string{s.URL()}, TLS: &TLS{CA: authority.PEM, ServerName: "nats", HandshakeFirst: first}})
		if err == nil {
			_, err = c.EnsureBucket(background(t), edge, templates(), false)
			c.Close()
		}
		if (err == nil) != first {
			t.Errorf("handshakeFirst %t: %v", first, err)
		}
	}
}
