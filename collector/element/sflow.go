package element

import "fmt"

// SFlowEnterprise is sFlow.org's private enterprise number (IANA), under which fields of sFlow's standard structures are kept beside a
// flow. Those of other enterprises' structures are kept whole, under the number that sFlow gives.
const SFlowEnterprise = 14706

// SFlowID is the id under which a field of a standard structure is kept: the structure's format and the field's position in it, from
// 0. It fits into 16 bits, as formats have 12 and structures at most MaxSFlowFields fields.
func SFlowID(format uint32, position int) uint16 { return uint16(format<<4 | uint32(position)) }

// MaxSFlowFields bounds the fields of a structure.
const MaxSFlowFields = 16

// Encoding is how a field of sFlow's structures stands on the wire (XDR, RFC 4506).
type Encoding uint8

// The encodings.
const (
	Word           Encoding = iota // unsigned int
	Hyper                          // unsigned hyper
	Text                           // string<>
	Opaque                         // opaque<>
	Labels                         // unsigned int<>, entries of an MPLS label stack (RFC 3032 section 2.1)
	VLANs                          // unsigned int<>, tag protocol and tag control of VLANs
	Address                        // sFlow's address: a type, and 0, 4 or 16 bytes
	IPv4                           // opaque[4]
	IPv6                           // opaque[16]
	MAC                            // opaque[6], padded to 8 bytes
	Source                         // a data source: class in 8 bits and index in 24, or a word each
	InterfaceValue                 // what an interface has beside its format: the low 30 bits
	Float                          // float (IEEE 754 single)
	Percentage                     // hundredths of a percent, negative where not known
	FourBytes                      // opaque[4]
	SixteenBytes                   // opaque[16]
)

// SFlowField is a field of one of sFlow's structures.
type SFlowField struct {
	Name string
	Encoding
}

// SFlowStructure is a standard structure (enterprise 0) of flow records.
type SFlowStructure struct {
	Name   string
	Fields []SFlowField
}

// SFlowSample is the format under which fields of the sample itself are kept; no structure has it. Its fields that only a discarded
// packet has follow those that each sample has.
const SFlowSample = 0

// Positions of the sample's own fields.
const (
	SampleSequence = iota
	SampleSource
	SamplePool
	SampleDrops
	SampleOutputs
	SampleDropReason
	SampleDropReasonName
)

// sflowFormats is one more than the highest format with a structure here.
const sflowFormats = 2211

// SFlowLayout is the structure of a format of enterprise 0; it has no fields where it is not known.
func SFlowLayout(format uint32) *SFlowStructure {
	if format >= sflowFormats {
		return &SFlowStructure{}
	}
	return &sflowStructures[format]
}

// LookupSFlow finds a field by the id that SFlowID gave it.
func LookupSFlow(id uint16) (SFlowField, bool) {
	s := SFlowLayout(uint32(id) >> 4)
	position := int(id) % MaxSFlowFields
	if position >= len(s.Fields) {
		return SFlowField{}, false
	}
	f := s.Fields[position]
	f.Name = s.Name + "." + f.Name
	return f, true
}

// Broadcom's structure of flow records (sflow.org, bv-sflow.txt): a word.
const (
	enterpriseBroadcom = 4413
	broadcomQueue      = 1
)

// SFlowName is the name of a field that is kept beside an sFlow record: "<structure>.<field>" as sFlow.org names them, or
// "sflow<enterprise>.<format>" for a structure that is not known here. It needs no escaping in JSON.
func SFlowName(enterprise uint32, id uint16) string {
	if enterprise == enterpriseBroadcom && id == broadcomQueue {
		return "extended_bst_egress_queue.queue"
	}
	if enterprise != SFlowEnterprise {
		return fmt.Sprintf("sflow%d.%d", enterprise, id)
	}
	if f, ok := LookupSFlow(id); ok {
		return f.Name
	}
	return fmt.Sprintf("sflow0.%d", id>>4)
}
