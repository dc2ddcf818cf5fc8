package scale

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/sizing"
)

// What a collector remembers of a template, and of its key in the bucket, takes the memory that "collector size" reckons with.
func TestMemoryOfTemplatesIsWhatSizesReckonWith(t *testing.T) {
	const exporters = 1000
	server := natstest.StartProcess(t)
	first := join(t, server, "first", exporters)
	first.loaded(t)
	for exporter := range exporters {
		for id := range templates {
			first.learn(t, exporter, 256+id, 1, 1)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if left := first.bucket.Flush(ctx); left != 0 {
		t.Fatalf("%d changes are not written", left)
	}
	before := heap()
	second := join(t, server, "second", exporters)
	second.loaded(t)
	each := (heap() - before) / (exporters * templates)
	runtime.KeepAlive(second)
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
