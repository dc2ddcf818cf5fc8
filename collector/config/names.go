package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// NameKind is a kind of names that flows carry.
type NameKind string

// The kinds of names.
const (
	NamesInterfaces            NameKind = "interfaces"            // in_if_name, out_if_name
	NamesInterfaceDescriptions NameKind = "interfaceDescriptions" // in_if_description, out_if_description
	NamesApplications          NameKind = "applications"          // application_name
	NamesVRFs                  NameKind = "vrfs"                  // ingress_vrf_name, egress_vrf_name
	NamesSamplers              NameKind = "samplers"              // sampler_name
	NamesExporters             NameKind = "exporters"             // exporter_name
	NamesDomains               NameKind = "domains"               // observation_domain_name
)

// AllNames are the kinds there are.
func AllNames() []NameKind {
	return []NameKind{NamesInterfaces, NamesInterfaceDescriptions, NamesApplications, NamesVRFs, NamesSamplers, NamesExporters, NamesDomains}
}

// StandardNames are those of a configuration that says nothing: descriptions cost bytes on each flow, and few ask for the others.
func StandardNames() []NameKind {
	return []NameKind{NamesInterfaces, NamesApplications, NamesVRFs, NamesExporters}
}

// NamePreference says whose name counts where both the exporter and the configuration have one.
type NamePreference string

// The preferences.
const (
	PreferConfigured NamePreference = "Configured"
	PreferExporter   NamePreference = "Exporter"
)

// ExporterName is the name of the exporters in a network, mostly of one address.
type ExporterName struct {
	Network netip.Prefix `json:"network"`
	// Name, 1 to 255 bytes of printable text.
	Name string `json:"name"`
}

// maxName is how many bytes a name may have, as in package names.
const maxName = 255

func (k *checker) names(c *Config) {
	seen := make(map[NameKind]int)
	for i, n := range c.Decoding.Names {
		path := fmt.Sprintf("decoding.names[%d]", i)
		oneOf(k, path, n, AllNames()...)
		if other, ok := seen[n]; ok {
			k.that(false, path, "%q stands in decoding.names[%d] too: keep one", n, other)
		}
		seen[n] = i
	}
	networks := make(map[netip.Prefix]int)
	for i, n := range c.Exporters.Names {
		at := fmt.Sprintf("exporters.names[%d]", i)
		k.that(isName(n.Name), at+".name", "%q is not a name of 1 to %d bytes of printable text", n.Name, maxName)
		if !n.Network.IsValid() {
			k.that(false, at+".network", "it is required, such as 10.0.0.1/32")
			continue
		}
		network := n.Network.Masked()
		if other, ok := networks[network]; ok {
			k.that(false, at+".network", "%s stands in exporters.names[%d] too: keep one", network, other)
		}
		networks[network] = i
	}
	oneOf(k, "exporters.namePreference", c.Exporters.NamePreference, PreferConfigured, PreferExporter)
}

func isName(s string) bool {
	return s != "" && len(s) <= maxName && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) })
}
