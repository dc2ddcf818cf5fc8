package exporters

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// account of a collector that has decoded so many records of a router, at that second, and received those units of its stream.
func account(instance string, second int, records uint64, span ledger.Span) ledger.Account {
	at := noon.Add(time.Duration(second) * time.Second)
	a := ledger.Account{Instance: instance, Time: at,
		Exporters: []ledger.Exporter{{Address: "192.0.2.1", Protocol: "ipfix", Records: records}, {Protocol: "ipfix", Records: 7}}}
	if span.Next > 0 {
		a.Streams = []ledger.Stream{{StreamKey: ledger.StreamKey{Exporter: "192.0.2.1", Protocol: "ipfix", Port: 1000, Domain: 5}, LastSeen: at, Span: span}}
	}
	return a
}

func TestRowsSumUpWhatAllCollectorsHave(t *testing.T) {
	before := []ledger.Account{account("a", 0, 100, ledger.Span{}), account("b", 0, 50, ledger.Span{})}
	now := []ledger.Account{
		account("a", 2, 120, ledger.Span{First: 0, Next: 120, Units: 100}),
		account("b", 2, 60, ledger.Span{First: 10, Next: 200, Units: 60}),
		account("c", 2, 1000, ledger.Span{}), // began meanwhile: it says nothing of the rate
	}
	rows := Rows(before, now)
	want := []Row{{Address: "192.0.2.1", Protocol: "ipfix", Collectors: 3, Domains: 1, Ports: 1, Records: 1180, RecordsPerSecond: new(float64(15)),
		Sent: 200, Missed: 40, LastSeen: noon.Add(2 * time.Second)}}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	if loss, known := rows[0].Loss(); !known || loss != 0.2 {
		t.Errorf("the loss is %v, %v", loss, known)
	}
}

func TestLossIsNotKnownOfAnExporterWhoseSequenceIsNotFollowed(t *testing.T) {
	rows := Rows(nil, []ledger.Account{account("a", 0, 100, ledger.Span{})})
	if _, known := rows[0].Loss(); known || rows[0].RecordsPerSecond != nil {
		t.Errorf("%+v", rows[0])
	}
}

// A collector that was restarted under its name counts from 0 again.
func TestRateOfACollectorThatWasRestartedIsNotMadeUp(t *testing.T) {
	rows := Rows([]ledger.Account{account("a", 0, 1000, ledger.Span{})}, []ledger.Account{account("a", 2, 10, ledger.Span{})})
	if rows[0].RecordsPerSecond != nil {
		t.Errorf("%v records a second", rows[0].RecordsPerSecond)
	}
}

func TestOrdersAndNetworks(t *testing.T) {
	rows := []Row{
		{Address: "10.0.0.10", RecordsPerSecond: new(float64(5)), Sent: 100, Missed: 1, LastSeen: noon},
		{Address: "10.0.0.9", RecordsPerSecond: new(float64(9)), LastSeen: noon.Add(time.Hour)},
		{Address: "2001:db8::1", RecordsPerSecond: new(float64(1)), Sent: 100, Missed: 50, LastSeen: noon.Add(-time.Hour)},
	}
	for order, want := range map[string][]string{
		"address": {"10.0.0.9", "10.0.0.10", "2001:db8::1"},
		"records": {"10.0.0.9", "10.0.0.10", "2001:db8::1"},
		"loss":    {"2001:db8::1", "10.0.0.10", "10.0.0.9"},
		"silence": {"2001:db8::1", "10.0.0.10", "10.0.0.9"},
	} {
		sorted := slices.Clone(rows)
		slices.SortStableFunc(sorted, Orders[order])
		var got []string
		for _, r := range sorted {
			got = append(got, r.Address)
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %s: %v", order, got)
		}
	}
	if within := Within(slices.Clone(rows), []netip.Prefix{netip.MustParsePrefix("10.0.0.8/31")}); len(within) != 1 || within[0].Address != "10.0.0.9" {
		t.Errorf("within 10.0.0.8/31: %+v", within)
	}
}

func TestNamingIsAddedUpAndUnknownWhereACollectorDoesNotSay(t *testing.T) {
	a, b, old := account("a", 0, 10, ledger.Span{}), account("b", 0, 10, ledger.Span{}), account("c", 0, 10, ledger.Span{})
	a.Exporters[0].Naming = &ledger.Naming{Interfaces: ledger.Named{Named: 6, Unnamed: 4}}
	b.Exporters[0].Naming = &ledger.Naming{Interfaces: ledger.Named{Named: 10}}
	if n := Rows(nil, []ledger.Account{a, b})[0].Naming; n == nil || n.Interfaces != (ledger.Named{Named: 16, Unnamed: 4}) {
		t.Errorf("%+v", n)
	}
	for _, order := range [][]ledger.Account{{a, old, b}, {old, a}, {a, old}} {
		if n := Rows(nil, order)[0].Naming; n != nil {
			t.Errorf("one does not say, and it is %+v", n)
		}
	}
}
