package sink

import (
	"context"
	"errors"
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/publish"
)

func TestRecordsOfTheLedgerAreHandedOnAsSuchAndAreNoFlows(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	b.memory.answer(func(_ context.Context, batch Batch) error {
		if batch.Ledger != (string(batch.Payload) == "{}\n{}\n") {
			return &Refusal{ReasonDestination, errors.New("it is not told apart")}
		}
		return nil
	})
	_, stop := b.start(options())
	b.publish(publish.EncodingLedger, 2, []byte("{}\n{}\n"))
	b.publishMany(1, 3)
	b.rest(options().Consumer)
	if books := stop(); books.Stored != (Count{Messages: 2, Records: 3}) {
		t.Errorf("stored are %+v, refused %+v", books.Stored, books.Refused)
	}
}
