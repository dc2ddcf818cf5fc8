package decode_test

import (
	"encoding/binary"
	"math/rand/v2"
)

// field is an information element with the length it is exported in.
type field struct{ id, length uint16 }

// The fields that flows of IPv4 and IPv6 commonly have.
var (
	fieldsIPv4 = []field{{8, 4}, {12, 4}, {15, 4}, {10, 4}, {14, 4}, {2, 4}, {1, 4}, {22, 4}, {21, 4}, {7, 2}, {11, 2}, {6, 1},
		{4, 1}, {5, 1}, {16, 4}, {17, 4}, {9, 1}, {13, 1}}
	fieldsIPFIX4 = []field{{8, 4}, {12, 4}, {15, 4}, {10, 4}, {14, 4}, {2, 8}, {1, 8}, {152, 8}, {153, 8}, {7, 2}, {11, 2}, {6, 2},
		{4, 1}, {5, 1}, {16, 4}, {17, 4}, {9, 1}, {13, 1}, {136, 1}}
	fieldsIPFIX6 = []field{{27, 16}, {28, 16}, {62, 16}, {10, 4}, {14, 4}, {2, 8}, {1, 8}, {152, 8}, {153, 8}, {7, 2}, {11, 2},
		{6, 2}, {4, 1}, {5, 1}, {16, 4}, {17, 4}, {29, 1}, {30, 1}, {31, 4}, {63, 16}}
	// fieldsMore are what goflow2 and we both have a place for beyond that.
	fieldsMore = []field{{56, 6}, {80, 6}, {58, 2}, {59, 2}, {32, 2}, {52, 1}, {54, 4}, {88, 2}, {89, 1}, {18, 4}, {138, 4}}
)

const (
	exportSeconds = 1_700_000_000
	uptime        = 500_000
)

// generator makes datagrams from a seed.
type generator struct {
	*rand.Rand
	sequence uint32
}

func newGenerator(seed uint64) *generator { return &generator{Rand: rand.New(rand.NewPCG(seed, 1))} }

// value is random, but for times, which lie before the export.
func (g *generator) value(f field) []byte {
	b := make([]byte, f.length)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	switch f.id {
	case 9, 13:
		b[0] %= 33
	case 29, 30:
		b[0] %= 129
	case 21, 22:
		binary.BigEndian.PutUint32(b, uint32(g.IntN(uptime)))
	case 152, 153:
		binary.BigEndian.PutUint64(b, uint64(exportSeconds-g.IntN(1000))*1000+uint64(g.IntN(1000)))
	case 1, 2, 10, 14:
		b[0] = 0
	}
	return b
}

func set(id uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(body)))
	return append(b, body...)
}

// template is the template set for fields.
func templateSet(version, id uint16, fields []field) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, uint16(len(fields)))
	for _, f := range fields {
		b = binary.BigEndian.AppendUint16(b, f.id)
		b = binary.BigEndian.AppendUint16(b, f.length)
	}
	if version == 9 {
		return set(0, b)
	}
	return set(2, b)
}

func (g *generator) dataSet(id uint16, fields []field, records int) []byte {
	var b []byte
	for range records {
		for _, f := range fields {
			b = append(b, g.value(f)...)
		}
	}
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return set(id, b)
}

// message puts sets into a NetFlow v9 or IPFIX message; count is for the header of v9.
func (g *generator) message(version uint16, count int, sets ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, version)
	b = binary.BigEndian.AppendUint16(b, uint16(count))
	if version == 9 {
		b = binary.BigEndian.AppendUint32(b, uptime)
	}
	b = binary.BigEndian.AppendUint32(b, exportSeconds)
	b = binary.BigEndian.AppendUint32(b, g.sequence)
	b = binary.BigEndian.AppendUint32(b, 77)
	g.sequence++
	for _, s := range sets {
		b = append(b, s...)
	}
	if version == 10 {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	return b
}

// netflow5 is a datagram of NetFlow v5.
func (g *generator) netflow5(records int) []byte {
	b := binary.BigEndian.AppendUint16(nil, 5)
	b = binary.BigEndian.AppendUint16(b, uint16(records))
	b = binary.BigEndian.AppendUint32(b, uptime)
	b = binary.BigEndian.AppendUint32(b, exportSeconds)
	b = binary.BigEndian.AppendUint32(b, 123_456_789)
	b = binary.BigEndian.AppendUint32(b, g.sequence)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, 1<<14|100)
	g.sequence += uint32(records)
	for range records {
		r := make([]byte, 48)
		for i := range r {
			r[i] = byte(g.Uint32())
		}
		binary.BigEndian.PutUint32(r[24:], uint32(g.IntN(uptime)))
		binary.BigEndian.PutUint32(r[28:], uint32(g.IntN(uptime)))
		r[44] %= 33
		r[45] %= 33
		b = append(b, r...)
	}
	return b
}

// packet is an Ethernet frame with TCP or UDP over IPv4 or IPv6.
func (g *generator) packet() []byte {
	b := make([]byte, 14)
	for i := range 12 {
		b[i] = byte(g.Uint32())
	}
	proto, transport := byte(17), 8
	if g.IntN(2) == 0 {
		proto, transport = 6, 20
	}
	var ip []byte
	if g.IntN(2) == 0 {
		b[12], b[13] = 0x08, 0x00
		ip = make([]byte, 20)
		for i := range ip {
			ip[i] = byte(g.Uint32())
		}
		ip[0], ip[6], ip[7], ip[9] = 0x45, 0x40, 0, proto
	} else {
		b[12], b[13] = 0x86, 0xdd
		ip = make([]byte, 40)
		for i := range ip {
			ip[i] = byte(g.Uint32())
		}
		ip[0], ip[6] = 0x60|ip[0]&0x0f, proto
	}
	b = append(b, ip...)
	t := make([]byte, transport)
	for i := range t {
		t[i] = byte(g.Uint32())
	}
	if proto == 6 {
		t[12] = 0x50
	}
	if proto == 17 {
		t[0], t[2] = 200, 201 // no tunnel's port
	}
	b = append(b, t...)
	return append(b, make([]byte, 20)...)
}

// sflow is a datagram with flow samples: a raw header, and extended switch, router and gateway data each.
func (g *generator) sflow(samples int) []byte {
	u32 := binary.BigEndian.AppendUint32
	b := u32(nil, 5)
	b = u32(b, 1)
	b = append(b, 192, 0, 2, 9)
	b = u32(b, 0)
	b = u32(b, g.sequence)
	b = u32(b, uptime)
	b = u32(b, uint32(samples))
	g.sequence++
	for i := range samples {
		p := g.packet()
		for len(p)%4 != 0 {
			p = append(p, 0)
		}
		var r []byte
		r = u32(u32(r, 1), uint32(16+len(p)))
		r = u32(u32(u32(u32(r, 1), uint32(100+g.IntN(1400))), 4), uint32(len(p)))
		r = append(r, p...)
		r = u32(u32(u32(u32(u32(u32(r, 1001), 16), 10), 0), 20), 0)
		r = u32(u32(u32(r, 1002), 16), 1)
		r = append(r, 203, 0, 113, 1)
		r = u32(u32(r, 24), 16)
		path := []uint32{64500, 64501, uint32(64502 + i)}
		r = u32(u32(r, 1003), uint32(8+12+4+8+4*len(path)+4+8+4))
		r = append(u32(r, 1), 203, 0, 113, 2)
		r = u32(u32(u32(r, 65000), 65001), 65002)
		r = u32(u32(u32(r, 1), 2), uint32(len(path)))
		for _, as := range path {
			r = u32(r, as)
		}
		r = u32(u32(u32(u32(r, 2), 4_259_840_100), 4_259_840_200), 100)
		var s []byte
		if i%2 == 0 {
			s = u32(u32(u32(u32(u32(u32(u32(u32(s, 1), 3), 1000), 50000), 0), 3), 4), 4)
			b = u32(u32(b, 1), uint32(len(s)+len(r)))
		} else {
			s = u32(u32(u32(u32(u32(u32(u32(u32(u32(u32(u32(s, 1), 0), 3), 2000), 50000), 0), 0), 5), 0), 6), 4)
			b = u32(u32(b, 3), uint32(len(s)+len(r)))
		}
		b = append(append(b, s...), r...)
	}
	return b
}
