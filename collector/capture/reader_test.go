package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	source4      = netip.MustParseAddr("192.0.2.1")
	destination4 = netip.MustParseAddr("192.0.2.2")
	source6      = netip.MustParseAddr("2001:db8::1")
	destination6 = netip.MustParseAddr("2001:db8::2")
)

func be16(values ...uint16) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func udp(payload string) []byte {
	return join(be16(4000, 2055, uint16(8+len(payload)), 0), []byte(payload))
}

// ip4 is an IPv4 packet with the given fragment field and options.
func ip4(fragment uint16, options, body []byte) []byte { return ip4Of(17, fragment, options, body) }

func ip4Of(protocol byte, fragment uint16, options, body []byte) []byte {
	head := byte(5 + len(options)/4)
	return join([]byte{0x40 | head, 0}, be16(uint16(20+len(options)+len(body)), 99, fragment), []byte{64, protocol, 0, 0}, source4.AsSlice(),
		destination4.AsSlice(), options, body)
}

func ip6(next byte, body []byte) []byte {
	return join([]byte{0x60, 0, 0, 0}, be16(uint16(len(body))), []byte{next, 64}, source6.AsSlice(), destination6.AsSlice(), body)
}

func ethernet(etherType uint16, body []byte) []byte {
	return join(make([]byte, 12), be16(etherType), body)
}

// overlayOf is a datagram to a tunnel's port.
func overlayOf(port uint16, header []byte, frame []byte) []byte {
	return ip4(0, nil, join(be16(1, port, uint16(8+len(header)+len(frame)), 0), header, frame))
}

// pcapFile writes frames as libpcap does.
func pcapFile(order binary.AppendByteOrder, magic, linkType uint32, frames ...[]byte) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	for _, v := range []uint32{0, 0, 65535, linkType} {
		b = order.AppendUint32(b, v)
	}
	for i, f := range frames {
		for _, v := range []uint32{1000 + uint32(i), 500, uint32(len(f)), uint32(len(f))} {
			b = order.AppendUint32(b, v)
		}
		b = append(b, f...)
	}
	return b
}

const magicMicro, magicNano = 0xa1b2c3d4, 0xa1b23c4d

// block is one of pcapng.
func block(order binary.AppendByteOrder, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	b := order.AppendUint32(nil, kind)
	b = order.AppendUint32(b, uint32(12+len(body)))
	b = append(b, body...)
	return order.AppendUint32(b, uint32(12+len(body)))
}

func pcapngFile(order binary.AppendByteOrder, linkType uint16, resolution byte, frames ...[]byte) []byte {
	section := order.AppendUint32(nil, 0x1a2b3c4d)
	section = append(section, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	b := block(order, 0x0a0d0d0a, section)
	description := order.AppendUint16(nil, linkType)
	description = append(description, 0, 0, 0, 0, 0, 0)
	description = order.AppendUint16(description, 9)
	description = order.AppendUint16(description, 1)
	description = append(description, resolution, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, block(order, 1, description)...)
	b = append(b, block(order, 5, make([]byte, 8))...) // statistics, of no interest
	for _, f := range frames {
		body := order.AppendUint32(nil, 0)
		body = order.AppendUint32(body, 0)
		body = order.AppendUint32(body, 5000)
		body = order.AppendUint32(body, uint32(len(f)))
		body = order.AppendUint32(body, uint32(len(f)))
		b = append(b, block(order, 6, append(body, f...))...)
	}
	return b
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// read returns the payloads in files, and the problems.
func read(t testing.TB, files ...[]byte) (payloads []string, datagrams []Datagram, problems []Problem) {
	t.Helper()
	var paths []string
	for i, content := range files {
		path := filepath.Join(t.TempDir(), string(rune('a'+i))+".pcap")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	r := NewReader(paths, func(p Problem) { problems = append(problems, p) })
	for {
		d, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		payloads, datagrams = append(payloads, string(d.Payload)), append(datagrams, *d)
	}
	if r.Stats().Problems != len(problems) || r.Stats().Datagrams != len(payloads) {
		t.Errorf("stats are %+v with %d problems and %d datagrams", r.Stats(), len(problems), len(payloads))
	}
	return payloads, datagrams, problems
}

func TestDatagramsAreFoundInEveryKindOfCapture(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	v4, v6 := ip4(0, nil, udp("hello")), ip6(17, udp("hello"))
	for name, file := range map[string][]byte{
		"pcap":                    pcapFile(le, magicMicro, 1, ethernet(0x0800, v4)),
		"pcap, big-endian":        pcapFile(be, magicMicro, 1, ethernet(0x0800, v4)),
		"pcap, nanoseconds":       pcapFile(le, magicNano, 1, ethernet(0x0800, v4)),
		"pcapng":                  pcapngFile(le, 1, 6, ethernet(0x0800, v4)),
		"pcapng, big-endian":      pcapngFile(be, 1, 9, ethernet(0x0800, v4)),
		"gzip":                    zipped(pcapFile(le, magicMicro, 1, ethernet(0x0800, v4))),
		"gzip of pcapng":          zipped(pcapngFile(le, 1, 6, ethernet(0x0800, v4))),
		"VLAN tag":                pcapFile(le, magicMicro, 1, ethernet(0x8100, join(be16(7, 0x0800), v4))),
		"two VLAN tags":           pcapFile(le, magicMicro, 1, ethernet(0x88a8, join(be16(7, 0x8100, 8, 0x86dd), v6))),
		"MPLS":                    pcapFile(le, magicMicro, 1, ethernet(0x8847, join([]byte{0, 1, 0, 9, 0, 2, 1, 9}, v4))),
		"PPPoE":                   pcapFile(le, magicMicro, 1, ethernet(0x8864, join([]byte{0x11, 0, 0, 1, 0, 40, 0, 0x21}, v4))),
		"IPv6":                    pcapFile(le, magicMicro, 1, ethernet(0x86dd, v6)),
		"IPv6 with hop-by-hop":    pcapFile(le, magicMicro, 101, ip6(0, join([]byte{17, 0, 0, 0, 0, 0, 0, 0}, udp("hello")))),
		"IPv4 with options":       pcapFile(le, magicMicro, 101, ip4(0, make([]byte, 8), udp("hello"))),
		"Linux cooked":            pcapFile(le, magicMicro, 113, join(make([]byte, 14), be16(0x0800), v4)),
		"Linux cooked, version 2": pcapFile(le, magicMicro, 276, join(be16(0x0800), make([]byte, 18), v4)),
		"a logical link":          pcapFile(le, magicMicro, 1, ethernet(30, join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, v4))),
		"IPv4, authenticated":     pcapFile(le, magicMicro, 101, ip4Of(51, 0, nil, join([]byte{17, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1}, udp("hello")))),
		"IPv6, authenticated":     pcapFile(le, magicMicro, 101, ip6(51, join([]byte{17, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1}, udp("hello")))),
		"BSD loopback":            pcapFile(le, magicMicro, 0, join([]byte{2, 0, 0, 0}, v4)),
		"raw IPv6":                pcapFile(le, magicMicro, 229, v6),
		"IP in IP":                pcapFile(le, magicMicro, 101, ip4Of(4, 0, nil, v4)),
		"IPv6 in IP":              pcapFile(le, magicMicro, 101, ip4Of(41, 0, nil, v6)),
		"IP in IPv6":              pcapFile(le, magicMicro, 101, ip6(4, v4)),
		"GRE with a key":          pcapFile(le, magicMicro, 101, ip4Of(47, 0, nil, join(be16(0x2000, 0x0800, 0, 7), v4))),
		"NVGRE with a VLAN tag": pcapFile(le, magicMicro, 101,
			ip4Of(47, 0, nil, join(be16(0x2000, 0x6558, 0, 7), ethernet(0x8100, join(be16(7, 0x0800), v4))))),
		"ERSPAN, type I":  pcapFile(le, magicMicro, 101, ip4Of(47, 0, nil, join(be16(0, 0x88be), ethernet(0x0800, v4)))),
		"ERSPAN, type II": pcapFile(le, magicMicro, 101, ip4Of(47, 0, nil, join(be16(0x1000, 0x88be, 0, 1), make([]byte, 8), ethernet(0x0800, v4)))),
		"ERSPAN, type III, with a subheader": pcapFile(le, magicMicro, 101,
			ip4Of(47, 0, nil, join(be16(0x1000, 0x22eb, 0, 1), make([]byte, 11), []byte{1}, make([]byte, 8), ethernet(0x0800, v4)))),
		"VXLAN":               pcapFile(le, magicMicro, 101, overlayOf(4789, be16(0x0800, 0, 0, 0x0500), ethernet(0x0800, v4))),
		"Geneve with options": pcapFile(le, magicMicro, 101, overlayOf(6081, be16(0x0100, 0x6558, 0, 0x0500, 0, 0), ethernet(0x86dd, v6))),
		"Geneve with IP":      pcapFile(le, magicMicro, 101, overlayOf(6081, be16(0, 0x86dd, 0, 0x0500), v6)),
		"VXLAN of Linux":      pcapFile(le, magicMicro, 101, overlayOf(8472, be16(0x0800, 0, 0, 0x0500), ethernet(0x0800, v4))),
		"VXLAN with a policy": pcapFile(le, magicMicro, 101, overlayOf(4789, be16(0x8800, 9, 0, 0x0500), ethernet(0x0800, v4))),
		"VXLAN-GPE":           pcapFile(le, magicMicro, 101, overlayOf(4790, be16(0x0c00, 3, 0, 0x0500), ethernet(0x0800, v4))),
		"VXLAN-GPE with IP":   pcapFile(le, magicMicro, 101, overlayOf(4790, be16(0x0c00, 2, 0, 0x0500), v6)),
		"MAC-in-MAC":          pcapFile(le, magicMicro, 1, ethernet(0x88a8, join(be16(9, 0x88e7, 0, 0x0500), ethernet(0x0800, v4)))),
		"QinQ of old":         pcapFile(le, magicMicro, 1, ethernet(0x9300, join(be16(9, 0x8100, 8, 0x0800), v4))),
		"VN-Tag":              pcapFile(le, magicMicro, 1, ethernet(0x8926, join(be16(0, 1, 0x0800), v4))),
		"pseudowire":          pcapFile(le, magicMicro, 1, ethernet(0x8847, join(be16(1, 0x0140), ethernet(0x0800, v4)))),
		"pseudowire, controlled": pcapFile(le, magicMicro, 1,
			ethernet(0x8847, join(be16(1, 0x0140, 0, 7), ethernet(0x8100, join(be16(7, 0x86dd), v6))))),
		"Ethernet's padding":    pcapFile(le, magicMicro, 1, join(ethernet(0x0800, v4), make([]byte, 20))),
		"frames of other kinds": pcapFile(le, magicMicro, 1, ethernet(0x0806, make([]byte, 28)), ethernet(0x0800, v4)),
		"a length not known (offload)": pcapFile(le, magicMicro, 101, func() []byte {
			b := bytes.Clone(v4)
			b[2], b[3] = 0, 0
			return b
		}()),
	} {
		payloads, datagrams, problems := read(t, file)
		if len(payloads) != 1 || payloads[0] != "hello" || len(problems) != 0 {
			t.Errorf("%s: %q, %v", name, payloads, problems)
			continue
		}
		if d := datagrams[0]; d.Source.Port() != 4000 || d.Destination.Port() != 2055 ||
			d.Source.Addr() != source4 && d.Source.Addr() != source6 || d.Truncated {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestTimesHaveTheCapturesResolution(t *testing.T) {
	frame := ip4(0, nil, udp("x"))
	for _, test := range []struct {
		file []byte
		want time.Time
	}{
		{pcapFile(binary.LittleEndian, magicMicro, 101, frame), time.Unix(1000, 500_000)},
		{pcapFile(binary.LittleEndian, magicNano, 101, frame), time.Unix(1000, 500)},
		{pcapngFile(binary.LittleEndian, 101, 6, frame), time.Unix(0, 5_000_000)},
		{pcapngFile(binary.LittleEndian, 101, 9, frame), time.Unix(0, 5000)},
		{pcapngFile(binary.LittleEndian, 101, 0x80|10, frame), time.Unix(4, 904*1e9/1024)},
	} {
		if _, datagrams, _ := read(t, test.file); len(datagrams) != 1 || !datagrams[0].Time.Equal(test.want) {
			t.Errorf("%v, want %v", datagrams[0].Time, test.want)
		}
	}
}

func TestFlowsToATunnelsPortAreNotTakenForATunnel(t *testing.T) {
	for _, port := range []uint16{4789, 4790, 6081, 8472} {
		ipfix := string(be16(10, 0x6558, 0, 0, 0, 0, 0, 0))
		payloads, _, _ := read(t, pcapFile(binary.LittleEndian, magicMicro, 101, overlayOf(port, nil, []byte(ipfix))))
		if len(payloads) != 1 || payloads[0] != ipfix {
			t.Errorf("port %d: %x", port, payloads)
		}
	}
}

// Devices, firewalls and kernels put headers of their own before packets.
func TestDatagramsAreFoundBehindWhatDevicesPutBeforePackets(t *testing.T) {
	v4, v6 := ip4(0, nil, udp("hello")), ip6(17, udp("hello"))
	framed := ethernet(0x0800, v4)
	for _, test := range []struct {
		name     string
		linkType uint32
		frame    []byte
	}{
		{"PPPoE", 51, join([]byte{0x11, 0, 0, 1, 0, 40, 0, 0x21}, v4)},
		{"frame relay", 107, join([]byte{0x18, 0x41, 3, 0xcc}, v4)},
		{"frame relay, an address of four bytes", 107, join([]byte{0x18, 0x40, 0, 1, 3, 0x8e}, v6)},
		{"frame relay of Cisco's", 107, join([]byte{0x18, 0x41, 8, 0}, v4)},
		{"frame relay, behind padding and an organization", 107, join([]byte{0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0}, v4)},
		{"BSD's IPsec", 109, join([]byte{2, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1}, v4)},
		{"BSD's packet filter", 117, join([]byte{61}, make([]byte, 63), v4)},
		{"Juniper's Ethernet", 178, join([]byte("MGC\x01"), framed)},
		{"the same with extensions", 178, join([]byte("MGC\x81\x00\x03abc"), framed)},
		{"the same without a frame", 178, join([]byte("MGC\x82\x00\x00\x02\x00\x00\x00"), v6)},
		{"Linux's packet filter", 239, join([]byte{2, 0, 0, 0, 5, 0, 10, 0, 0, 0, 0, 0, byte(4 + len(v4)), 0, 9, 0}, v4)},
		{"the same of a big-endian machine", 239, join([]byte{2, 0, 0, 0, 0, byte(4 + len(v4)), 0, 9}, v4)},
		{"ATM", 100, join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, v4)},
		{"ATM with its header", 123, join([]byte{2, 0, 0, 42, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, v4)},
		{"MPLS", 219, join([]byte{0, 6, 0x41, 64}, v4)},
		{"Endace's record", 197, join(make([]byte, 8), []byte{2, 4, 0, 90, 0, 0, 0, 72}, make([]byte, 2), framed)},
		{"the same with extensions", 197, join(make([]byte, 8), []byte{0x82, 4, 0, 90, 0, 0, 0, 72}, []byte{0x83, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 10), framed)},
		{"the same of IPv6", 197, join(make([]byte, 8), []byte{23, 4, 0, 90, 0, 0, 0, 72}, v6)},
		{"macOS's tap", 258, join([]byte{20, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 8), framed)},
	} {
		payloads, _, problems := read(t, pcapFile(binary.LittleEndian, magicMicro, test.linkType, test.frame))
		if len(payloads) != 1 || payloads[0] != "hello" || len(problems) != 0 {
			t.Errorf("%s: %q, %v", test.name, payloads, problems)
		}
		for n := range len(test.frame) - len("hello") - 8 {
			if payloads, _, _ := read(t, pcapFile(binary.LittleEndian, magicMicro, test.linkType, test.frame[:n])); len(payloads) != 0 {
				t.Errorf("%s, %d bytes: %q", test.name, n, payloads)
			}
		}
	}
	if payloads, _, _ := read(t, pcapFile(binary.LittleEndian, magicMicro, 258, join([]byte{12, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0}, framed))); len(payloads) != 0 {
		t.Errorf("a tap within a tap: %q", payloads)
	}
}

// Wireshark exports payloads without what was around them, and says in tags where they came from.
func TestWhatWiresharkExportedIsRead(t *testing.T) {
	tag := func(kind uint16, value ...byte) []byte { return join(be16(kind, uint16(len(value))), value) }
	from := join(tag(20, source4.AsSlice()...), tag(21, 192, 0, 2, 2), tag(24, 0, 0, 0, 3), tag(25, 0, 0, 0x0f, 0xa0), tag(26, 0, 0, 8, 7))
	for _, test := range []struct {
		name  string
		frame []byte
		want  netip.AddrPort
	}{
		{"a payload", join(tag(12, []byte("cflow\x00\x00\x00")...), from, tag(0), []byte("hello")), netip.AddrPortFrom(source4, 4000)},
		{"one from an IPv6 address", join(tag(12, []byte("cflow\x00\x00\x00")...), tag(22, source6.AsSlice()...), tag(25, 0, 0, 0x0f, 0xa0), tag(0), []byte("hello")),
			netip.AddrPortFrom(source6, 4000)},
		{"one without tags", join(tag(0), []byte("hello")), netip.MustParseAddrPort("0.0.0.0:0")},
		{"a packet", join(tag(12, 'i', 'p', 0, 0), tag(0), ip4(0, nil, udp("hello"))), netip.AddrPortFrom(source4, 4000)},
		{"a frame", join(tag(12, []byte("eth_withoutfcs\x00\x00")...), tag(0), ethernet(0x0800, ip4(0, nil, udp("hello")))), netip.AddrPortFrom(source4, 4000)},
	} {
		payloads, datagrams, problems := read(t, pcapFile(binary.LittleEndian, magicMicro, 252, test.frame))
		if len(payloads) != 1 || payloads[0] != "hello" || datagrams[0].Source != test.want || len(problems) != 0 {
			t.Errorf("%s: %q, %+v, %v", test.name, payloads, datagrams, problems)
		}
	}
	path := filepath.Join(t.TempDir(), "cut.pcap")
	if err := os.WriteFile(path, pcapFile(binary.LittleEndian, magicMicro, 252, join(tag(12, 'e', 't', 'h'), tag(0), make([]byte, 13))), 0o600); err != nil {
		t.Fatal(err)
	}
	reader := NewReader([]string{path}, nil)
	if _, err := reader.Next(); !errors.Is(err, io.EOF) || !maps.Equal(reader.Stats().Passed, map[string]int{"frames of link type 252": 1}) {
		t.Errorf("a frame that is cut: %v, %+v", err, reader.Stats())
	}
	whole := join(from, tag(0))
	for n := range len(whole) {
		if payloads, _, problems := read(t, pcapFile(binary.LittleEndian, magicMicro, 252, whole[:n])); len(payloads) != 0 || len(problems) != 1 {
			t.Errorf("%d bytes of tags: %q, %v", n, payloads, problems)
		}
	}
}

func TestTunnelsThatEndEarlyHoldNothing(t *testing.T) {
	inner := ethernet(0x0800, ip4(0, nil, udp("hello")))
	erspan3 := join(be16(0x1000, 0x22eb, 0, 1), make([]byte, 11), []byte{1}, make([]byte, 8), inner)
	for n := range erspan3 {
		if payloads, _, _ := read(t, pcapFile(binary.LittleEndian, magicMicro, 101, ip4Of(47, 0, nil, erspan3[:n]))); len(payloads) != 0 &&
			n < len(erspan3)-len("hello") {
			t.Errorf("%d bytes: %q", n, payloads)
		}
	}
}

func TestFragmentsArePutTogether(t *testing.T) {
	whole := udp(strings.Repeat("0123456789abcdef", 10))
	fragments4 := [][]byte{
		ip4(0x2000, nil, whole[:64]), ip4(0x2000|8, nil, whole[64:128]), ip4(16, nil, whole[128:]),
	}
	fragment6 := func(offset int, more uint16, body []byte) []byte {
		return ip6(44, join([]byte{17, 0}, be16(uint16(offset)|more, 0, 77), body))
	}
	fragments6 := [][]byte{fragment6(0, 1, whole[:64]), fragment6(64, 1, whole[64:128]), fragment6(128, 0, whole[128:])}
	for name, frames := range map[string][][]byte{
		"IPv4":               fragments4,
		"IPv4, out of order": {fragments4[2], fragments4[0], fragments4[1]},
		"IPv4, repeated":     {fragments4[0], fragments4[0], fragments4[2], fragments4[1]},
		"IPv6":               fragments6,
		"IPv6, out of order": {fragments6[1], fragments6[2], fragments6[0]},
	} {
		payloads, _, problems := read(t, pcapFile(binary.LittleEndian, magicMicro, 101, frames...))
		if len(payloads) != 1 || payloads[0] != string(whole[8:]) || len(problems) != 0 {
			t.Errorf("%s: %q, %v", name, payloads, problems)
		}
	}
	// Split over two files they are one datagram still; without their end they are reported.
	a := pcapFile(binary.LittleEndian, magicMicro, 101, fragments4[0], fragments4[1])
	if payloads, _, _ := read(t, a, pcapFile(binary.LittleEndian, magicMicro, 101, fragments4[2])); len(payloads) != 1 {
		t.Errorf("over two files: %q", payloads)
	}
	if _, _, problems := read(t, a); len(problems) != 1 || !strings.Contains(problems[0].Reason, "not all fragments") {
		t.Errorf("without the end: %v", problems)
	}
}

func TestFaultsDoNotStopTheRest(t *testing.T) {
	good := pcapFile(binary.LittleEndian, magicMicro, 101, ip4(0, nil, udp("good")))
	for name, file := range map[string][]byte{
		"cut within a frame":     good[:len(good)-3],
		"cut within its header":  good[:30],
		"empty":                  {},
		"no capture":             []byte("this is a text, and no capture at all"),
		"a frame of four GB":     join(good, bytes.Repeat([]byte{0xff}, 16)),
		"unknown link type":      pcapFile(binary.LittleEndian, magicMicro, 147, []byte("xx")),
		"gzip that is cut":       zipped(good)[:20],
		"pcapng cut":             pcapngFile(binary.LittleEndian, 1, 6, ethernet(0x0800, ip4(0, nil, udp("x"))))[:150],
		"pcapng without a mark":  join([]byte{0x0a, 0x0d, 0x0d, 0x0a}, make([]byte, 24)),
		"captured only in part":  cut(ip4(0, nil, udp("a long payload"))),
		"IPv4 header of nothing": pcapFile(binary.LittleEndian, magicMicro, 101, append([]byte{0x41}, make([]byte, 30)...)),
	} {
		payloads, datagrams, problems := read(t, file, good)
		if len(problems) == 0 {
			t.Errorf("%s: not reported", name)
		}
		if len(payloads) == 0 || payloads[len(payloads)-1] != "good" {
			t.Errorf("%s: %q", name, payloads)
		}
		if name == "captured only in part" && !datagrams[0].Truncated {
			t.Errorf("%s: not marked", name)
		}
	}
	if _, _, problems := read(t, good); len(problems) != 0 {
		t.Error(problems)
	}
}

// cut is a capture that holds less of a frame than was on the wire.
func cut(frame []byte) []byte {
	b := pcapFile(binary.LittleEndian, magicMicro, 101, frame[:len(frame)-5])
	binary.LittleEndian.PutUint32(b[36:], uint32(len(frame)))
	return b
}

func FuzzReader(f *testing.F) {
	frame := ethernet(0x0800, ip4(0x2000, nil, udp("hello")))
	f.Add(pcapFile(binary.LittleEndian, magicMicro, 1, frame, frame))
	f.Add(pcapngFile(binary.BigEndian, 1, 9, frame))
	f.Add(zipped(pcapFile(binary.LittleEndian, magicNano, 101, ip6(44, make([]byte, 20)))))
	f.Add(pcapFile(binary.LittleEndian, magicMicro, 101, ip4Of(47, 0, nil, join(be16(0x1000, 0x22eb, 0, 1), make([]byte, 20), frame))))
	m := message(30, 'a')
	f.Add(pcapFile(binary.LittleEndian, magicMicro, 1, tcpSegment(0, tcpSYN, nil), tcpSegment(1, 16, m[:20]), tcpSegment(60, 16, m), tcpSegment(21, 17, m[20:])))
	f.Add(pcapFile(binary.LittleEndian, magicMicro, 1, sctpPacket(dataChunk(1, 2, m[:20]), dataChunk(2, 1, m[20:]), dataChunk(3, 3, m))))
	f.Add(join(ipfixMessage(40), ipfixMessage(16), ipfixMessage(30)[:20]))
	f.Add(join(be16(5, 1, 0, 0), make([]byte, 64), be16(9, 1), make([]byte, 30)))
	f.Fuzz(func(t *testing.T, file []byte) {
		format, err := begin(bytes.NewReader(file), time.Unix(0, 0))
		if err != nil {
			return
		}
		r := NewReader(nil, nil)
		r.path, r.format, r.closer = "fuzz", format, io.NopCloser(nil)
		for n := 0; ; n++ {
			d, err := r.Next()
			if err != nil {
				break
			}
			if len(d.Payload) > maxDatagram {
				t.Fatalf("a datagram of %d bytes", len(d.Payload))
			}
			// Compressed, a byte can stand for a thousand.
			if n > 2000*len(file)+100 {
				t.Fatal("it does not end")
			}
		}
	})
}
