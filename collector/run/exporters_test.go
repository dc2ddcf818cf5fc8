package run

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/status"
)

func TestExportersComeWithTheirOwnStreamsTheLatestFirstAndInOrder(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	stream := func(address, protocol string, domain uint32, seen int64) ledger.Stream {
		return ledger.Stream{StreamKey: ledger.StreamKey{Exporter: address, Protocol: protocol, Domain: domain}, LastSeen: at(seen)}
	}
	streams := []ledger.Stream{stream("192.0.2.1", "ipfix", 1, 5), stream("192.0.2.1", "sflow", 9, 9), stream("192.0.2.1", "ipfix", 2, 7)}
	for i := range status.MaxStreams + 3 {
		streams = append(streams, stream("198.51.100.1", "ipfix", uint32(i), int64(i)))
	}
	got := exportersOf([]ledger.Exporter{{Address: "198.51.100.1", Protocol: "ipfix"}, {Address: "", Protocol: "ipfix", Records: 5},
		{Address: "192.0.2.1", Protocol: "sflow"}, {Address: "192.0.2.1", Protocol: "ipfix", Records: 3, Datagrams: ledger.Datagrams{
			Received: 4, Decoded: 2, Refused: map[string]uint64{"too_short": 1, "bad_header": 1}}}}, streams)
	if len(got) != 3 || got[0].Protocol != "ipfix" || got[1].Protocol != "sflow" || got[2].Address != "198.51.100.1" {
		t.Fatalf("%+v", got)
	}
	if e := got[0]; e.Refused != 2 || e.Records != 3 || len(e.Streams) != 2 || e.Streams[0].Domain != 2 {
		t.Errorf("%+v", e)
	}
	if e := got[2]; len(e.Streams) != status.MaxStreams || e.StreamsLeftOut != 3 || e.Streams[0].Domain != status.MaxStreams+2 {
		t.Errorf("%d streams, %d left out", len(e.Streams), e.StreamsLeftOut)
	}
}

func TestDeclaredExportersAreReportedHoweverManyOthersThereAre(t *testing.T) {
	router := netip.MustParseAddr("203.0.113.9")
	all := &traffic{}
	all.setLimit(1000, map[netip.Addr]struct{}{router: {}})
	var exporters []status.Exporter
	for i := range 100 {
		exporters = append(exporters, status.Exporter{Address: fmt.Sprint("10.0.0.", i), Protocol: "ipfix", Records: uint64(i % 2)})
	}
	exporters = append(exporters, status.Exporter{Address: router.String(), Protocol: "ipfix"}) // the last in order, and without a record
	got := all.reported(exporters, 20)
	if len(got) != 20 || got[19].Address != router.String() || !slices.IsSortedFunc(got, func(a, b status.Exporter) int { return cmp.Compare(a.Key(), b.Key()) }) {
		t.Errorf("%+v", got)
	}
	for _, e := range got[:19] {
		if e.Records == 0 {
			t.Errorf("%s has no records, and others have", e.Address)
		}
	}
}

// Whoever asks knows whom it asked: an address may have gone to another collector.
func TestACollectorSaysWhoItIsWithItsExporters(t *testing.T) {
	if got := (&Collector{named: "edge-x7k2p"}).exporters().Instance; got != "edge-x7k2p" {
		t.Errorf("it says that it is %q", got)
	}
}
