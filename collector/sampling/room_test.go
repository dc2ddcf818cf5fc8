package sampling

import (
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

func interfaceKey(id uint64) uint64 {
	key, _ := Key(Interface, id)
	return key
}

// A worker may hold an exporter that made room for others a moment ago: what it still learns of it takes nobody's room.
func TestWhatAnExporterSaysThatMadeRoomTakesNoRoom(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, Limits{Exporters: 1, Rates: 10, Total: 20}, &totals)
	for n := range 5 {
		e := s.Exporter(exporter(n), now)
		s.Exporter(exporter(n+1), now)
		if !e.Gone() {
			t.Fatal("it did not make room")
		}
		for id := range uint64(10) {
			e.Learn(1, 1000, interfaceKey(id), 100, 1000, now)
		}
	}
	if s.Size() != 0 {
		t.Errorf("%d rates count that nobody can look up", s.Size())
	}
}

// Of one exporter's rates, the bucket may have more than are remembered: none that is announced makes room for those that are not any more.
func TestLoadingTooManyRatesOfAnExporterKeepsWhatIsAnnounced(t *testing.T) {
	for name, heard := range map[string]func(i int) int64{
		"the dead first":        func(i int) int64 { return now - 20*day + int64(i) },
		"the dead newest first": func(i int) int64 { return now - 20*day - int64(i) },
	} {
		t.Run(name, func(t *testing.T) {
			var totals ledger.Totals
			s := NewStore(template.ModeAuto, Limits{Exporters: 10, Rates: 400, Total: 10_000, TTL: time.Duration(30 * day)}, &totals)
			restore := func(id int, at int64) {
				d := definition(1, 100, 1, at)
				d.Key.ID = interfaceKey(uint64(id))
				s.Restore(d, now)
			}
			for i := range 400 {
				restore(10_000+i, heard(i))
				restore(i, now-hour/2)
			}
			for i := range 400 {
				restore(20_000+i, heard(400+i))
			}
			lost := 0
			for i := range 400 {
				if rate, _ := s.Find(exporter(1)).Rate(1, 1000, interfaceKey(uint64(i)), now); rate != 100 {
					lost++
				}
			}
			if lost > 0 {
				t.Errorf("%d of 400 rates that are announced lost their place", lost)
			}
		})
	}
}

// Some exporters fill all the room that there is for rates, which anybody can who forges their addresses. Those that announce a few keep them.
func TestWhoAnnouncesFewRatesKeepsThemBesideWhoAnnouncesMany(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, Limits{Exporters: 1000, Rates: 100, Total: 2000}, &totals)
	few := func(at int64) {
		for n := range 50 {
			for id := range uint64(3) {
				s.Exporter(exporter(n), at).Learn(1, 1000, interfaceKey(id), 100, 1000, at)
			}
		}
	}
	for n := range 50 {
		s.Exporter(exporter(n), now).Learn(1, 1000, interfaceKey(0), 100, 1000, now)
	}
	for n := range 20 {
		for id := range uint64(100) {
			s.Exporter(exporter(500+n), now+1).Learn(1, 1000, interfaceKey(id), 100, 1000, now+1)
		}
	}
	at := now + hour/12
	few(at)
	lost := 0
	for n := range 50 {
		e := s.Find(exporter(n))
		for id := range uint64(3) {
			if e == nil {
				lost++
			} else if rate, _ := e.Rate(1, 1000, interfaceKey(id), at); rate != 100 {
				lost++
			}
		}
	}
	if lost > 0 || s.Size() > 2000 {
		t.Errorf("%d of 150 rates are lost; %d are known", lost, s.Size())
	}
}

// Loading what is dead takes no room from what is announced where the bound on all rates is reached first.
func TestLoadingMoreThanAllRatesKeepsWhatIsAnnounced(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, Limits{Exporters: 100_000, Rates: 10, Total: 1000}, &totals)
	for n := range 900 {
		s.Restore(definition(n, 100, 1, now-hour), now)
		s.Restore(definition(3000+n, 100, 1, now-20*day+int64(n)), now)
	}
	for n := range 900 {
		s.Restore(definition(6000+n, 100, 1, now-10*day+int64(n)), now)
	}
	lost := 0
	for n := range 900 {
		if s.Find(exporter(n)) == nil {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of 900 exporters that announce lost their place", lost)
	}
}

// The same where the number of exporters is.
func TestLoadingMoreThanAllExportersKeepsWhatIsAnnounced(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, Limits{Exporters: 1000, Rates: 10, Total: 100_000}, &totals)
	for n := range 900 {
		s.Restore(definition(n, 100, 1, now-hour), now)
		s.Restore(definition(3000+n, 100, 1, now-20*day+int64(n)), now)
	}
	for n := range 900 {
		s.Restore(definition(6000+n, 100, 1, now-10*day+int64(n)), now)
	}
	lost := 0
	for n := range 900 {
		if s.Find(exporter(n)) == nil {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of 900 exporters that announce lost their place", lost)
	}
}

// What stands in the bucket as deleted is no news of what is known here without a key: it is listed again and again.
func TestAKeyThatWasDeletedTakesNothingThatHasNone(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, LimitsFor(100, time.Duration(30*day)), &totals)
	e := s.Exporter(exporter(1), now)
	e.Learn(1, 2000, interfaceKey(3), 100, 1000, now)
	e.Learn(1, 1000, interfaceKey(3), 100, 1000, now+1)
	s.Forget(template.Key{Scope: exporter(1), Family: template.FamilySampling, Port: 1000, ID: interfaceKey(3)})
	if s.Size() != 2 {
		t.Errorf("%d rates are known", s.Size())
	}
	s.Forget(template.Key{Scope: exporter(1), Family: template.FamilySampling, Port: 2000, ID: interfaceKey(3)})
	if s.Size() != 1 {
		t.Errorf("%d rates are known once the key of one was deleted", s.Size())
	}
}

// toldOf keeps what the bucket was told last.
type toldOf struct{ last template.Definition }

func (o *toldOf) Learned(d template.Definition) { o.last = d }

// Another collector writes what it knows of a rate, as into a bucket that was lost: that it was heard hours ago. Who heard it since says so at once, else
// others take it for silent beside what is heard.
func TestARateThatIsWrittenAsHeardLongAgoIsToldOf(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, LimitsFor(100, time.Duration(30*day)), &totals)
	o := &toldOf{}
	s.Observe(o)
	e := s.Exporter(exporter(1), now)
	e.Learn(1, 1000, interfaceKey(3), 100, 1000, now)
	e.Learn(1, 1000, interfaceKey(4), 100, 8200, now+2*hour)
	e.Learn(1, 1000, interfaceKey(3), 100, 8200, now+2*hour)
	d := definition(1, 100, template.StampOf(1000), now)
	d.Key.ID = interfaceKey(3)
	o.last = template.Definition{}
	s.Restore(d, now+2*hour+1)
	if o.last.Key != d.Key || o.last.Heard != now+2*hour || !o.last.Refresh {
		t.Errorf("the bucket is told %+v", o.last)
	}
}

// The bucket's times go by the server's clock, of which each collector has its own estimate: what it has is a little older, or younger, at each
// listing. That alone has no rate written that its exporter has not announced for a while.
func TestARateThatTheBucketHasALittleOlderIsNotToldOfAgain(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, LimitsFor(100, time.Duration(30*day)), &totals)
	o := &toldOf{}
	s.Observe(o)
	e := s.Exporter(exporter(1), now)
	e.Learn(1, 1000, interfaceKey(3), 100, 1000, now)
	e.Learn(1, 1000, interfaceKey(4), 100, 1000, now)
	e.Learn(1, 1000, interfaceKey(4), 100, 3400, now+hour*2/3)
	d := definition(1, 100, template.StampOf(1000), 0)
	d.Key.ID = interfaceKey(3)
	for _, off := range []time.Duration{0, -time.Nanosecond, -5 * time.Millisecond, 5 * time.Millisecond, -time.Second} {
		d.Heard = now + int64(off)
		o.last = template.Definition{}
		if s.Restore(d, now+hour*2/3+1); o.last.Record != nil {
			t.Errorf("by %v, and the bucket is told %+v", off, o.last)
		}
	}
}

// One that sends while the bucket is loaded was looked for in vain before that: workers have to look again once there is something to ask for.
func TestAnExporterThatSendsAlreadyIsLookedForAgainWhenItFindsNoRoom(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, Limits{Exporters: 1, Rates: 10, Total: 100}, &totals)
	s.Restore(definition(1, 100, 1, now-1), now)
	d := definition(2, 100, 1, now-hour)
	s.Miss(d.Key.Scope)
	before := s.Known()
	s.Restore(d, now)
	known := s.Known()
	s.Restore(d, now) // with each listing
	s.Miss(d.Key.Scope)
	if missed := s.Missed(10); known == before || s.Known() != known || len(missed) != 1 || missed[0].Exporter != d.Key.Scope.Exporter {
		t.Errorf("known went from %d to %d and %d; %v is missed", before, known, s.Known(), missed)
	}
}

// Exporters whose rates find no room count once, when the bucket is listed again and again.
func TestExportersWhoseRatesFindNoRoomAreCountedOnce(t *testing.T) {
	const room, gone = 100, 50
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, Limits{Exporters: room, Rates: 10, Total: 10_000, TTL: time.Duration(30 * day)}, &totals)
	for range 6 {
		for n := range room + gone {
			at := now - hour/2
			if n >= room {
				at = now - 5*day
			}
			for id := range uint64(5) {
				d := definition(n, 100, 1, at)
				d.Key.ID = interfaceKey(id)
				s.Restore(d, now)
			}
		}
	}
	if got := totals.Load()[ledger.SamplingEvicted]; got != gone {
		t.Errorf("%d are counted, want one for each of %d exporters", got, gone)
	}
}

// As many ports announce a rate as are remembered, each another one, and the bucket has those of ports that are gone: what is announced keeps its place each
// time that it is listed, and what is gone counts once.
func TestListingMorePortsThanAreRememberedKeepsThoseThatAnnounce(t *testing.T) {
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, LimitsFor(100, time.Duration(30*day)), &totals)
	e := s.Exporter(exporter(1), now)
	for i := range uint16(maxEach) {
		e.Learn(1, 1000+i, 0, 100+uint64(i), 1000, now)
	}
	for range 3 {
		for i := range uint16(10) {
			d := definition(1, 7, 1, now-10*day)
			d.Key.Port = 10_000 + i
			s.Restore(d, now)
		}
	}
	lost := 0
	for i := range uint16(maxEach) {
		if rate, _ := e.Rate(1, 1000+i, 0, now); rate != 100+uint64(i) {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d rates that are announced lost their place", lost, maxEach)
	}
	if all := totals.Load(); all[ledger.SamplingEvicted] != 1 {
		t.Errorf("%d rates count as forgotten, want 1: what the bucket has too much of is listed again and again", all[ledger.SamplingEvicted])
	}
}
