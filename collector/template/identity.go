// Package template holds the templates and options templates that exporters taught: which layouts an id has, and who said
// them. It does no I/O, logs nothing and reads no clock: time is handed in. Identities and definitions are also those of what else
// exporters teach, see the packages sampling and boot.
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
	// KindClock is the time of an exporting process's initialization, learned from an options record.
	KindClock Kind = 4
	// KindNames is a table of names, KindPage a part of one, see package names.
	KindNames Kind = 5
	KindPage  Kind = 6
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
	case KindClock:
		return "clock"
	case KindNames:
		return "names"
	case KindPage:
		return "page"
	}
	return "unknown"
}

// Family is what a Key identifies a definition of. Data and options templates share one space of ids: a definition of either kind
// replaces the other's (RFC 7011 section 3.4.1), so they are one family.
type Family uint8

// The families.
const (
	FamilyTemplate Family = iota
	FamilySampling
	FamilyClock
	FamilyNames
	FamilyPage
)

// AnyPort is the Port of a definition that holds for the whole scope.
const AnyPort uint16 = 0

// Key identifies a definition.
type Key struct {
	Scope  Scope
	Family Family
	// Port is the exporter's UDP source port, or AnyPort.
	Port uint16
	// ID is the template id (256 to 65535); for a sampling rate what it applies to, as the package sampling packs it; 0 for a clock.
	ID uint64
	// Layout is 0, or tells this layout of the template from others that devices with the same address, domain and port say, see
	// Fingerprint; of a sampling rate that such devices dispute it is the rate and 1.
	Layout uint64
}

// Definition is what one Key means, as exchanged with the bucket. It is immutable once handed over.
type Definition struct {
	Key  Key
	Kind Kind
	// Stamp orders definitions of one Key: the newer one wins.
	Stamp Stamp
	// Record holds the template record's own wire bytes (template id onward, without the set header), or what the packages of other
	// families make of theirs.
	Record []byte
	// Heard is when the exporter last said it, as far as known, and Told when the bucket was last written with it; both in
	// nanoseconds since 1970 by the clock that is handed to the stores.
	Heard, Told int64
	// Witnessed: who heard it had heard itself what the same port said before, so this is a redefinition and no other device.
	// Of a sampling rate: it was said before Heard, too, so what others say did not give way to it.
	Witnessed bool
	// Silent: nobody said it for an hour while another layout was said in its place. Of a clock: devices that share the port dispute it.
	Silent bool
	// Refresh: the bucket has it already, and is to keep it.
	Refresh bool
}

// Observer is told of what this process learned from exporters. Its method is called with the exporter locked: it must not block
// and must not call a store.
type Observer interface {
	// Learned is called when a definition is new, changed, or to be refreshed.
	Learned(Definition)
}
