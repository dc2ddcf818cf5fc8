//go:build linux

package listen

import (
	"net"
	"strconv"
)

// maxZones bounds the names kept; a machine has few interfaces with link-local exporters.
const maxZones = 1024

// zone is the name of an interface, or its number where it has none any more. Names are looked up once.
func (b *Batch) zone(index uint32) string {
	if name, ok := b.zones[index]; ok {
		return name
	}
	name := strconv.FormatUint(uint64(index), 10)
	if found, err := net.InterfaceByIndex(int(index)); err == nil {
		name = found.Name
	}
	if len(b.zones) < maxZones {
		b.zones[index] = name
	}
	return name
}
