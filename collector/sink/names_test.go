package sink

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/publish"
)

func TestChangesOfNamesArePassedByAndCounted(t *testing.T) {
	b := newBench(t, natstest.Start(t))
	_, stop := b.start(options())
	b.publish(publish.EncodingNames, 2, []byte("{}\n{}\n"))
	b.publishMany(1, 3)
	b.rest(options().Consumer)
	books := stop()
	if messages, records := books.Imbalance(); books.Passed != (Count{Messages: 1}) || books.Stored != (Count{Messages: 1, Records: 3}) || messages != 0 || records != 0 {
		t.Errorf("passed are %+v, stored %+v, off by %d messages", books.Passed, books.Stored, messages)
	}
}
