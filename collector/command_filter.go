package main

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/network"
)

// filterFlags say which flows of a stream are shown.
type filterFlags struct {
	exporter, network, iface string
	port                     int
}

func (f *filterFlags) add(command *cobra.Command) {
	command.Flags().StringVar(&f.exporter, "exporter", "", "only flows of one exporter's address (sFlow: the agent's)")
	command.Flags().StringVar(&f.network, "network", "", "only flows from or to an address or a network such as 10.20.0.0/16")
	command.Flags().IntVar(&f.port, "port", 0, "only flows from or to a port")
	command.Flags().StringVar(&f.iface, "interface", "", "only flows in or out of an interface: its number, or the name that flows carry")
}

func (f *filterFlags) parse() (filter flow.Filter, err error) {
	if f.port < 0 || f.port > math.MaxUint16 {
		return filter, fmt.Errorf("--port %d: from 1 to 65535 is possible, and 0 for any", f.port)
	}
	filter.Port, filter.Interface = uint32(f.port), f.iface
	if f.exporter != "" {
		if filter.Exporter, err = netip.ParseAddr(f.exporter); err != nil {
			return filter, fmt.Errorf("--exporter %q is not an address such as 192.0.2.1 or 2001:db8::1", f.exporter)
		}
		filter.Exporter = filter.Exporter.Unmap()
	}
	if f.network != "" {
		var ok bool
		if filter.Network, ok = network.Parse(f.network); !ok {
			return filter, fmt.Errorf("--network %q is not an address or a network such as 10.20.0.0/16", f.network)
		}
	}
	if n, err := strconv.ParseUint(f.iface, 10, 32); err == nil {
		filter.InterfaceNumber = uint32(n)
	}
	return filter, nil
}
