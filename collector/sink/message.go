package sink

import (
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/publish"
)

// look returns how many records a message holds, and why no destination will take it, nil where one may. Of a message that cannot be
// counted its header tells, as far as that can be true.
func look(m jetstream.Msg) (records uint64, refused *Refusal) {
	claimed, err := strconv.ParseUint(m.Headers().Get(publish.HeaderCount), 10, 32)
	if err != nil || claimed > uint64(len(m.Data())) {
		claimed = 0
	}
	if ofLedger(m) || ofNames(m) {
		return 0, nil // of flows
	}
	if encoding := m.Headers().Get(publish.HeaderEncoding); encoding != publish.EncodingProtobuf {
		return claimed, &Refusal{ReasonEncoding, fmt.Errorf("the message has the encoding %.40q; this destination takes %s only",
			encoding, publish.EncodingProtobuf)}
	}
	records, err = count(m.Data())
	if err != nil {
		return claimed, &Refusal{ReasonMalformed, err}
	}
	return records, nil
}

// count is how many records a payload has.
func count(payload []byte) (records uint64, err error) {
	for ; len(payload) > 0; records++ {
		if _, payload, err = flow.Split(payload); err != nil {
			return 0, err
		}
	}
	return records, nil
}

// withoutBody reports whether a consumer left out what the message has, which it says the size of (nats-server, server/consumer.go).
func withoutBody(m jetstream.Msg) bool {
	size := m.Headers().Get(nats.MsgSize)
	return len(m.Data()) == 0 && size != "" && size != "0"
}

// ofLedger reports whether a message has records of the ledger, and no flows.
func ofLedger(m jetstream.Msg) bool {
	return m.Headers().Get(publish.HeaderEncoding) == publish.EncodingLedger
}

// ofNames reports whether a message has changes of names. Flows carry their names, so no destination has a place for these: a sink passes
// them by.
func ofNames(m jetstream.Msg) bool {
	return m.Headers().Get(publish.HeaderEncoding) == publish.EncodingNames
}

// token names a message: by its place in the stream, and by when the stream took it, which tells it from one of a stream of the same
// name that was made anew.
func token(m *jetstream.MsgMetadata) string {
	return fmt.Sprintf("%s/%d/%d", m.Stream, m.Sequence.Stream, m.Timestamp.UnixNano())
}
