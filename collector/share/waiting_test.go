package share

import (
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// A change waits for NATS for hours, while the exporter goes on to say it. Once it is written, others know that: else they would take it for what is
// not said any more.
func TestWhatWaitsIsWrittenAsHeardLast(t *testing.T) {
	s := natstest.Start(t)
	a := join(t, s)
	<-a.bucket.Loaded()
	now := clock.Steady()
	key := template.Key{Scope: scope, Family: template.FamilySampling, Port: 2055}
	d := template.Definition{Key: key, Kind: template.KindSampling, Stamp: 1, Record: sampling.Encode(100), Heard: now - 3*int64(time.Hour)}
	again := d
	again.Refresh, again.Witnessed, again.Heard, again.Stamp = true, true, now-int64(time.Minute), 5
	a.bucket.mu.Lock()
	a.bucket.kv, a.bucket.paused = nil, true // NATS is away
	a.bucket.mu.Unlock()
	a.bucket.Learned(d)
	a.bucket.Learned(again)
	other := again
	other.Record, other.Heard = sampling.Encode(7), now
	a.bucket.Learned(other) // what was refreshed is not what waits: that is newer
	a.bucket.mu.Lock()
	waits := a.bucket.operations[key].definition
	a.bucket.mu.Unlock()
	want := d
	want.Refresh = true
	want.Witnessed, want.Heard, want.Stamp = true, again.Heard, again.Stamp
	if !waits.Refresh || waits.Heard != want.Heard || waits.Stamp != want.Stamp || !waits.Witnessed || string(waits.Record) != string(d.Record) {
		t.Errorf("%+v waits, want %+v", waits, want)
	}
}
