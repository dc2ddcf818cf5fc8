package netflow

import (
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/template"
)

// OptionsRecord is a record of an options table as it was sent. It is valid during the call only.
type OptionsRecord struct {
	Source netip.AddrPort
	Domain uint32
	// Exported is seconds since 1970.
	Exported uint32
	// Template has the fields, those of the scope first.
	Template *template.Template
	// Values are the fields' as on the wire.
	Values [][]byte
}

// ShowOptions has f shown each options record that is decoded.
func (d *Decoder) ShowOptions(f func(OptionsRecord)) { d.options = f }

func (d *Decoder) showOptions(s *session, h *header, p *plan, record []byte) {
	if d.options == nil {
		return
	}
	d.readValues(p.template, record)
	d.options(OptionsRecord{Source: netip.AddrPortFrom(s.key.scope.Exporter, s.key.port), Domain: s.key.scope.Domain, Exported: h.exportTime,
		Template: p.template, Values: d.values})
}

// readValues finds the values of a record's fields.
func (d *Decoder) readValues(t *template.Template, record []byte) {
	d.values = d.values[:0]
	offset := 0
	for _, f := range t.Fields {
		v, n := fieldValue(f.Length, record[offset:])
		d.values = append(d.values, v)
		offset += n
	}
}
