package element

import "strconv"

// AppendSFlowJSON appends the value of a field of sFlow's structures as JSON: numbers, lists of numbers, and strings for the rest. A
// value that does not fit its encoding, and all of a structure that is not known, is a string of hexadecimal digits.
func AppendSFlowJSON(dst []byte, enterprise uint32, id uint16, value []byte) []byte {
	if enterprise == enterpriseBroadcom && id == broadcomQueue {
		return AppendJSON(dst, Element{Type: Unsigned32}, len(value) == 4, value)
	}
	f, known := SFlowField{}, false
	if enterprise == SFlowEnterprise {
		f, known = LookupSFlow(id)
	}
	if !known {
		return AppendJSON(dst, Element{}, false, value)
	}
	t := OctetArray
	switch f.Encoding {
	case Word:
		t = Unsigned32
	case Hyper:
		t = Unsigned64
	case Text:
		t = String
	case IPv4, IPv6, Address:
		switch len(value) {
		case 0:
			return append(dst, `""`...)
		case 4:
			t = Ipv4Address
		default:
			t = Ipv6Address
		}
	case MAC:
		t = MacAddress
	case Source:
		return appendSource(dst, value)
	case InterfaceValue:
		return strconv.AppendUint(dst, unsigned(value)&(1<<30-1), 10)
	case Labels:
		return appendWords(dst, value, func(v uint64) uint64 { return v >> 12 })
	case VLANs:
		return appendWords(dst, value, func(v uint64) uint64 { return v & 0xfff })
	}
	return AppendJSON(dst, Element{Type: t}, true, value)
}

func appendWords(dst, value []byte, number func(uint64) uint64) []byte {
	dst = append(dst, '[')
	for first := true; len(value) >= 4; value, first = value[4:], false {
		if !first {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, number(unsigned(value[:4])), 10)
	}
	return append(dst, ']')
}

// appendSource writes "<class>:<index>".
func appendSource(dst, value []byte) []byte {
	class, index := unsigned(value)>>24, unsigned(value)&(1<<24-1)
	if len(value) == 8 {
		class, index = unsigned(value[:4]), unsigned(value[4:])
	}
	dst = strconv.AppendUint(append(dst, '"'), class, 10)
	dst = strconv.AppendUint(append(dst, ':'), index, 10)
	return append(dst, '"')
}
