package clickhouse

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/template"
)

// namesStatement is the one that docs/names-details.md prints with a beginning.
func namesStatement(t *testing.T, beginning string) string {
	t.Helper()
	docs, err := os.ReadFile("../../../docs/names-details.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(docs), "\n    "+beginning)
	statement, _, ended := strings.Cut(rest, ";")
	if !found || !ended {
		t.Fatalf("the guide has no statement that begins with %q", beginning)
	}
	return beginning + statement
}

// A database that joins by itself has each flow with the name that its interface had when the flow came, from records as collectors
// publish them, in whatever order and however often they come.
func TestTheGuidesJoinGivesEachFlowTheNameOfItsTime(t *testing.T) {
	s, k := begin(t)
	s.Query(namesStatement(t, "CREATE TABLE flowfleet.names"))
	flow := sample()
	router := netip.MustParseAddr(flow.SamplerAddress.Addr().String())
	second := uint64(received / 1_000_000_000)
	var lines []byte
	say := func(scope names.Scope, table names.Table, name string, at uint64, count int) {
		e := names.Entry{Number: uint64(flow.InIf), Row: names.Row{Name: name, Attributes: []names.Attribute{{ID: 94, Text: "x"}}},
			Stamp: template.StampOf(at) + template.Stamp(count)}
		r := names.NewRecord(scope, table, &e, received)
		lines = r.AppendLine(lines)
	}
	scope := names.Scope{Exporter: router, Domain: flow.ObservationDomainID}
	say(scope, names.Interfaces, "second", second-10, 1)
	say(scope, names.Interfaces, "for less than a second", second-10, 0)
	say(scope, names.Interfaces, "first", second-100, 0)
	say(scope, names.Interfaces, "first", second-100, 0)
	say(scope, names.Interfaces, "third", second+10, 0)
	say(scope, names.VRFs, "of another table", second-5, 0)
	say(names.Scope{Exporter: netip.MustParseAddr("192.0.2.99"), Domain: scope.Domain}, names.Interfaces, "another's", second-5, 0)
	s.Query("INSERT INTO flowfleet.names FORMAT JSONEachRow\n" + string(lines))
	expect(t, s, "SELECT count() FROM flowfleet.names FINAL", "5")
	for i, later := range []int64{-200, -50, 0, 60} {
		r := sample()
		r.TimeReceivedNs = uint64(received + later*1_000_000_000)
		store(t, k, string(rune('a'+i)), r)
	}
	join := namesStatement(t, "SELECT f.time_received, f.sampler_address, f.in_if, n.name")
	expect(t, s, "SELECT name FROM ("+join+")", "\nfirst\nsecond\nthird")
}
