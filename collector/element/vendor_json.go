package element

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// isText reports whether v can be read as text, but for zeros that fill it up.
func isText(v []byte) bool {
	v = bytes.TrimRight(v, "\x00")
	if len(v) == 0 || !utf8.Valid(v) {
		return false
	}
	return bytes.IndexFunc(v, func(c rune) bool { return !unicode.IsPrint(c) }) < 0
}

// appendApplicationText writes the text behind the ids of the application (4 bytes, RFC 6759 section 4) and of its field (2 bytes). A
// value that is text from its beginning has no ids.
func appendApplicationText(dst, v []byte) ([]byte, bool) {
	const ids = 6
	switch {
	case isText(v):
		return appendText(dst, v), true
	case len(v) >= ids && (len(v) == ids || isText(v[ids:])):
		return appendText(dst, v[ids:]), true
	}
	return dst, false
}

// juniperProperties are the kinds of Juniper's common properties.
var juniperProperties = [...]string{
	1: "forwardingClassAndDropPriority", 2: "forwardingException", 3: "forwardingNextHop", 4: "egressInterface",
	5: "ingressUnderlyingInterface", 6: "ingressInterface",
}

// appendCommonProperties writes {"<kind>":<value>}.
func appendCommonProperties(dst, v []byte) ([]byte, bool) {
	var kind, value uint32
	switch len(v) {
	case 2:
		n := binary.BigEndian.Uint16(v)
		kind, value = uint32(n>>10), uint32(n&(1<<10-1))
	case 4:
		n := binary.BigEndian.Uint32(v)
		kind, value = n>>26, n&(1<<26-1)
	default:
		return dst, false
	}
	if int(kind) >= len(juniperProperties) || kind == 0 {
		return dst, false
	}
	dst = append(append(dst, `{"`...), juniperProperties[kind]...)
	dst = strconv.AppendUint(append(dst, `":`...), uint64(value), 10)
	return append(dst, '}'), true
}

// appendHitCounts writes [{"uri":"<text>","hits":<number>}]. A zero may stand between a number and the next URI. What is no such list is
// text.
func appendHitCounts(dst, v []byte) []byte {
	start := len(dst)
	out := append(dst, '[')
	for rest := v; len(rest) > 0; {
		uri, after, ok := bytes.Cut(rest, []byte{0})
		if !ok || len(uri) == 0 || len(after) < 2 {
			return appendText(out[:start], v)
		}
		if len(rest) < len(v) {
			out = append(out, ',')
		}
		out = appendText(append(out, `{"uri":`...), uri)
		out = strconv.AppendUint(append(out, `,"hits":`...), unsigned(after[:2]), 10)
		out = append(out, '}')
		if rest = after[2:]; len(rest) > 0 && rest[0] == 0 {
			rest = rest[1:]
		}
	}
	return append(out, ']')
}
