package connect

import (
	"errors"
	"fmt"
	"strings"
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
		// Letters whose lower case has another length: of a server that lies.
		{violation(strings.Repeat("Ⱥ", 100) + ` publish to "a"`), "a", false},
		{violation(strings.Repeat("İ", 100) + ` Subscription to "a"`), "", true},
		{errors.New(`Permissions Violation for Publish to "a"`), "", false},
		{nil, "", false},
	} {
		if subject, subscription := RefusedSubject(test.err), RefusedSubscription(test.err); subject != test.subject || subscription != test.subscription {
			t.Errorf("%v: %q, %v", test.err, subject, subscription)
		}
	}
}
