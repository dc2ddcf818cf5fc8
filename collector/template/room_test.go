package template

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

const day = 24 * int64(time.Hour)

// restored is a definition of the bucket, of exporter n and a template id, that was heard at a time.
func restored(n int, id uint16, at int64) Definition {
	scope := Scope{Version: IPFIX, Exporter: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), Domain: 1}
	return Definition{Key: Key{Scope: scope, Port: 1000, ID: uint64(id)}, Kind: KindData, Stamp: 1, Record: u16(id, 1, 8, 4), Heard: at, Told: at}
}

// The bucket has more exporters than are remembered: none that is heard makes room for one that is not heard any more, in whatever order they
// are read.
func TestLoadingMoreExportersThanThereIsRoomForKeepsThoseThatAreHeard(t *testing.T) {
	const now = 1000 * day
	var totals ledger.Totals
	s := NewStore(ModeAuto, Limits{Exporters: 1000, Templates: 10, Fields: 10, TTL: time.Duration(30 * day)}, &totals, nil)
	for n := range 900 {
		s.Restore(restored(n, 300, now-day/24), now)
		s.Restore(restored(3000+n, 300, now-20*day+int64(n)), now)
	}
	for n := range 900 {
		s.Restore(restored(6000+n, 300, now-10*day+int64(n)), now)
	}
	lost := 0
	for n := range 900 {
		if s.Find(restored(n, 300, 0).Key.Scope) == nil {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of 900 exporters that are heard lost their place", lost)
	}
}

// One that found no room when the bucket was read is asked for once it sends.
func TestAnExporterThatFoundNoRoomIsMissedOnceItIsHeard(t *testing.T) {
	const now = 1000 * day
	var totals ledger.Totals
	s := NewStore(ModeAuto, Limits{Exporters: 1, Templates: 10, Fields: 10}, &totals, nil)
	s.Restore(restored(1, 300, now-1), now)
	d := restored(2, 300, now-day)
	if s.Restore(d, now) {
		t.Fatal("it took the room of one that was heard later")
	}
	if missed := s.Missed(10); len(missed) != 0 {
		t.Fatalf("%v is missed before it is heard", missed)
	}
	s.Miss(d.Key.Scope)
	s.Restore(d, now) // the bucket is listed again meanwhile
	if missed := s.Missed(10); !slices.Equal(missed, []Scope{d.Key.Scope}) {
		t.Errorf("%v is missed once it is heard", missed)
	}
}

// One that sends while the bucket is loaded was looked for in vain before that: workers have to look again once there is something to ask for.
func TestAnExporterThatSendsAlreadyIsLookedForAgainWhenItFindsNoRoom(t *testing.T) {
	const now = 1000 * day
	var totals ledger.Totals
	s := NewStore(ModeAuto, Limits{Exporters: 1, Templates: 10, Fields: 10}, &totals, nil)
	s.Restore(restored(1, 300, now-1), now)
	d := restored(2, 300, now-day)
	s.Miss(d.Key.Scope)
	before := s.Known()
	s.Restore(d, now)
	known := s.Known()
	if known == before {
		t.Error("nobody looks again for one that found no room")
	}
	s.Restore(d, now) // with each listing
	if s.Known() != known {
		t.Error("all look again each time that the bucket is listed")
	}
	s.Miss(d.Key.Scope)
	if missed := s.Missed(10); !slices.Equal(missed, []Scope{d.Key.Scope}) {
		t.Errorf("%v is missed", missed)
	}
}

// What the bucket has under the key of a template is one of flows or of options, or nothing.
func TestADefinitionOfAnotherKindIsNoTemplate(t *testing.T) {
	const now = 1000 * day
	for kind := range KindPage + 2 {
		var totals ledger.Totals
		s := NewStore(ModeAuto, Limits{Exporters: 1, Templates: 10, Fields: 10}, &totals, nil)
		d := restored(1, 300, now-1)
		d.Kind = kind
		if kind == KindOptions {
			d.Record = u16(300, 1, 1, 8, 4)
		}
		if took := s.Restore(d, now); took != (kind == KindData || kind == KindOptions) {
			t.Errorf("kind %d is taken: %v", kind, took)
		}
	}
}

// The bucket has exporters that find no room, as those that are gone for days. They count once as forgotten, however many templates they have and however
// often the bucket is listed: a count that grows asks for higher limits.
func TestExportersThatFindNoRoomAreCountedOnce(t *testing.T) {
	const now, room, gone = 1000 * day, 100, 50
	var totals ledger.Totals
	s := NewStore(ModeAuto, Limits{Exporters: room, Templates: 10, Fields: 10, TTL: time.Duration(30 * day)}, &totals, nil)
	for range 6 {
		for n := range room + gone {
			at := now - int64(1)
			if n >= room {
				at = now - 5*day
			}
			for id := range uint16(5) {
				s.Restore(restored(n, 300+id, at), now)
			}
		}
	}
	if got := totals.Load()[ledger.ExportersEvicted]; got != gone {
		t.Errorf("%d exporters are counted, want %d", got, gone)
	}
}

// The bucket has layouts of devices that are gone, beside as many that are heard as are told apart: these keep their place each time that it is listed,
// and what found no room counts once.
func TestListingMoreLayoutsThanAreToldApartKeepsThoseThatAreHeard(t *testing.T) {
	m := newMemory(t, ModeAuto, Limits{Exporters: 10, Templates: 100, Fields: 10, TTL: time.Duration(30 * day)})
	m.now = 1000 * day
	for i := range uint16(maxLayouts) {
		m.learn(1000+i, 256, 4+i, 100)
	}
	gone := m.now - 10*day
	for range 5 {
		m.now += 10 * int64(time.Minute)
		for i := range uint16(10) {
			key := Key{Scope: scope, Port: 5000 + i, ID: 256}
			m.Restore(Definition{Key: key, Kind: KindData, Stamp: 1, Record: layoutOf(t, 256, 100+i).Record, Heard: gone, Told: gone, Silent: i%2 == 0}, m.now)
		}
		for i := range uint16(maxLayouts) {
			m.want(1000+i, 256, 4+i)
		}
	}
	m.counted(ledger.TemplatesEvicted, 1)
	// One that was heard later than another one takes the place of that.
	m.now += int64(time.Second)
	key := Key{Scope: scope, Port: 6000, ID: 256}
	m.Restore(Definition{Key: key, Kind: KindData, Stamp: 1, Record: layoutOf(t, 256, 200).Record, Heard: m.now, Told: m.now}, m.now)
	m.want(6000, 256, 200)
	m.want(1000, 256, 0)
}
