package lives

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// What a device says here is how many hours before the test began it was initialized.
//
// Of devices that share address, domain and port none is taken for another one: while they say different boot times in turn, flows end
// when they were exported, in every collector. A reboot, and a clock that is set, hold at once.
func TestDevicesThatShareAPortDisputeTheirBootTime(t *testing.T) {
	const minutes = time.Minute
	turns := []event{{says: 10}, {after: 5 * minutes, says: 20}, {after: 5 * minutes, says: 10}, {after: 5 * minutes, says: 20}}
	goOn := func(hours int) event { return event{after: 5 * minutes, says: hours, times: 16} } // 80 minutes
	for name, test := range map[string]struct {
		events []event
		want   int // 0 for none
	}{
		"one":                           {[]event{{says: 10}, goOn(10)}, 10},
		"a reboot":                      {[]event{{says: 10}, {after: 5 * minutes, says: 1}}, 1},
		"a clock that is set back":      {turns[:3], 10},
		"late":                          {[]event{{says: 10}, {after: 5 * minutes, says: 1}, {after: time.Second, says: 10, late: 10 * time.Second}}, 1},
		"in turn":                       {turns, 0},
		"in turn, for days":             {slices.Concat(turns, slices.Repeat(turns[2:], 300)), 0},
		"in turn, each 25 minutes":      {slices.Repeat([]event{{after: 25 * minutes, says: 10}, {after: 25 * minutes, says: 20}}, 10), 0},
		"in turn, at two collectors":    {slices.Repeat([]event{{after: 5 * minutes, says: 10}, {after: 5 * minutes, at: 1, says: 20}}, 3), 0},
		"three in turn":                 {slices.Repeat([]event{{after: minutes, says: 10}, {after: minutes, says: 20}, {after: minutes, says: 30}}, 2), 0},
		"only one goes on":              {append(turns, goOn(10)), 10},
		"only the other goes on":        {append(turns, goOn(20)), 20},
		"one goes on, and reboots":      {append(turns, goOn(20), event{after: minutes, says: 1}), 1},
		"a collector starts":            {append(turns, event{replace: true, says: -1}), 0},
		"a collector starts, both on":   {slices.Concat(turns, []event{{replace: true, says: -1}}, slices.Repeat(turns[2:], 20)), 0},
		"a collector starts, one on":    {append(turns, event{replace: true, says: -1}, goOn(10)), 10},
		"over, and a collector starts":  {append(turns, goOn(10), event{replace: true, says: -1}), 10},
		"again after it was over":       {slices.Concat(turns, []event{goOn(10)}, turns, turns[2:]), 0},
		"over, and silent for two days": {append(turns, goOn(10), event{after: 48 * time.Hour, says: -1}), 10},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			began := f.now
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
			f.play(test.events, func(c *collector, e event) {
				d.ahead = -e.late
				at := binary.BigEndian.AppendUint64(nil, uint64(began/1e6)-uint64(e.says)*3_600_000)
				d.send(c, 1000, 1, set(3, u16(402, 2, 1, 149, 4, 160, 8)), set(402, u32(1), at))
				d.ahead = 0
				f.sync()
			})
			f.replace(2)
			f.wait(11 * time.Minute) // workers ask again
			for i, c := range f.collectors {
				ended := f.now - int64(time.Minute)
				want := f.now
				if test.want > 0 {
					want = ended
				}
				up := uint32((ended-began)/1e6) + uint32(test.want)*3_600_000
				c.records = nil
				d.send(c, 1000, 1, set(2, u16(302, 3, 22, 4, 21, 4, 1, 4)), set(302, u32(up-1000, up, 1)))
				if len(c.records) != 1 || int64(c.records[0].TimeFlowEndNs) != want {
					t.Errorf("collector %d: %d records, the flow ends %s off", i, len(c.records), time.Duration(int64(c.records[0].TimeFlowEndNs)-want))
				}
			}
		})
	}
}

// A dispute costs two writes an hour, not one a turn, and its key goes with the ttl.
func TestADisputeOfBootTimesCostsFewWrites(t *testing.T) {
	f := newFleet(t, 2)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	turn := func(i int) {
		f.wait(time.Minute)
		at := binary.BigEndian.AppendUint64(nil, 1_600_000_000_000+uint64(i%2)*3_600_000)
		d.send(f.collectors[i%2], 1000, 1, set(3, u16(402, 2, 1, 149, 4, 160, 8)), set(402, u32(1), at))
		f.sync()
	}
	for i := range 10 {
		turn(i)
	}
	before := f.writes
	for i := range 24 * 60 {
		turn(i)
	}
	if writes := f.writes - before; writes > 2*48+5 {
		t.Errorf("%d writes in a day", writes)
	}
	f.wait(ttl + time.Hour)
	if len(f.bucket) != 0 {
		t.Errorf("%d keys of what nobody said for a month", len(f.bucket))
	}
}
