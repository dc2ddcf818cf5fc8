package connect

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestAServersErrorNamesTheSubjectThatIsRefused(t *testing.T) {
	violation := func(text string) error { return fmt.Errorf("%w: %s", nats.ErrPermissionViolation, text) }
	for _, test := range []struct {
		err          error
		subject      string
		subscription bool
	}{
		{violation(`Permissions Violation for Publish to "$JS.API.STREAM.INFO.flows"`), "$JS.API.STREAM.INFO.flows", false},
		{violation(`Permissions Violation for Subscription to "_INBOX.a.*"`), "", true},
		{violation(`Permissions Violation for Publish with Reply of "publish to"`), "", false},
		{violation(`Permissions Violation for Publish to `), "", false},
		{errors.New(`Permissions Violation for Publish to "a"`), "", false},
		{nil, "", false},
	} {
		if subject, subscription := RefusedSubject(test.err), RefusedSubscription(test.err); subject != test.subject || subscription != test.subscription {
			t.Errorf("%v: %q, %v", test.err, subject, subscription)
		}
	}
}
