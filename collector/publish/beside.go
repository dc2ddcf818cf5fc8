package publish

import (
	"context"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
)

const (
	// besideBytes bounds a message of what goes beside the flows, where one record is not more. So does output.batch.maxBytes: who has a server
	// or a stream that takes less says so there.
	besideBytes = 256 << 10
	// besideTimeout bounds one attempt.
	besideTimeout = 5 * time.Second
)

// beside is a message of records that go beside the flows. The stream stores one of an id.
type beside struct {
	message *nats.Msg
	id      string
	records uint64
}

// mostBeside is how many bytes such a message may have.
func mostBeside(c *config.Output) int { return min(besideBytes, int(c.Batch.MaxBytes)) }

// pack puts records, each a line, into messages of at most most bytes, where one line is not more, and calls each for every one of these,
// which has no id yet. It keeps no line.
func pack(lines iter.Seq[[]byte], subject, encoding string, most int, each func(beside)) {
	var data []byte
	records := uint64(0)
	finish := func() {
		if records > 0 {
			header := nats.Header{HeaderEncoding: {encoding}, HeaderCount: {strconv.FormatUint(records, 10)}}
			each(beside{message: &nats.Msg{Subject: subject, Data: data, Header: header}, records: records})
		}
		data, records = nil, 0
	}
	for line := range lines {
		if len(data)+len(line) > most {
			finish()
		}
		data = append(data, line...)
		records++
	}
	finish()
}

// publish makes one attempt, and returns nil once the stream has the message.
func (b *beside) publish(ctx context.Context, js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(ctx, besideTimeout)
	defer cancel()
	_, err := js.PublishMsg(ctx, b.message, jetstream.WithMsgID(b.id), jetstream.WithRetryAttempts(0))
	return err
}
