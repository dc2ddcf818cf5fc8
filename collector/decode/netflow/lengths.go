package netflow

import (
	"encoding/binary"
	"slices"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Some exporters miscount their sets: they leave out the set's own header, or a part of its last record, or the upper byte of the length, or
// count padding that they do not write. What is whole in the datagram is not lost for that.

// maxMends bounds the places of a message where the end of a set is looked for: whoever sends miscounted sets only is read as far as that.
const maxMends = 256

// maxBeyond is how many bytes more than there are the last set of a datagram may count: padding, or its own header.
const maxBeyond = setHeaderLength

// isCut reports whether a set of so many bytes seems to end within a record. Fewer bytes may be padding.
func (p *plan) isCut(length int) bool {
	return p.template.Fixed && length%p.template.MinLength > maxSilentPaddingBytes
}

// setSize is the length of the data set of p at the front of b, which says that it has size bytes: that, unless nothing that is known follows
// there, and another length ends with a whole record and has the end or another set behind it. The message counts inMessage bytes of b.
//
//go:noinline
func (d *Decoder) setSize(s *session, h *header, p *plan, b []byte, size, inMessage int) int {
	following := b[size:]
	if d.mends >= maxMends || d.endsBefore(s, h, following) {
		return size
	}
	at := setHeaderLength
	for at < size { // over the records that are whole within what it says
		n := d.recordLength(p.template, b[at:size])
		if n == 0 {
			break
		}
		at += n
	}
	switch {
	case at < size && allZero(b[at:size]):
		return size // it is padded
	case at < size && d.endsBefore(s, h, b[at:]):
		return at
	case at == size && (h.cut || h.version == template.IPFIX && inMessage <= size || d.beginsHeader(s, following) || isReservedSet(following)):
		return size // what follows is cut, or beyond the message, too, and nothing says that it is a record; or it is a set of another kind
	}
	for at < len(b) && d.mends < maxMends {
		n := d.recordLength(p.template, b[at:])
		if n == 0 {
			break
		}
		if at += n; d.endsBefore(s, h, b[at:]) {
			return at
		}
	}
	return size
}

// sizeless is the length of a data set that says too little for its header, 0 where it has no whole records of a known template and no more.
func (d *Decoder) sizeless(s *session, h *header, b []byte, inMessage int) int {
	id := binary.BigEndian.Uint16(b)
	if id < firstDataSet {
		return 0
	}
	d.refresh(s)
	p := d.planTaught(d.plan(s, id), id)
	if p == nil {
		return 0
	}
	if size := d.setSize(s, h, p, b, setHeaderLength, inMessage); size > setHeaderLength {
		return size
	}
	return 0
}

// templatesSize is what setSize is, of a set of templates.
//
//go:noinline
func (d *Decoder) templatesSize(s *session, h *header, kind template.Kind, b []byte, size int) int {
	if d.mends >= maxMends || d.endsBefore(s, h, b[size:]) {
		return size
	}
	var said []uint16
	for at := setHeaderLength; at < len(b) && d.mends < maxMends; {
		t, n, err := parseTemplate(h.version, kind, binary.BigEndian.Uint16(b), b[at:], d.store.Limits().Fields)
		if err != nil {
			break
		}
		d.mends++
		said = append(said, t.ID)
		at += n
		if at < size-setHeaderLength || at < size && allZero(b[at:size]) {
			continue // it is within what the set says, or before padding
		}
		if beginsSet(b[at:]) || d.endsBefore(s, h, b[at:]) || beginsData(said, b[at:]) {
			return at // data may follow whose template is in this set
		}
	}
	return size
}

// endsBefore reports whether a set can end where b begins: with the datagram, zeros, another message, or a set of templates or of data whose
// template is known. The last set may count padding that is not there, or its own header twice.
func (d *Decoder) endsBefore(s *session, h *header, b []byte) bool {
	d.mends++
	if allZero(b) || beginsNext(h.version, b) {
		return true
	}
	if len(b) < setHeaderLength {
		return false
	}
	id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	if length <= setHeaderLength || length > len(b)+maxBeyond {
		return false
	}
	if templateKind(id) != 0 {
		return beginsTemplate(id, b[setHeaderLength:min(length, len(b))])
	}
	return d.isKnown(s, id)
}

// isLikelySet reports whether b begins with a set of data, or one whose content may be templates.
func isLikelySet(b []byte) bool {
	if !beginsSet(b) {
		return false
	}
	id := binary.BigEndian.Uint16(b)
	return id >= firstDataSet || beginsTemplate(id, b[setHeaderLength:])
}

// beginsTemplate reports whether the content b of a set may begin with a template: its id, and fields that have room.
func beginsTemplate(set uint16, b []byte) bool {
	const field = 4
	head, fields := 4, 0
	if len(b) < head || binary.BigEndian.Uint16(b) < firstDataSet {
		return false
	}
	switch fields = int(binary.BigEndian.Uint16(b[2:])) * field; {
	case set == setOptionsTemplates9 && len(b) >= head+2: // lengths in bytes of the scope and of the others (RFC 3954 section 6.1)
		head, fields = head+2, fields/field+int(binary.BigEndian.Uint16(b[4:]))
	case set == setOptionsIPFIX:
		head += 2 // how many are the scope's
	}
	return fields > 0 && head+fields <= len(b)
}

// beginsHeader reports whether b begins with the header of a data set whose template is known, which may be cut, or of a set of templates that has
// nothing, or no length.
func (d *Decoder) beginsHeader(s *session, b []byte) bool {
	if len(b) < setHeaderLength {
		return false
	}
	id := binary.BigEndian.Uint16(b)
	return d.isKnown(s, id) || templateKind(id) != 0 && binary.BigEndian.Uint16(b[2:]) <= setHeaderLength
}

// beginsData reports whether b begins with the last set of a datagram, of data whose template is one of those.
func beginsData(templates []uint16, b []byte) bool {
	if len(b) < setHeaderLength {
		return false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	return length > setHeaderLength && length <= len(b)+maxBeyond && slices.Contains(templates, binary.BigEndian.Uint16(b))
}

// isKnown reports whether the template of a data set is.
func (d *Decoder) isKnown(s *session, id uint16) bool {
	return id >= firstDataSet && d.planTaught(d.plan(s, id), id) != nil
}

// isReservedSet reports whether b begins with a set, that it holds in full, of an id that no data has.
func isReservedSet(b []byte) bool {
	return len(b) >= setHeaderLength && binary.BigEndian.Uint16(b) < firstDataSet &&
		int(binary.BigEndian.Uint16(b[2:])) >= setHeaderLength && int(binary.BigEndian.Uint16(b[2:])) <= len(b)
}
