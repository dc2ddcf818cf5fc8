package share

import (
	"iter"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/template"
)

// restored is a memory that notes what it was told last.
type restored struct{ template.Definition }

func (r *restored) Restore(d template.Definition, _ int64) bool { r.Definition = d; return true }
func (r *restored) Forget(template.Key)                         {}
func (r *restored) Definitions(int64) iter.Seq[template.Definition] {
	return func(func(template.Definition) bool) {}
}

// put is an entry of the bucket.
type put struct {
	jetstream.KeyValueEntry
	value   []byte
	created time.Time
}

func (p put) Key() string                     { return EncodeKey(template.Key{Scope: scope, Port: 2055, ID: 256}) }
func (p put) Value() []byte                   { return p.value }
func (p put) Revision() uint64                { return 7 }
func (p put) Created() time.Time              { return p.created }
func (p put) Operation() jetstream.KeyValueOp { return jetstream.KeyValuePut }

// The server's clock is set back. What it has from before is listed again and again, and was not heard again for it: it would never be silent.
func TestWhatIsListedAgainGrowsNoYounger(t *testing.T) {
	for name, written := range map[string]time.Duration{"before": -2 * time.Hour, "ahead of the clock now": 30 * time.Minute} {
		memory := &restored{}
		b, err := New(config.Default().Templates, "test", natstest.Start(t).Connect(), Stores{template.FamilyTemplate: memory}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		created := clock.Wall().Add(written)
		entry := put{created: created, value: EncodeValue(Value{Kind: template.KindData, Heard: created, Record: []byte{1}})}
		b.apply(entry, true)
		first := memory.Definition
		b.serverAhead.Add(-int64(time.Hour))
		time.Sleep(time.Millisecond)
		b.apply(entry, true)
		if again := memory.Definition; again.Heard > first.Heard || again.Told > first.Told {
			t.Errorf("%s: heard %s later, and written %s", name, time.Duration(again.Heard-first.Heard), time.Duration(again.Told-first.Told))
		}
	}
}
