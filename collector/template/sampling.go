package template

import (
	"encoding/binary"
	"fmt"
)

// SamplerKind says what a sampling rate applies to.
type SamplerKind uint8

// The kinds of sampler.
const (
	// SamplerSystem is the exporter as a whole.
	SamplerSystem SamplerKind = 0
	// SamplerID is NetFlow v9's flow sampler (field 48).
	SamplerID SamplerKind = 1
	// SamplerSelector is PSAMP's selector id (element 302).
	SamplerSelector SamplerKind = 2
	// SamplerInterface is the input interface (element 10).
	SamplerInterface SamplerKind = 3
)

// String is a word for tables.
func (k SamplerKind) String() string {
	switch k {
	case SamplerSystem:
		return "system"
	case SamplerID:
		return "sampler"
	case SamplerSelector:
		return "selector"
	case SamplerInterface:
		return "interface"
	}
	return "unknown"
}

const samplerIDBits = 56

// SamplerKey packs a sampler's kind and id into a Key's ID. Ids of 2^56 and more (selector ids have 64 bits) are refused:
// ok is then false.
func SamplerKey(kind SamplerKind, id uint64) (key uint64, ok bool) {
	return uint64(kind)<<samplerIDBits | id&(1<<samplerIDBits-1), id < 1<<samplerIDBits
}

// Sampler is the reverse of SamplerKey.
func Sampler(key uint64) (SamplerKind, uint64) {
	return SamplerKind(key >> samplerIDBits), key & (1<<samplerIDBits - 1)
}

// EncodeSampling is the Record of a sampling rate: one packet of rate is sampled; 8 bytes in network order.
func EncodeSampling(rate uint64) []byte { return binary.BigEndian.AppendUint64(nil, rate) }

// DecodeSampling is the reverse of EncodeSampling. It returns an error for another length and for rate 0.
func DecodeSampling(record []byte) (uint64, error) {
	if len(record) != 8 {
		return 0, fmt.Errorf("a sampling rate has 8 bytes, not %d", len(record))
	}
	rate := binary.BigEndian.Uint64(record)
	if rate == 0 {
		return 0, fmt.Errorf("a sampling rate of 0 says nothing")
	}
	return rate, nil
}
