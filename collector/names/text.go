package names

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// MaxText is how many bytes a text may have.
const MaxText = 255

// Refusal says why a text was not taken, or not as it came.
type Refusal uint8

// The refusals.
const (
	// Accepted is no refusal.
	Accepted Refusal = iota
	// RefusedEncoding: not UTF-8.
	RefusedEncoding
	// RefusedControl: it has control characters, or others that change how the text around it is shown.
	RefusedControl
	// RefusedLength: it is longer than MaxText bytes.
	RefusedLength
	// RefusedFull: the limits leave no room for the row.
	RefusedFull
	// RefusedFields: it is of a row with more than MaxFields.
	RefusedFields
	// RefusedStale: the row is older than what is known, and was overtaken on its way.
	RefusedStale
	// RefusedPage: the bucket has a page or a table that no collector writes.
	RefusedPage
	// RefusedUnused: a page of the bucket that no table has made room for rows, in memory.
	RefusedUnused
	// RefusedContested: devices that share address and domain name the row's number differently.
	RefusedContested

	numRefusals
)

// String is the value of the label "reason".
func (r Refusal) String() string {
	switch r {
	case Accepted:
		return "accepted"
	case RefusedEncoding:
		return "encoding"
	case RefusedControl:
		return "control_character"
	case RefusedLength:
		return "too_long"
	case RefusedFull:
		return "limit"
	case RefusedFields:
		return "too_many_fields"
	case RefusedStale:
		return "stale"
	case RefusedPage:
		return "invalid_page"
	case RefusedUnused:
		return "unused_page"
	case RefusedContested:
		return "contested"
	}
	return "unknown"
}

// Clean takes a text as it came in a datagram. A NUL ends a string in a field of fixed length: what follows is padding, or what was in the
// exporter's memory before. White space around a text is no part of it either. A text that is longer, not UTF-8, or has characters that a
// terminal, a log or a label must not see, is refused as a whole: half a name would pass for another's. The text does not alias b.
func Clean(b []byte) (string, Refusal) {
	b = WithoutPadding(b)
	if bytes.IndexByte(b, 0) >= 0 {
		return "", RefusedEncoding
	}
	b = bytes.TrimSpace(b)
	if len(b) > MaxText {
		return "", RefusedLength
	}
	if !utf8.Valid(b) {
		return "", RefusedEncoding
	}
	if bytes.ContainsFunc(b, unprintable) {
		return "", RefusedControl
	}
	return string(b), Accepted
}

// WithoutPadding is what of the field b is text: up to the first NUL, see Clean. Characters of two bytes, which Clean refuses, come back whole.
func WithoutPadding(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 && !isWide(b) {
		return b[:i]
	}
	return b
}

// isWide reports whether b has characters of two bytes in either order, as UTF-16 has those of ASCII.
func isWide(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	low, high := b[0]|b[2], b[1]|b[3]
	return high == 0 && b[0] != 0 && b[2] != 0 || low == 0 && b[1] != 0 && b[3] != 0
}

// unprintable reports characters that change how the text around them is read: controls (Cc), formats such as the marks that
// turn the direction of writing (Cf), line and paragraph separators, and what is private or no character.
func unprintable(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}

// clean reports whether s is as Clean returns texts: what comes from the bucket was written by somebody else.
func clean(s string) bool {
	text, refusal := Clean([]byte(s))
	return refusal == Accepted && text == s
}
