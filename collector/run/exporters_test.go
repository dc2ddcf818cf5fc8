package run

import (
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
