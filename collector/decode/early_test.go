package decode_test

import (
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// A collector that starts has its socket before it has loaded the bucket: the first flows of an sFlow agent are named like all others. Without the
// bucket they are not late for that, and none is lost or overtaken where many come.
func TestFlowsThatComeBeforeTheBucketIsLoadedAreNamed(t *testing.T) {
	const second = int64(time.Second)
	for name, test := range map[string]struct {
		want  decode.NameSet
		waits bool
		end   func(r *reader, now int64)
		named bool
	}{
		"it is loaded, and time goes on":              {allNames, true, func(r *reader, now int64) { r.templates.InStep(now); r.decoder.Tick(now) }, true},
		"it is loaded, and the next flow comes":       {allNames, true, func(r *reader, now int64) { r.templates.InStep(now); r.decodeAt(now, 3) }, true},
		"it is not loaded for long":                   {allNames, true, func(r *reader, now int64) { r.decoder.Tick(now + 6*second) }, true},
		"the collector ends":                          {allNames, true, func(r *reader, _ int64) { r.decoder.Close() }, true},
		"more come than may wait":                     {allNames, true, func(r *reader, now int64) { r.limit(1000); r.decodeAt(now, 3) }, true},
		"flows carry no names, and need not wait":     {0, false, func(*reader, int64) {}, false},
		"nothing is held, and they may not wait":      {allNames, false, nil, false},
		"it is loaded already, and they need no wait": {allNames, false, func(*reader, int64) {}, false},
	} {
		templates := template.NewStore(template.ModeAuto, template.Limits{Exporters: 100, Templates: 100, Fields: 100, Bytes: 1 << 20}, &ledger.Totals{}, nil)
		r := newReaderOf(test.want, templates)
		now := int64(exportSeconds) * second
		templates.Await(now + 30*second)
		if name == "it is loaded already, and they need no wait" {
			templates.InStep(now)
		}
		if test.end == nil {
			settings := settingsFor(test.want)
			settings.Hold = false
			r.decoder.Configure(settings)
			test.end = func(*reader, int64) {}
		}
		r.decodeAt(now, 1)
		r.decodeAt(now+second, 2)
		if waits := len(r.flows) == 0; waits != test.waits {
			t.Errorf("%s: they wait: %t", name, waits)
		}
		r.hears("swp3")
		test.end(r, now+2*second)
		for i, got := range r.flows {
			if (got["in_if_name"] == "swp3") != test.named {
				t.Errorf("%s: flow %d is %v", name, i, got)
			}
		}
		if len(r.flows) < 2 || r.counts[ledger.DatagramsReceived] != uint64(len(r.flows)) || r.counts[ledger.SequenceReordered]+r.counts[ledger.SequenceSkipped] != 0 {
			t.Errorf("%s: %d flows of %d datagrams", name, len(r.flows), r.counts[ledger.DatagramsReceived])
		}
		// From then on nothing waits, though the bucket is away.
		before := len(r.flows)
		if r.decodeAt(now+7*second, 4); len(r.flows) != before+1 {
			t.Errorf("%s: a later flow waits", name)
		}
	}
}

// Datagrams of sFlow that wait and sets that are held share one bound. Sets that come later take the room of datagrams, which are read then: none is
// dropped for one.
func TestWhatWaitsTakesNoMoreThanItsBoundTogether(t *testing.T) {
	const second, bound, datagrams = int64(time.Second), 4000, 8
	templates := template.NewStore(template.ModeAuto, template.Limits{Exporters: 100, Templates: 100, Fields: 100, Bytes: 1 << 20}, &ledger.Totals{}, nil)
	r := newReaderOf(allNames, templates)
	r.limit(bound)
	now := int64(exportSeconds) * second
	templates.Await(now + 30*second)
	for n := range datagrams {
		r.decodeAt(now, byte(n+1))
	}
	_, before := r.decoder.Held()
	if len(r.flows) != 0 || before == 0 || before > bound {
		t.Fatalf("%d flows do not wait, %d bytes do", len(r.flows), before)
	}
	for n := range 10 {
		set := concat(u16(300, 204), make([]byte, 200)) // of a template that nobody knows
		header := concat(u16(9, 1), u32(1000, exportSeconds, uint32(n), 1))
		r.decoder.Decode(decode.Datagram{Payload: concat(header, set), Source: router, Received: now})
		if _, bytes := r.decoder.Held(); bytes > bound {
			t.Errorf("%d bytes wait after %d sets", bytes, n+1)
		}
	}
	if sets, _ := r.decoder.Held(); sets != 10 || len(r.flows) != datagrams || r.counts[ledger.SetsExpiredOverflow] != 0 {
		t.Errorf("%d sets wait, %d went, %d flows of %d datagrams were read", sets, r.counts[ledger.SetsExpiredOverflow], len(r.flows), datagrams)
	}
}

// decodeAt decodes an sFlow datagram of a number that came at a time.
func (r *reader) decodeAt(now int64, number byte) {
	b := newGenerator(1).sflow(1)
	b[19] = number
	r.decoder.Decode(decode.Datagram{Payload: b, Source: router, Received: now})
}

// hears has the Store of names know what another collector heard the agent call interface 3.
func (r *reader) hears(name string) {
	other := newReader(allNames)
	shared := netflow.OwnShared()
	shared.Names = r.store
	other.decoder.Share(shared)
	record := concat(u32(1005, uint32(4+len(name)), uint32(len(name))), []byte(name))
	sample := concat(u32(1, 0, 3, 1), record)
	other.decode(router, concat(newGenerator(1).sflow(1)[:16], u32(1, 1, 1), u32(4, uint32(len(sample))), sample))
}

// limit has the decoder hold no more than so many bytes.
func (r *reader) limit(bytes int) {
	settings := settingsFor(allNames)
	settings.HeldBytes = bytes
	r.decoder.Configure(settings)
}
