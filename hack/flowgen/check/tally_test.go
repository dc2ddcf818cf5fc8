package check_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
	"github.com/flowfleet/flowfleet/hack/flowgen/traffic"
)

// received is the record as a collector publishes it.
func received(run uint8, exporter int, number uint32) *flow.Record {
	r := flow.Record{Type: flow.TypeIPFIX}
	r.SrcAddr.Set4([]byte{byte(number >> 24), byte(number >> 16), byte(number >> 8), byte(number)})
	r.DstAddr.Set4([]byte{run, byte(exporter >> 16), byte(exporter >> 8), byte(exporter)})
	r.SamplerAddress.Set4([]byte{192, 0, 2, 1})
	return &r
}

func manifest(datagrams, records int) traffic.Manifest {
	return traffic.Manifest{Run: 3, Began: time.Unix(0, 0), Records: records, Exporters: []traffic.Sent{{
		Exporter: 0, Protocol: traffic.IPFIX, Source: netip.MustParseAddrPort("192.0.2.1:4000"), Times: make([]uint32, datagrams)}}}
}

func TestTallyTellsOnceFromAgainAndLost(t *testing.T) {
	tally := check.NewTally(3)
	for _, number := range []uint32{1, 2, 2, 4, 9} {
		tally.Add(received(3, 0, number))
	}
	tally.Add(received(4, 0, 3)) // another run
	tally.Add(received(3, 5, 1)) // an exporter that sent nothing
	tally.Add(received(3, 0, 0)) // no number
	tally.Add(&flow.Record{})    // a flow of somebody else's
	m := manifest(3, 2)
	report := tally.Report(m)
	if report.Records != 6 || report.Once != 2 || report.Again != 1 || report.Lost != 3 || report.LostDatagrams != 2 ||
		report.Unsent != 2 || report.Foreign != 3 || tally.Complete(m) {
		t.Errorf("%+v", report)
	}
	if len(report.Gaps) != 1 || report.Gaps[0].First != 2 || report.Gaps[0].Last != 3 || report.Gaps[0].Records != 3 {
		t.Errorf("gaps: %+v", report.Gaps)
	}
	var text strings.Builder
	report.Print(&text)
	for _, line := range []string{"received again               1", "datagrams 2 to 3, 3 records"} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("no %q in\n%s", line, &text)
		}
	}
}

func TestWrongValuesAreNoticed(t *testing.T) {
	tally := check.NewTally(3)
	tally.Add(received(3, 0, 1)) // all but the addresses is missing
	report := tally.Report(manifest(1, 1))
	if report.Wrong != 1 || report.Good() || len(report.Examples) != 1 || !strings.Contains(report.Examples[0], "record 1 of exporter 0: source port is 0") {
		t.Errorf("%+v", report)
	}
}
