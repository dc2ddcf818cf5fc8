package lives

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
)

// moment is what an exporter's header says after some time: how much its clock is set by, and its uptime or sequence number.
type moment struct {
	after time.Duration
	set   time.Duration // its clock, from then on
	up    uint32        // milliseconds, or records
}

// Data that waits for a template is read with it if the exporter went on, and dropped if it restarted, whatever its clock shows then.
func TestHeldDataIsReadInItsOwnLifeOnly(t *testing.T) {
	const day = 24 * time.Hour
	const unset = -1_700_000_000 * time.Second // it counts from 1970 whenever it starts
	for name, test := range map[string]struct {
		version    uint16
		held, next moment
		same       bool // it is the same life
	}{
		"v9 goes on":                        {9, moment{0, 0, 100_000}, moment{time.Minute, 0, 160_000}, true},
		"v9 restarts":                       {9, moment{0, 0, 900_000}, moment{time.Minute, 0, 5_000}, false},
		"v9 wraps":                          {9, moment{0, 0, 1<<32 - 30_000}, moment{time.Minute, 0, 30_000}, true},
		"v9 restarts, its clock at 1970":    {9, moment{0, 0, 900_000}, moment{time.Minute, -19000 * day, 5_000}, false},
		"v9 restarts, an hour behind":       {9, moment{0, 0, 90_000_000}, moment{time.Minute, -time.Hour, 5_000}, false},
		"v9 restarts, hours ahead":          {9, moment{0, 0, 900_000}, moment{time.Minute, 5 * time.Hour, 5_000}, false},
		"v9 restarts, its clock unset":      {9, moment{0, unset + 900*time.Second, 900_000}, moment{time.Minute, -955 * time.Second, 5_000}, false},
		"v9 sets its clock back":            {9, moment{0, 0, 900_000}, moment{time.Minute, -5 * time.Hour, 960_000}, true},
		"v9 sets its clock ahead":           {9, moment{0, -19000 * day, 900_000}, moment{time.Minute, 0, 960_000}, true},
		"v9 wraps, its clock set back":      {9, moment{0, 0, 1<<32 - 30_000}, moment{time.Minute, -5 * time.Hour, 30_000}, true},
		"v9 is overtaken for minutes":       {9, moment{0, 0, 900_000}, moment{time.Second, -3 * time.Minute, 721_000}, true},
		"v9 is overtaken":                   {9, moment{0, 0, 900_000}, moment{time.Second, -10 * time.Second, 891_000}, true},
		"IPFIX goes on":                     {10, moment{0, 0, 100_000}, moment{time.Minute, 0, 100_001}, true},
		"IPFIX restarts":                    {10, moment{0, 0, 100_000}, moment{time.Minute, 0, 3}, false},
		"IPFIX wraps":                       {10, moment{0, 0, 1<<32 - 10}, moment{time.Minute, 0, 20}, true},
		"IPFIX restarts, its clock at 1970": {10, moment{0, 0, 100_000}, moment{time.Minute, -19000 * day, 3}, false},
		"IPFIX restarts, an hour behind":    {10, moment{0, 0, 100_000}, moment{time.Minute, -time.Hour, 3}, false},
		"IPFIX sets its clock back":         {10, moment{0, 0, 100_000}, moment{time.Minute, -time.Hour, 100_001}, true},
		"IPFIX is overtaken":                {10, moment{0, 0, 4_000}, moment{time.Second, -10 * time.Second, 3_990}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 1)
			c := f.collectors[0]
			begin := f.now
			clock := time.Duration(0)
			send := func(m moment, sets ...[]byte) {
				f.wait(m.after)
				clock += m.set
				var body []byte
				for _, s := range sets {
					body = append(body, s...)
				}
				at := uint32(begin/1e9 + int64(time.Duration(f.now-begin)+clock)/1e9)
				header := append(u16(10, uint16(16+len(body))), u32(at, m.up, 1)...)
				if test.version == 9 {
					header = append(u16(9, uint16(len(sets))), u32(m.up, at, 1, 1)...)
				}
				c.decoder.Decode(netflow.Datagram{Payload: append(header, body...), Received: f.now,
					Source: netip.MustParseAddrPort("192.0.2.1:1000")})
				f.sync()
			}
			send(test.held, set(300, u32(1000)))
			kind := uint16(2)
			if test.version == 9 {
				kind = 0
			}
			send(test.next, set(kind, u16(300, 1, 1, 4)))
			if got := len(c.records) == 1; got != test.same {
				t.Errorf("the held data is read: %v, want %v", got, test.same)
			}
		})
	}
}
