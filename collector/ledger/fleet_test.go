package ledger

import (
	"slices"
	"strings"
	"testing"
)

func TestExportersStandInTheOrderOfTheirAddresses(t *testing.T) {
	var accounts []Account
	for _, address := range []string{"10.0.0.10", "2001:db8::1", "10.0.0.9", "", "9.0.0.1"} {
		accounts = append(accounts, Account{Exporters: []Exporter{{Address: address, Protocol: "sflow", Records: 1}, {Address: address, Protocol: "ipfix", Records: 1}}},
			Account{Exporters: []Exporter{{Address: address, Protocol: "ipfix", Records: 1}}})
	}
	var got []string
	for _, e := range Exporters(accounts) {
		got = append(got, e.Address+" "+e.Protocol)
		if want := map[string]uint64{"ipfix": 2, "sflow": 1}[e.Protocol]; e.Records != want {
			t.Errorf("%s %s has %d records, not %d", e.Address, e.Protocol, e.Records, want)
		}
	}
	want := strings.Split(" ipfix, sflow,9.0.0.1 ipfix,9.0.0.1 sflow,10.0.0.9 ipfix,10.0.0.9 sflow,10.0.0.10 ipfix,10.0.0.10 sflow,2001:db8::1 ipfix,2001:db8::1 sflow", ",")
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
