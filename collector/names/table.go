// Package names holds what exporters say their numbers mean: names of interfaces, applications, VRFs, samplers, selectors,
// observation domains, and of the exporters themselves. Exporters send them in options records every few minutes; any
// collector of a fleet then names every flow.
//
// A table is a list of pages, which tables that say the same share, and of rows that changed since these were made. A Store keeps
// them in memory; the bucket has a manifest for each table, and the pages. The package does no I/O, logs nothing and reads no
// clock: time is handed in.
package names

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Table says what kind of number a row names.
type Table uint8

// The tables. Their numbers stand in the bucket: a new one gets a new number.
const (
	// Interfaces are named by ingressInterface (10), egressInterface (14), the physical ones (252, 253), NetFlow v9's scope
	// Interface (RFC 3954 section 6.1) and sFlow's ifIndex.
	Interfaces Table = 1
	// Applications are named by applicationId (95, RFC 6759).
	Applications Table = 2
	// VRFs are named by ingressVRFID (234) and egressVRFID (235).
	VRFs Table = 3
	// Samplers are named by samplerId (48).
	Samplers Table = 4
	// Selectors are named by selectorId (302, RFC 5477 section 8.2.1).
	Selectors Table = 5
	// Domains are named by observationDomainId (149). The row's number is the domain.
	Domains Table = 6
	// Exporters have one row, 0: the exporting system's own name.
	Exporters Table = 7
	// Others are all other options tables: what a record is about, and what it says of that. They name nothing on flows. A row's number is
	// made of its layout and scope, its name tells the scope, and Attributes are its fields.
	Others Table = 8
	// Elements are a vendor's information elements: their names and types (RFC 5610). A row's number is ElementNumber. They name fields of
	// flows in JSON, not what these hold.
	Elements Table = 9
)

// Tables are all, in their order.
var Tables = [...]Table{Interfaces, Applications, VRFs, Samplers, Selectors, Domains, Exporters, Elements, Others}

// Joined are those that flows carry names of.
var Joined = Tables[:len(Tables)-2]

var tableNames = [...]string{Interfaces: "interfaces", Applications: "applications", VRFs: "vrfs", Samplers: "samplers",
	Selectors: "selectors", Domains: "domains", Exporters: "exporters", Others: "others", Elements: "elements"}

// joined reports whether t is one of Joined.
func (t Table) joined() bool { return slices.Contains(Joined, t) }

// String is the word for tables, labels and keys of the bucket.
func (t Table) String() string {
	if int(t) < len(tableNames) && tableNames[t] != "" {
		return tableNames[t]
	}
	return "table-" + strconv.Itoa(int(t))
}

// ParseTable is the reverse of String; ok is false for a word that is none of Tables.
func ParseTable(word string) (t Table, ok bool) {
	for _, t := range Tables {
		if t.String() == word {
			return t, true
		}
	}
	return 0, false
}

// Scope is whose numbers a table names. What an exporter says holds for its observation domain (RFC 7011 section 3.4.2.1) and,
// where no other domain of the exporter says otherwise, for the whole exporter: line cards export flows under domains of their
// own and leave the tables to the route processor.
type Scope struct {
	// Exporter is the unmapped source address of the datagrams.
	Exporter netip.Addr
	// Domain is IPFIX's observation domain id or NetFlow v9's source id. For sFlow it is 0 of the agent that has that address, and of another
	// agent behind it a number made of its address.
	Domain uint32
}

// Key identifies a row.
type Key struct {
	Scope Scope
	Table Table
	// Number is what the row names: an ifIndex, an application id of up to 8 bytes, ...
	Number uint64
}

// Stamp orders the rows of one number, as it does templates.
type Stamp = template.Stamp

// Row is what a number means. The zero Row says nothing.
type Row struct {
	// Name and Description are clean (see Clean): at most MaxText bytes of valid UTF-8 without control characters.
	Name, Description string
	// Speed of an interface in bits a second, 0 where nobody said.
	Speed uint64
	// Attributes say more of an application, such as its category, and of an element, such as its type. They are at most MaxAttributes, of Others MaxFields.
	Attributes []Attribute
}

// Attribute is one more fact about a row.
type Attribute struct {
	// Enterprise and ID are the information element's.
	Enterprise uint32
	ID         uint16
	// Text is clean.
	Text string
}

// Bounds of Row.Attributes.
const (
	MaxAttributes = 8
	MaxFields     = 24
)

// Empty reports whether r says nothing.
func (r *Row) Empty() bool {
	return r.Name == "" && r.Description == "" && r.Speed == 0 && len(r.Attributes) == 0
}

// merge returns r with what o says in its place where o says anything: an interface's name and its speed come in different
// records, and from some exporters name and description do, or the attributes of an application.
func (r Row) merge(o Row) Row {
	if o.Name != "" {
		r.Name = o.Name
	}
	if o.Description != "" {
		r.Description = o.Description
	}
	if o.Speed != 0 {
		r.Speed = o.Speed
	}
	r.Attributes = mergeAttributes(r.Attributes, o.Attributes)
	return r
}

// mergeAttributes returns list with what others say in the place of what it has of the same elements: at most MaxAttributes.
func mergeAttributes(list, others []Attribute) []Attribute {
	if len(list) == 0 {
		return others
	}
	out := list
	for _, o := range others {
		at := slices.IndexFunc(out, func(a Attribute) bool { return a.Enterprise == o.Enterprise && a.ID == o.ID })
		switch {
		case at >= 0 && out[at].Text == o.Text:
			continue
		case at < 0 && len(out) >= MaxAttributes:
			continue
		}
		if &out[0] == &list[0] {
			out = slices.Clone(list) // it is others' too
		}
		if at >= 0 {
			out[at] = o
		} else {
			out = append(out, o)
		}
	}
	return out
}

// same reports whether r and o say the same.
func (r *Row) same(o *Row) bool {
	if r.Name != o.Name || r.Description != o.Description || r.Speed != o.Speed || len(r.Attributes) != len(o.Attributes) {
		return false
	}
	for i := range r.Attributes {
		if r.Attributes[i] != o.Attributes[i] {
			return false
		}
	}
	return true
}

// greater orders rows that differ, so that all collectors agree on one of two that were exported at once.
func (r *Row) greater(o *Row) bool {
	return string(appendRow(nil, 0, r)) > string(appendRow(nil, 0, o))
}

// Entry is a row with its number.
type Entry struct {
	Number uint64
	Row
	// Stamp is when it was said for the first time.
	Stamp Stamp
}

// What a row takes in memory beside its texts, measured and rounded up.
const rowBytes = 112

// size is about how many bytes r takes in memory.
func (r *Row) size() int64 {
	n := rowBytes + len(r.Name) + len(r.Description)
	for i := range r.Attributes {
		n += 32 + len(r.Attributes[i].Text)
	}
	return int64(n)
}
