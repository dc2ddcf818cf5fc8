package netflow

import (
	"github.com/flowfleet/flowfleet/collector/boot"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/names"
	announced "github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Shared is what exporters taught beside templates, and several Decoders may know together.
type Shared struct {
	Rates  *announced.Store
	Clocks *boot.Store
	Names  *names.Store
}

// ownExporters bounds what a Decoder remembers that shares with no other.
const ownExporters = 1 << 14

// OwnShared is for a Decoder that shares with no other.
func OwnShared() Shared {
	return Shared{Rates: announced.NewStore(template.ModeAuto, announced.LimitsFor(ownExporters, 0), &ledger.Totals{}),
		Clocks: boot.NewStore(template.ModeAuto, ownExporters, 0), Names: names.NewStore(names.LimitsFor(ownExporters), 0)}
}

// Share has the Decoder know what others learn, and the other way round. It is to be called before anything is decoded.
func (d *Decoder) Share(s Shared) { d.shared = s }
