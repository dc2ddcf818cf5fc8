package publish

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// life does all that collectors do with a stream, and returns what was refused to them. It ends with the first refusal.
func life(t *testing.T, s *natstest.Server, where ...*config.NATS) (denied []string) {
	t.Helper()
	var denials natstest.Denials
	c := output(nil)
	if len(where) > 0 {
		c.NATS = where[0]
	}
	p, err := newJetStream(c, "test", s.ConnectAs(&denials), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	defer func() { _ = p.Close(ctx) }()
	submit(p, 0, 5, 100)
	natstest.Eventually(t, "they are published", func() bool { return p.Stats().Published == 5 || len(denials.Subjects()) > 0 })
	if len(denials.Subjects()) == 0 {
		// As after an acknowledgement that was lost, of a batch that the stream does not have.
		if _, err := p.stored(ctx, []*Batch{{Subject: "flows.default.collector.ipfix", messageID: "another"}}, 0); err != nil {
			natstest.Eventually(t, "it is refused: "+err.Error(), func() bool { return len(denials.Subjects()) > 0 })
		}
		time.Sleep(200 * time.Millisecond) // what reading leaves behind is deleted meanwhile
	}
	return denials.Subjects()
}

// Each permission of docs/nats.md is needed, and all together are enough.
func TestCollectorsNeedEachPermissionOfTheDocumentationForTheStreamAndNoMore(t *testing.T) {
	stream := output(nil).Stream.Name
	all := natstest.DocumentedPermissions(t, "Collectors", natstest.Names{Bucket: "bucket", Stream: stream, Flows: "flows"})
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		if denied := life(t, natstest.Start(t, natstest.As(all))); len(denied) > 0 {
			t.Errorf("with all of them: %q", denied)
		}
	})
	for i, subject := range all {
		if strings.Contains(subject, "bucket") || subject == "$JS.API.INFO" {
			continue // package share
		}
		t.Run(subject, func(t *testing.T) {
			t.Parallel()
			without := slices.Delete(slices.Clone(all), i, i+1)
			denied := life(t, natstest.Start(t, natstest.As(without)))
			if len(denied) == 0 || !strings.HasPrefix(denied[0], strings.TrimSuffix(subject, ">")) {
				t.Errorf("without it: %q is refused", denied)
			}
		})
	}
}

// The status names the subject that flows may not be published on. The server tells of it beside, and answers nothing.
func TestTheStatusNamesTheSubjectThatFlowsMayNotBePublishedOn(t *testing.T) {
	t.Parallel()
	all := natstest.DocumentedPermissions(t, "Collectors", natstest.Names{Bucket: "bucket", Stream: output(nil).Stream.Name, Flows: "flows"})
	s := natstest.Start(t, natstest.As(slices.DeleteFunc(all, func(subject string) bool { return subject == "flows.>" })))
	var denials natstest.Denials
	p, err := newJetStream(output(nil), "test", s.ConnectAs(&denials), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // nothing can be published
		defer cancel()
		_ = p.Close(ctx)
	}()
	submit(p, 0, 5, 100)
	natstest.Eventually(t, "the status names it", func() bool { return strings.Contains(p.Status().LastError, `"flows.default.collector.`) })
}

func TestCollectorsPublishIntoADomainBehindALeafNodeWithTheDocumentedPermissions(t *testing.T) {
	all := natstest.DocumentedPermissions(t, "Collectors", natstest.Names{Bucket: "bucket", Stream: output(nil).Stream.Name, Flows: "flows"})
	s := natstest.StartBehindLeaf(t, "leaf", natstest.As(natstest.InDomain("leaf", all)))
	if denied := life(t, s, &config.NATS{Domain: "leaf"}); len(denied) > 0 {
		t.Errorf("%q is refused", denied)
	}
}

func TestChangesOfNamesNeedNoMorePermissionsThanFlows(t *testing.T) {
	s := natstest.Start(t, natstest.As(natstest.DocumentedPermissions(t, "Collectors",
		natstest.Names{Bucket: "bucket", Stream: output(nil).Stream.Name, Flows: "flows"})))
	if denied := life(t, s); len(denied) > 0 {
		t.Errorf("%q is refused", denied)
	}
	var denials natstest.Denials
	n, err := NewNames(output(nil), s.ConnectAs(&denials))
	if err != nil {
		t.Fatal(err)
	}
	n.Add(linesOf(record(1, "xe-0/0/0")))
	if err := n.Send(t.Context()); err != nil || n.Stats().Published != 1 || len(denials.Subjects()) != 0 {
		t.Errorf("%v, %+v, refused are %q", err, n.Stats(), denials.Subjects())
	}
}
