package sflow

import (
	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/flow"
)

// maxExtra bounds the fields that are kept beside one flow.
const maxExtra = 256

// keep puts a field of a standard structure beside the flow, where that is asked for and there is room.
func (d *decoder) keep(format uint32, position int, value []byte) {
	if d.options.Extra && len(value) != 0 && len(d.r.Extra) < maxExtra {
		d.r.Extra = append(d.r.Extra, flow.Extra{Enterprise: element.SFlowEnterprise, ID: element.SFlowID(format, position), Value: value})
	}
}

// Results of keepStructure.
type kept uint8

const (
	keptAll   kept = iota
	keptNot        // there is no room
	keptShort      // the structure ends too early; what comes before is kept
)

// keepStructure puts all fields of a structure beside the flow, where that is asked for. Of one whose layout is not known, all of it is one field.
func (d *decoder) keepStructure(enterprise, format uint32, b []byte) kept {
	if len(d.r.Extra) > maxExtra-element.MaxSFlowFields {
		return keptNot
	}
	if enterprise != 0 {
		d.r.Extra = append(d.r.Extra, flow.Extra{Enterprise: enterprise, ID: uint16(format), Value: b})
		return keptAll
	}
	layout := element.SFlowLayout(format)
	if len(layout.Fields) == 0 {
		d.keep(format, 0, b)
		return keptAll
	}
	c := cursor{b: b}
	for position, field := range layout.Fields {
		var value []byte
		switch field.Encoding {
		case element.Word, element.IPv4:
			value = c.take(4)
		case element.Hyper:
			value = c.take(8)
		case element.IPv6:
			value = c.take(16)
		case element.MAC:
			value = c.take(6)
		case element.Text, element.Opaque:
			value = c.counted(1)
		case element.Labels, element.VLANs:
			value = c.counted(4)
		case element.Address:
			var a flow.Address
			value = c.address(&a)
		}
		if c.bad {
			return keptShort
		}
		d.keep(format, position, value)
	}
	return keptAll
}
