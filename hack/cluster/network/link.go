package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Bridge makes a bridge in the namespace, and brings it up.
func (n *Namespace) Bridge(name string) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = name
	if err := n.links.LinkAdd(&netlink.Bridge{LinkAttrs: attributes}); err != nil {
		return fmt.Errorf("bridge %s in %s: %w", name, n.Name, err)
	}
	return n.Up(name)
}

// Plug joins the other namespace to a bridge in this one: its end of the cable has the name inside, and is up.
func (n *Namespace) Plug(bridge, port string, other *Namespace, inside string) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = port
	cable := &netlink.Veth{LinkAttrs: attributes, PeerName: inside, PeerNamespace: netlink.NsFd(other.handle)}
	if err := n.links.LinkAdd(cable); err != nil {
		return fmt.Errorf("cable from %s to %s: %w", n.Name, other.Name, err)
	}
	master, err := n.links.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("%s in %s: %w", bridge, n.Name, err)
	}
	link, err := n.links.LinkByName(port)
	if err != nil {
		return fmt.Errorf("%s in %s: %w", port, n.Name, err)
	}
	if err := n.links.LinkSetMaster(link, master); err != nil {
		return fmt.Errorf("%s in %s: %w", port, n.Name, err)
	}
	return errors.Join(n.Up(port), other.Up(inside))
}

// Up brings an interface up.
func (n *Namespace) Up(name string) error { return n.set(name, n.links.LinkSetUp) }

// Down takes it down.
func (n *Namespace) Down(name string) error { return n.set(name, n.links.LinkSetDown) }

// Unplug removes it, and its other end.
func (n *Namespace) Unplug(name string) error { return n.set(name, n.links.LinkDel) }

func (n *Namespace) set(name string, change func(netlink.Link) error) error {
	link, err := n.links.LinkByName(name)
	if err == nil {
		err = change(link)
	}
	if err != nil {
		return fmt.Errorf("interface %s in %s: %w", name, n.Name, err)
	}
	return nil
}

// Address gives an interface an address.
func (n *Namespace) Address(name string, address netip.Prefix) error {
	return n.set(name, func(link netlink.Link) error {
		return n.links.AddrAdd(link, &netlink.Addr{IPNet: ipnet(address)})
	})
}

// Route sends what goes to the destination to the gateway. An invalid prefix is the default route.
func (n *Namespace) Route(destination netip.Prefix, gateway netip.Addr) error {
	route := &netlink.Route{Gw: gateway.AsSlice()}
	if destination.IsValid() {
		route.Dst = ipnet(destination)
	}
	if err := n.links.RouteReplace(route); err != nil {
		return fmt.Errorf("route to %s by %s in %s: %w", destination, gateway, n.Name, err)
	}
	return nil
}

// Claim makes each address of the prefix one of the namespace's own, as if it had been given to an interface.
func (n *Namespace) Claim(prefix netip.Prefix) error {
	return n.set("lo", func(link netlink.Link) error {
		return n.links.RouteReplace(&netlink.Route{
			LinkIndex: link.Attrs().Index, Dst: ipnet(prefix), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL,
			Scope: netlink.SCOPE_HOST,
		})
	})
}

// Sysctl sets a kernel setting below /proc/sys/net for the namespace.
func (n *Namespace) Sysctl(name, value string) error {
	return n.Do(func() error {
		// /proc/sys/net follows the thread that opens it.
		path := filepath.Join("/proc/sys/net", strings.ReplaceAll(name, ".", "/"))
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("in %s: %w", n.Name, err)
		}
		return nil
	})
}

func ipnet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}
