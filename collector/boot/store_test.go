package boot

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

const (
	hour = int64(time.Hour)
	now  = 1000 * 24 * hour
	ttl  = 30 * 24 * time.Hour
)

var scope = template.Scope{Version: template.IPFIX, Exporter: netip.MustParseAddr("192.0.2.1"), Domain: 1}

// event is what a port says, after hours.
type event struct {
	hours       int64
	port        uint16
	initialized uint64
}

func TestInitializedFollowsWhatPortsSay(t *testing.T) {
	for name, test := range map[string]struct {
		events []event
		hours  int64
		port   uint16
		want   uint64
	}{
		"nothing said":                     {nil, 0, 1000, 0},
		"said by the port":                 {[]event{{0, 1000, 5_000_000}}, 1, 1000, 5_000_000},
		"said by the only other port":      {[]event{{0, 1000, 5_000_000}}, 1, 2000, 5_000_000},
		"a restart":                        {[]event{{0, 1000, 5_000_000}, {1, 1000, 9_000_000}}, 2, 1000, 9_000_000},
		"a restart with another port":      {[]event{{0, 1000, 5_000_000}, {1, 2000, 9_000_000}}, 2, 3000, 9_000_000},
		"worked out anew each time":        {[]event{{0, 1000, 5_000_000}, {1, 1000, 5_000_900}}, 2, 1000, 5_000_000},
		"neighbours, each its own":         {[]event{{0, 1000, 5_000_000}, {1, 2000, 9_000_000}, {2, 1000, 5_000_000}}, 3, 1000, 5_000_000},
		"neighbours, nothing for a third":  {[]event{{0, 1000, 5_000_000}, {1, 2000, 9_000_000}, {2, 1000, 5_000_000}}, 3, 3000, 0},
		"nothing said for longer than ttl": {[]event{{0, 1000, 5_000_000}}, 31 * 24, 1000, 0},
		"0 is no time":                     {[]event{{0, 1000, 5_000_000}, {1, 1000, 0}}, 2, 1000, 5_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := NewStore(template.ModeAuto, 10, ttl), NewStore(template.ModeAuto, 10, ttl)
			for _, e := range test.events {
				at := now + e.hours*hour
				here.Learn(scope, e.port, e.initialized, uint64(at/int64(time.Second)), at)
			}
			at := now + test.hours*hour
			for d := range here.Definitions(at) {
				there.Restore(d, at)
			}
			for name, s := range map[string]*Store{"heard": here, "restored": there} {
				if got := s.Initialized(scope, test.port, at); got != test.want {
					t.Errorf("%s: %d, want %d", name, got, test.want)
				}
			}
		})
	}
}

// More devices behind one address than are compared with each other have their own time each. A port that says none has nobody's.
func TestEachOfManyPortsHasItsOwnTime(t *testing.T) {
	s := NewStore(template.ModeAuto, 10, ttl)
	const ports = maxGroups + 4
	for round := range int64(2) {
		for port := range uint16(ports) {
			at := now + round*hour/2
			s.Learn(scope, 1000+port, 5_000_000+uint64(port)*100_000, uint64(at/int64(time.Second)), at)
		}
	}
	for port := range uint16(ports) {
		if got, want := s.Initialized(scope, 1000+port, now+hour/2), 5_000_000+uint64(port)*100_000; got != want {
			t.Errorf("port %d: %d, want %d", port, got, want)
		}
	}
	if got := s.Initialized(scope, 3000, now+hour/2); got != 0 {
		t.Errorf("another port: %d", got)
	}
}

func TestScopesAreBoundedAndTheLatestHeardStay(t *testing.T) {
	s := NewStore(template.ModeAuto, 10, ttl)
	other := scope
	for domain := range uint32(100) {
		other.Domain = domain
		s.Learn(other, 1000, 5_000_000, 1000, now+int64(domain))
	}
	if len(s.clocks) != 10 || s.Initialized(other, 1000, now+hour) == 0 {
		t.Errorf("%d scopes, the latest is known: %v", len(s.clocks), s.Initialized(other, 1000, now+hour) != 0)
	}
	old := template.Definition{Key: template.Key{Scope: scope, Family: template.FamilyClock, Port: 1000}, Kind: template.KindClock,
		Record: Encode(7_000_000), Heard: now - hour}
	if s.Restore(old, now+hour) {
		t.Error("what was heard earlier pushed out what was heard later")
	}
}

// told keeps what a Store would write.
type told []template.Definition

func (t *told) Learned(d template.Definition) { *t = append(*t, d) }

// One collector knows the exporter from before; another one, which knows nothing, hears it after its clock was set back by years.
func TestRestartOfAnExporterWhoseClockWasSetBackIsTakenOver(t *testing.T) {
	before, after := NewStore(template.ModeAuto, 10, ttl), NewStore(template.ModeAuto, 10, ttl)
	before.Learn(scope, 1000, 5_000_000, uint64(now/int64(time.Second)), now)
	after.Learn(scope, 1000, 9_000_000, 1000, now+hour)
	for d := range after.Definitions(now + hour) {
		if !before.Restore(d, now+2*hour) {
			t.Error("the collector that knew the exporter keeps the former time")
		}
	}
	if got := before.Initialized(scope, 1000, now+2*hour); got != 9_000_000 {
		t.Errorf("%d", got)
	}
	// What it knew must not come back by the bucket, either.
	var wrote told
	after.Observe(&wrote)
	stale := NewStore(template.ModeAuto, 10, ttl)
	stale.Learn(scope, 1000, 5_000_000, uint64(now/int64(time.Second)), now)
	for d := range stale.Definitions(now + hour) {
		if after.Restore(d, now+2*hour) {
			t.Error("the former time is back")
		}
	}
	if len(wrote) != 1 || wrote[0].Stamp <= template.StampOf(uint64(now/int64(time.Second))) {
		t.Errorf("the bucket is told %+v", wrote)
	}
}

func TestTwoCollectorsThatLearnAtTheSameMomentAgree(t *testing.T) {
	one, two := NewStore(template.ModeAuto, 10, ttl), NewStore(template.ModeAuto, 10, ttl)
	one.Learn(scope, 1000, 5_000_000, 1000, now)
	two.Learn(scope, 1000, 9_000_000, 1000, now)
	ones, twos := one.Definitions(now), two.Definitions(now)
	for d := range ones {
		two.Restore(d, now)
	}
	for d := range twos {
		one.Restore(d, now)
	}
	if a, b := one.Initialized(scope, 1000, now), two.Initialized(scope, 1000, now); a != b {
		t.Errorf("%d and %d", a, b)
	}
}

func TestTimesThatAreSaidInTurnDiffer(t *testing.T) {
	for name, test := range map[string]struct {
		events []event
		want   bool
	}{
		"one":                         {[]event{{0, 1000, 5_000_000}, {1, 2000, 5_000_500}, {2, 1000, 5_000_000}}, false},
		"a restart":                   {[]event{{0, 1000, 5_000_000}, {1, 1000, 9_000_000}}, false},
		"a restart with another port": {[]event{{0, 1000, 5_000_000}, {1, 2000, 9_000_000}, {2, 2000, 9_000_000}}, false},
		"in turn":                     {[]event{{0, 1000, 5_000_000}, {1, 2000, 9_000_000}, {2, 1000, 5_000_000}}, true},
	} {
		s := NewStore(template.ModeAuto, 10, ttl)
		for _, e := range test.events {
			at := now + e.hours*hour
			s.Learn(scope, e.port, e.initialized, uint64(at/int64(time.Second)), at)
		}
		if got := s.Differ(scope, now+3*hour); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
