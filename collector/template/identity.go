// Package template holds what exporters taught: templates, options templates and sampling rates, who they belong to, and
// the data sets that wait for one. It does no I/O, logs nothing and reads no clock: time is handed in.
package template

import (
	"net/netip"
)

// Version is the protocol version a definition belongs to.
type Version uint8

// The versions that have templates.
const (
	NetFlow9 Version = 9
	IPFIX    Version = 10
)

// String is the token used in bucket keys, subjects and tables.
func (v Version) String() string {
	switch v {
	case NetFlow9:
		return "netflow9"
	case IPFIX:
		return "ipfix"
	}
	return "unknown"
}

// Scope is who a definition belongs to: RFC 7011 section 8 scopes template ids to the transport session and observation
// domain, RFC 3954 section 5.1 to the exporter and source id. The UDP port is kept apart, see Key.
type Scope struct {
	Version Version
	// Exporter is the unmapped source address of the datagrams; it may carry an IPv6 zone.
	Exporter netip.Addr
	// Domain is IPFIX's observation domain id or NetFlow v9's source id.
	Domain uint32
}

// Kind says what a definition defines.
type Kind uint8

// The kinds.
const (
	// KindData is a template for flow records.
	KindData Kind = 1
	// KindOptions is a template for options records.
	KindOptions Kind = 2
	// KindSampling is a sampling rate learned from an options record.
	KindSampling Kind = 3
)

// String is a word for tables.
func (k Kind) String() string {
	switch k {
	case KindData:
		return "data"
	case KindOptions:
		return "options"
	case KindSampling:
		return "sampling"
	}
	return "unknown"
}

// AnyPort is the Port of a definition that holds for the whole scope.
const AnyPort uint16 = 0

// Key identifies a definition. Data and options templates share one space of ids: a definition of either kind replaces
// the other's (RFC 7011 section 3.4.1), so a Key has no kind but a family: template or sampling.
type Key struct {
	Scope Scope
	// Sampling tells a sampler's key from a template's.
	Sampling bool
	// Port is the exporter's UDP source port, or AnyPort.
	Port uint16
	// ID is the template id (256 to 65535) or, for a sampling rate, SamplerKey's value.
	ID uint64
}

// Definition is what one Key means, as exchanged with the bucket. It is immutable once handed over.
type Definition struct {
	Key  Key
	Kind Kind
	// Stamp orders definitions of one Key: the newer one wins.
	Stamp Stamp
	// Record holds the template record's own wire bytes (template id onward, without the set header); for a sampling
	// rate the options record's relevant values, see EncodeSampling.
	Record []byte
}

// Observer is told of what this process learned from exporters. Its methods are called with the exporter locked: they
// must not block and must not call the Store.
type Observer interface {
	// Learned is called when a definition is new, changed, or (only when in use and asked for by Store.Refresh) still
	// valid.
	Learned(Definition)
	// Withdrawn is called when an exporter withdrew a definition (RFC 7011 section 8.1), with the stamp of the withdrawal.
	Withdrawn(Key, Stamp)
}
