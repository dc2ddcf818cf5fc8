package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
)

// Bounds of Exporters.Devices.
const (
	// MaxDevices is how many devices may have settings of their own.
	MaxDevices = 1024
	// MaxAddresses of one device.
	MaxAddresses = 16
	// MaxInterfaces that may be named of one device.
	MaxInterfaces = 512
)

// Device says what holds for the exporters of a few addresses, whatever is said for the networks that they are in. They have figures of
// their own beyond Limits.ExporterMetrics, also where nothing else is said of them. Live.
type Device struct {
	// Addresses that it sends from, 1 to MaxAddresses, none of which another Device has.
	Addresses []netip.Addr `json:"addresses"`
	// SamplingRate, 1 to 4294967295: one of so many packets is sampled, whatever the device announces and Sampling says. 0 for none.
	SamplingRate uint32 `json:"samplingRate,omitempty"`
	// Interfaces are names of its interfaces, up to MaxInterfaces. They count before those of NamesFile.
	Interfaces []Interface `json:"interfaces,omitempty"`
}

// Interface is the name of one interface of a Device.
type Interface struct {
	// Index is the interface's ifIndex (RFC 2863), as flows have it; none of the Device's others has it.
	Index uint32 `json:"index"`
	// Name, 1 to 255 bytes of printable text.
	Name string `json:"name"`
	// Description, such as ifAlias, up to 255 bytes of printable text.
	Description string `json:"description,omitempty"`
}

// DevicesVersion tells lists of devices apart: 32 hexadecimal digits, the same for equal lists, and for none as for an empty one.
func DevicesVersion(devices []Device) string {
	h := sha256.New()
	for i := range devices {
		text, err := json.Marshal(&devices[i])
		if err != nil { // nothing in a Device has no form in JSON
			text = []byte(err.Error())
		}
		h.Write(append(text, '\n'))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Check reports what is wrong with a Device by itself. Paths are those within it, such as interfaces[3].name.
func (d *Device) Check() []Problem {
	k := &checker{}
	k.device(d)
	return k.problems
}

func (k *checker) device(d *Device) {
	k.that(len(d.Addresses) >= 1 && len(d.Addresses) <= MaxAddresses, "addresses", "there are %d, not 1 to %d", len(d.Addresses), MaxAddresses)
	for i, a := range d.Addresses {
		k.that(a.IsValid() && a.Zone() == "", fmt.Sprintf("addresses[%d]", i), "it is no address such as 192.0.2.1, without a zone")
	}
	k.that(len(d.Interfaces) <= MaxInterfaces, "interfaces", "there are %d, more than %d", len(d.Interfaces), MaxInterfaces)
	seen := make(map[uint32]int)
	for i, n := range d.Interfaces {
		at := fmt.Sprintf("interfaces[%d]", i)
		k.that(isName(n.Name), at+".name", "%q is not a name of 1 to %d bytes of printable text", n.Name, maxName)
		k.that(n.Description == "" || isName(n.Description), at+".description", "%q is not up to %d bytes of printable text", n.Description, maxName)
		if other, ok := seen[n.Index]; ok {
			k.that(false, at+".index", "%d stands in interfaces[%d] too: keep one", n.Index, other)
		}
		seen[n.Index] = i
	}
}

func (k *checker) devices(devices []Device) {
	k.that(len(devices) <= MaxDevices, "exporters.devices", "there are %d, more than %d", len(devices), MaxDevices)
	seen := make(map[netip.Addr]int)
	for i := range devices {
		at := fmt.Sprintf("exporters.devices[%d]", i)
		for _, p := range devices[i].Check() {
			k.problems = append(k.problems, Problem{at + "." + p.Path, p.Message})
		}
		for _, a := range devices[i].Addresses {
			if other, ok := seen[a.Unmap()]; ok {
				k.that(false, at+".addresses", "%s stands in exporters.devices[%d] too: keep one", a, other)
			}
			seen[a.Unmap()] = i
		}
	}
}
