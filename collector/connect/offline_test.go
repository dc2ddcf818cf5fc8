package connect

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

func TestAStreamWhoseServersAreAwayIsToldFromOtherErrors(t *testing.T) {
	away := &jetstream.APIError{Code: 500, ErrorCode: 10118, Description: "stream is offline"}
	if got := OfflineHint(fmt.Errorf("looking: %w", away)); !strings.Contains(got, "bring them back") {
		t.Errorf("%q", got)
	}
	for _, other := range []error{errors.New("stream is offline, somebody says"), &jetstream.APIError{Code: 503, ErrorCode: 10008}} {
		if got := OfflineHint(other); got != "" {
			t.Errorf("%v: %q", other, got)
		}
	}
}
