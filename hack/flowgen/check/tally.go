// Package check reads the flows that package traffic sent from JetStream, and tells for each record whether it arrived.
package check

import (
	"fmt"
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/hack/flowgen/traffic"
)

// Tally counts records of one run. It is not safe for concurrent use.
type Tally struct {
	run       uint8
	exporters map[int]*exporter
	foreign   int
	examples  []string
}

type exporter struct {
	seen     []uint8 // times each record was seen, at most 255; by number - 1
	wrong    int
	rates    int    // records with another sampling rate than was told
	unnamed  int    // records without the names of their interfaces, or with others
	misnamed string // an example
	distinct int
	sources  map[netip.Addr]int
	protocol traffic.Protocol
}

// maxNumber bounds the memory that a damaged number can take.
const maxNumber = 1 << 28

// NewTally returns a tally of the run.
func NewTally(run uint8) *Tally { return &Tally{run: run, exporters: map[int]*exporter{}} }

// Add counts a record that was received, and reports whether it is one of the run.
func (t *Tally) Add(r *flow.Record) bool {
	id, ok := traffic.Identify(r)
	if !ok || id.Run != t.run || id.Number == 0 || id.Number > maxNumber || id.Exporter >= 1<<16 {
		t.foreign++
		return false
	}
	e := t.exporters[id.Exporter]
	if e == nil {
		e = &exporter{sources: map[netip.Addr]int{}, protocol: protocolOf(r.Type)}
		t.exporters[id.Exporter] = e
	}
	if difference := id.Compare(e.protocol, r); difference != "" {
		e.wrong++
		t.example("record %d of exporter %d: %s", id.Number, id.Exporter, difference)
	}
	if r.SamplingRate != uint64(traffic.SamplingRate(id.Exporter)) {
		e.rates++
	}
	if difference := id.CompareNames(r); difference != "" {
		e.unnamed++
		e.misnamed = fmt.Sprintf("record %d of exporter %d: %s", id.Number, id.Exporter, difference)
	}
	e.sources[r.SamplerAddress.Addr()]++
	for int(id.Number) > len(e.seen) {
		e.seen = append(e.seen, make([]uint8, max(1024, len(e.seen)))...)
	}
	switch n := &e.seen[id.Number-1]; *n {
	case 0:
		e.distinct++
		*n = 1
	case 255:
	default:
		*n++
	}
	return true
}

// example keeps the first few wrong records, for a person to look at.
func (t *Tally) example(format string, args ...any) {
	if len(t.examples) < 10 {
		t.examples = append(t.examples, fmt.Sprintf(format, args...))
	}
}

func protocolOf(t flow.Type) traffic.Protocol {
	switch t {
	case flow.TypeSFlow5:
		return traffic.SFlow
	case flow.TypeNetFlowV5:
		return traffic.NetFlow5
	case flow.TypeNetFlowV9:
		return traffic.NetFlow9
	default:
		return traffic.IPFIX
	}
}

// Complete tells whether each record of the manifest was seen.
func (t *Tally) Complete(m traffic.Manifest) bool {
	for _, sent := range m.Exporters {
		want := len(sent.Times) * m.Records
		if want == 0 {
			continue
		}
		if e := t.exporters[sent.Exporter]; e == nil || e.distinct < want {
			return false
		}
	}
	return true
}
