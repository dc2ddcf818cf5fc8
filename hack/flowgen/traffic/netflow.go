package traffic

import (
	"encoding/binary"
	"time"
)

var order = binary.BigEndian

// Identifiers of templates. Each domain has its own.
const (
	firstTemplate = 256
	firstOptions  = 512
	firstTables   = 768
)

// field of a template: element and length in bytes.
type field struct{ element, length uint16 }

// layouts are the two that a template changes between: fields have other places and other lengths, so that reading the one
// as the other gives wrong values.
var layouts = [2][]field{
	{{8, 4}, {12, 4}, {7, 2}, {11, 2}, {1, 4}, {2, 4}, {10, 4}, {14, 4}, {4, 1}, {22, 4}, {21, 4}},
	{{4, 1}, {2, 8}, {12, 4}, {1, 8}, {8, 4}, {14, 2}, {11, 2}, {7, 2}, {10, 2}, {21, 4}, {22, 4}},
}

// ipfixElement returns IPFIX's element for times, which counts from 1970.
func ipfixElement(f field) field {
	switch f.element {
	case 22:
		return field{152, 8}
	case 21:
		return field{153, 8}
	}
	return f
}

func fieldsOf(protocol Protocol, layout int) []field {
	fields := layouts[layout]
	if protocol != IPFIX {
		return fields
	}
	converted := make([]field, len(fields))
	for i, f := range fields {
		converted[i] = ipfixElement(f)
	}
	return converted
}

// v5 is a datagram of NetFlow v5.
func (e *exporter) v5(b []byte, now time.Time, records []record) []byte {
	b = order.AppendUint16(b, 5)
	b = order.AppendUint16(b, uint16(len(records)))
	b = order.AppendUint32(b, e.uptime)
	b = order.AppendUint32(b, uint32(now.Unix()))
	b = order.AppendUint32(b, uint32(now.Nanosecond()))
	b = order.AppendUint32(b, e.sequence[0])
	b = append(b, 0, 0)                             // engine
	b = order.AppendUint16(b, 1<<14|uint16(e.rate)) // deterministic
	e.sequence[0] += uint32(len(records))
	for _, r := range records {
		b = append(b, r.source.AsSlice()...)
		b = append(b, r.destination.AsSlice()...)
		b = append(b, 0, 0, 0, 0) // next hop
		b = order.AppendUint16(b, uint16(r.input))
		b = order.AppendUint16(b, uint16(r.output))
		b = order.AppendUint32(b, r.packets)
		b = order.AppendUint32(b, r.bytes)
		b = order.AppendUint32(b, e.uptime-flowAge)
		b = order.AppendUint32(b, e.uptime-10)
		b = order.AppendUint16(b, r.sourcePort)
		b = order.AppendUint16(b, r.destinationPort)
		b = append(b, 0, 0, protocolUDP, 0) // padding, TCP flags, protocol, TOS
		b = append(b, make([]byte, 8)...)   // autonomous systems, prefix lengths, padding
	}
	return b
}

// templates is a datagram with a domain's template, and its options when they are wanted.
func (e *exporter) templates(b []byte, now time.Time, domain int, options bool) []byte {
	message := begin(b, e.protocol)
	records := 1
	template, optionsTemplate := uint16(0), uint16(1)
	if e.protocol == IPFIX {
		template, optionsTemplate = 2, 3
	}
	message.set(template, func(b []byte) []byte {
		fields := fieldsOf(e.protocol, e.layout)
		b = order.AppendUint16(b, firstTemplate+uint16(domain))
		b = order.AppendUint16(b, uint16(len(fields)))
		return appendFields(b, fields)
	})
	if options {
		records += 2
		id := firstOptions + uint16(domain)
		sampling := []field{{34, 4}, {35, 1}}
		message.set(optionsTemplate, func(b []byte) []byte {
			b = order.AppendUint16(b, id)
			if e.protocol == IPFIX {
				b = order.AppendUint16(b, 3)
				b = order.AppendUint16(b, 1)
				return appendFields(b, append([]field{{149, 4}}, sampling...)) // scope: the observation domain
			}
			b = order.AppendUint16(b, 4)
			b = order.AppendUint16(b, 8)
			return appendFields(b, append([]field{{1, 4}}, sampling...)) // scope: the system
		})
		message.set(id, func(b []byte) []byte {
			b = order.AppendUint32(b, uint32(domain))
			b = order.AppendUint32(b, e.rate)
			return append(b, 1)
		})
	}
	// Records of options are data records, and IPFIX counts those.
	counted := 0
	if options {
		counted = 1
	}
	return e.finish(message, now, domain, records, counted)
}

// nameLength is that of a name's field, in bytes.
const nameLength = 20

// names is a datagram with a domain's table of interfaces.
func (e *exporter) names(b []byte, now time.Time, domain int) []byte {
	message, id := begin(b, e.protocol), firstTables+uint16(domain)
	optionsTemplate, scope := uint16(1), field{2, 4} // the interface
	if e.protocol == IPFIX {
		optionsTemplate, scope = 3, field{10, 4}
	}
	message.set(optionsTemplate, func(b []byte) []byte {
		b = order.AppendUint16(b, id)
		if e.protocol == IPFIX {
			b = order.AppendUint16(b, 2) // fields
			b = order.AppendUint16(b, 1) // of which scopes
		} else {
			b = order.AppendUint16(b, 4) // bytes of scopes
			b = order.AppendUint16(b, 4) // bytes of other fields
		}
		return appendFields(b, []field{scope, {82, nameLength}})
	})
	all := interfaces(e.index)
	message.set(id, func(b []byte) []byte {
		for _, index := range all {
			b = order.AppendUint32(b, index)
			b = append(b, make([]byte, nameLength)...)
			copy(b[len(b)-nameLength:], InterfaceName(e.index, index))
		}
		return b
	})
	return e.finish(message, now, domain, 1+len(all), len(all))
}

func appendFields(b []byte, fields []field) []byte {
	for _, f := range fields {
		b = order.AppendUint16(b, f.element)
		b = order.AppendUint16(b, f.length)
	}
	return b
}

// data is a datagram of v9 or IPFIX with one data set.
func (e *exporter) data(b []byte, now time.Time, domain int, records []record) []byte {
	message := begin(b, e.protocol)
	fields := fieldsOf(e.protocol, e.layout)
	message.set(firstTemplate+uint16(domain), func(b []byte) []byte {
		for _, r := range records {
			for _, f := range fields {
				b = r.append(b, f, now, e.uptime)
			}
		}
		return b
	})
	return e.finish(message, now, domain, len(records), len(records))
}

func (r record) append(b []byte, f field, now time.Time, uptime uint32) []byte {
	var value uint64
	switch f.element {
	case 8:
		return append(b, r.source.AsSlice()...)
	case 12:
		return append(b, r.destination.AsSlice()...)
	case 1:
		value = uint64(r.bytes)
	case 2:
		value = uint64(r.packets)
	case 4:
		value = protocolUDP
	case 7:
		value = uint64(r.sourcePort)
	case 11:
		value = uint64(r.destinationPort)
	case 10:
		value = uint64(r.input)
	case 14:
		value = uint64(r.output)
	case 22:
		value = uint64(uptime - flowAge)
	case 21:
		value = uint64(uptime - 10)
	case 152:
		value = uint64(now.UnixMilli()) - flowAge
	case 153:
		value = uint64(now.UnixMilli()) - 10
	}
	for i := int(f.length) - 1; i >= 0; i-- {
		b = append(b, byte(value>>(8*i)))
	}
	return b
}

// message is one of v9 or IPFIX in the making.
type message struct{ b []byte }

// begin leaves room for the header.
func begin(b []byte, protocol Protocol) *message {
	length := 20
	if protocol == IPFIX {
		length = 16
	}
	return &message{append(b, make([]byte, length)...)}
}

// set adds a set, padded to a multiple of four bytes.
func (m *message) set(id uint16, content func([]byte) []byte) {
	start := len(m.b)
	m.b = order.AppendUint16(m.b, id)
	m.b = append(m.b, 0, 0)
	m.b = content(m.b)
	for (len(m.b)-start)%4 != 0 {
		m.b = append(m.b, 0)
	}
	order.PutUint16(m.b[start+2:], uint16(len(m.b)-start))
}

// finish writes the header. v9 counts datagrams, IPFIX data records.
func (e *exporter) finish(m *message, now time.Time, domain, records, dataRecords int) []byte {
	b := m.b
	if e.protocol == IPFIX {
		order.PutUint16(b, 10)
		order.PutUint16(b[2:], uint16(len(b)))
		order.PutUint32(b[4:], uint32(now.Unix()))
		order.PutUint32(b[8:], e.sequence[domain])
		order.PutUint32(b[12:], uint32(domain))
		e.sequence[domain] += uint32(dataRecords)
		return b
	}
	order.PutUint16(b, 9)
	order.PutUint16(b[2:], uint16(records))
	order.PutUint32(b[4:], e.uptime)
	order.PutUint32(b[8:], uint32(now.Unix()))
	order.PutUint32(b[12:], e.sequence[domain])
	order.PutUint32(b[16:], uint32(domain))
	e.sequence[domain]++
	return b
}
