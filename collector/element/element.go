// Package element knows the information elements of IPFIX and the field types of NetFlow v9: their names, their data
// types, and how to render their values as JSON.
//
// IANA's registry and vendors' elements are data, generated into registry.go and vendors.go. sFlow's structures are in
// sflow_structures.go.
package element

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

//go:generate go run ../../hack/registry -csv ../../hack/registry/ipfix-information-elements.csv -out registry.go
//go:generate go run ../../hack/registry -vendors ../../hack/registry/vendor-elements.csv -out vendors.go

// DataType is an abstract data type (RFC 7012 section 3.1, RFC 6313 section 4.5).
type DataType uint8

// The data types, the registered ones by their numbers (IANA, "IPFIX Information Element Data Types").
const (
	OctetArray DataType = iota
	Unsigned8
	Unsigned16
	Unsigned32
	Unsigned64
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
	Unsigned256
	// NumberOrText is what a vendor's list gives no type for: text where it can be read as such, else a number.
	NumberOrText
	// ApplicationText is text behind 6 bytes that say of which application and which of its fields (Cisco, "AVC Export").
	ApplicationText
	// JuniperCommonProperties has 6 bits that say what the other 10 or 26 are (Juniper, "Inline Active Flow Monitoring").
	JuniperCommonProperties
	// HitCounts are URIs, each with a zero behind it and how often it was hit in 2 bytes (Cisco, "AVC Export").
	HitCounts
)

var typeNames = [...]string{
	"octetArray", "unsigned8", "unsigned16", "unsigned32", "unsigned64", "signed8", "signed16", "signed32",
	"signed64", "float32", "float64", "boolean", "macAddress", "string", "dateTimeSeconds", "dateTimeMilliseconds",
	"dateTimeMicroseconds", "dateTimeNanoseconds", "ipv4Address", "ipv6Address", "basicList", "subTemplateList",
	"subTemplateMultiList", "unsigned256", "numberOrText", "applicationText", "juniperCommonProperties", "hitCounts",
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

// certEnterprise is CERT's, whose exporter YAF marks the reverse direction of its own elements by a bit of their ids.
const (
	certEnterprise = 6871
	certReverse    = 1 << 14
)

// Lookup finds an element by its enterprise number, 0 for IANA's, and id. Reverse elements (RFC 5103) are those of IANA
// with a name of their own.
func Lookup(enterprise uint32, id uint16) (Element, bool) {
	switch enterprise {
	case 0:
		if int(id) < len(registry) && registry[id].Name != "" {
			return registry[id], true
		}
		return Element{}, false
	case ReverseEnterprise:
		return reverse(Lookup(0, id))
	}
	e, ok := vendor(enterprise, id)
	if !ok && enterprise == certEnterprise && id&certReverse != 0 {
		return reverse(vendor(enterprise, id&^certReverse))
	}
	return e, ok
}

// reverse names an element's reverse: "reverse" and the name with its first letter capitalised (RFC 5103 section 6.1).
func reverse(e Element, ok bool) (Element, bool) {
	if ok {
		e.Name = "reverse" + strings.ToUpper(e.Name[:1]) + e.Name[1:]
	}
	return e, ok
}

func vendor(enterprise uint32, id uint16) (Element, bool) {
	list := vendors[enterprise]
	at, ok := slices.BinarySearchFunc(list, id, func(e Element, id uint16) int { return cmp.Compare(e.ID, id) })
	if !ok {
		return Element{}, false
	}
	return list[at], true
}

// LookupNetFlow9 finds a field type of NetFlow v9. Up to 127 they are IANA's elements (RFC 7012 section 7.1.2); vendors use numbers
// from 32768 on, Cisco's firewalls those from 33000. Its routers set a bit in what are elements of its own in IPFIX.
func LookupNetFlow9(id uint16) (Element, bool) {
	if e, ok := vendor(0, id); ok {
		return e, true
	}
	const enterpriseCisco, cisco9 = 9, 1 << 15
	if id&cisco9 != 0 {
		return vendor(enterpriseCisco, id&^cisco9)
	}
	return Lookup(0, id)
}

// Name is an element's name, or "element<id>" and "enterprise<number>.<id>" for unknown ones. It is never empty and needs
// no escaping in JSON.
func Name(isNetFlow9 bool, enterprise uint32, id uint16) string {
	e, ok := Lookup(enterprise, id)
	if isNetFlow9 && enterprise == 0 {
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
