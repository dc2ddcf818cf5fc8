package sflow

import "encoding/binary"

// Counter record formats of enterprise 0 ("opaque = counter_data; enterprise = 0"): if_counters of sFlow version 5, and port_name
// of "sFlow Host Structures"' registry.
const (
	counterInterface = 1
	counterPortName  = 1005
)

// Interface is what a counter sample says of an interface.
type Interface struct {
	// Index is its ifIndex, 1 to 0x3FFFFFFF.
	Index uint32
	// Speed in bits a second, 0 where the sample does not say.
	Speed uint64
	// Name aliases the datagram and may hold anything; nil where the sample does not say.
	Name []byte
}

// highestInterface is the highest ifIndex; 0x3FFFFFFF is the agent itself (sFlow version 5, "struct flow_sample").
const highestInterface = 0x3fffffff - 1

// interfaceOf reads the interface that a counter sample describes, one of index 0 where it describes none. A record that is cut short
// ends it.
func interfaceOf(b []byte, expanded bool) (i Interface) {
	head, class := 8, uint32(0)
	if len(b) < 12 {
		return i
	}
	// A source is a class and an index: class 0 is an ifIndex.
	if expanded {
		if head = 12; len(b) < 16 {
			return i
		}
		class, i.Index = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	} else {
		source := binary.BigEndian.Uint32(b[4:])
		class, i.Index = source>>24, source&0xffffff
	}
	records := binary.BigEndian.Uint32(b[head:])
	b = b[head+4:]
	if class != 0 {
		i.Index = 0
	}
	for ; records > 0 && len(b) >= 8; records-- {
		format, length := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if b = b[8:]; uint64(length) > uint64(len(b)) {
			break
		}
		body := b[:length]
		b = b[length:]
		switch format {
		case counterInterface:
			if len(body) >= 16 {
				counters := interfaceCounters(body)
				i.Index, i.Speed = counters.Index, counters.Speed
			}
		case counterPortName:
			if len(body) >= 4 {
				if n := binary.BigEndian.Uint32(body); uint64(n) <= uint64(len(body)-4) {
					i.Name = body[4 : 4+n]
				}
			}
		}
	}
	return i
}

// interfaceCounters reads the beginning of if_counters, which is the same in all versions: b is long enough.
func interfaceCounters(b []byte) Interface {
	return Interface{Index: binary.BigEndian.Uint32(b), Speed: binary.BigEndian.Uint64(b[8:])}
}

// counterSample tells who asks what a counter sample says of an interface.
func (d *decoder) counterSample(b []byte, expanded bool) {
	if d.options.Interfaces == nil {
		return
	}
	d.describes(interfaceOf(b, expanded))
}

// says reports whether i is an interface of which something was said.
func (i *Interface) says() bool {
	return i.Index > 0 && i.Index <= highestInterface && (i.Speed != 0 || len(i.Name) > 0)
}

// describes hands on what was said of an interface.
func (d *decoder) describes(i Interface) {
	if d.options.Interfaces != nil && i.says() {
		d.options.Interfaces(d.header.Agent.Addr(), i)
	}
}
