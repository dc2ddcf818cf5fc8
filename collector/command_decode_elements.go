package main

import (
	"bytes"
	"regexp"

	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/run"
	"github.com/flowfleet/flowfleet/collector/template"
)

// taughtElements are the vendors' elements that a capture describes itself: exporters tell names and types of theirs in options records
// (RFC 5610 section 3.9). They stand for those that no public list has.
type taughtElements map[taughtKey]element.Element

type taughtKey struct {
	enterprise uint32
	id         uint16
}

// maxTaughtElements bounds them: a capture may come from a stranger.
const maxTaughtElements = 1 << 16

// elementName is what a name may consist of: it becomes a key in JSON.
var elementName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Elements of the records that describe others (RFC 5610 section 3).
const (
	elementInformationElementID       = 303
	elementInformationElementDataType = 339
	elementInformationElementName     = 341
	elementPrivateEnterpriseNumber    = 346
)

// learn takes what an options record says of an element.
func (t taughtElements) learn(o decode.OptionsRecord) {
	var key taughtKey
	e := element.Element{Type: element.NumberOrText}
	for i, f := range o.Template.Fields {
		v := o.Values[i]
		if f.Enterprise != 0 || o.Template.Version == template.NetFlow9 && i < o.Template.ScopeFields || len(v) == 0 ||
			f.ID != elementInformationElementName && len(v) > 8 {
			continue
		}
		switch f.ID {
		case elementPrivateEnterpriseNumber:
			key.enterprise = uint32(numberOf(v))
		case elementInformationElementID:
			key.id = uint16(numberOf(v)) &^ 0x8000 // the bit that says that an enterprise's number follows is no part of the id
		case elementInformationElementDataType:
			if n := numberOf(v); n <= uint64(element.Unsigned256) { // the last that is registered
				e.Type = element.DataType(n)
			}
		case elementInformationElementName:
			e.Name = string(bytes.TrimRight(v, "\x00"))
		}
	}
	if key.enterprise == 0 || key.id == 0 || !elementName.MatchString(e.Name) {
		return
	}
	e.ID = key.id
	if _, known := t[key]; known || len(t) < maxTaughtElements {
		t[key] = e
	}
}

// extraJSON is run.ExtraJSON with these elements.
func (t taughtElements) extraJSON(dst []byte, r *flow.Record, x *flow.Extra) ([]byte, string) {
	if len(t) != 0 && x.Enterprise != 0 && r.Type != flow.TypeSFlow5 {
		if _, listed := element.Lookup(x.Enterprise, x.ID); !listed {
			if e, ok := t[taughtKey{x.Enterprise, x.ID}]; ok {
				return element.AppendJSON(dst, e, true, x.Value), e.Name
			}
		}
	}
	return run.ExtraJSON(dst, r, x)
}
