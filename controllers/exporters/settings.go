package exporters

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// maxSettings is how many bytes the settings of all devices of a fleet may take in the ConfigMap of its collectors, about: it has a MiB,
// of which the FlowCollector's own lists take up to a half.
const maxSettings = 512 << 10

// Settings is what the FlowExporters of a fleet ask of its collectors.
type Settings struct {
	// Devices in order of age: the collectors' configuration has them. Behind those with settings come those without, for which collectors
	// keep room.
	Devices []config.Device
	of      map[string]*deviceSettings // by the name of the object
}

// deviceSettings is what one FlowExporter asks for.
type deviceSettings struct {
	// device is nil where it asks for nothing, or where nothing of it holds.
	device *config.Device
	// wrong says what is wrong with the settings, noRoom that they do not fit.
	wrong  string
	noRoom bool
	// fault says what is wrong with the ConfigMap of interfacesFrom; nothing, that this one names no interface of the device, and that
	// nothing else is asked for.
	fault   string
	nothing bool
	// shared is an address that it has in common with the FlowExporter rival; elder is the one whose settings hold for it, and why says why.
	shared            netip.Addr
	rival, elder, why string
}

// SettingsOf works out what FlowExporters of one fleet ask for, with what ConfigMaps name for them (Files.Of). An address counts for the eldest that names it, by age and then by name.
func SettingsOf(objects []*v1alpha1.FlowExporter, from map[string]*Named) Settings {
	out := Settings{of: make(map[string]*deviceSettings)}
	var declared []*v1alpha1.FlowExporter
	for _, o := range objects {
		if !discovered(o) {
			declared = append(declared, o)
		}
	}
	slices.SortFunc(declared, func(a, b *v1alpha1.FlowExporter) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	holder := make(map[netip.Addr]*v1alpha1.FlowExporter)
	size := 0
	var plain []config.Device
	fits := func(d *config.Device) bool {
		n := sizeOf(d)
		if len(out.Devices) == config.MaxDevices || size+n > maxSettings {
			return false
		}
		size += n
		out.Devices = append(out.Devices, *d)
		return true
	}
	for _, o := range declared {
		one := &deviceSettings{}
		out.of[o.Name] = one
		d := device(o, from[o.Name])
		if named := from[o.Name]; named != nil {
			one.fault = named.file.fault
		}
		for _, text := range o.Spec.Addresses {
			address, _ := parse(string(text))
			switch other, taken := holder[address]; {
			case !taken:
				holder[address] = o
				d.Addresses = append(d.Addresses, address)
			case other != o:
				why := "the older one"
				if other.CreationTimestamp.Equal(&o.CreationTimestamp) { // as one "kubectl apply" makes them
					why = "whose name is first, since both were made in the same second"
				}
				out.of[other.Name].share(address, o.Name, other.Name, why)
				one.share(address, other.Name, other.Name, why)
			}
		}
		if len(d.Addresses) == 0 {
			continue
		}
		if d.SamplingRate == 0 && len(d.Interfaces) == 0 {
			one.nothing = configures(o)
			plain = append(plain, *d)
			continue
		}
		if from[o.Name] != nil && len(d.Interfaces) > config.MaxInterfaces { // by how many, nobody counts
			one.wrong = fmt.Sprintf("spec.interfaces and interfacesFrom name more than %d interfaces of the device", config.MaxInterfaces)
			plain = append(plain, config.Device{Addresses: d.Addresses})
			continue
		}
		if problems := d.Check(); len(problems) > 0 {
			one.wrong = "spec." + problems[0].Path + ": " + problems[0].Message
			plain = append(plain, config.Device{Addresses: d.Addresses})
			continue
		}
		if !fits(d) {
			one.noRoom = true
			plain = append(plain, config.Device{Addresses: d.Addresses})
			continue
		}
		one.device = d
	}
	for i := range plain {
		fits(&plain[i])
	}
	return out
}

// share notes the first address that another has, too.
func (a *deviceSettings) share(address netip.Addr, rival, elder, why string) {
	if a.rival == "" {
		a.shared, a.rival, a.elder, a.why = address, rival, elder, why
	}
}

// device without its addresses. Its own names count before those from a ConfigMap.
func device(o *v1alpha1.FlowExporter, from *Named) *config.Device {
	d := &config.Device{SamplingRate: uint32(o.Spec.SamplingRate)}
	for _, n := range o.Spec.Interfaces {
		d.Interfaces = append(d.Interfaces, config.Interface{Index: uint32(n.Index), Name: n.Name, Description: n.Description})
	}
	if from != nil {
		own := make(map[uint32]bool, len(d.Interfaces))
		for _, n := range d.Interfaces {
			own[n.Index] = true
		}
		for _, n := range from.interfaces() {
			if !own[n.Index] {
				d.Interfaces = append(d.Interfaces, n)
			}
		}
	}
	return d
}

// configures is fleet.Configures, where fleet is another word.
func configures(o *v1alpha1.FlowExporter) bool { return fleet.Configures(o) }

// sizeOf is about how many bytes a device takes in YAML, and no less.
func sizeOf(d *config.Device) int {
	n := 64 + 56*len(d.Addresses)
	for _, i := range d.Interfaces {
		n += 72 + yamlSize(i.Name) + yamlSize(i.Description)
	}
	return n
}

// yamlSize counts a character that may be written as an escape as one.
func yamlSize(s string) (n int) {
	for _, r := range s {
		switch {
		case r >= 0x80 || !strconv.IsPrint(r):
			n += len(`\U0001F600`)
		case r == '"', r == '\\', r == '\'', r == ' ': // a line may be broken at a blank
			n += 2
		default:
			n++
		}
	}
	return n
}
