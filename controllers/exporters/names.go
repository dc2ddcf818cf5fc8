package exporters

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// ObjectName of the FlowExporter that is made for an address that a fleet hears: the fleet's name, a dash and the address, with an
// IPv6 address written in full and dashes for its colons. No two fleets and addresses have the same.
func ObjectName(fleet string, address netip.Addr) string {
	address = address.Unmap()
	if address.Is4() {
		return fmt.Sprintf("%s-%s", fleet, address)
	}
	return fmt.Sprintf("%s-%s", fleet, strings.ReplaceAll(address.StringExpanded(), ":", "-"))
}

// parse reads an address as collectors and specs write it. One with a zone is none.
func parse(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// same reports whether an address of a spec is this one, however it is written.
func same(text v1alpha1.ExporterAddress, address netip.Addr) bool {
	a, ok := parse(string(text))
	return ok && a == address
}
