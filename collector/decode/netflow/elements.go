package netflow

import (
	"strconv"

	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Elements of the records that describe others (RFC 5610 section 3).
const (
	elementInformationElementID          = 303
	elementInformationElementDescription = 340
	elementInformationElementName        = 341
	elementPrivateEnterpriseNumber       = 346
)

// describing says where the records of an options table describe information elements, by index of the template's fields.
type describing struct {
	enterprise, id, name, description int
	attributes                        []int
}

// describingOf is how records of t describe elements, nil where they do not: they have the number of an element and of its enterprise, and its name (RFC 5610 section 3.9).
// NetFlow v9 has no elements of enterprises.
func describingOf(t *template.Template) *describing {
	if t.Kind != template.KindOptions || t.Version != template.IPFIX {
		return nil
	}
	e := &describing{enterprise: absent, id: absent, name: absent, description: absent}
	for i, f := range t.Fields {
		if f.Enterprise != 0 {
			continue
		}
		switch f.ID {
		case elementPrivateEnterpriseNumber:
			e.enterprise = i
		case elementInformationElementID:
			e.id = i
		case elementInformationElementName:
			e.name = i
		case elementInformationElementDescription:
			e.description = i
		case names.ElementDataType, names.ElementRangeBegin, names.ElementRangeEnd, names.ElementSemantics, names.ElementUnits:
			if len(e.attributes) < names.MaxAttributes {
				e.attributes = append(e.attributes, i)
			}
		}
	}
	if e.enterprise == absent || e.id == absent || e.name == absent {
		return nil
	}
	return e
}

// learnElement takes what a record says of an information element of an enterprise. IANA's have their names.
func (d *Decoder) learnElement(s *session, h *header, p *plan, record []byte) {
	e := p.describing
	if e == nil {
		return
	}
	d.readValues(p.template, record)
	enterprise, id := d.values[e.enterprise], d.values[e.id]
	if len(enterprise) == 0 || len(enterprise) > 4 || len(id) == 0 || len(id) > 2 || allZero(enterprise) {
		return
	}
	const enterpriseBit = 0x8000 // it says that an enterprise's number follows, and is no part of the id; some send it
	row := names.Row{Name: d.text(e.name), Description: d.text(e.description)}
	if row.Name == "" {
		return
	}
	for _, i := range e.attributes {
		if v := d.values[i]; len(v) > 0 && len(v) <= 8 {
			row.Attributes = append(row.Attributes, names.Attribute{ID: p.template.Fields[i].ID, Text: strconv.FormatUint(number(v), 10)})
		}
	}
	d.shared.Names.LearnFrom(s.key.port, names.Key{
		Scope: s.names(), Table: names.Elements,
		Number: names.ElementNumber(uint32(number(enterprise)), uint16(number(id))&^enterpriseBit),
	}, row, uint64(h.exportTime), d.now)
}
