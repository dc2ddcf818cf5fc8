package names

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// An application's number is its classification engine in the upper 8 bits and the selector in the others, so that it does not hang
// on how many bytes an exporter sends (RFC 6759 section 4.1).
const selectorBits = 56

// Of engine 20 the selector begins with the private enterprise number of who made it up, and has the rest in as many bytes as there are
// (RFC 6759 section 4.2).
const (
	engineOfEnterprises = 20
	enterpriseBytes     = 4
	restBits            = 32
)

// ApplicationNumber reads an applicationId (95). One that no number holds is 0: none. Of engine 20, an enterprise number has its upper 8
// bits empty as long as there are no more than 16 million of them.
func ApplicationNumber(b []byte) uint64 {
	if len(b) == 0 || len(b) > 16 {
		return 0
	}
	if b[0] == engineOfEnterprises && len(b) > 1+enterpriseBytes && b[1] == 0 {
		var rest uint64
		for _, c := range b[1+enterpriseBytes:] {
			if rest = rest<<8 | uint64(c); rest>>restBits != 0 {
				return 0
			}
		}
		return engineOfEnterprises<<selectorBits | uint64(binary.BigEndian.Uint32(b[1:]))<<restBits | rest
	}
	var selector uint64
	for _, c := range b[1:] {
		if selector = selector<<8 | uint64(c); selector>>selectorBits != 0 {
			return 0
		}
	}
	if len(b) == 1 {
		return uint64(b[0])
	}
	return uint64(b[0])<<selectorBits | selector
}

// Label writes a number of a table as routers show it: applications as engine:selector. What Others have is no router's, and is written as
// 16 hexadecimal digits. Elements are written as enterprise.id, as fields without a name are in JSON.
func Label(t Table, number uint64) string {
	switch t {
	case Applications:
	case Others:
		return fmt.Sprintf("%016x", number)
	case Elements:
		return fmt.Sprintf("%d.%d", number>>elementBits, number&(1<<elementBits-1))
	default:
		return strconv.FormatUint(number, 10)
	}
	return fmt.Sprintf("%d:%d", number>>selectorBits, number&(1<<selectorBits-1))
}

// parseApplication is the reverse of Label. A number alone is an id of 4 bytes, which most exporters send.
func parseApplication(s string) (uint64, error) {
	engine, selector, ok := strings.Cut(s, ":")
	if !ok {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("its key %q is neither an engine and a selector, such as 3:53, nor a number of 32 bits", s)
		}
		return n>>24<<selectorBits | n&(1<<24-1), nil
	}
	e, err := strconv.ParseUint(engine, 10, 8)
	n, err2 := strconv.ParseUint(selector, 10, selectorBits)
	if err != nil || err2 != nil {
		return 0, fmt.Errorf("its key %q is not an engine and a selector, such as 3:53", s)
	}
	return e<<selectorBits | n, nil
}
