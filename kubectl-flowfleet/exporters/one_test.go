package exporters

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

func TestAllThatTheBooksHaveOfAnAddressIsFound(t *testing.T) {
	before := []ledger.Account{account("a", 0, 100, ledger.Span{})}
	now := []ledger.Account{account("a", 2, 120, ledger.Span{First: 0, Next: 120, Units: 100}), account("b", 2, 60, ledger.Span{First: 10, Next: 200, Units: 60})}
	now[0].Exporters[0].Datagrams = ledger.Datagrams{Received: 10, Refused: map[string]uint64{"malformed": 2}}
	now[1].Exporters[0].Datagrams = ledger.Datagrams{Received: 5, Refused: map[string]uint64{"malformed": 1}}
	now[1].Exporters[0].Sets = ledger.Sets{Waiting: 3, Expired: map[string]uint64{"age": 7}, Dropped: map[string]uint64{"no_template": 3}}
	now[1].Exporters = append(now[1].Exporters, ledger.Exporter{Address: "192.0.2.10", Protocol: "ipfix", Records: 5})
	second := noon.Add(2 * time.Second)
	now[1].Streams = append(now[1].Streams,
		ledger.Stream{StreamKey: ledger.StreamKey{Exporter: "192.0.2.1", Protocol: "ipfix", Port: 900, Domain: 5}, LastSeen: second, Span: ledger.Span{Next: 10, Units: 10}},
		ledger.Stream{StreamKey: ledger.StreamKey{Exporter: "192.0.2.10", Protocol: "ipfix"}, LastSeen: second, Span: ledger.Span{Next: 10, Units: 1}})
	want := One{Address: "192.0.2.1",
		Protocols: []Row{{Address: "192.0.2.1", Protocol: "ipfix", Collectors: 2, Domains: 1, Ports: 2, Records: 180, RecordsPerSecond: new(float64(10)), Sent: 210, Missed: 40,
			Refused: 3, Lost: 10, Waiting: 3, LastSeen: second}},
		Collectors: []Heard{{"a", "ipfix", 10, 120, 2, 0, 0}, {"b", "ipfix", 5, 60, 1, 10, 3}},
		Undecoded:  []Undecoded{{"ipfix", "sets expired", "age", 7}, {"ipfix", "datagrams refused", "malformed", 3}, {"ipfix", "sets dropped", "no_template", 3}},
		Streams:    []Stream{{"ipfix", 1000, 5, 200, 40, 0, second}, {"ipfix", 900, 5, 10, 0, 0, second}},
	}
	for _, spelling := range []string{"192.0.2.1", "::ffff:192.0.2.1"} {
		got, heard := Find(netip.MustParseAddr(spelling), before, now)
		if diff := cmp.Diff(want, got); diff != "" || !heard {
			t.Errorf("%s, heard %t: %s", spelling, heard, diff)
		}
	}
	if got, heard := Find(netip.MustParseAddr("192.0.2.9"), before, now); heard {
		t.Errorf("nobody has heard of it: %+v", got)
	}
}
