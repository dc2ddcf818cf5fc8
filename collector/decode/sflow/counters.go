package sflow

import (
	"cmp"
	"encoding/binary"
	"iter"
)

// Counter record formats of enterprise 0 ("opaque = counter_data; enterprise = 0"): if_counters of sFlow version 5, and port_name
// of "sFlow Host Structures"' registry.
const (
	counterInterface = 1
	counterPortName  = 1005
)

// Interface is what a counter sample says of an interface.
type Interface struct {
	// Index is its ifIndex, 0 for none; neither 0x3FFFFFFF nor 0xFFFFFFFF, which are the agent itself.
	Index uint32
	// Speed in bits a second, 0 where the sample does not say.
	Speed uint64
	// Name aliases the datagram and may hold anything; nil where the sample does not say.
	Name []byte
}

// sampleOf reads what is before the records of a counter sample: its source's class and index, and how many records follow in rest.
func sampleOf(b []byte, expanded bool) (class, index, records uint32, rest []byte) {
	head := 8
	if len(b) < 12 {
		return 0, 0, 0, nil
	}
	if expanded {
		if head = 12; len(b) < 16 {
			return 0, 0, 0, nil
		}
		class, index = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	} else {
		source := binary.BigEndian.Uint32(b[4:])
		class, index = source>>24, source&0xffffff
	}
	return class, index, binary.BigEndian.Uint32(b[head:]), b[head+4:]
}

// recordAt reads the record at the front of b, and finds the next as records of flow samples are found; ok is false where it is cut
// short.
func recordAt(b []byte) (format uint32, body, rest []byte, ok bool) {
	if len(b) < 8 {
		return 0, nil, nil, false
	}
	format, length := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if b = b[8:]; uint64(length) > uint64(len(b)) {
		return 0, nil, nil, false
	}
	return format, b[:length], behind(b, length), true
}

// interfaceOf reads the interface that a counter sample describes, one of index 0 where it describes none. A record that is cut short
// ends it.
func interfaceOf(b []byte, expanded bool) (i Interface) {
	// A source is a class and an index: class 0 is an ifIndex.
	class, index, records, b := sampleOf(b, expanded)
	if class == 0 {
		i.Index = index
	}
	for ; records > 0; records-- {
		format, body, rest, ok := recordAt(b)
		if !ok {
			break
		}
		b = rest
		switch format {
		case counterInterface:
			if len(body) >= 16 {
				counters := interfaceCounters(body)
				i.Index, i.Speed = cmp.Or(counters.Index, i.Index), counters.Speed // 0 is no interface's (RFC 2863)
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

// CounterSample is a counter sample as it came. It is valid during the call only.
type CounterSample struct {
	// Header of its datagram, which Received has the time of, in nanoseconds since 1970.
	Header   Header
	Received uint64
	Sequence uint32
	// Class and Index of its data source: class 0 is an interface.
	Class, Index uint32
	// Records by their format, with the enterprise in the upper 20 bits. One that is cut short ends them. Those of versions 2 and 4 are
	// under the formats that version 5 gives them.
	Records iter.Seq2[uint32, []byte]
}

// recordsOf are the whole ones of the records that a counter sample announces.
func recordsOf(announced uint32, b []byte) iter.Seq2[uint32, []byte] {
	return func(yield func(uint32, []byte) bool) {
		for ; announced > 0; announced-- {
			format, body, rest, ok := recordAt(b)
			if !ok || !yield(format, body) {
				return
			}
			b = rest
		}
	}
}

// shows hands a counter sample to who asks for all of it.
func (d *decoder) shows(s CounterSample) {
	s.Header, s.Received = d.header, d.received
	d.options.Counters(s)
}

// counterSample tells who asks what a counter sample says of an interface, and of the agent's host.
func (d *decoder) counterSample(b []byte, expanded bool) {
	if d.options.Counters != nil {
		if class, index, announced, rest := sampleOf(b, expanded); rest != nil {
			d.shows(CounterSample{Sequence: binary.BigEndian.Uint32(b), Class: class, Index: index, Records: recordsOf(announced, rest)})
		}
	}
	if d.options.Interfaces != nil {
		d.describes(interfaceOf(b, expanded))
	}
	if d.options.Host != nil {
		if h, ok := hostOf(b, expanded); ok {
			d.options.Host(h)
		}
	}
}

// says reports whether i is an interface of which something was said.
func (i *Interface) says() bool {
	return i.Index != 0 && i.Index != internalCompact && i.Index != internalExpanded && (i.Speed != 0 || len(i.Name) > 0)
}

// describes hands on what was said of an interface.
func (d *decoder) describes(i Interface) {
	if d.options.Interfaces != nil && i.says() {
		d.options.Interfaces(d.header.Agent.Addr(), i)
	}
}
