package exporters

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

var router = netip.MustParseAddr("192.0.2.1")

// page of one exporter with one sequence, of which it received so many from first up to next.
func page(records, first, next, units uint64, ago time.Duration) *status.Exporters {
	made := noon.Add(time.Hour) // its clock is an hour ahead
	return &status.Exporters{Version: 1, Started: noon, Time: made, Exporters: []status.Exporter{{Address: "192.0.2.1", Protocol: "netflow9", Received: units,
		Decoded: units, Records: records, Streams: []status.Stream{{Port: 4000, Domain: 7, LastSeen: made.Add(-ago),
			Span: ledger.Span{First: first, Next: next, Units: units, TotalUnits: units}}}}}}
}

func all(netip.Addr) bool { return true }

func TestWhatOneCollectorMissesAndTheOtherHasIsNotMissed(t *testing.T) {
	s := newSum()
	base := uint64(1 << 32)
	s.take(observation.Pod{Name: "a", Node: "n1"}, page(100, base, base+100, 60, time.Minute), noon, all)
	s.take(observation.Pod{Name: "b", Node: "n2"}, page(50, base+10, base+110, 40, 2*time.Second), noon, all)
	f := s.end()[router]
	if f.Sent != 110 || f.Units != 100 || f.Missed != 10 || f.Sequences != 1 || f.Records != 150 || f.Received != 100 {
		t.Errorf("%+v", f)
	}
	if len(f.Nodes) != 2 || !f.Domains[7] || !f.Ports[4000] || !f.LastHeard.Equal(noon.Add(-2*time.Second)) {
		t.Errorf("%+v", f)
	}
}

// What is on its way between collectors is not missed. After a route has changed for a moment, nothing is on its way to the other one.
func TestASequenceIsSplitWhereSeveralCollectorsHearItNow(t *testing.T) {
	for name, test := range map[string]struct {
		ago  []time.Duration
		port uint16 // of the second collector's
		want bool
	}{
		"one collector":                      {[]time.Duration{0}, 4000, false},
		"two at once":                        {[]time.Duration{0, 2 * time.Second}, 4000, true},
		"two, of which one has not for long": {[]time.Duration{4 * time.Minute, 0}, 4000, false},
		"two that have not for long":         {[]time.Duration{4 * time.Minute, 4 * time.Minute}, 4000, false},
		"two, with a sequence each":          {[]time.Duration{0, 0}, 4001, false},
		"three, of which two do":             {[]time.Duration{5 * time.Minute, 0, time.Second}, 4000, true},
	} {
		s := newSum()
		for i, ago := range test.ago {
			p := page(100, 1, 101, 50, ago)
			if i > 0 {
				p.Exporters[0].Streams[0].Port = test.port
			}
			s.take(observation.Pod{Name: string(rune('a' + i)), Node: "n"}, p, noon, all)
		}
		other := &Figures{}
		other.add(s.end()[router])
		if other.Split != test.want {
			t.Errorf("%s: %t", name, other.Split)
		}
	}
}

func TestWhatIsNoAddressIsLeftOut(t *testing.T) {
	s := newSum()
	for _, text := range []string{"", "router", "fe80::1%eth0", "192.0.2.0/24", "::ffff:192.0.2.1"} {
		p := page(1, 1, 2, 1, 0)
		p.Exporters[0].Address = text
		s.take(observation.Pod{}, p, noon, all)
	}
	if got := s.end(); len(got) != 1 || got[router] == nil {
		t.Errorf("%v", got)
	}
}

func TestAddressesAreBoundedAndThoseThatAreKnownFindRoom(t *testing.T) {
	s := newSum()
	known := netip.MustParseAddr("203.0.113.1")
	a := netip.MustParseAddr("2001:db8::")
	for range maxAddresses + 10 {
		a = a.Next()
		s.take(observation.Pod{}, &status.Exporters{Exporters: []status.Exporter{{Address: a.String(), Received: 1}}}, noon, func(netip.Addr) bool { return false })
	}
	s.take(observation.Pod{}, &status.Exporters{Exporters: []status.Exporter{{Address: known.String(), Received: 1}}}, noon,
		func(a netip.Addr) bool { return a == known })
	if len(s.addresses) != maxAddresses+1 || !s.crowded || s.addresses[known] == nil {
		t.Errorf("%d addresses, %v", len(s.addresses), s.crowded)
	}
}

// sequence of which so many units were sent, and so many of these are missing.
func sequence(sent, missed uint64) numbered {
	return numbered{sequences: 1, parts: 1, sent: sent, missed: int64(missed)}
}

func TestTheWindowTellsWhatTheLastMinutesLostAndBeginsAnewWithACollector(t *testing.T) {
	s := &sender{}
	sent, missed, from := uint64(1000), uint64(500), uint64(1) // long ago
	now := noon
	look := func(whole bool, lost uint64) {
		now = now.Add(10 * time.Second)
		sent, missed = sent+100, missed+lost
		if !whole {
			from++
		}
		s.take(&Figures{Received: sent, Records: sent, from: from, numbered: sequence(sent, missed)}, now, whole, false)
	}
	for range 6 {
		look(true, 0)
	}
	if w := s.window(); w != nil {
		t.Errorf("after 50 s: %+v", w)
	}
	for range 40 {
		look(true, 5)
	}
	w := s.window()
	if w == nil || w.Time < windowTime || w.Time > windowTime+sampleEvery || loss(w) < 4.9 || loss(w) > 5.1 {
		t.Errorf("%+v", w)
	}
	look(false, 0)
	if w := s.window(); w != nil {
		t.Errorf("after a collector was replaced: %+v", w)
	}
	if s.grew != 46 || !s.heard.Equal(now.Add(-10*time.Second)) {
		t.Errorf("it grew %d times, and was heard at %s", s.grew, s.heard)
	}
}

// While a collector does not answer, the window is as it was: what was on its way between two collectors is no loss because one of them is not
// heard of.
func TestASequenceStaysSplitWhileTheWindowWaitsForACollector(t *testing.T) {
	s := &sender{}
	now, sent := noon, uint64(1000)
	look := func(from uint64, split, whole, unanswered bool) {
		now, sent = now.Add(10*time.Second), sent+100
		s.take(&Figures{Received: sent, Records: sent, from: from, numbered: sequence(sent, 0), Split: split}, now, whole, unanswered)
	}
	for range 8 {
		look(1, true, true, false)
	}
	for range 2 {
		look(2, false, false, true)
		if w := s.window(); w == nil || !s.figures.Split {
			t.Fatalf("the window is %+v, and the sequence split: %t", w, s.figures.Split)
		}
	}
	for range 8 { // the other one is gone, and all is anew
		look(2, false, false, false)
	}
	if s.figures.Split {
		t.Error("it is split though one collector hears it")
	}
}

// A device that sends again has the rate of what it sends, and has lost what it sent meanwhile, as its sequence tells.
func TestTheSilenceBeforeADeviceSendsAgainIsNotInItsRate(t *testing.T) {
	for name, test := range map[string]struct {
		silent time.Duration
		least  float64 // records a second, two minutes later
		most   float64
	}{
		"as long as what is judged": {windowTime, 9, 10},
		"a day":                     {24 * time.Hour, 9, 10},
		"shorter: an average":       {2 * time.Minute, 5, 7},
	} {
		s, now := &sender{}, noon
		sent, missed := uint64(0), uint64(0)
		look := func(during time.Duration, perLook uint64) {
			for range during / (10 * time.Second) {
				now, sent = now.Add(10*time.Second), sent+perLook
				s.take(&Figures{Received: sent, Records: sent, numbered: sequence(sent+missed, missed)}, now, true, false)
			}
		}
		look(10*time.Minute, 100)
		look(test.silent, 0)
		missed = 700
		look(2*time.Minute, 100)
		w := s.window()
		if w == nil {
			t.Fatalf("%s: there is no window two minutes later", name)
		}
		if rate := w.perSecond().records; rate < test.least || rate > test.most {
			t.Errorf("%s: %.1f records a second, %v to %v are wanted", name, rate, test.least, test.most)
		}
		if w.Missed != 700 {
			t.Errorf("%s: %d units are missed of 700", name, w.Missed)
		}
	}
}

func TestTimesAreWrittenAsPeopleDo(t *testing.T) {
	for d, want := range map[time.Duration]string{5 * time.Minute: "5m", 70 * time.Second: "1m10s", 30 * time.Second: "30s", 24 * time.Hour: "24h",
		90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 0: "0s"} {
		if got := span(d); got != want {
			t.Errorf("%s is %s", d, got)
		}
	}
}
