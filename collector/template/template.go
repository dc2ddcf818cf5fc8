package template

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// VariableLength is the Length of a field that carries its length in each record (RFC 7011 section 7). NetFlow v9 has no
// such fields in RFC 3954, but exporters send them.
const VariableLength = 65535

// Field is one field specifier.
type Field struct {
	// Enterprise number, 0 for IANA's registry. Always 0 in NetFlow v9.
	Enterprise uint32
	// ID of the information element, without the enterprise bit. For a scope field of NetFlow v9 it is a scope type
	// (RFC 3954 section 6.1), not an element.
	ID uint16
	// Length in bytes, or VariableLength.
	Length uint16
}

// Template is a parsed template record.
type Template struct {
	Version Version
	Kind    Kind
	// ID is 256 to 65535.
	ID uint16
	// ScopeFields is how many of Fields, at their beginning, are the scope of an options template.
	ScopeFields int
	Fields      []Field
	// MinLength is the length of the shortest record in bytes, at least 1.
	MinLength int
	// Fixed tells that every record has exactly MinLength bytes.
	Fixed bool
	// Record is the template record as it stood on the wire; templates are equal when their kinds and Records are.
	Record []byte
}

// SameLayout reports whether t and o describe the same records.
func (t *Template) SameLayout(o *Template) bool {
	return t.Kind == o.Kind && bytes.Equal(t.Record, o.Record)
}

// Fingerprint tells layouts apart, never 0: the first 63 bits of a hash of kind and record.
func (t *Template) Fingerprint() uint64 {
	h := sha256.New()
	h.Write([]byte{byte(t.Kind)})
	h.Write(t.Record)
	return binary.BigEndian.Uint64(h.Sum(nil))>>1 | 1
}

// Errors of Parse. ErrPadding is no fault: what follows in the set is no record.
var (
	ErrPadding   = errors.New("padding, not a template record")
	ErrWithdrawn = errors.New("a withdrawal, not a definition")
	ErrTruncated = errors.New("template record runs past the end of its set")
	ErrInvalid   = errors.New("template record is invalid")
	ErrLimit     = errors.New("template record has more fields than allowed")
)

// minTemplateID separates template ids from set ids (RFC 7011 section 3.4.1, RFC 3954 section 5.2).
const minTemplateID = 256

// Parse reads one template record of the given kind from the front of b, which is the rest of its set. It returns the
// record's length in bytes, also with ErrInvalid, ErrLimit and ErrWithdrawn, where the next record can still be found;
// with ErrTruncated and ErrPadding there is none. The Template keeps a copy of the bytes, not b.
//
// A template without fields is ErrWithdrawn in IPFIX (RFC 7011 section 8.1; its id may be 2 or 3 for "all") and
// ErrInvalid in NetFlow v9. So is, as ErrInvalid, one whose records would have no bytes: they could not be counted.
func Parse(version Version, kind Kind, b []byte, maxFields int) (*Template, int, error) {
	if len(b) < 4 {
		return nil, len(b), ErrPadding
	}
	id := binary.BigEndian.Uint16(b)
	count := int(binary.BigEndian.Uint16(b[2:]))
	if id == 0 && count == 0 && allZero(b) {
		return nil, len(b), ErrPadding
	}
	if version == IPFIX && count == 0 {
		return &Template{Version: version, Kind: kind, ID: id}, 4, ErrWithdrawn
	}
	head, scope := 4, 0
	if kind == KindOptions {
		if len(b) < 6 {
			return nil, len(b), ErrTruncated
		}
		head = 6
		scope = int(binary.BigEndian.Uint16(b[4:]))
		if version == NetFlow9 {
			// RFC 3954 section 6.1: both are lengths in bytes, the scope's first. Exporters get them wrong by a few, where no field
			// begins.
			count, scope = count/4+scope/4, count/4
		}
	}
	t := &Template{Version: version, Kind: kind, ID: id, ScopeFields: scope, Fixed: true}
	limited := count > maxFields
	if !limited {
		t.Fields = make([]Field, 0, min(count, len(b)/4))
	}
	n := head
	for range count {
		if len(b)-n < 4 {
			return nil, len(b), ErrTruncated
		}
		f := Field{ID: binary.BigEndian.Uint16(b[n:]), Length: binary.BigEndian.Uint16(b[n+2:])}
		n += 4
		if version == IPFIX && f.ID&0x8000 != 0 {
			if len(b)-n < 4 {
				return nil, len(b), ErrTruncated
			}
			f.ID &^= 0x8000
			f.Enterprise = binary.BigEndian.Uint32(b[n:])
			n += 4
		}
		if limited {
			continue
		}
		t.Fields = append(t.Fields, f)
		if f.Length == VariableLength {
			t.Fixed = false
			t.MinLength++
		} else {
			t.MinLength += int(f.Length)
		}
	}
	switch {
	case limited:
		return nil, n, fmt.Errorf("%w: template %d has %d, the limit is %d", ErrLimit, id, count, maxFields)
	case id < minTemplateID:
		return nil, n, fmt.Errorf("%w: id %d is below 256", ErrInvalid, id)
	case count == 0:
		return nil, n, fmt.Errorf("%w: template %d has no fields", ErrInvalid, id)
	case scope > count:
		return nil, n, fmt.Errorf("%w: options template %d has %d scope fields of %d fields", ErrInvalid, id, scope, count)
	case t.MinLength == 0:
		return nil, n, fmt.Errorf("%w: records of template %d would have no bytes", ErrInvalid, id)
	}
	t.Record = bytes.Clone(b[:n])
	return t, n, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
