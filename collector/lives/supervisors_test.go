package lives

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// supervisors are a device of one address and domain whose supervisors each say when they were initialized, from a port of their own. Flows come
// from line cards, which say nothing.
type supervisors struct {
	f     *fleet
	began int64
	d     *device
}

func newSupervisors(t *testing.T) *supervisors {
	f := newFleet(t, 3)
	return &supervisors{f, f.now, &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1}}
}

// say has a port say, in a domain, that it was initialized so many hours before the test began; 0 is the domain of no one.
func (s *supervisors) say(at int, port uint16, domain uint32, hours int) {
	ms := uint64(s.began/1e6) - uint64(hours)*3_600_000
	scope, field := domain, uint16(149)
	if domain == 0 {
		scope, field = 1, 144
	}
	s.d.send(s.f.collectors[at], port, 1, set(3, u16(402, 2, 1, field, 4, 160, 8)), set(402, u32(scope), binary.BigEndian.AppendUint64(nil, ms)))
	s.f.sync()
}

// hours is since when the uptimes of a port's flows are taken to count in a collector: hours before the test began; 0 where nobody knows.
func (s *supervisors) hours(c *collector, port uint16) int {
	const up = uint32(3_600_000) // an hour after it was initialized
	c.records = nil
	s.d.send(c, port, 1, set(2, u16(302, 3, 22, 4, 21, 4, 1, 4)), set(302, u32(up-1000, up, 1)))
	if len(c.records) != 1 {
		s.f.t.Fatalf("%d records", len(c.records))
	}
	end := int64(c.records[0].TimeFlowEndNs)
	if end == s.f.now {
		return 0
	}
	return int((s.began-end)/int64(time.Hour)) + 1
}

func (s *supervisors) want(what string, port uint16, want int) {
	s.f.t.Helper()
	s.f.wait(11 * time.Minute) // workers ask again
	for i, c := range s.f.collectors {
		if got := s.hours(c, port); got != want {
			s.f.t.Errorf("%s: collector %d takes port %d to be up for %d hours, want %d", what, i, port, got, want)
		}
	}
}

// goOn has supervisors say the same each five minutes, to collectors 0 and 1 in turn with their places.
func (s *supervisors) goOn(d time.Duration, all ...initialized) {
	for range d / (5 * time.Minute) {
		for i, one := range all {
			s.say(i%2, one.port, one.domain, one.hours)
		}
		s.f.wait(5 * time.Minute)
	}
}

type initialized struct {
	port   uint16
	domain uint32
	hours  int
}

// Supervisors, and devices behind one address, say when they were initialized. Line cards' ports say nothing: their flows have the time of the one
// that speaks, none while two do, and nobody's who has been silent for hours. So it is in each collector, whoever heard it, and in one that starts.
func TestTheTimeOfASupervisorHoldsWhileItIsSaid(t *testing.T) {
	first, second := initialized{1000, 1, 50}, initialized{2000, 1, 5}
	const long = 30 * time.Hour
	for name, test := range map[string]struct {
		live func(s *supervisors)
		want int
		port uint16 // 3000, a line card's, where it is 0
		// forgets: who starts cannot know that another one may come back.
		forgets bool
	}{
		"the other one takes over": {live: func(s *supervisors) {
			s.goOn(long, first)
			s.goOn(10*time.Minute, second)
		}, want: 5},
		"and goes on": {live: func(s *supervisors) {
			s.goOn(long, first)
			s.goOn(long, second)
		}, want: 5},
		"the first one takes over again": {live: func(s *supervisors) {
			s.goOn(long, first)
			s.goOn(long, second)
			s.goOn(10*time.Minute, first)
		}, want: 50},
		"and goes on, too": {live: func(s *supervisors) {
			s.goOn(long, first)
			s.goOn(long, second)
			s.goOn(long, first)
		}, want: 50},
		"again and again": {live: func(s *supervisors) {
			for range 5 {
				s.goOn(long, first)
				s.goOn(long, second)
			}
		}, want: 5},
		"both speak": {live: func(s *supervisors) {
			s.goOn(long, first)
			s.goOn(long, first, second)
		}},
		"both speak, and one ends": {live: func(s *supervisors) {
			s.goOn(long, first)
			s.goOn(long, first, second)
			s.goOn(2*time.Hour, first)
		}, want: 50},
		"both were silent for a day, and one speaks": {live: func(s *supervisors) {
			s.goOn(long, first, second)
			s.f.wait(24 * time.Hour)
			s.goOn(10*time.Minute, first)
		}, forgets: true},
		"and goes on alone": {live: func(s *supervisors) {
			s.goOn(long, first, second)
			s.f.wait(24 * time.Hour)
			s.goOn(3*time.Hour, first)
		}, want: 50},
		"a port that another device has by now": {live: func(s *supervisors) {
			s.goOn(long, first)
			for i := range 40 {
				s.goOn(5*time.Minute, initialized{uint16(4000 + i), 1, 5})
			}
		}, want: 5, port: 1000},
		"ports that change, beside another device": {live: func(s *supervisors) {
			for i := range 40 {
				s.goOn(5*time.Minute, first, initialized{uint16(4000 + i), 1, 5})
			}
			s.say(1, 4999, 1, 5)
		}},
		"its own, beside that": {live: func(s *supervisors) {
			for i := range 40 {
				s.goOn(5*time.Minute, first, initialized{uint16(4000 + i), 1, 5})
			}
		}, want: 50, port: 1000},
		"a domain's gives way to the exporting process's": {live: func(s *supervisors) {
			s.goOn(long, first)
			s.goOn(long, initialized{1000, 0, 5})
		}, want: 5},
		"a domain's beside the exporting process's": {live: func(s *supervisors) {
			s.goOn(long, initialized{1000, 0, 5})
			s.goOn(long, first, initialized{1000, 0, 5})
		}, want: 50},
		"the exporting process's gives way to a domain's": {live: func(s *supervisors) {
			s.goOn(long, initialized{1000, 0, 5})
			s.goOn(long, first)
		}, want: 50},
		"said once": {live: func(s *supervisors) {
			s.goOn(5*time.Minute, first)
			s.f.wait(20 * 24 * time.Hour)
		}, want: 50},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSupervisors(t)
			test.live(s)
			s.want(name, cmp.Or(test.port, 3000), test.want)
			if test.forgets {
				return
			}
			s.f.replace(2)
			s.want("a collector starts", cmp.Or(test.port, 3000), test.want)
		})
	}
}

// That two say different times costs two writes an hour each, also where one has another port each time, and none when one of them is gone.
func TestTimesThatDifferCostFewWrites(t *testing.T) {
	s := newSupervisors(t)
	first, second := initialized{1000, 1, 50}, initialized{2000, 1, 5}
	live := func() {
		for range 24 * 12 {
			second.port++
			s.goOn(5*time.Minute, first, second)
		}
	}
	live()
	before, keys := s.f.writes, len(s.f.bucket)
	live()
	if writes := s.f.writes - before; writes > 2*48+5 || len(s.f.bucket) > keys {
		t.Errorf("%d writes in a day, %d keys after %d", writes, len(s.f.bucket), keys)
	}
	s.goOn(3*time.Hour, first)
	before = s.f.writes
	s.goOn(24*time.Hour, first)
	if s.f.writes > before {
		t.Errorf("%d writes in a day of one that is alone", s.f.writes-before)
	}
}
