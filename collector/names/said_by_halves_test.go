package names

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// saidRow is a row that a domain says of number 5, at a second.
type saidRow struct {
	domain  uint32
	second  uint64
	row     Row
	becomes Result
}

// Exporters say what belongs together in several records, tables and domains.
func TestWhatIsSaidByHalvesIsKeptWhole(t *testing.T) {
	category, group := Attribute{ID: 372, Text: "email"}, Attribute{ID: 374, Text: "smtp-group"}
	for name, test := range map[string]struct {
		table Table
		said  []saidRow
		// asked is the domain of a flow.
		asked uint32
		want  *Row
	}{
		"attributes in tables of their own, again and again": {Applications, []saidRow{
			{1, 10, Row{Name: "smtp"}, Learned},
			{1, 10, Row{Attributes: []Attribute{category}}, Learned}, {1, 10, Row{Attributes: []Attribute{group}}, Learned},
			{1, 99, Row{Attributes: []Attribute{category}}, Refreshed}, {1, 99, Row{Attributes: []Attribute{group}}, Refreshed}},
			1, &Row{Name: "smtp", Attributes: []Attribute{category, group}}},
		"an attribute that changes": {Applications, []saidRow{
			{1, 10, Row{Name: "smtp", Attributes: []Attribute{category, group}}, Learned},
			{1, 20, Row{Attributes: []Attribute{{ID: 372, Text: "mail"}}}, Learned}},
			1, &Row{Name: "smtp", Attributes: []Attribute{{ID: 372, Text: "mail"}, group}}},
		"an application that gives its number to another": {Applications, []saidRow{
			{1, 10, Row{Name: "smtp", Description: "mail", Attributes: []Attribute{category}}, Learned},
			{1, 20, Row{Name: "dns"}, Reassigned}},
			1, &Row{Name: "dns"}},
		"an interface that gives its number to a slower one": {Interfaces, []saidRow{
			{1, 10, Row{Name: "Hu0/0/0/1", Speed: 100e9}, Learned}, {1, 20, Row{Name: "Gi0/0/0/1"}, Reassigned}},
			1, &Row{Name: "Gi0/0/0/1"}},
		"a VRF that gives its number to another": {VRFs, []saidRow{
			{1, 10, Row{Name: "red", Attributes: []Attribute{{ID: 90, Text: "65000:1"}}}, Learned}, {1, 20, Row{Name: "blue"}, Reassigned}},
			1, &Row{Name: "blue"}},
		"two domains, one of which says less": {Interfaces, []saidRow{
			{1, 10, Row{Name: "Te0/0/0", Description: "to Berlin"}, Learned}, {2, 10, Row{Name: "Te0/0/0"}, Learned}},
			3, &Row{Name: "Te0/0/0", Description: "to Berlin"}},
		"two domains that describe the same in other words": {Interfaces, []saidRow{
			{1, 10, Row{Name: "Te0/0/0", Description: "to Berlin"}, Learned}, {2, 10, Row{Name: "Te0/0/0", Description: "uplink"}, Learned}},
			3, &Row{Name: "Te0/0/0"}},
		"two domains that name different interfaces": {Interfaces, []saidRow{
			{1, 10, Row{Name: "Te0/0/0"}, Learned}, {2, 10, Row{Name: "Te1/0/0"}, Learned}},
			3, nil},
		"two domains that describe different interfaces, and name none": {Interfaces, []saidRow{
			{1, 10, Row{Description: "to Berlin"}, Learned}, {2, 10, Row{Description: "to Bonn"}, Learned}},
			3, nil},
		"a domain that describes what another names": {Interfaces, []saidRow{
			{1, 10, Row{Name: "Te0/0/0"}, Learned}, {2, 10, Row{Description: "to Berlin"}, Learned}},
			2, &Row{Name: "Te0/0/0", Description: "to Berlin"}},
		"a domain that describes another interface than the one that another names": {Interfaces, []saidRow{
			{1, 10, Row{Name: "Te0/0/0", Description: "to Bonn"}, Learned}, {2, 10, Row{Description: "to Berlin"}, Learned}},
			2, &Row{Description: "to Berlin"}},
		"a domain's own name counts before another's": {Interfaces, []saidRow{
			{1, 10, Row{Name: "Te0/0/0", Description: "to Bonn"}, Learned}, {2, 10, Row{Name: "Te1/0/0"}, Learned}},
			2, &Row{Name: "Te1/0/0"}},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 { // in whatever order domains are looked at
				s := NewStore(LimitsFor(10), 0)
				router := netip.MustParseAddr("192.0.2.1")
				for i, said := range test.said {
					k := Key{Scope: Scope{Exporter: router, Domain: said.domain}, Table: test.table, Number: 5}
					if got := s.Learn(k, said.row, said.second, int64(said.second)*1e9); got != said.becomes {
						t.Fatalf("row %d became %d, want %d", i, got, said.becomes)
					}
				}
				got := s.Resolve(s.Find(router), Key{Scope: Scope{Exporter: router, Domain: test.asked}, Table: test.table, Number: 5}, netip.Addr{})
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Fatal(diff)
				}
			}
		})
	}
}

// Rows are shared with pages: what is merged changes none of them.
func TestMergingAttributesChangesNoOtherRow(t *testing.T) {
	list := make([]Attribute, 1, 4)
	list[0] = Attribute{ID: 372, Text: "email"}
	row := Row{Name: "smtp", Attributes: list}
	var many []Attribute
	for id := range uint16(2 * MaxAttributes) {
		many = append(many, Attribute{ID: 371 + id, Text: "other"})
	}
	merged := row.merge(Row{Attributes: many})
	if list[0].Text != "email" || len(row.Attributes) != 1 || len(merged.Attributes) != MaxAttributes {
		t.Errorf("%v, and merged %v", row, merged)
	}
}
