package run

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/names"
)

// probe is an exporter that describes elements of its own.
var probe = netip.MustParseAddr("192.0.2.7")

// describe has a Store know what an exporter says of an element of enterprise 4000, at a second.
func describe(t *testing.T, s *names.Store, exporter netip.Addr, port uint16, id uint16, name, dataType string, second uint64) {
	t.Helper()
	row := names.Row{Name: name}
	if dataType != "" {
		row.Attributes = []names.Attribute{{ID: names.ElementDataType, Text: dataType}}
	}
	s.LearnFrom(port, names.Key{Scope: names.Scope{Exporter: exporter, Domain: 1}, Table: names.Elements, Number: names.ElementNumber(4000, id)},
		row, second, int64(second)*1e9)
}

func newStore() *names.Store { return names.NewStore(names.LimitsFor(10), 0) }

// fieldOf is an extra field of a record as JSON has it.
func fieldOf(e *Elements, kind flow.Type, exporter netip.Addr, domain, enterprise uint32, id uint16, value []byte) string {
	r := flow.Record{Type: kind, SamplerAddress: flow.AddressFrom(exporter), ObservationDomainID: domain}
	value, name := e.ExtraJSON(nil, &r, &flow.Extra{Enterprise: enterprise, ID: id, Value: value})
	return name + "=" + string(value)
}

func TestElementsThatExportersDescribeHaveTheirNamesAndTypes(t *testing.T) {
	s := newStore()
	describe(t, s, probe, 1, 1, "customer", "13", 1000)
	describe(t, s, probe, 1, 2, "colour", "1", 1000)
	describe(t, s, probe, 1, 3, "no_type", "", 1000)
	describe(t, s, probe, 1, 4, "no.known-type", "99", 1000)
	describe(t, s, probe, 1, 5, `a"key`, "1", 1000)
	describe(t, s, probe, 1, 6, strings.Repeat("x", 65), "1", 1000)
	s.LearnFrom(1, names.Key{Scope: names.Scope{Exporter: probe, Domain: 1}, Table: names.Elements, Number: names.ElementNumber(637, 93)},
		names.Row{Name: "mine"}, 1000, 1000e9)
	e := NewElements(s)
	for name, test := range map[string]struct {
		kind               flow.Type
		exporter           netip.Addr
		domain, enterprise uint32
		id                 uint16
		value              string
		want               string
	}{
		"text":                          {flow.TypeIPFIX, probe, 1, 4000, 1, "acme", `customer="acme"`},
		"a number":                      {flow.TypeIPFIX, probe, 1, 4000, 2, "\x07", "colour=7"},
		"no type":                       {flow.TypeIPFIX, probe, 1, 4000, 3, "\x02\x01", "no_type=513"},
		"a type that nobody registered": {flow.TypeIPFIX, probe, 1, 4000, 4, "\x02\x01", "no.known-type=513"},
		"a name that is no key":         {flow.TypeIPFIX, probe, 1, 4000, 5, "\x05", `enterprise4000.5="05"`},
		"a name that is too long":       {flow.TypeIPFIX, probe, 1, 4000, 6, "\x05", `enterprise4000.6="05"`},
		"what a list has":               {flow.TypeIPFIX, probe, 1, 637, 93, "a", `natSubString="a"`},
		"another domain of the device":  {flow.TypeIPFIX, probe, 2, 4000, 2, "\x07", "colour=7"},
		"another device":                {flow.TypeIPFIX, netip.MustParseAddr("192.0.2.8"), 1, 4000, 2, "\x07", `enterprise4000.2="07"`},
		"another enterprise":            {flow.TypeIPFIX, probe, 1, 4001, 2, "\x07", `enterprise4001.2="07"`},
		"an element of IANA's":          {flow.TypeIPFIX, probe, 1, 0, 5, "\x07", "ipClassOfService=7"},
		"a field of sFlow":              {flow.TypeSFlow5, probe, 1, 4000, 2, "\x07", fieldOf(NewElements(nil), flow.TypeSFlow5, probe, 1, 4000, 2, []byte{7})},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time it is remembered
				if got := fieldOf(e, test.kind, test.exporter, test.domain, test.enterprise, test.id, []byte(test.value)); got != test.want {
					t.Errorf("%s, want %s", got, test.want)
				}
			}
		})
	}
	if got := fieldOf(NewElements(nil), flow.TypeIPFIX, probe, 1, 4000, 2, []byte{7}); got != `enterprise4000.2="07"` {
		t.Errorf("without names: %s", got)
	}
}

func TestAnElementThatIsDescribedOtherwiseIsCalledSoAtOnce(t *testing.T) {
	s := newStore()
	e := NewElements(s)
	step := func(want string) {
		t.Helper()
		if got := fieldOf(e, flow.TypeIPFIX, probe, 1, 4000, 1, []byte{7}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	step(`enterprise4000.1="07"`)
	describe(t, s, probe, 1, 1, "before", "1", 1000)
	step("before=7")
	describe(t, s, probe, 1, 1, "after", "1", 1100)
	step("after=7")
	for i := range uint64(2) { // two devices at one address, which mean different things
		describe(t, s, probe, 2, 1, "theirs", "1", 1200+20*i)
		describe(t, s, probe, 1, 1, "after", "1", 1210+20*i)
	}
	step(`enterprise4000.1="07"`)
}

func TestElementsRememberABoundedNumber(t *testing.T) {
	s := newStore()
	e := NewElements(s)
	describe(t, s, probe, 1, 1, "colour", "1", 1000)
	for i := range uint32(3 * maxTaughtElements) {
		if got, want := fieldOf(e, flow.TypeIPFIX, probe, i, 4001, 9, []byte{7}), `enterprise4001.9="07"`; got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		if len(e.known) > maxTaughtElements {
			t.Fatal(fmt.Sprint(len(e.known), " elements are remembered"))
		}
	}
	if got := fieldOf(e, flow.TypeIPFIX, probe, 1, 4000, 1, []byte{7}); got != "colour=7" {
		t.Errorf("after a flood: %s", got)
	}
}
