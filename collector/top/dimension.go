// Package top sums up flows by what they have in common, and says what weighed most over the last while.
//
// Volumes are scaled: what a flow stands for is its bytes and packets times its sampling rate. A flow that several exporters saw counts
// as often as it was exported. It reads no clock: the times of flows are those that the caller gives.
package top

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// Dimension is what flows are summed up by.
type Dimension struct {
	// Name is what a user types, Title what stands above a column of keys.
	Name, Title string
	// keys yields the keys of a flow, none where it lacks what the dimension needs. They are valid until yield returns.
	keys func(b []byte, r *flow.Record, yield func(key []byte))
}

// Dimensions are all there are, in the order in which users look at them.
var Dimensions = []Dimension{
	{"exporter", "EXPORTER", func(b []byte, r *flow.Record, yield func([]byte)) {
		b = appendAddress(b, &r.SamplerAddress)
		yield(appendName(b, r.NameText(flow.ExporterName)))
	}},
	{"interface", "INTERFACE", interfaces},
	{"source", "SOURCE", func(b []byte, r *flow.Record, yield func([]byte)) { yield(appendAddress(b, &r.SrcAddr)) }},
	{"destination", "DESTINATION", func(b []byte, r *flow.Record, yield func([]byte)) { yield(appendAddress(b, &r.DstAddr)) }},
	{"conversation", "CONVERSATION", func(b []byte, r *flow.Record, yield func([]byte)) {
		b = append(appendAddress(b, &r.SrcAddr), " -> "...)
		yield(appendAddress(b, &r.DstAddr))
	}},
	{"source-as", "SOURCE AS", func(b []byte, r *flow.Record, yield func([]byte)) { autonomous(b, r.SrcAS, yield) }},
	{"destination-as", "DESTINATION AS", func(b []byte, r *flow.Record, yield func([]byte)) { autonomous(b, r.DstAS, yield) }},
	{"port", "PORT", ports},
	{"protocol", "PROTOCOL", func(b []byte, r *flow.Record, yield func([]byte)) { yield(append(b, flow.ProtocolName(r.Proto)...)) }},
	{"application", "APPLICATION", func(b []byte, r *flow.Record, yield func([]byte)) {
		if name := r.NameText(flow.ApplicationName); name != nil {
			yield(append(b, name.String()...))
		}
	}},
}

// Names are those of Dimensions.
func Names() (names []string) {
	for _, d := range Dimensions {
		names = append(names, d.Name)
	}
	return names
}

// Find returns the dimension of a name, or an error that lists all.
func Find(name string) (Dimension, error) {
	i := slices.IndexFunc(Dimensions, func(d Dimension) bool { return d.Name == name })
	if i < 0 {
		return Dimension{}, fmt.Errorf("%q: one of %s is needed", name, strings.Join(Names(), ", "))
	}
	return Dimensions[i], nil
}

// interfaces counts a flow for where it came in and for where it went out.
func interfaces(b []byte, r *flow.Record, yield func([]byte)) {
	if r.InIf != 0 {
		yield(appendInterface(b, r, r.InIf, r.NameText(flow.InIfName), " in"))
	}
	if r.OutIf != 0 {
		yield(appendInterface(b, r, r.OutIf, r.NameText(flow.OutIfName), " out"))
	}
}

func appendInterface(b []byte, r *flow.Record, number uint32, name *flow.Text, direction string) []byte {
	b = append(appendAddress(b, &r.SamplerAddress), ' ')
	if name != nil {
		b = append(b, name.String()...)
	} else {
		b = strconv.AppendUint(append(b, "interface "...), uint64(number), 10)
	}
	return append(b, direction...)
}

func autonomous(b []byte, number uint32, yield func([]byte)) {
	if number != 0 {
		yield(strconv.AppendUint(append(b, "AS"...), uint64(number), 10))
	}
}

// Numbers of protocols that have ports (IANA "Protocol Numbers").
const (
	tcp, udp, dccp, sctp, udpLite = 6, 17, 33, 132, 136
)

// ports takes the lower port of a flow for the service's: clients mostly use high ones.
func ports(b []byte, r *flow.Record, yield func([]byte)) {
	switch r.Proto {
	case tcp, udp, dccp, sctp, udpLite:
		port := min(r.SrcPort, r.DstPort)
		if port == 0 {
			port = max(r.SrcPort, r.DstPort)
		}
		if port != 0 {
			yield(strconv.AppendUint(append(append(b, flow.ProtocolName(r.Proto)...), ' '), uint64(port), 10))
		}
	}
}

func appendAddress(b []byte, a *flow.Address) []byte {
	if a.Len() == 0 {
		return append(b, '-')
	}
	return a.Addr().AppendTo(b)
}

func appendName(b []byte, name *flow.Text) []byte {
	if name == nil {
		return b
	}
	return append(append(append(b, " ("...), name.String()...), ')')
}

// Printable is s without what could move a terminal's cursor: names in a stream may come from anybody who may write to it.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// Volume is what flows stand for.
type Volume struct {
	// Bytes and Packets are scaled by the sampling rates.
	Bytes   uint64 `json:"bytes"`
	Packets uint64 `json:"packets"`
	// Flows counts records, as exported.
	Flows uint64 `json:"flows"`
	// Unscaled counts those of them whose sampling rate nobody said: their bytes and packets are as exported.
	Unscaled uint64 `json:"unscaled,omitempty"`
}

// Add adds another Volume. What exceeds 64 bits stays at the most that they hold.
func (v *Volume) Add(other Volume) {
	v.Bytes, v.Packets = sum(v.Bytes, other.Bytes), sum(v.Packets, other.Packets)
	v.Flows += other.Flows
	v.Unscaled += other.Unscaled
}

// volumeOf a flow.
func volumeOf(r *flow.Record) Volume {
	if r.SamplingRate == 0 {
		return Volume{Bytes: r.Bytes, Packets: r.Packets, Flows: 1, Unscaled: 1}
	}
	return Volume{Bytes: product(r.Bytes, r.SamplingRate), Packets: product(r.Packets, r.SamplingRate), Flows: 1}
}

func sum(a, b uint64) uint64 {
	if a+b < a {
		return 1<<64 - 1
	}
	return a + b
}

func product(a, b uint64) uint64 {
	if a != 0 && a*b/a != b {
		return 1<<64 - 1
	}
	return a * b
}

// Order is what rows are sorted by, the most first.
type Order struct {
	// Name is what a user types.
	Name string
	// Weight of a volume in this order.
	Weight func(Volume) uint64
}

// Orders are all there are, in the order in which a key goes through them.
var Orders = []Order{
	{"bytes", func(v Volume) uint64 { return v.Bytes }},
	{"packets", func(v Volume) uint64 { return v.Packets }},
	{"flows", func(v Volume) uint64 { return v.Flows }},
}

// OrderNames are those of Orders.
func OrderNames() (names []string) {
	for _, o := range Orders {
		names = append(names, o.Name)
	}
	return names
}

// FindOrder returns the order of a name, or an error that lists all.
func FindOrder(name string) (Order, error) {
	i := slices.IndexFunc(Orders, func(o Order) bool { return o.Name == name })
	if i < 0 {
		return Order{}, fmt.Errorf("%q: one of %s is needed", name, strings.Join(OrderNames(), ", "))
	}
	return Orders[i], nil
}
