package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/exporters"
)

func TestExportersArePrintedInTheFormsOfKubectl(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	rows := []exporters.Row{
		{Address: "192.0.2.1", Protocol: "ipfix", Collectors: 3, RecordsPerSecond: new(float64(123456.5)), Sent: 100000, Missed: 1, LastSeen: now.Add(-3 * time.Second)},
		{Address: "192.0.2.1", Protocol: "sflow", Collectors: 1},
		{Address: "192.0.2.2", Protocol: "netflow9", Collectors: 1, RecordsPerSecond: new(float64(0.25)), Sent: 200, Missed: 3, LastSeen: now.Add(-3 * time.Hour)},
	}
	for form, want := range map[string]string{
		"": `ADDRESS     PROTOCOL   RECORDS/S   LOSS     LAST HEARD   COLLECTORS
192.0.2.1   ipfix      123456      <0.01%   3s           3
192.0.2.1   sflow      ?           ?        ?            1
192.0.2.2   netflow9   0.2         1.50%    3h           1
`,
		"name": "192.0.2.1\n192.0.2.2\n",
	} {
		var out strings.Builder
		if err := printRows(&out, rows, form, now); err != nil || out.String() != want {
			t.Errorf("as %q, %v:\n%s", form, err, &out)
		}
	}
	for form, want := range map[string]string{"wide": "RESTARTS", "json": `"recordsPerSecond": 123456.5`, "yaml": "recordsPerSecond: 123456.5"} {
		var out strings.Builder
		if err := printRows(&out, rows, form, now); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("as %q, %v:\n%s", form, err, &out)
		}
	}
}

func TestAnErrorMovesNoCursor(t *testing.T) {
	err := errors.Join(errors.New("collector a: full\x1b[2J\r\u202e"), errors.New("collector b: größer"))
	if got := complaint(err); got != "collector a: full?[2J??\ncollector b: größer" {
		t.Errorf("%q", got)
	}
}

func TestNetworksThatAreNoneAreRefused(t *testing.T) {
	if networks, err := parseNetworks([]string{"10.0.0.0/8", "192.0.2.1", "2001:db8::1"}); err != nil || networks[1].Bits() != 32 || networks[2].Bits() != 128 {
		t.Errorf("%v, %v", networks, err)
	}
	if _, err := parseNetworks([]string{"router-1"}); err == nil || !strings.Contains(err.Error(), "router-1") {
		t.Errorf("%v", err)
	}
}

func TestNetworksThatNobodySendsFromAreNamed(t *testing.T) {
	networks, err := parseNetworks([]string{"10.0.0.0/8", "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := noneWithin(networks, 7); !strings.Contains(got, "10.0.0.0/8, 192.0.2.1/32") || !strings.Contains(got, "7 lines") {
		t.Error(got)
	}
}

func TestAnArgumentTooManyIsNamed(t *testing.T) {
	for _, name := range []string{"status", "exporters", "ledger", "check", "top", "report"} {
		command := newCommand()
		command.SetArgs([]string{name, "edge", "192.0.2.1"})
		err := command.Execute()
		if err == nil || !strings.Contains(err.Error(), `"192.0.2.1"`) || !strings.Contains(err.Error(), "kubectl flowfleet "+name+" --help") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAddressThatIsMissingAndAnArgumentBehindTheFleetAreNamed(t *testing.T) {
	for _, name := range []string{"capture", "exporters describe"} {
		for args, want := range map[string]string{"": "address is missing, as in kubectl flowfleet " + name + " 192.0.2.1", " 192.0.2.1 edge core": `"core"`} {
			command := newCommand()
			command.SetArgs(strings.Fields(name + args))
			if err := command.Execute(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s%s: %v", name, args, err)
			}
		}
	}
}

// In the order of another column the two rows of an exporter with two protocols stand apart.
func TestNamesComeOnceAndInTheOrderThatIsWanted(t *testing.T) {
	rows := []exporters.Row{{Address: "192.0.2.2", Protocol: "ipfix"}, {Address: "192.0.2.1", Protocol: "ipfix"}, {Address: "192.0.2.2", Protocol: "sflow"}}
	var out strings.Builder
	if err := printRows(&out, rows, "name", time.Now()); err != nil || out.String() != "192.0.2.2\n192.0.2.1\n" {
		t.Errorf("%v: %q", err, out.String())
	}
	for flags, want := range map[exportersNames]time.Duration{{"name", "records"}: time.Second, {"name", "loss"}: 0, {"", "loss"}: time.Second} {
		if got := (&exportersFlags{output: flags.output, sort: flags.sort, interval: time.Second}).lookFor(); got != want {
			t.Errorf("%+v: %s", flags, got)
		}
	}
}

type exportersNames struct{ output, sort string }

func TestTheWideListHasHowManyRecordsGotNames(t *testing.T) {
	rows := []exporters.Row{
		{Address: "192.0.2.1", Naming: &ledger.Naming{Interfaces: ledger.Named{Named: 1, Unnamed: 3}}},
		{Address: "192.0.2.2", Naming: &ledger.Naming{}},
		{Address: "192.0.2.3"},
		{Address: "192.0.2.4", Naming: &ledger.Naming{Interfaces: ledger.Named{Named: 9999, Unnamed: 1}}},
	}
	var out strings.Builder
	if err := printRows(&out, rows, "wide", time.Now()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		fields := strings.Fields(line)
		got = append(got, fields[len(fields)-1])
	}
	if want := []string{"NAMED", "25%", "-", "?", ">99%"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
