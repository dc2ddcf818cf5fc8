package scale

import (
	"runtime"
	"testing"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/sizing"
	"github.com/flowfleet/flowfleet/collector/template"
)

// What a collector remembers of a template takes the memory that "collector size" reckons with.
func TestMemoryOfTemplatesIsWhatSizesReckonWith(t *testing.T) {
	const exporters = 1000
	c := config.Default().Templates
	m := &sharer{store: template.NewStore(template.ModeAuto,
		template.Limits{Exporters: 2 * exporters, Templates: 2 * templates * exporters, Fields: 2 * fields, TTL: c.TTL.Std()}, new(ledger.Totals), nil)}
	before := heap()
	for exporter := range exporters {
		for id := range templates {
			m.learn(t, exporter, 256+id, 1, 1)
		}
	}
	each := (heap() - before) / (exporters * templates)
	runtime.KeepAlive(m)
	t.Logf("%d bytes a template of %d fields", each, fields)
	if want := uint64(sizing.TemplateBytes); each > want*5/4 || each < want/2 {
		t.Errorf("a template takes %d bytes, sizes reckon with %d", each, want)
	}
}

// heap is how many bytes are in use, after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
