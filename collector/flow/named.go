package flow

import (
	"encoding/json"
	"slices"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// Name says what a text on a flow names.
type Name uint8

// The names that a flow can carry.
const (
	InIfName Name = iota
	InIfDescription
	OutIfName
	OutIfDescription
	ApplicationName
	IngressVRFName
	EgressVRFName
	SamplerName
	ExporterName
	DomainName

	// NumNames is how many there are.
	NumNames
)

// FieldNames plus a Name is the number of a name's field. Readers of flowpb.FlowMessage, which has nothing like it, skip it;
// flow.proto in package schema has it.
const FieldNames = 10_001

// nameKeys are the names' keys in JSON, and their fields' names in flow.proto.
var nameKeys = [NumNames]string{
	InIfName: "in_if_name", InIfDescription: "in_if_description", OutIfName: "out_if_name", OutIfDescription: "out_if_description",
	ApplicationName: "application_name", IngressVRFName: "ingress_vrf_name", EgressVRFName: "egress_vrf_name",
	SamplerName: "sampler_name", ExporterName: "exporter_name", DomainName: "observation_domain_name",
}

// String is the name's key in JSON.
func (n Name) String() string {
	if n < NumNames {
		return nameKeys[n]
	}
	return "unknown"
}

// Text is a name, or several that flows carry together, encoded once for all flows that carry it. It is immutable.
type Text struct {
	// size is how many bytes the field of protobuf has. They are in short, so that a flow looks at one place for a name, or in long where
	// short has no room for them.
	size   int
	short  [shortWire]byte
	name   Name // NumNames of several
	long   []byte
	quoted []byte // as JSON has it, of several none
	plain  string
	parts  []*Text // of several
}

// shortWire is how many bytes of a name's field are copied where it has no more: a copy of a length that is known takes no call. It has room
// for the names of two interfaces and of their exporter, mostly.
const shortWire = 64

// NewText encodes s, which is UTF-8, for flows to carry as n.
func NewText(n Name, s string) *Text {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON
	}
	t := &Text{name: n, plain: s, quoted: quoted}
	t.encode(protowire.AppendString(protowire.AppendTag(nil, protowire.Number(FieldNames+int(n)), protowire.BytesType), s))
	return t
}

// Together encodes names that flows carry together: a flow that has them copies them at once. None of them is of several itself, and no two
// name the same.
func Together(texts []*Text) *Text {
	t := &Text{name: NumNames, parts: slices.Clone(texts)}
	var wire []byte
	for _, part := range t.parts {
		wire = append(wire, part.wire()...)
	}
	t.encode(wire)
	return t
}

// encode keeps the bytes of the message, where they are found the fastest.
func (t *Text) encode(wire []byte) {
	t.size = len(wire)
	if copy(t.short[:], wire) < len(wire) {
		t.long = wire
	}
}

// wire are the bytes of the message.
func (t *Text) wire() []byte {
	if t.size <= shortWire {
		return t.short[:t.size]
	}
	return t.long
}

// of is the name of a kind that t is or has, nil for none.
func (t *Text) of(n Name) *Text {
	if t.name == n {
		return t
	}
	for _, part := range t.parts {
		if part.name == n {
			return part
		}
	}
	return nil
}

// Name is what the text names, NumNames of several.
func (t *Text) Name() Name { return t.name }

// Size is how many bytes a text takes in memory, about; 0 of none. What it has of others is theirs.
func (t *Text) Size() int {
	if t == nil {
		return 0
	}
	return int(unsafe.Sizeof(*t)) + len(t.long) + cap(t.quoted) + len(t.plain) + 8*cap(t.parts)
}

// String is the text itself, "" of none and of several.
func (t *Text) String() string {
	if t == nil {
		return ""
	}
	return t.plain
}

// OwnName is a name as a record says it.
type OwnName struct {
	Name Name
	// Value as on the wire, which may hold anything; it aliases the datagram and is valid as long as the record.
	Value []byte
}

// Turned is what a name is to the other direction of a flow.
func (n Name) Turned() Name {
	switch n {
	case InIfName:
		return OutIfName
	case InIfDescription:
		return OutIfDescription
	case OutIfName:
		return InIfName
	case OutIfDescription:
		return InIfDescription
	case IngressVRFName:
		return EgressVRFName
	case EgressVRFName:
		return IngressVRFName
	}
	return n
}

// Numbers are what an exporter numbers on a flow beside its interfaces.
type Numbers struct {
	// Application is the applicationId (95) as names.ApplicationNumber has it, Sampler and Selector the samplerId (48) and selectorId
	// (302); 0 where the flow has none.
	Application, Sampler, Selector uint64
	// IngressVRF and EgressVRF are ingressVRFID (234) and egressVRFID (235), where HasIngressVRF and HasEgressVRF: 0 is a VRF.
	IngressVRF, EgressVRF       uint32
	HasIngressVRF, HasEgressVRF bool
}

// NameText is a name that the flow carries, nil where it has none.
func (r *Record) NameText(n Name) *Text {
	for _, t := range r.Names {
		if text := t.of(n); text != nil {
			return text
		}
	}
	return nil
}

// setName has r carry a name once: of two the later counts, as everywhere in protobuf.
func (r *Record) setName(t *Text) {
	for i := range r.Names {
		if r.Names[i].name == t.name {
			r.Names[i] = t
			return
		}
	}
	r.Names = append(r.Names, t)
}

// writeNames writes names to b from n on, and returns where they end.
func writeNames(b []byte, n int, list []*Text) int {
	for _, t := range list {
		if t.size <= shortWire {
			*(*[shortWire]byte)(b[n:]) = t.short
			n += t.size
		} else {
			n += copy(b[n:], t.long)
		}
	}
	return n
}

// namesSize bounds what writeNames writes.
func (r *Record) namesSize() (size int) {
	for _, t := range r.Names {
		size += max(t.size, shortWire)
	}
	return size
}

// appendNames writes the names that r has as JSON.
func (r *Record) appendNames(dst []byte) []byte {
	for _, t := range r.Names {
		if t.parts == nil {
			dst = t.appendJSON(dst)
		}
		for _, part := range t.parts {
			dst = part.appendJSON(dst)
		}
	}
	return dst
}

func (t *Text) appendJSON(dst []byte) []byte {
	return append(appendKey(dst, nameKeys[t.name]), t.quoted...)
}
