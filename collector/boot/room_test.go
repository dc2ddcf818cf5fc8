package boot

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

const day = 24 * int64(time.Hour)

func restored(n int, port uint16, at int64) template.Definition {
	scope := template.Scope{Version: template.IPFIX, Exporter: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), Domain: 1}
	return template.Definition{Key: template.Key{Scope: scope, Family: template.FamilyClock, Port: port}, Kind: template.KindClock, Stamp: 1,
		Record: Encode(5000), Heard: at, Told: at}
}

// The bucket has the times of more exporters than are remembered: none that is said makes room for one that is not said any more.
func TestLoadingMoreTimesThanThereIsRoomForKeepsThoseThatAreSaid(t *testing.T) {
	const now = 1000 * day
	s := NewStore(template.ModeAuto, 1000, time.Duration(30*day))
	for n := range 900 {
		s.Restore(restored(n, 1000, now-day/24), now)
		s.Restore(restored(3000+n, 1000, now-20*day+int64(n)), now)
	}
	for n := range 900 {
		s.Restore(restored(6000+n, 1000, now-10*day+int64(n)), now)
	}
	lost := 0
	for n := range 900 {
		if s.Initialized(restored(n, 0, 0).Key.Scope, 1000, now) == 0 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of 900 times that are said lost their place", lost)
	}
}

// What stands in the bucket as deleted is no news of what is known here without a key: it is listed again and again.
func TestAKeyThatWasDeletedTakesNoTimeThatHasNone(t *testing.T) {
	const now = 1000 * day
	s := NewStore(template.ModeAddressPort, 1000, time.Duration(30*day))
	scope := restored(1, 0, 0).Key.Scope
	s.Learn(scope, 2000, 5000, 1000, now)
	s.Learn(scope, 1000, 5000, 1000, now+1)
	s.Forget(restored(1, 1000, 0).Key)
	if got := s.Initialized(scope, 1000, now+2); got != 5000 {
		t.Errorf("the time of a port without a key is %d", got)
	}
	s.Forget(restored(1, 2000, 0).Key)
	if got := s.Initialized(scope, 2000, now+2); got != 0 {
		t.Errorf("the time whose key was deleted is %d", got)
	}
}

// Exporters whose ports change with each announcement, as behind a NAT that forgets them, say their times for weeks. What is remembered of all of them
// together is bounded, also of what the bucket has, and each goes on to be read.
func TestTheTimesOfAllExportersTogetherAreBounded(t *testing.T) {
	const now, exporters, ports, bound = 1000 * day, 1000, 100, 1 << 16
	said := map[string]func(s *Store, n int, port uint16, at int64){
		"heard": func(s *Store, n int, port uint16, at int64) {
			s.Learn(restored(n, 0, 0).Key.Scope, port, uint64(n+1)*1_000_000, uint64(at/1e9), at)
		},
		"loaded": func(s *Store, n int, port uint16, at int64) {
			d := restored(n, port, at)
			d.Record = Encode(uint64(n+1) * 1_000_000)
			s.Restore(d, at)
		},
	}
	for name, say := range said {
		t.Run(name, func(t *testing.T) {
			s := NewStore(template.ModeAuto, exporters, time.Duration(30*day))
			at := now
			for port := range uint16(ports) {
				at += 5 * int64(time.Minute)
				for n := range exporters {
					say(s, n, 1000+port, at)
				}
			}
			remembered := 0
			for _, all := range s.clocks {
				remembered += len(all.clocks)
			}
			if remembered > bound {
				t.Errorf("%d times are remembered, want %d at most", remembered, bound)
			}
			for n := range exporters {
				scope := restored(n, 0, 0).Key.Scope
				for _, port := range []uint16{1000 + ports - 1, 5000} {
					if got := s.Initialized(scope, port, at); got != uint64(n+1)*1_000_000 {
						t.Fatalf("exporter %d, port %d: the time is %d", n, port, got)
					}
				}
			}
		})
	}
}

// A listing brings more ports of an address than are remembered: those that were heard last stay.
func TestPortsThatWereHeardLongAgoPushOutNoneThatIsHeard(t *testing.T) {
	const now = 1000 * day
	s := NewStore(template.ModeAuto, 10, time.Duration(30*day))
	for port := range uint16(2 * maxPorts) {
		s.Restore(restored(1, 1000+port, now-int64(port)*1e9), now)
	}
	for _, c := range s.clocks[restored(1, 0, 0).Key.Scope].clocks {
		if c.heard < now-maxPorts*1e9 {
			t.Fatalf("port %d is remembered, which was heard before %d others", c.port, maxPorts)
		}
	}
}

// The bucket has exporters that find no room, and more ports of one than are remembered. Each listing brings them again: the former count once, the latter,
// which were never remembered, do not.
func TestWhatFindsNoRoomIsCountedOnceHoweverOftenItIsListed(t *testing.T) {
	const now, room, gone = 1000 * day, 100, 50
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, room, time.Duration(30*day))
	s.Count(&totals)
	for range 6 {
		for n := range room + gone {
			at := now - int64(n/room)*5*day
			s.Restore(restored(n, 1000, at), now)
			s.Restore(restored(n, 1001, at), now)
		}
		for port := range uint16(2 * maxPorts) {
			s.Restore(restored(1, 1000+port, now-int64(port)*1e9), now)
		}
	}
	if got := totals.Load()[ledger.BootTimesEvicted]; got != gone {
		t.Errorf("%d are counted, want one for each of %d exporters", got, gone)
	}
}

// All times together are bounded. A listing that brings one which was heard before all others, of an exporter that is new, leaves them alone.
func TestATimeThatWasHeardLongAgoPushesOutNoneOfAnotherExporter(t *testing.T) {
	const now, ports = 1000 * day, maxPorts
	const exporters = leastTimes / ports
	var totals ledger.Totals
	s := NewStore(template.ModeAuto, exporters+10, time.Duration(30*day))
	s.Count(&totals)
	for n := range exporters {
		for port := range uint16(ports) {
			s.Restore(restored(n, 1000+port, now-1e9), now)
		}
	}
	if s.count != leastTimes {
		t.Fatalf("%d times are remembered, want %d", s.count, leastTimes)
	}
	for range 3 {
		s.Restore(restored(exporters, 1000, now-day), now)
	}
	if got := totals.Load()[ledger.BootTimesEvicted]; got != 1 {
		t.Errorf("%d are counted, want the one that found no room", got)
	}
	for n := range exporters {
		if got := len(s.clocks[restored(n, 0, 0).Key.Scope].clocks); got != ports {
			t.Fatalf("exporter %d has %d times, want %d", n, got, ports)
		}
	}
}
