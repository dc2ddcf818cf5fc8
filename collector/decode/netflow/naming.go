package netflow

import (
	"encoding/binary"
	"fmt"

	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/template"
)

// naming says which rows of which table a record of a template has. Options records are tables of names; so are the data records
// of some firewalls that describe no flow.
type naming struct {
	table names.Table
	// numbers are the fields of what is named, by index in the template. A row for each: an interface may stand as the input and as
	// the output one.
	numbers []int
	// texts and attributes are the fields that name it.
	name, description, distinguisher int
	attributes                       []int
	// domain is the field of the observation domain that the row holds for, -1 where that is the sender's.
	domain int
}

// absent is the index of a field that a template does not have.
const absent = -1

// Elements that number what is named, beside NetFlow v9's scope Interface.
var numbering = map[uint16]names.Table{
	10: names.Interfaces, 14: names.Interfaces, 252: names.Interfaces, 253: names.Interfaces,
	95:  names.Applications,
	234: names.VRFs, 235: names.VRFs,
	48:  names.Samplers,
	302: names.Selectors,
	149: names.Domains,
}

// Elements that name, and those that describe.
var (
	namingElements = map[uint16]names.Table{
		82: names.Interfaces, 96: names.Applications, 236: names.VRFs, 84: names.Samplers, 335: names.Selectors, 300: names.Domains,
	}
	describingElements = map[uint16]names.Table{83: names.Interfaces, 94: names.Applications}
)

// elementDistinguisher is mplsVpnRouteDistinguisher, elementDomain observationDomainId.
const (
	elementDistinguisher = 90
	elementDomain        = 149
)

// attributeOf is how an attribute of an application is kept: applicationCategoryName, SubCategoryName, GroupName and what it uses
// have elements of IANA's registry (288 to 290, 372 to 374); Cisco's own came first, and stand in NetFlow v9 with the bit that is
// IPFIX's for an enterprise.
func attributeOf(version template.Version, f template.Field) (id uint16, ok bool) {
	if f.Enterprise == enterpriseCisco && f.ID >= 12232 && f.ID <= 12234 {
		return f.ID - 12232 + 372, true
	}
	const first9 = 12232 | 0x8000
	if version == template.NetFlow9 && f.ID >= first9 && f.ID <= first9+2 {
		return f.ID - first9 + 372, true
	}
	return f.ID, f.Enterprise == 0 && (f.ID >= 288 && f.ID <= 290 || f.ID >= 372 && f.ID <= 374)
}

// namingsOf finds the tables that records of t are rows of, nil for none.
func namingsOf(t *template.Template) []naming {
	var out []naming
	for _, table := range names.Tables {
		n := naming{table: table, name: absent, description: absent, distinguisher: absent, domain: absent}
		for i, f := range t.Fields {
			if _, ok := attributeOf(t.Version, f); ok && table == names.Applications && len(n.attributes) < names.MaxAttributes {
				n.attributes = append(n.attributes, i)
			}
			if f.Enterprise != 0 {
				continue
			}
			scope := i < t.ScopeFields
			switch {
			case scope && t.Version == template.NetFlow9 && f.ID <= 5:
				// These are scope types, not elements (RFC 3954 section 6.1).
				if table == names.Interfaces && f.ID == scopeInterface9 {
					n.numbers = append(n.numbers, i)
				}
			case numbering[f.ID] == table:
				n.numbers = append(n.numbers, i)
			case namingElements[f.ID] == table:
				n.name = i
			case describingElements[f.ID] == table:
				n.description = i
			case f.ID == elementDistinguisher && table == names.VRFs:
				n.distinguisher = i
			case f.ID == elementDomain && scope && table != names.Domains:
				n.domain = i
			}
		}
		says := n.name >= 0 || n.description >= 0 || n.distinguisher >= 0 || len(n.attributes) > 0
		if len(n.numbers) > 0 && says {
			out = append(out, n)
		}
	}
	return out
}

// namedRow is a row that a record announces.
type namedRow struct {
	key names.Key
	row names.Row
}

// rows reads the rows of a record, whose fields' values are handed in, and counts texts that were refused.
func (n *naming) rows(t *template.Template, scope names.Scope, values [][]byte, refused func(names.Refusal), yield func(namedRow)) {
	text := func(i int) string {
		if i < 0 {
			return ""
		}
		s, refusal := names.Clean(values[i])
		if refusal != names.Accepted {
			refused(refusal)
		}
		return s
	}
	row := names.Row{Name: text(n.name), Description: text(n.description)}
	if n.distinguisher >= 0 {
		if s := distinguisher(values[n.distinguisher]); s != "" {
			row.Attributes = append(row.Attributes, names.Attribute{ID: elementDistinguisher, Text: s})
		}
	}
	for _, i := range n.attributes {
		if s := text(i); s != "" {
			id, _ := attributeOf(t.Version, t.Fields[i])
			row.Attributes = append(row.Attributes, names.Attribute{ID: id, Text: s})
		}
	}
	if row.Empty() {
		return
	}
	if n.domain >= 0 && len(values[n.domain]) <= 4 {
		if domain := number(values[n.domain]); domain != 0 {
			scope.Domain = uint32(domain)
		}
	}
	for j, i := range n.numbers {
		v := values[i]
		if len(v) == 0 || len(v) > 8 {
			continue
		}
		k := names.Key{Scope: scope, Table: n.table, Number: number(v)}
		if n.table == names.Interfaces && (k.Number == 0 || k.Number == 1<<32-1) {
			continue // no interface
		}
		if j > 0 && k.Number == number(values[n.numbers[j-1]]) {
			continue
		}
		yield(namedRow{k, row})
	}
}

// distinguisher writes a route distinguisher as RFC 4364 section 4.2 and the routers' configuration have it, "" where it is none.
func distinguisher(b []byte) string {
	if len(b) != 8 || allZero(b) {
		return ""
	}
	switch binary.BigEndian.Uint16(b) {
	case 0:
		return fmt.Sprintf("%d:%d", binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:]))
	case 1:
		return fmt.Sprintf("%d.%d.%d.%d:%d", b[2], b[3], b[4], b[5], binary.BigEndian.Uint16(b[6:]))
	case 2:
		return fmt.Sprintf("%d:%d", binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint16(b[6:]))
	}
	return ""
}
