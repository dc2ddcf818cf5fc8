package netflow

import (
	"strings"

	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/template"
)

// otherTable says how the records of an options table that names nothing are kept, by index of the template's fields.
type otherTable struct {
	// layout tells tables apart that are about the same.
	layout fnv
	// about are the fields that tell what a record is about, and says those that it says of that: at most names.MaxFields, and more has
	// those beyond.
	about, says []int
	more        bool
}

// Scopes that are all of an exporter or of a domain: records beside each other have the same. NetFlow v9's types of scope are apart.
var wholeScopes = map[uint16]bool{
	130: true, 131: true, 211: true, 212: true, // addresses of exporter and collector
	143: true, elementExportingProcess: true, elementObservationDomain: true,
}

// choices are elements that IANA's registry calls identifiers, and that say how something is done: samplingAlgorithm, samplerMode,
// flowDirection, selectorAlgorithm and flowSelectorAlgorithm.
var choices = map[uint16]bool{35: true, 49: true, 61: true, 304: true, 390: true}

// elementPadding is paddingOctets.
const elementPadding = 210

// otherOf is how records of t are kept, nil where t is no options table, or where all that it says is read as a rate or a clock.
//
// What a record is about is its scope (RFC 7011 section 3.4.2.1). Where that is the whole exporter, as most tables of NetFlow v9 have it,
// the fields that identify something belong to it: else all records of a table would be about one thing.
func otherOf(t *template.Template) *otherTable {
	if t.Kind != template.KindOptions {
		return nil
	}
	o := &otherTable{layout: newFNV()}
	whole, read := true, true
	for i, f := range t.Fields {
		o.layout = o.layout.add(byte(f.Enterprise>>24), byte(f.Enterprise>>16), byte(f.Enterprise>>8), byte(f.Enterprise), byte(f.ID>>8),
			byte(f.ID))
		if i < t.ScopeFields {
			o.about = append(o.about, i)
			if scope9(t, i) {
				whole = whole && (f.ID == scopeSystem9 || f.ID == scopeCache9)
			} else {
				whole = whole && f.Enterprise == 0 && wholeScopes[f.ID]
			}
		}
	}
	for i, f := range t.Fields[t.ScopeFields:] {
		if f.Enterprise == 0 && f.ID == elementPadding {
			continue
		}
		i += t.ScopeFields
		read = read && f.Enterprise == 0 && readElsewhere(f.ID)
		switch {
		case whole && elementOf(t, f).Semantics == "identifier" && (f.Enterprise != 0 || !choices[f.ID]):
			o.about = append(o.about, i)
		case len(o.says) < names.MaxFields:
			o.says = append(o.says, i)
		default:
			o.more = true
		}
	}
	if read {
		return nil
	}
	return o
}

// readElsewhere reports elements of sampling rates and clocks.
func readElsewhere(id uint16) bool {
	switch id {
	case 34, 35, 48, 49, 50, 61, 302, 304, 390, elementSystemInit:
		return true
	}
	return id >= 305 && id <= 311 || id >= 329 && id <= 332 || id >= 396 && id <= 399
}

// scope9 reports fields that have a type of scope, not an element (RFC 3954 section 6.1).
func scope9(t *template.Template, i int) bool {
	return i < t.ScopeFields && t.Version == template.NetFlow9 && t.Fields[i].Enterprise == 0 && t.Fields[i].ID <= scopeTemplate9
}

// elementOf is a field's element. What no list knows is taken for text where it can be read as such.
func elementOf(t *template.Template, f template.Field) element.Element {
	var e element.Element
	var known bool
	if t.Version == template.NetFlow9 && f.Enterprise == 0 {
		e, known = element.LookupNetFlow9(f.ID)
	} else {
		e, known = element.Lookup(f.Enterprise, f.ID)
	}
	if !known {
		e.Type = element.NumberOrText
	}
	return e
}

// changing reports elements whose values change all the time: counters and times. They are listed without a value, so that a table that is
// sent again is no change.
func changing(e element.Element) bool {
	return strings.HasSuffix(e.Semantics, "Counter") || e.Semantics == "snmpGauge" ||
		e.Type >= element.DateTimeSeconds && e.Type <= element.DateTimeNanoseconds
}

// padding is what fills a text up in a field of fixed length, as far as it counts.
var padding [256]byte

// learnOther keeps a record of an options table that names nothing.
func (d *Decoder) learnOther(s *session, h *header, p *plan, record []byte) {
	o, t := p.other, p.template
	if o == nil {
		return
	}
	d.readValues(t, record)
	number := o.layout
	d.shown = d.shown[:0]
	for _, i := range o.about {
		v := d.values[i]
		number = number.add(byte(len(v)>>8), byte(len(v)))
		if elementOf(t, t.Fields[i]).Type == element.String && !scope9(t, i) {
			text := stringOf(v)
			number = number.add(text...)
			v = padding[:min(len(v)-len(text), len(padding))]
		}
		number = number.add(v...)
		if len(d.shown) > 0 {
			d.shown = append(d.shown, ' ')
		}
		d.shown = d.appendField(append(append(d.shown, fieldName(t, i)...), '='), t, i)
	}
	row := names.Row{Name: d.shared.Names.Text(d.shown)}
	if row.Name == "" && len(o.about) > 0 {
		return // it is refused
	}
	for _, i := range o.says {
		d.shown = d.appendField(d.shown[:0], t, i)
		if text := d.shared.Names.Text(d.shown); text != "" {
			f := t.Fields[i]
			row.Attributes = append(row.Attributes, names.Attribute{Enterprise: f.Enterprise, ID: f.ID, Text: text})
		}
	}
	if o.more {
		d.shared.Names.Refuse(names.RefusedFields)
	}
	d.shared.Names.Learn(names.Key{Scope: s.names(), Table: names.Others, Number: uint64(number)}, row, uint64(h.exportTime), d.now)
}

// fieldName is what a field is called, in one word.
func fieldName(t *template.Template, i int) string {
	f := t.Fields[i]
	if scope9(t, i) {
		return strings.ReplaceAll(element.ScopeName(f.ID), " ", "")
	}
	return element.Name(t.Version == template.NetFlow9, f.Enterprise, f.ID)
}

// appendField writes the value of a field of the record in d.values for people to read, as it is in JSON but for quotes.
func (d *Decoder) appendField(dst []byte, t *template.Template, i int) []byte {
	v := d.values[i]
	e := elementOf(t, t.Fields[i])
	switch {
	case scope9(t, i):
		e = element.Element{Type: element.Unsigned64}
	case e.Type == element.String:
		return append(dst, stringOf(v)...)
	case changing(e):
		return append(dst, "(changes)"...)
	}
	at := len(dst)
	dst = element.AppendJSON(dst, e, true, v)
	if value := dst[at:]; len(value) >= 2 && value[0] == '"' {
		return append(dst[:at], value[1:len(value)-1]...)
	}
	return dst
}

// fnv is FNV-1a of 64 bits.
type fnv uint64

func newFNV() fnv { return 0xcbf29ce484222325 }

func (h fnv) add(b ...byte) fnv {
	for _, c := range b {
		h = (h ^ fnv(c)) * 0x100000001b3
	}
	return h
}
