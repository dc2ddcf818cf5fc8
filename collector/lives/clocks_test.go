package lives

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// An exporter starts again with another layout and rate, and a clock that is not set yet, or was set back; its port is the same. Another collector hears
// that. What it says holds at once, in each collector, however lately the one before heard the former life, which it had not told of each time.
func TestAnExporterThatStartsWithItsClockSetBackIsReadAtOnce(t *testing.T) {
	for _, back := range []time.Duration{3 * time.Minute, 5 * time.Hour, 50 * 365 * 24 * time.Hour} {
		for _, heard := range []time.Duration{30 * time.Second, time.Minute, 90 * time.Second, 10 * time.Minute} {
			for _, rest := range []time.Duration{10 * time.Second, 3 * time.Minute} {
				t.Run(fmt.Sprintf("by %s, heard %s after it was told and %s before", back, heard, rest), func(t *testing.T) {
					f := newFleet(t, 3)
					d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000, rate: 100}
					initialized := uint64(f.now/1e6) - 3_600_000
					say := func(c *collector) {
						d.announce(c)
						d.send(c, d.port, 1, set(3, u16(402, 2, 1, 149, 4, 160, 8)), set(402, u32(1), binary.BigEndian.AppendUint64(nil, initialized)))
						f.sync()
					}
					say(f.collectors[0])
					f.wait(heard)
					say(f.collectors[0])
					f.wait(rest)
					d.ahead -= back
					d.layout, d.rate, initialized = 1, 200, uint64(f.now/1e6)-1000
					say(f.collectors[1])
					f.wait(time.Minute)
					for i, c := range f.collectors {
						// Collector 0 heard the port itself, and may wait for that.
						if ok, wrong, rate := d.data(c, 1000); wrong || !ok && i > 0 || ok && rate != 200 {
							t.Errorf("collector %d: decoded %v, wrong %v, rate %d", i, ok, wrong, rate)
						}
						scope := d.scope()
						if got := c.clocks.Initialized(scope, 1000, f.now); got != initialized {
							t.Errorf("collector %d: it was initialized at %d, not %d", i, got, initialized)
						}
					}
				})
			}
		}
	}
}
