package main

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// exporter sends hand-made IPFIX from a port of its own.
type exporter struct {
	t        *testing.T
	conn     *net.UDPConn
	domain   uint32
	sequence uint32
	now      uint32
	sent     map[string]int // datagrams, by address
}

// sentTo counts the datagrams that were sent to each address, by all exporters.
var sentTo sync.Map // of *atomic.Int64

func sentCount(to string) *atomic.Int64 {
	n, _ := sentTo.LoadOrStore(to, new(atomic.Int64))
	return n.(*atomic.Int64)
}

// newExporter sends from 127.0.0.1, or from another address of this machine.
func newExporter(t *testing.T, domain uint32, address ...string) *exporter {
	t.Helper()
	from := net.IPv4(127, 0, 0, 1)
	if len(address) > 0 {
		from = net.ParseIP(address[0])
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: from})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &exporter{t: t, conn: conn, domain: domain, now: 1_700_000_000}
}

func set(id uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(body)))
	return append(b, body...)
}

// message makes a message with the given sets; each is a second later than the one before.
func (e *exporter) message(records uint32, sets ...[]byte) []byte {
	e.now++
	b := binary.BigEndian.AppendUint16(nil, 10)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, e.now)
	b = binary.BigEndian.AppendUint32(b, e.sequence)
	b = binary.BigEndian.AppendUint32(b, e.domain)
	for _, s := range sets {
		b = append(b, s...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	e.sequence += records
	return b
}

// send sends one message.
func (e *exporter) send(to string, records uint32, sets ...[]byte) {
	e.t.Helper()
	e.write(to, e.message(records, sets...))
}

// write sends a datagram.
func (e *exporter) write(to string, b []byte) {
	e.t.Helper()
	address, err := net.ResolveUDPAddr("udp4", to)
	if err != nil {
		e.t.Fatal(err)
	}
	if _, err := e.conn.WriteToUDP(b, address); err != nil {
		e.t.Fatal(err)
	}
	if e.sent == nil {
		e.sent = make(map[string]int)
	}
	e.sent[to]++
	sentCount(to).Add(1)
}

// layout is a template: pairs of element and length. Its records carry a number in the bytes element.
type layout struct {
	id     uint16
	fields [][2]uint16
}

// Two layouts of the same length, so that one read as the other gives wrong numbers rather than none.
var (
	oldLayout = layout{300, [][2]uint16{{1, 4}, {2, 4}, {4, 1}}} // bytes, packets, protocol
	newLayout = layout{300, [][2]uint16{{2, 4}, {1, 4}, {4, 1}}} // packets, bytes, protocol
)

func (l layout) template() []byte {
	b := binary.BigEndian.AppendUint16(nil, l.id)
	b = binary.BigEndian.AppendUint16(b, uint16(len(l.fields)))
	for _, f := range l.fields {
		b = binary.BigEndian.AppendUint16(b, f[0])
		b = binary.BigEndian.AppendUint16(b, f[1])
	}
	return set(2, b)
}

// packetsOfTest is what the packets element has in all records; a record whose packets differ was read with a wrong layout.
const packetsOfTest = 7

// data is a set with a record for each number.
func (l layout) data(numbers ...uint32) []byte {
	var b []byte
	for _, n := range numbers {
		for _, f := range l.fields {
			value := map[uint16]uint32{1: n, 2: packetsOfTest, 4: 6, 302: 9}[f[0]]
			switch f[1] {
			case 1:
				b = append(b, byte(value))
			case 4:
				b = binary.BigEndian.AppendUint32(b, value)
			}
		}
	}
	return set(l.id, b)
}

// selectorOptions says by an options template and a record that selector 9 takes one packet of rate.
func selectorOptions(rate uint32) [][]byte {
	b := []byte{1, 144, 0, 3, 0, 1, 302 >> 8, 302 & 0xff, 0, 4, 305 >> 8, 305 & 0xff, 0, 4, 306 >> 8, 306 & 0xff, 0, 4}
	r := binary.BigEndian.AppendUint32(nil, 9)
	r = binary.BigEndian.AppendUint32(r, 1)
	r = binary.BigEndian.AppendUint32(r, rate-1)
	return [][]byte{set(3, b), set(400, r)}
}
