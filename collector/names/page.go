package names

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// Page is a part of a table: rows in the order of their numbers, and nothing that differs between two exporters that say the
// same. So thousands of routers with the same application table share its pages, and a table whose rows come in another order
// is no change.
type Page struct {
	// Hash names the page by its content.
	Hash Hash
	// Content is at most MaxPageBytes.
	Content []byte
	rows    int // how many it has
	other   bool
}

// Hash is the first 16 bytes of the SHA-256 of a page's content.
type Hash [16]byte

// String is 32 hexadecimal digits, as in the bucket's keys.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// HashOf is the Hash of a page's content.
func HashOf(content []byte) Hash {
	sum := sha256.Sum256(content)
	return Hash(sum[:16])
}

// Bounds of pages.
const (
	// pageBytes is where a page ends at the latest; the row that crosses it still belongs to it.
	pageBytes = 32 << 10
	// shortestPage is how long a page is at least, unless it is the last.
	shortestPage = 4 << 10
	// MaxPageBytes bounds a page's content: one row beyond pageBytes.
	MaxPageBytes = pageBytes + maxRowBytes
	maxRowBytes  = 10 + 1 + 10 + (2+MaxFields)*(MaxText+10)
	// MaxPages bounds a table's pages.
	MaxPages = 1 << 12
)

// The first byte of a page: otherSchema where it is of Others, which have a bound of their own.
const (
	pageSchema  = 1
	otherSchema = 2
)

func schemaOf(other bool) byte {
	if other {
		return otherSchema
	}
	return pageSchema
}

// ErrPage is wrapped by the errors of DecodePage.
var ErrPage = errors.New("not a page of names")

// Pages cuts the rows of a table, which are in the order of their numbers, into pages. Where one ends depends on the numbers, so
// that a row that is added or removed changes its own page and not all that follow.
func Pages(t Table, rows []Entry) []Page {
	var out []Page
	other := t == Others
	b := []byte{schemaOf(other)}
	last, begun := uint64(0), 0
	for i := range rows {
		b = appendRow(b, rows[i].Number-last, &rows[i].Row)
		last = rows[i].Number
		if i == len(rows)-1 || len(b) >= pageBytes || len(b) >= shortestPage && boundary(last) {
			out = append(out, Page{Hash: HashOf(b), Content: b, rows: i + 1 - begun, other: other})
			b, last, begun = []byte{schemaOf(other)}, 0, i+1
		}
	}
	return out
}

// boundary reports whether a page may end behind a number: behind one of 128.
func boundary(number uint64) bool {
	return number*0x9E3779B97F4A7C15>>57 == 0
}

// What a row's first byte says it has.
const (
	hasName = 1 << iota
	hasDescription
	hasSpeed
	hasAttributes
	hasAll = hasName | hasDescription | hasSpeed | hasAttributes
)

// appendRow writes a row: what its number is beyond the one before, what it has, and that.
func appendRow(b []byte, beyond uint64, r *Row) []byte {
	b = binary.AppendUvarint(b, beyond)
	at := len(b)
	b = append(b, 0)
	if r.Name != "" {
		b[at] |= hasName
		b = appendText(b, r.Name)
	}
	if r.Description != "" {
		b[at] |= hasDescription
		b = appendText(b, r.Description)
	}
	if r.Speed != 0 {
		b[at] |= hasSpeed
		b = binary.AppendUvarint(b, r.Speed)
	}
	if len(r.Attributes) > 0 {
		b[at] |= hasAttributes
		b = append(b, byte(len(r.Attributes)))
		for i := range r.Attributes {
			a := &r.Attributes[i]
			b = binary.AppendUvarint(b, uint64(a.Enterprise))
			b = binary.AppendUvarint(b, uint64(a.ID))
			b = appendText(b, a.Text)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(append(b, byte(len(s))), s...)
}

// content writes the page again.
func (c *chunk) content() []byte {
	b := []byte{schemaOf(c.other)}
	last, rows := uint64(0), c.rows
	for i := range rows {
		b = appendRow(b, rows[i].Number-last, &rows[i].Row)
		last = rows[i].Number
	}
	return b
}

// DecodePage reads a page's rows; Stamp is left at 0. Their texts are parts of one copy of the content. It refuses what Pages would not have
// written: the bucket may hold anything.
func DecodePage(content []byte) ([]Entry, error) {
	if len(content) < 2 || content[0] != pageSchema && content[0] != otherSchema || len(content) > MaxPageBytes {
		return nil, fmt.Errorf("%w: of no known schema, without a row, or too long", ErrPage)
	}
	r := reader{b: string(content[1:]), attributes: MaxAttributes}
	if isOther(content) {
		r.attributes = MaxFields
	}
	var out []Entry
	last := uint64(0)
	for len(r.b) > 0 && !r.failed {
		var e Entry
		beyond := r.number()
		e.Number = last + beyond
		if e.Number < last || len(out) > 0 && beyond == 0 {
			r.failed = true
		}
		last = e.Number
		r.row(&e.Row)
		if e.Empty() {
			r.failed = true
		}
		out = append(out, e)
	}
	if r.failed {
		return nil, fmt.Errorf("%w: row %d cannot be read", ErrPage, len(out))
	}
	return out, nil
}

// isOther reports whether a page is of Others.
func isOther(content []byte) bool { return content[0] == otherSchema }

// reader reads what appendRow wrote; failed says that it could not.
type reader struct {
	b          string
	attributes int // of a row at most
	failed     bool
}

func (r *reader) number() uint64 {
	var v uint64
	for i, shift := 0, 0; i < len(r.b) && i < binary.MaxVarintLen64; i, shift = i+1, shift+7 {
		c := r.b[i]
		v |= uint64(c&0x7f) << shift
		if c < 0x80 && (i < binary.MaxVarintLen64-1 || c <= 1) && (c != 0 || i == 0) {
			r.b = r.b[i+1:]
			return v
		}
	}
	r.failed, r.b = true, ""
	return 0
}

func (r *reader) octet() byte {
	if len(r.b) == 0 {
		r.failed = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) text() string {
	n := int(r.octet())
	if n == 0 || n > len(r.b) {
		r.failed, r.b = true, ""
		return ""
	}
	s := r.b[:n]
	r.b = r.b[n:]
	if !clean(s) {
		r.failed = true
	}
	return s
}

func (r *reader) row(out *Row) {
	has := r.octet()
	if has&^hasAll != 0 {
		r.failed = true
	}
	if has&hasName != 0 {
		out.Name = r.text()
	}
	if has&hasDescription != 0 {
		out.Description = r.text()
	}
	if has&hasSpeed != 0 {
		out.Speed = r.number()
	}
	if has&hasAttributes == 0 {
		return
	}
	n := int(r.octet())
	if n == 0 || n > r.attributes {
		r.failed = true
		return
	}
	for range n {
		enterprise, id := r.number(), r.number()
		if enterprise > 1<<32-1 || id > 1<<16-1 {
			r.failed = true
		}
		out.Attributes = append(out.Attributes, Attribute{Enterprise: uint32(enterprise), ID: uint16(id), Text: r.text()})
		if r.failed {
			return
		}
	}
}
