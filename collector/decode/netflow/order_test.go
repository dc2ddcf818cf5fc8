package netflow_test

import (
	"strings"
	"testing"
)

// Data that waits for the options behind it in its message waits for the layouts of its lists, too.
func TestDataBeforeOptionsWaitsForTheTemplatesOfItsLists(t *testing.T) {
	s := newStation(t)
	options := set(3, u16(400, 2, 1, 149, 4, 34, 4))
	s.ipfix(set(2, u16(300, 2, 8, 4, 292, 65535)), set(300, u32(0x0a000001), []byte{11, 3}, u16(301), u32(0x0a000002, 5)), options)
	if len(s.records) != 0 {
		t.Errorf("read without the flows in its list: %+v", s.records)
	}
	s.ipfix(set(2, u16(301, 2, 8, 4, 1, 4)))
	if r := s.only(); r.Bytes != 5 {
		t.Errorf("%+v", r)
	}
}

// Data waits for a rate behind it in its message, past sets that are miscounted, and data between several tables of options.
func TestDataIsSampledAsOptionsBehindItSay(t *testing.T) {
	layouts, options := set(2, u16(300, 2, 1, 4, 2, 4)), set(3, u16(400, 2, 1, 149, 4, 34, 4))
	rate := set(400, u32(7, 1000))
	miscounted := join(u16(300, 16), u32(2, 1, 3, 1)) // it leaves out its header
	for name, sets := range map[string][][]byte{
		"one":                      {layouts, set(300, u32(1, 1)), options, rate},
		"several":                  {layouts, set(300, u32(1, 1)), set(300, u32(2, 1)), options, set(300, u32(3, 1)), rate, set(300, u32(4, 1))},
		"past one that miscounts":  {layouts, set(300, u32(1, 1)), miscounted, set(300, u32(4, 1)), options, rate},
		"past a reserved set":      {layouts, set(300, u32(1, 1)), set(99, u32(1)), set(300, u32(4, 1)), options, rate},
		"templates of data before": {layouts, set(300, u32(1, 1)), layouts, set(300, u32(2, 1)), options, rate},
	} {
		s := newStation(t)
		s.ipfix(sets...)
		for _, r := range s.records {
			// What is before such a set is not looked at beyond it.
			if r.SamplingRate != 1000 && (!strings.HasPrefix(name, "past") || r.Bytes == 4) {
				t.Errorf("%s: the rate of the flow of %d bytes is %d", name, r.Bytes, r.SamplingRate)
			}
		}
		if len(s.records) == 0 {
			t.Errorf("%s: no flows", name)
		}
	}
}
