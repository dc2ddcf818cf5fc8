package traffic

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// ID is a record's: the run, the exporter's index, and the record's number, which counts from 1 at each exporter. It is in
// the record's addresses, which every protocol has, and all else in the record follows from it.
type ID struct {
	Run      uint8
	Exporter int
	Number   uint32
}

// record is what is sent.
type record struct {
	source, destination         netip.Addr
	sourcePort, destinationPort uint16
	bytes, packets              uint32
	input, output               uint32
}

const protocolUDP = 17

func (id ID) record() record {
	var source, destination [4]byte
	binary.BigEndian.PutUint32(source[:], id.Number)
	binary.BigEndian.PutUint32(destination[:], uint32(id.Run)<<24|uint32(id.Exporter))
	mixed := (id.Number ^ uint32(id.Exporter)<<16) * 2654435761
	return record{
		source: netip.AddrFrom4(source), destination: netip.AddrFrom4(destination),
		sourcePort: uint16(mixed >> 16), destinationPort: uint16(mixed),
		bytes: 64 + mixed%1400, packets: 1 + mixed%7,
		input: 1 + uint32(id.Exporter)%100, output: firstOutput + mixed%outputs,
	}
}

// interfaces are those of an exporter's flows: one that takes packets in, and some that they leave by.
func interfaces(exporter int) (all []uint32) {
	all = append(all, 1+uint32(exporter)%100)
	for i := range uint32(outputs) {
		all = append(all, firstOutput+i)
	}
	return all
}

const (
	firstOutput = 200
	outputs     = 50
)

// InterfaceName is what an exporter names an interface.
func InterfaceName(exporter int, index uint32) string {
	return fmt.Sprintf("r%d-ge%d", exporter, index)
}

// CompareNames returns what is different in the interfaces' names of the received record from what the exporter named them; empty: nothing.
func (id ID) CompareNames(r *flow.Record) string {
	sent := id.record()
	for n, index := range map[flow.Name]uint32{flow.InIfName: sent.input, flow.OutIfName: sent.output} {
		if got, want := r.NameText(n).String(), InterfaceName(id.Exporter, index); got != want {
			return fmt.Sprintf("%s is %q, and the exporter named it %q", n, got, want)
		}
	}
	return ""
}

// SamplingRate is what an exporter tells.
func SamplingRate(exporter int) uint32 { return 100 + uint32(exporter)%50 }

// Identify returns the record that was received; ok is false for one that no Settings sent.
func Identify(r *flow.Record) (id ID, ok bool) {
	source, destination := r.SrcAddr.Addr(), r.DstAddr.Addr()
	if !source.Is4() || !destination.Is4() {
		return ID{}, false
	}
	s, d := source.As4(), destination.As4()
	return ID{Run: d[0], Exporter: int(binary.BigEndian.Uint32(d[:]) & 0xffffff), Number: binary.BigEndian.Uint32(s[:])}, true
}

// Compare returns what is different in the received record from what was sent under its ID; empty: nothing.
func (id ID) Compare(protocol Protocol, r *flow.Record) string {
	sent := id.record()
	packets := sent.packets
	if protocol == SFlow {
		packets = 1 // a sample is one
	}
	for _, field := range []struct {
		name      string
		got, want uint64
	}{
		{"source port", uint64(r.SrcPort), uint64(sent.sourcePort)},
		{"destination port", uint64(r.DstPort), uint64(sent.destinationPort)},
		{"bytes", r.Bytes, uint64(sent.bytes)},
		{"packets", r.Packets, uint64(packets)},
		{"protocol", uint64(r.Proto), protocolUDP},
		{"input interface", uint64(r.InIf), uint64(sent.input)},
		{"output interface", uint64(r.OutIf), uint64(sent.output)},
	} {
		if field.got != field.want {
			return fmt.Sprintf("%s is %d, %d was sent", field.name, field.got, field.want)
		}
	}
	return ""
}
