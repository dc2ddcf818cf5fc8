package lives

import (
	"fmt"
	"testing"
	"time"
)

// A device is booted again and again. Its clock shows 1970, years ahead, or the year 2106, where export times of 32 bits begin anew; it is set by NTP
// after a while, or never. Each life has a layout, a rate and names of its own. All hold from the device's first announcement on, in all
// collectors, also those that start, whichever of them hears it.
func TestWhatADeviceSaysHoldsWhateverItsClockShows(t *testing.T) {
	const year = 365 * 24 * time.Hour
	epoch := -time.Duration(1_700_000_000) * time.Second
	wrap := time.Duration(1<<32-1_700_000_000) * time.Second
	for name, test := range map[string]struct {
		ahead []time.Duration // at each boot
		set   bool            // by NTP, 10 minutes later
		port  bool            // another one with each boot
	}{
		"1970 at each boot":                    {ahead: []time.Duration{epoch}},
		"1970 at each boot, set later":         {ahead: []time.Duration{epoch}, set: true},
		"1970 at each boot, another port":      {ahead: []time.Duration{epoch}, port: true},
		"years ahead, then right":              {ahead: []time.Duration{10 * year, 0}},
		"years ahead, set later":               {ahead: []time.Duration{10 * year}, set: true},
		"years ahead, set later, another port": {ahead: []time.Duration{10 * year}, set: true, port: true},
		"back and forth":                       {ahead: []time.Duration{5 * year, epoch, 0, -year, 70 * year}},
		"wrapping":                             {ahead: []time.Duration{wrap - time.Minute}},
		"a little back at each boot":           {ahead: []time.Duration{0, -3 * time.Hour, -6 * time.Hour, -9 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			d := newTitled(1000, "")
			for boot := range 20 {
				d.layout, d.rate, d.sequence, d.prefix = boot%len(layouts), uint32(100+boot), 0, fmt.Sprint("life-", boot, "/")
				since := f.now
				clock := test.ahead[boot%len(test.ahead)]
				if clock == epoch {
					clock = -time.Duration(since) // it counts from its boot
				}
				if d.ahead = clock; test.port {
					d.port += 7
				}
				f.wait(3 * time.Second)
				for minute := range 90 {
					if test.set && minute == 10 {
						d.ahead = 0
					}
					if minute%5 == 0 {
						c := f.collectors[(boot+minute/30)%3]
						d.announce(c)
						d.names(c, "")
						f.wait(time.Second)
					}
					for i, c := range f.collectors {
						c.records = nil
						ok, wrong, rate := d.data(c, d.port)
						if wrong || !ok && !test.port || ok && rate != uint64(d.rate) {
							t.Fatalf("boot %d, minute %d, collector %d: read %v, wrong %v, rate %d, want %d", boot, minute, i, ok, wrong, rate, d.rate)
						}
						if got := c.named(d); got.Name != d.prefix+"2" {
							t.Fatalf("boot %d, minute %d, collector %d: an interface is %q, want %s2", boot, minute, i, got.Name, d.prefix)
						}
					}
					f.wait(time.Minute)
				}
				f.replace(boot % 3)
			}
		})
	}
}
