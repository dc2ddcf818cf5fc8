// Package sampling holds the sampling rates that exporters announce. A rate counts while it is announced, compared with the newest
// announcement of its exporter. It does no I/O, logs nothing and reads no clock: time is handed in.
package sampling

import (
	"encoding/binary"
	"fmt"
)

// Kind says what a sampling rate applies to.
type Kind uint8

// The kinds. Their numbers are part of keys.
const (
	// System is all that its observation domain, or source id, exports.
	System Kind = 0
	// Sampler is NetFlow v9's flow sampler (field 48).
	Sampler Kind = 1
	// Selector is PSAMP's selector id (element 302, RFC 5477 section 8.2.1).
	Selector Kind = 2
	// Interface is an interface in both directions (RFC 3954 section 6.1).
	Interface Kind = 3
	// Ingress and Egress are an interface in one direction (elements 10 and 252, 14 and 253).
	Ingress Kind = 4
	Egress  Kind = 5
	// LineCard is a line card (RFC 3954 section 6.1, element 141).
	LineCard Kind = 6
	// Template is the flows of a template (RFC 3954 section 6.1, element 145).
	Template Kind = 7
	// Process is all domains without a rate of their own (element 144; domain 0 is no domain's own, RFC 7011 section 3.1).
	Process Kind = 8
	// Sequence is what passed several selectors one behind the other (element 301, RFC 5476 section 6.5.1).
	Sequence Kind = 9
	// kinds is how many there are.
	kinds = 10
)

var names = [kinds]string{"system", "sampler", "selector", "interface", "ingress", "egress", "card", "template", "process", "sequence"}

// String is a word for keys and tables.
func (k Kind) String() string {
	if k < kinds {
		return names[k]
	}
	return "unknown"
}

// ParseKind is the reverse of String.
func ParseKind(name string) (Kind, bool) {
	for k, n := range names {
		if n == name {
			return Kind(k), true
		}
	}
	return 0, false
}

const idBits = 56

// Key packs a kind and an id into a template.Key's ID. Ids of 2^56 and more (selector ids have 64 bits) are refused: ok is then
// false.
func Key(kind Kind, id uint64) (key uint64, ok bool) {
	return uint64(kind)<<idBits | id&(1<<idBits-1), id < 1<<idBits && kind < kinds
}

// Split is the reverse of Key.
func Split(key uint64) (Kind, uint64) { return Kind(key >> idBits), key & (1<<idBits - 1) }

// Encode is the Record of a sampling rate: one packet of rate is sampled, 0 where sampling has ended; 8 bytes in network order.
func Encode(rate uint64) []byte { return binary.BigEndian.AppendUint64(nil, rate) }

// Decode is the reverse of Encode. It returns an error for another length.
func Decode(record []byte) (uint64, error) {
	if len(record) != 8 {
		return 0, fmt.Errorf("a sampling rate has 8 bytes, not %d", len(record))
	}
	return binary.BigEndian.Uint64(record), nil
}
