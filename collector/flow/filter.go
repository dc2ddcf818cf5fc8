package flow

import "net/netip"

// Filter says which flows are meant. What is empty or 0 does not matter; its zero value means all flows.
type Filter struct {
	// Exporter is the address of one exporter (sFlow: of its agent).
	Exporter netip.Addr
	// Network has the source or the destination.
	Network netip.Prefix
	// Port is the source's or the destination's.
	Port uint32
	// Interface is the number or the name of where the flow came in or went out.
	Interface string
	// InterfaceNumber is Interface, if that is a number.
	InterfaceNumber uint32
}

// Match reports whether a flow is meant.
func (f *Filter) Match(r *Record) bool {
	switch {
	case f.Exporter.IsValid() && r.SamplerAddress.Addr() != f.Exporter:
	case f.Network.IsValid() && !f.Network.Contains(r.SrcAddr.Addr()) && !f.Network.Contains(r.DstAddr.Addr()):
	case f.Port != 0 && r.SrcPort != f.Port && r.DstPort != f.Port:
	case f.Interface != "" && !f.matchInterface(r):
	default:
		return true
	}
	return false
}

func (f *Filter) matchInterface(r *Record) bool {
	if f.InterfaceNumber != 0 && (r.InIf == f.InterfaceNumber || r.OutIf == f.InterfaceNumber) {
		return true
	}
	return r.NameText(InIfName).String() == f.Interface || r.NameText(OutIfName).String() == f.Interface
}
