package lives

import (
	"encoding/binary"
	"maps"
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

// Flows within a list have the rate of their own template; the record that holds them has that of its own, whatever was in its list. A sampler that the
// record names is theirs, too, and what one of them says of its rate is not the next one's.
func TestFlowsOfAListHaveTheirOwnRates(t *testing.T) {
	const list = 292 // subTemplateList
	inner := func(values ...uint32) []byte { return append([]byte{255}, append(u16(301), u32(values...)...)...) }
	rates := func(c *collector) (out map[uint64]uint64) {
		out = make(map[uint64]uint64)
		for _, r := range c.records {
			out[r.Bytes] = r.SamplingRate
		}
		return out
	}
	check := func(c *collector, want map[uint64]uint64) {
		t.Helper()
		if got := rates(c); !maps.Equal(got, want) {
			t.Errorf("rates by bytes are %v, want %v", got, want)
		}
		c.records = nil
	}
	f := newFleet(t, 1)
	c := f.collectors[0]
	l := &life{fleet: f, version: 10}
	l.say(c, said{7, 1, [][2]uint16{{145, 2}, interval}, []uint32{300, 100}}, said{7, 1, [][2]uint16{{145, 2}, interval}, []uint32{301, 50}},
		said{7, 1, [][2]uint16{{302, 4}, interval}, []uint32{9, 20}})
	held := inner(6, 0x0a000001, 7, 0x0a000002)
	record := func(bytes uint32) []byte { // that many more than its flows
		return append(u32(bytes+6+7), append(append([]byte{255}, u16(uint16(len(held)))...), held...)...)
	}
	l.send(c, 1000, 7, set(2, u16(300, 2, 1, 4, list, 65535), u16(301, 2, 1, 4, 8, 4)), set(300, record(4), record(5)))
	check(c, map[uint64]uint64{4: 100, 5: 100, 6: 50, 7: 50})

	l.send(c, 1000, 7, set(2, u16(300, 3, 302, 4, 1, 4, list, 65535)), set(300, append(u32(9), record(5)...)))
	check(c, map[uint64]uint64{5: 20, 6: 20, 7: 20})

	held = inner(6, 0x0a000001, 30, 7, 0x0a000002, 0)
	l.send(c, 1000, 7, set(2, u16(300, 2, 1, 4, list, 65535), u16(301, 3, 1, 4, 8, 4, 34, 4)), set(300, record(5)))
	check(c, map[uint64]uint64{5: 100, 6: 30, 7: 50})
}
