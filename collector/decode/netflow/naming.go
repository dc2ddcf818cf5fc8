package netflow

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/template"
)

// naming says which rows of which table a record of a template has. Options records are tables of names; so are the data records
// of some firewalls that describe no flow.
type naming struct {
	table names.Table
	// numbers are the fields of what is named, by index in the template: an interface may stand as the input and as the output one. A domain may
	// be named without any: it is the sender's.
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
	elementApplication: names.Applications,
	elementIngressVRF:  names.VRFs, elementEgressVRF: names.VRFs,
	48:            names.Samplers,
	302:           names.Selectors,
	elementDomain: names.Domains,
}

// Elements that name, and those that describe.
var (
	namingElements = map[uint16]names.Table{
		82: names.Interfaces, elementApplicationName: names.Applications, elementVRFName: names.VRFs, elementSamplerName: names.Samplers, elementSelectorName: names.Selectors, 300: names.Domains,
	}
	describingElements = map[uint16]names.Table{83: names.Interfaces, 94: names.Applications}
)

// applicationName, samplerName, selectorName and VRFname, and elements beside those that name: mplsVpnRouteDistinguisher, observationDomainId, applicationId, ingressVRFID and egressVRFID.
const (
	elementApplicationName = 96
	elementSamplerName     = 84
	elementSelectorName    = 335
	elementVRFName         = 236
	elementDistinguisher   = 90
	elementDomain          = 149
	elementApplication     = 95
	elementIngressVRF      = 234
	elementEgressVRF       = 235
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
			case f.ID == elementSamplerName && table == names.Selectors && n.name == absent,
				f.ID == elementSelectorName && table == names.Samplers && n.name == absent:
				n.name = i // 302 and 335 took the place of 48 and 84; Cisco's IOS XR names selectors with the old one
			case describingElements[f.ID] == table:
				n.description = i
			case f.ID == elementDistinguisher && table == names.VRFs:
				n.distinguisher = i
			case f.ID == elementDomain && scope && table != names.Domains:
				n.domain = i
			}
		}
		says := n.name >= 0 || n.description >= 0 || n.distinguisher >= 0 || len(n.attributes) > 0
		if says && (len(n.numbers) > 0 || table == names.Domains) {
			n.numbers = oneLevel(t, n.numbers)
			out = append(out, n.split(t)...)
		}
	}
	return out
}

// oneLevel leaves of a record's interfaces those that its name is of, where it has logical and physical ones: those of its scope, else the
// logical ones.
func oneLevel(t *template.Template, numbers []int) []int {
	physical := func(i int) bool { return t.Fields[i].ID == 252 || t.Fields[i].ID == 253 }
	scope := func(i int) bool { return i < t.ScopeFields }
	both := slices.ContainsFunc(numbers, physical) && slices.ContainsFunc(numbers, func(i int) bool { return !physical(i) })
	if !both {
		return numbers
	}
	left := slices.Clone(numbers)
	if slices.ContainsFunc(numbers, scope) {
		left = slices.DeleteFunc(left, func(i int) bool { return !scope(i) })
	}
	if slices.ContainsFunc(left, func(i int) bool { return !physical(i) }) {
		left = slices.DeleteFunc(left, physical)
	}
	return left
}

// split gives each number its own name where a record has as many names as numbers: repeated elements stand in the order of what they are
// about (RFC 7011 section 8).
func (n naming) split(t *template.Template) []naming {
	if len(n.numbers) < 2 || n.name == absent {
		return []naming{n}
	}
	at := fieldsOf(t, t.Fields[n.name].ID)
	if len(at) != len(n.numbers) {
		return []naming{n}
	}
	var described []int
	if n.description != absent {
		described = fieldsOf(t, t.Fields[n.description].ID)
	}
	var out []naming
	for i, number := range n.numbers {
		one := naming{table: n.table, numbers: []int{number}, name: at[i], description: absent, distinguisher: absent, domain: n.domain}
		if len(described) == len(at) {
			one.description = described[i]
		}
		out = append(out, one)
	}
	return out
}

// namedNumber reports whether a field numbers on a flow what tables name, beside those that a flow has places for.
func namedNumber(f template.Field) bool {
	return f.Enterprise == 0 && (f.ID == elementApplication || f.ID == elementIngressVRF || f.ID == elementEgressVRF)
}

// takeNumber notes the value of such a field. It is not to make the code that reads other fields longer.
//
//go:noinline
func takeNumber(r *flow.Record, step *step, v []byte) {
	n := &r.Numbers
	switch {
	case step.id == elementApplication:
		n.Application = names.ApplicationNumber(v)
	case len(v) == 0 || len(v) > 8:
	case step.id == elementIngressVRF:
		n.IngressVRF, n.HasIngressVRF = uint32(number(v)), true
	case step.id == elementEgressVRF:
		n.EgressVRF, n.HasEgressVRF = uint32(number(v)), true
	}
	if step.extra && len(v) != 0 {
		r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
	}
}

// names is whose numbers the tables of a session are about.
func (s *session) names() names.Scope {
	return names.Scope{Exporter: s.key.scope.Exporter.WithZone(""), Domain: s.key.scope.Domain}
}

// learnNames takes the names that a record says.
func (d *Decoder) learnNames(s *session, h *header, p *plan, record []byte) {
	if len(p.namings) == 0 {
		return
	}
	d.readValues(p.template, record)
	for i := range p.namings {
		n := &p.namings[i]
		row := d.rowOf(n, p.template)
		if row.Empty() {
			continue
		}
		scope := s.names()
		if n.domain >= 0 && len(d.values[n.domain]) <= 4 {
			scope.Domain = cmp.Or(uint32(number(d.values[n.domain])), scope.Domain) // 0 is no domain's own (RFC 7011 section 3.1)
		}
		if named, ok := d.numberNamed(n, p.template); ok {
			d.shared.Names.LearnFrom(s.key.port, names.Key{Scope: scope, Table: n.table, Number: named}, row, uint64(h.exportTime), d.now)
		}
		if len(n.numbers) == 0 {
			d.shared.Names.LearnFrom(s.key.port, names.Key{Scope: scope, Table: n.table, Number: uint64(scope.Domain)}, row, uint64(h.exportTime), d.now)
		}
	}
}

// numberNamed is the number that the record of t in d.values names, ok false for none. That of its scope goes first; 0 beside another is none.
// Of several that are left, nobody can say whose the name is.
func (d *Decoder) numberNamed(n *naming, t *template.Template) (number uint64, ok bool) {
	scoped := 0
	for scoped < len(n.numbers) && n.numbers[scoped] < t.ScopeFields {
		scoped++
	}
	for _, fields := range [...][]int{n.numbers[:scoped], n.numbers[scoped:]} {
		for _, at := range fields {
			v, is := numberOf(n.table, d.values[at])
			switch {
			case !is, ok && (v == number || v == 0):
			case ok && number != 0:
				return 0, false
			default:
				number, ok = v, true
			}
		}
		if ok {
			break
		}
	}
	return number, ok
}

// numberOf reads what a row names; ok is false where it names nothing.
func numberOf(t names.Table, v []byte) (n uint64, ok bool) {
	switch {
	case len(v) == 0:
		return 0, false
	case t == names.Applications:
		n = names.ApplicationNumber(v)
		return n, n != 0 || allZero(v)
	case len(v) > 8:
		return 0, false
	case t == names.Interfaces:
		n = uint64(interfaceIndex(v))
		return n, n != 0
	}
	return number(v), true
}

// rowOf reads the row that a record has for a table. Texts that are refused are counted by the Store.
func (d *Decoder) rowOf(n *naming, t *template.Template) names.Row {
	row := d.shared.Names.RowOf(d.value(n.name), d.value(n.description))
	if n.distinguisher >= 0 {
		if s := distinguisher(d.values[n.distinguisher]); s != "" {
			row.Attributes = append(row.Attributes, names.Attribute{ID: elementDistinguisher, Text: s})
		}
	}
	for _, i := range n.attributes {
		if s := d.text(i); s != "" {
			id, _ := attributeOf(t.Version, t.Fields[i])
			row.Attributes = append(row.Attributes, names.Attribute{ID: id, Text: s})
		}
	}
	return row
}

// value is a field of the record in d.values, nil where there is none.
func (d *Decoder) value(i int) []byte {
	if i == absent {
		return nil
	}
	return d.values[i]
}

// text reads a field of the record in d.values, "" where there is none or it is refused.
func (d *Decoder) text(i int) string { return d.shared.Names.Text(d.value(i)) }

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
