package lives

import (
	"encoding/binary"
	"testing"
	"time"
)

// Flows whose times wait for an options record later in the same message are read after the sets that follow them. They have the rate of their own
// template, not that of the set that was read before them.
func TestFlowsThatWaitWithinTheirMessageHaveTheRateOfTheirTemplate(t *testing.T) {
	f := newFleet(t, 1)
	c := f.collectors[0]
	l := &life{fleet: f, version: 10}
	l.say(c, said{7, 1, [][2]uint16{{145, 2}, interval}, []uint32{300, 100}}, said{7, 1, [][2]uint16{{145, 2}, interval}, []uint32{301, 50}})
	initialized := binary.BigEndian.AppendUint64(nil, uint64(f.now/1e6)-3_600_000)
	l.send(c, 1000, 7,
		set(2, u16(300, 2, 21, 4, 1, 4), u16(301, 1, 1, 4)), set(3, u16(402, 2, 1, 149, 4, 160, 8)),
		set(300, u32(3_600_000, 5)), set(301, u32(6)), set(402, u32(7), initialized))
	if len(c.records) != 2 {
		t.Fatalf("%d records", len(c.records))
	}
	for _, r := range c.records {
		if want := map[uint64]uint64{5: 100, 6: 50}[r.Bytes]; r.SamplingRate != want {
			t.Errorf("the flow of %d bytes has rate %d, want %d", r.Bytes, r.SamplingRate, want)
		}
		if r.Bytes == 5 && int64(r.TimeFlowEndNs) != f.now {
			t.Errorf("the flow ends %s off", time.Duration(int64(r.TimeFlowEndNs)-f.now))
		}
	}
}
