// Package element knows the information elements of IPFIX and the field types of NetFlow v9: their names, their data
// types, and how to render their values as JSON.
//
// IANA's registry is data, generated into registry.go.
package element

import (
	"fmt"
	"strings"
)

//go:generate go run ../../hack/registry -csv ../../hack/registry/ipfix-information-elements.csv -out registry.go

// DataType is an abstract data type (RFC 7012 section 3.1, RFC 6313 section 4.5).
type DataType uint8

// The data types. Unsigned256 came with IANA's registry of 2024.
const (
	OctetArray DataType = iota
	Unsigned8
	Unsigned16
	Unsigned32
	Unsigned64
	Unsigned256
	Signed8
	Signed16
	Signed32
	Signed64
	Float32
	Float64
	Boolean
	MacAddress
	String
	DateTimeSeconds
	DateTimeMilliseconds
	DateTimeMicroseconds
	DateTimeNanoseconds
	Ipv4Address
	Ipv6Address
	BasicList
	SubTemplateList
	SubTemplateMultiList
)

var typeNames = [...]string{
	"octetArray", "unsigned8", "unsigned16", "unsigned32", "unsigned64", "unsigned256", "signed8", "signed16", "signed32",
	"signed64", "float32", "float64", "boolean", "macAddress", "string", "dateTimeSeconds", "dateTimeMilliseconds",
	"dateTimeMicroseconds", "dateTimeNanoseconds", "ipv4Address", "ipv6Address", "basicList", "subTemplateList",
	"subTemplateMultiList",
}

// String is the registry's name of t.
func (t DataType) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown"
}

// Element is one information element.
type Element struct {
	// ID without the enterprise bit.
	ID uint16
	// Name as registered.
	Name string
	Type DataType
	// Semantics and Units as registered; empty where there are none.
	Semantics, Units string
}

// ReverseEnterprise is the private enterprise number of reverse information elements (RFC 5103 section 6.1).
const ReverseEnterprise = 29305

// Lookup finds an element by its enterprise number, 0 for IANA's, and id. Reverse elements (RFC 5103) are those of IANA
// with a name of their own. Other enterprises are not known.
func Lookup(enterprise uint32, id uint16) (Element, bool) {
	if enterprise != 0 && enterprise != ReverseEnterprise || int(id) >= len(registry) || registry[id].Name == "" {
		return Element{}, false
	}
	e := registry[id]
	if enterprise == ReverseEnterprise {
		// RFC 5103 section 6.1: "reverse" and the name with its first letter capitalised.
		e.Name = "reverse" + strings.ToUpper(e.Name[:1]) + e.Name[1:]
	}
	return e, true
}

// LookupNetFlow9 finds a field type of NetFlow v9. Up to 127 they are IANA's elements (RFC 7012 section 7.1.2); Cisco's
// firewalls use numbers from 33000 on.
func LookupNetFlow9(id uint16) (Element, bool) {
	if e, ok := netflow9[id]; ok {
		return e, true
	}
	return Lookup(0, id)
}

// netflow9 are field types that IANA's registry does not have, from Cisco's "NetFlow Version 9 Flow-Record Format" and
// "NetFlow Secure Event Logging" for the ASA.
var netflow9 = map[uint16]Element{
	33000: {ID: 33000, Name: "NF_F_INGRESS_ACL_ID", Type: OctetArray},
	33001: {ID: 33001, Name: "NF_F_EGRESS_ACL_ID", Type: OctetArray},
	33002: {ID: 33002, Name: "NF_F_FW_EXT_EVENT", Type: Unsigned16},
	40000: {ID: 40000, Name: "NF_F_USERNAME", Type: String},
	40001: {ID: 40001, Name: "NF_F_XLATE_SRC_ADDR_IPV4", Type: Ipv4Address},
	40002: {ID: 40002, Name: "NF_F_XLATE_DST_ADDR_IPV4", Type: Ipv4Address},
	40003: {ID: 40003, Name: "NF_F_XLATE_SRC_PORT", Type: Unsigned16},
	40004: {ID: 40004, Name: "NF_F_XLATE_DST_PORT", Type: Unsigned16},
	40005: {ID: 40005, Name: "NF_F_FW_EVENT", Type: Unsigned8},
}

// Name is an element's name, or "element<id>" and "enterprise<number>.<id>" for unknown ones. It is never empty and needs
// no escaping in JSON.
func Name(isNetFlow9 bool, enterprise uint32, id uint16) string {
	e, ok := Lookup(enterprise, id)
	if isNetFlow9 {
		e, ok = LookupNetFlow9(id)
	}
	switch {
	case ok:
		return e.Name
	case enterprise == 0:
		return fmt.Sprintf("element%d", id)
	}
	return fmt.Sprintf("enterprise%d.%d", enterprise, id)
}

// ScopeName is the name of a scope type of NetFlow v9 (RFC 3954 section 6.1).
func ScopeName(id uint16) string {
	switch id {
	case 1:
		return "System"
	case 2:
		return "Interface"
	case 3:
		return "Line Card"
	case 4:
		return "Cache"
	case 5:
		return "Template"
	}
	return fmt.Sprintf("scope%d", id)
}
