package element

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendJSON appends a value as it stood on the wire (RFC 7011 section 6) as JSON: numbers, true and false, and strings
// for the rest. Reduced-size numbers (section 6.2) are extended. Times are RFC 3339 in UTC. Where known is false, and
// where the value's length does not fit the type, it is a string of hexadecimal digits. Values of structured types
// (RFC 6313) are so too.
func AppendJSON(dst []byte, e Element, known bool, value []byte) []byte {
	if known {
		if out, ok := appendTyped(dst, e.Type, value); ok {
			return out
		}
	}
	dst = append(dst, '"')
	dst = hex.AppendEncode(dst, value)
	return append(dst, '"')
}

func appendTyped(dst []byte, t DataType, v []byte) ([]byte, bool) {
	if t == String {
		return appendText(dst, v), true
	}
	if len(v) == 0 {
		return dst, false
	}
	switch t {
	case NumberOrText:
		if len(v) > 1 && isText(v) { // a single byte is a code or a flag
			return appendText(dst, v), true
		}
		if len(v) <= 8 {
			return strconv.AppendUint(dst, unsigned(v), 10), true
		}
	case ApplicationText:
		return appendApplicationText(dst, v)
	case HitCounts:
		return appendHitCounts(dst, v), true
	case JuniperCommonProperties:
		return appendCommonProperties(dst, v)
	case Unsigned8, Unsigned16, Unsigned32, Unsigned64:
		if len(v) <= 8 {
			return strconv.AppendUint(dst, unsigned(v), 10), true
		}
	case Unsigned256:
		if len(v) <= 8 {
			return strconv.AppendUint(dst, unsigned(v), 10), true
		}
	case Signed8, Signed16, Signed32, Signed64:
		if len(v) <= 8 {
			shift := 64 - 8*len(v)
			return strconv.AppendInt(dst, int64(unsigned(v)<<shift)>>shift, 10), true
		}
	case Float32, Float64:
		switch len(v) {
		case 4:
			return appendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(v))), 32), true
		case 8:
			return appendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(v)), 64), true
		}
	case Boolean:
		// RFC 7011 section 6.1.5: 1 is true, 2 is false.
		if len(v) == 1 && (v[0] == 1 || v[0] == 2) {
			return strconv.AppendBool(dst, v[0] == 1), true
		}
	case MacAddress:
		if len(v) == 6 {
			return appendMAC(dst, v), true
		}
	case Ipv4Address:
		if len(v) == 4 {
			return appendAddress(dst, netip.AddrFrom4([4]byte(v))), true
		}
	case Ipv6Address:
		if len(v) == 16 {
			return appendAddress(dst, netip.AddrFrom16([16]byte(v))), true
		}
	case DateTimeSeconds, DateTimeMilliseconds, DateTimeMicroseconds, DateTimeNanoseconds:
		return appendTime(dst, t, v)
	}
	return dst, false
}

func unsigned(v []byte) (n uint64) {
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	return n
}

// appendFloat writes a number; JSON has none for infinity and for what is not a number.
func appendFloat(dst []byte, v float64, bits int) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, bits)
}

func appendMAC(dst, v []byte) []byte {
	dst = append(dst, '"')
	for i, b := range v {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = hex.AppendEncode(dst, []byte{b})
	}
	return append(dst, '"')
}

func appendAddress(dst []byte, a netip.Addr) []byte {
	dst = append(dst, '"')
	dst = a.AppendTo(dst)
	return append(dst, '"')
}

// appendText writes a string. Fixed-length strings are padded with zeros, which are left out.
func appendText(dst, v []byte) []byte {
	text := strings.TrimRight(string(v), "\x00")
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c < 0x20 || c == 0x7f:
			dst = append(dst, `\u00`...)
			dst = hex.AppendEncode(dst, []byte{byte(c)})
		default:
			// Bytes that are not UTF-8 come as the replacement character.
			dst = utf8.AppendRune(dst, c)
		}
	}
	return append(dst, '"')
}
