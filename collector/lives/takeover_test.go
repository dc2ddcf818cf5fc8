package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// rateOf is what one port says of all that a domain exports.
type rateOf struct {
	port   uint16
	domain uint32
	rate   uint32
}

// Supervisors announce the rate of line cards, whose ports announce none: what the one says that speaks holds at once, in every collector and in
// one that starts. Nothing is taken while two speak.
func TestTheRateOfASupervisorHoldsWhileItIsSaid(t *testing.T) {
	const long = 30 * time.Hour
	first, second := rateOf{1000, 7, 100}, rateOf{2000, 7, 200}
	for name, test := range map[string]struct {
		live func(f *fleet, goOn func(time.Duration, ...rateOf))
		want uint64
	}{
		"the other one takes over": {func(_ *fleet, goOn func(time.Duration, ...rateOf)) {
			goOn(long, first)
			goOn(10*time.Minute, second)
		}, 200},
		"the first one takes over again": {func(_ *fleet, goOn func(time.Duration, ...rateOf)) {
			goOn(long, first)
			goOn(long, second)
			goOn(10*time.Minute, first)
		}, 100},
		"and goes on": {func(_ *fleet, goOn func(time.Duration, ...rateOf)) {
			goOn(long, first)
			goOn(long, second)
			goOn(long, first)
		}, 100},
		"both speak": {func(_ *fleet, goOn func(time.Duration, ...rateOf)) {
			goOn(long, first)
			goOn(long, first, second)
		}, 0},
		"both speak, and one ends": {func(_ *fleet, goOn func(time.Duration, ...rateOf)) {
			goOn(long, first, second)
			goOn(2*time.Hour, first)
		}, 100},
		"another domain's since an update": {func(_ *fleet, goOn func(time.Duration, ...rateOf)) {
			goOn(long, first)
			goOn(2*time.Hour, rateOf{1000, 0, 200})
		}, 200},
		"the other one after 29 days": {func(f *fleet, goOn func(time.Duration, ...rateOf)) {
			goOn(long, first)
			f.wait(29 * 24 * time.Hour)
			goOn(10*time.Minute, second)
		}, 200},
		"a change while NATS was away": {func(f *fleet, goOn func(time.Duration, ...rateOf)) {
			goOn(long, first)
			f.collectors[0].cut = true
			goOn(2*time.Hour, rateOf{1000, 7, 300})
			f.collectors[0].heal()
		}, 300},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			l := &life{fleet: f, version: 9}
			test.live(f, func(d time.Duration, all ...rateOf) {
				for range d / (5 * time.Minute) {
					for i, r := range all {
						l.send(f.collectors[i%2], r.port, r.domain, said{r.domain, 1, [][2]uint16{system9, interval}, []uint32{1, r.rate}}.sets(9)...)
					}
					f.wait(5 * time.Minute)
				}
			})
			want := func(when string) {
				for i, c := range f.collectors {
					before := len(c.records)
					l.send(c, 3000, 7, set(0, u16(300, 1, 1, 4)), set(300, u32(1000)))
					if got := c.records[before].SamplingRate; got != test.want {
						t.Errorf("%s, collector %d: the rate is %d, want %d", when, i, got, test.want)
					}
				}
			}
			want("as known")
			f.replace(2)
			want("when one has started")
		})
	}
}

// Neighbours of two protocols that change their ports each 30 seconds, and say everything from each, leave as many keys as a short ttl lets them, and
// no more after hours: what a port said goes with the ttl, though others go on to say it.
func TestWhatPortsSaidThatAreGoneGoesWithTheTTL(t *testing.T) {
	f := newFleet(t, 0)
	f.limits.TTL = 10 * time.Minute
	f.begin(3)
	var all []*translated
	for i := range 4 {
		x := &translated{version: uint16(9 + i/2), name: fmt.Sprint("n", i), boot: uint64(f.now/1e6) - uint64(50+i)*3_600_000}
		x.address, x.domain, x.layout, x.rate = netip.AddrFrom4([4]byte{192, 0, 2, byte(i / 2)}), 1, i, uint32(100+i)
		all = append(all, x)
	}
	most := 0
	for round := range 4 * 120 {
		for i, x := range all {
			x.port = uint16(1000 + round*len(all) + i)
			c := f.collectors[(round+i)%3]
			x.say(c)
			if r := x.reads(c); !r.ok || r.wrong || r.rate != uint64(x.rate) || r.off.Abs() > time.Second {
				t.Fatalf("round %d: device %d is read as %+v", round, i, r)
			}
		}
		f.wait(30 * time.Second)
		if round%20 == 19 {
			f.relist()
		}
		if round > 120 {
			most = max(most, len(f.bucket))
		}
	}
	if most > 60 {
		t.Errorf("%d keys after an hour", most)
	}
}

// A port said its template once, and sends on: it is read for months, in each collector that starts, though another device with another layout
// has the same address, and others of its own ports say the same.
func TestAPortThatSaidItsTemplateOnceIsReadWhileItSends(t *testing.T) {
	f := newFleet(t, 2)
	address := netip.MustParseAddr("192.0.2.1")
	once, other := &device{address: address, domain: 1, port: 1000}, &device{address: address, domain: 1, port: 2000, layout: 1}
	again := &device{address: address, domain: 1, port: 1001}
	once.says(f.collectors[0])
	for day := range 100 {
		for range 12 {
			other.says(f.collectors[0])
			again.says(f.collectors[0])
			f.wait(2 * time.Hour)
			if ok, wrong, _ := once.data(f.collectors[0], once.port); !ok || wrong {
				t.Fatalf("day %d: read %v, wrong %v", day, ok, wrong)
			}
		}
		if day%25 == 24 {
			f.replace(day / 25 % 2)
		}
	}
}
