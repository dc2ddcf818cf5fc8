package template

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Somebody forges announcements from many ports of an address, each of a large layout of its own and then of one that they share. What is remembered of
// the former ones is within the bound on bytes, too.
func TestWhatPortsSaidBeforeIsWithinTheBoundOnBytes(t *testing.T) {
	const bound, fields, ids = 4 << 20, 300, 64
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	parse := func(id uint16, element func(i int) uint16, fields int) *Template {
		record := u16(id, uint16(fields))
		for i := range fields {
			record = append(record, u16(element(i), 4)...)
		}
		parsed, _, err := Parse(IPFIX, KindData, record, 1000)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	var totals ledger.Totals
	s := NewStore(ModeAuto, Limits{Exporters: 1000, Templates: 1000, Fields: 1000, Bytes: bound}, &totals, nil)
	before, now := heap(), 1000*day
	e := s.Exporter(Scope{Version: IPFIX, Exporter: netip.MustParseAddr("192.0.2.1"), Domain: 1}, now)
	for id := range uint16(ids) {
		for port := range uint16(maxSays) {
			now += 1e6
			e.LearnTemplate(1000+port, parse(300+id, func(i int) uint16 { return port + uint16(i) + 1 }, fields), 1_700_000_000, now)
			e.LearnTemplate(1000+port, parse(300+id, func(int) uint16 { return 8 }, 1), 1_700_000_000, now)
		}
	}
	if took := heap() - before; took > 2*bound {
		t.Errorf("%d bytes are taken, and %d counted; the bound is %d", took, s.bytes.Load(), bound)
	}
	runtime.KeepAlive(s)
}
