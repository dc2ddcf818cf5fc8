package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
)

// Routes are how many datagrams of each flow (an exporter's address and port) the router has sent to each node, by its name.
type Routes map[netip.AddrPort]map[string]int

// routeBooks make the router count what it forwards to an address: by the next hop that it has chosen, and the flow.
const routeBooks = `add table ip route-books
delete table ip route-books
table ip route-books {
	set flows {
		typeof rt ip nexthop . ip saddr . udp sport
		size 65535
		flags dynamic
		counter
	}
	chain forwarded {
		type filter hook forward priority 0
		ip daddr %s meta l4proto udp update @flows { rt ip nexthop . ip saddr . udp sport }
	}
}
`

// CountRoutes makes the router count from now on, until it is told to end, which node it sends each flow of the fleet to. One
// fleet's are counted at a time.
func (r *Rig) CountRoutes(ctx context.Context, f Fleet) (end func() error, err error) {
	command := r.Exec(ctx, "router", "nft", "-f", "-")
	command.Stdin = strings.NewReader(fmt.Sprintf(routeBooks, f.Address))
	_, err = output(command)
	return func() error {
		_, err := output(r.Exec(context.WithoutCancel(ctx), "router", "nft", "delete", "table", "ip", "route-books"))
		return err
	}, err
}

// Routes returns what was counted so far.
func (r *Rig) Routes(ctx context.Context) (Routes, error) {
	out, err := output(r.Exec(ctx, "router", "nft", "--json", "list", "set", "ip", "route-books", "flows"))
	if err != nil {
		return nil, err
	}
	return parseRoutes([]byte(out))
}

// parseRoutes reads nft's JSON, whose elements are {"val": {"concat": [next hop, address, port]}, "counter": {"packets": n}}.
func parseRoutes(list []byte) (Routes, error) {
	var read struct {
		Nftables []struct {
			Set struct {
				Elements []struct {
					Element struct {
						Value   struct{ Concat [3]json.RawMessage } `json:"val"`
						Counter struct{ Packets int }
					} `json:"elem"`
				} `json:"elem"`
			}
		}
	}
	if err := json.Unmarshal(list, &read); err != nil {
		return nil, fmt.Errorf("routes as nft lists them: %w", err)
	}
	routes := Routes{}
	for _, object := range read.Nftables {
		for _, element := range object.Set.Elements {
			var via, source netip.Addr
			var port uint16
			for i, part := range []any{&via, &source, &port} {
				if err := json.Unmarshal(element.Element.Value.Concat[i], part); err != nil {
					return nil, fmt.Errorf("routes as nft lists them: %w", err)
				}
			}
			flow := netip.AddrPortFrom(source, port)
			if routes[flow] == nil {
				routes[flow] = map[string]int{}
			}
			routes[flow][nodeAt(via)] += element.Element.Counter.Packets
		}
	}
	return routes, nil
}

// nodeAt returns the name of the node that has an address.
func nodeAt(address netip.Addr) string {
	for number := 1; number <= plan.MaxNodes; number++ {
		if plan.NodeAddress(number) == address {
			return plan.NodeName(number)
		}
	}
	return address.String()
}
