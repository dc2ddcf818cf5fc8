package capture

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// message is one of IPFIX with a set of n bytes of content, all of them c.
func message(n int, c byte) []byte {
	content := make([]byte, n)
	for i := range content {
		content[i] = c
	}
	return join(be16(10, uint16(messageHeader+setHeader+n)), make([]byte, 12), be16(256, uint16(setHeader+n)), content)
}

// tcpSegment is a frame of a connection from port 40000 to 4739.
func tcpSegment(sequence uint32, flags byte, data []byte) []byte {
	head := join(be16(40000, 4739), binary.BigEndian.AppendUint32(nil, sequence), make([]byte, 4), []byte{5 << 4, flags}, make([]byte, 6))
	return ethernet(0x0800, ip4Of(6, 0, nil, join(head, data)))
}

// dataChunk is one of SCTP.
func dataChunk(number uint32, flags byte, data []byte) []byte {
	b := join([]byte{0, flags}, be16(uint16(sctpDataHeader+len(data))), binary.BigEndian.AppendUint32(nil, number), make([]byte, 8), data)
	return append(b, make([]byte, -len(b)&3)...)
}

func sctpPacket(chunks ...[]byte) []byte {
	return ethernet(0x0800, ip4Of(132, 0, nil, join(be16(40000, 4739), make([]byte, 8), join(chunks...))))
}

func TestMessagesOverTCPAreFoundInTheirStream(t *testing.T) {
	a, b, c := message(30, 'a'), message(40, 'b'), message(50, 'c')
	all := join(a, b, c)
	const first = 0xfffffff0 // the numbers wrap
	segment := func(from, to int) []byte { return tcpSegment(first+1+uint32(from), 0x10, all[from:to]) }
	syn := tcpSegment(first, tcpSYN, nil)
	in := []string{string(a), string(b), string(c)}
	for _, test := range []struct {
		name   string
		frames [][]byte
		want   []string
		fault  string
	}{
		{"one segment", [][]byte{syn, segment(0, len(all))}, in, ""},
		{"segments of one byte", append([][]byte{syn}, each(all, segment)...), in, ""},
		{"segments across messages", [][]byte{syn, segment(0, 60), segment(60, 61), segment(61, len(all))}, in, ""},
		{"out of order", [][]byte{syn, segment(90, len(all)), segment(20, 90), segment(0, 20)}, in, ""},
		{"sent again, in other pieces", [][]byte{syn, segment(0, 60), segment(0, 60), segment(30, 100), segment(80, len(all))}, in, ""},
		{"the beginning is not in the capture", [][]byte{segment(len(a), len(all))}, in[1:], ""},
		{"begun within a message", [][]byte{segment(10, len(a)), segment(len(a), len(all))}, in[1:], ""},
		{"the end is not in the capture", [][]byte{syn, segment(0, len(all)-1)}, in[:2], "no whole message"},
		{"closed within a message", [][]byte{syn, segment(0, len(a)+5), tcpSegment(first+1+uint32(len(a))+5, tcpFIN, nil)}, in[:1], "no whole message"},
		{"another protocol", [][]byte{syn, tcpSegment(first+1, 0x18, []byte("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"))}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			payloads, datagrams, problems := read(t, pcapFile(binary.LittleEndian, magicMicro, linkEthernet, test.frames...))
			if !slices.Equal(payloads, test.want) {
				t.Errorf("%d messages, want %d", len(payloads), len(test.want))
			}
			for _, d := range datagrams {
				if d.Source.Port() != 40000 || d.Destination.Port() != 4739 || d.Frame == 0 {
					t.Errorf("%+v", d)
				}
			}
			switch {
			case test.fault == "" && len(problems) != 0, test.fault != "" && len(problems) != 1:
				t.Errorf("%v", problems)
			case test.fault != "" && !strings.Contains(problems[0].Reason, test.fault):
				t.Errorf("%v", problems)
			}
		})
	}
}

// each cuts b into single bytes.
func each(b []byte, segment func(from, to int) []byte) (frames [][]byte) {
	for i := range b {
		frames = append(frames, segment(i, i+1))
	}
	return frames
}

func TestAGapInAStreamCostsWhatIsInIt(t *testing.T) {
	frames := [][]byte{tcpSegment(0, tcpSYN, nil), tcpSegment(1, 0x10, message(30, 'a'))}
	at := uint32(1 + len(message(30, 'a')) + 10) // ten bytes never come
	want := []string{string(message(30, 'a'))}
	for range maxEarly + 10 {
		m := message(20, 'b')
		frames = append(frames, tcpSegment(at, 0x10, m))
		at += uint32(len(m))
		want = append(want, string(m))
	}
	payloads, _, problems := read(t, pcapFile(binary.LittleEndian, magicMicro, linkEthernet, frames...))
	if !slices.Equal(payloads, want) {
		t.Errorf("%d messages, want %d", len(payloads), len(want))
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Reason, "not in the capture") {
		t.Errorf("%v", problems)
	}
}

// What came behind a gap is found when the stream ends, too, wherever in a segment a message begins.
func TestMessagesBehindAGapAreFoundWhenTheStreamEnds(t *testing.T) {
	a, b, c, d := message(30, 'a'), message(40, 'b'), message(50, 'c'), message(60, 'd')
	all := join(a, b, c, d)
	segment := func(from, to int) []byte { return tcpSegment(1+uint32(from), 0x10, all[from:to]) }
	ends := len(a) + len(b)
	for _, test := range []struct {
		name   string
		frames [][]byte
		want   []string
		faults int
	}{
		{"a lost message, then the file ends", [][]byte{segment(0, len(a)), segment(ends, len(all))}, []string{string(a), string(c), string(d)}, 1},
		{"the same, closed", [][]byte{segment(0, len(a)), segment(ends, len(all)), tcpSegment(1+uint32(len(all)), tcpFIN, nil)},
			[]string{string(a), string(c), string(d)}, 1},
		{"a segment that begins within a message", [][]byte{segment(0, len(a)), segment(len(a)+10, len(all))}, []string{string(a), string(c), string(d)}, 1},
		{"two gaps", [][]byte{segment(0, len(a)), segment(len(a)+10, ends+5), segment(ends+10, len(all))}, []string{string(a), string(d)}, 1},
		{"segments behind a gap, out of order", [][]byte{segment(0, len(a)), segment(ends+20, len(all)), segment(len(a)+10, ends+20)},
			[]string{string(a), string(c), string(d)}, 1},
		{"the first segment is lost", [][]byte{tcpSegment(0, tcpSYN, nil), segment(10, len(all))}, []string{string(b), string(c), string(d)}, 0},
		{"the capture began within a message", [][]byte{segment(10, ends+5), segment(ends+5, len(all))}, []string{string(b), string(c), string(d)}, 0},
	} {
		payloads, _, problems := read(t, pcapFile(binary.LittleEndian, magicMicro, linkEthernet, test.frames...))
		if !slices.Equal(payloads, test.want) || len(problems) != test.faults {
			t.Errorf("%s: %q, %v", test.name, payloads, problems)
		}
	}
}

// Where something was found, or is missing, is where the stream was heard of last, however many files follow.
func TestWhatIsUnfinishedIsFoundWhereItWas(t *testing.T) {
	file := func(frames ...[]byte) []byte {
		return pcapFile(binary.LittleEndian, magicMicro, linkEthernet, frames...)
	}
	other := file(ethernet(0x0806, make([]byte, 28)), ethernet(0x0806, make([]byte, 28)), ethernet(0x0806, make([]byte, 28)))
	a, b := message(30, 'a'), message(40, 'b')
	for name, first := range map[string][]byte{
		"a stream with a gap":    file(tcpSegment(1, 0x10, a), tcpSegment(1+uint32(len(a))+10, 0x10, b)),
		"a message that is cut":  file(tcpSegment(0, tcpSYN, nil), tcpSegment(1, 0x10, join(a, b[:len(b)-1]))),
		"a message in two parts": file(sctpPacket(dataChunk(1, 3, a)), sctpPacket(dataChunk(2, sctpBegin, b[:20]))),
	} {
		_, datagrams, problems := read(t, first, other)
		for _, p := range problems {
			if filepath.Base(p.File) != "a.pcap" || p.Frame != 2 {
				t.Errorf("%s: %+v", name, p)
			}
		}
		for _, d := range datagrams {
			if filepath.Base(d.File) != "a.pcap" {
				t.Errorf("%s: a message of %s, frame %d", name, d.File, d.Frame)
			}
		}
		if len(problems) != 1 || len(datagrams) == 0 {
			t.Errorf("%s: %d datagrams, %v", name, len(datagrams), problems)
		}
	}
}

// The longest message fits, in chunks of what the smallest link carries, and whoever never ends one does not have ever more walked over.
func TestChunksOfOneMessageWaitWithinBounds(t *testing.T) {
	long := message(1<<16-1-messageHeader-setHeader, 'a')
	var frames [][]byte
	for at, number := 0, uint32(1); at < len(long); number++ {
		flags, end := byte(0), min(at+500, len(long))
		if at == 0 {
			flags |= sctpBegin
		}
		if end == len(long) {
			flags |= sctpEnd
		}
		frames = append(frames, sctpPacket(dataChunk(number, flags, long[at:end])))
		at = end
	}
	payloads, _, problems := read(t, pcapFile(binary.LittleEndian, magicMicro, linkEthernet, frames...))
	if len(payloads) != 1 || payloads[0] != string(long) || len(problems) != 0 {
		t.Errorf("%d messages, %v", len(payloads), problems)
	}
	r := NewReader(nil, nil)
	for number := range uint32(5000) {
		r.chunk(pair{}, dataChunk(number, 0, []byte{1}))
		if n := len(r.associations[pair{}].parts); n > 256 {
			t.Fatalf("%d chunks wait", n)
		}
	}
}

func TestMessagesOverSCTPAreFoundInTheirChunks(t *testing.T) {
	a, b := message(31, 'a'), message(40, 'b')
	heartbeat := join([]byte{4, 0}, be16(4))
	for _, test := range []struct {
		name   string
		frames [][]byte
		want   []string
	}{
		{"a chunk each", [][]byte{sctpPacket(heartbeat, dataChunk(1, 3, a), dataChunk(2, 3, b))}, []string{string(a), string(b)}},
		{"sent again", [][]byte{sctpPacket(dataChunk(1, 3, a)), sctpPacket(dataChunk(1, 3, a))}, []string{string(a)}},
		{"several chunks", [][]byte{sctpPacket(dataChunk(1, sctpBegin, a[:20]), dataChunk(2, 0, a[20:40])),
			sctpPacket(dataChunk(3, sctpEnd, a[40:]))}, []string{string(a)}},
		{"several chunks out of order", [][]byte{sctpPacket(dataChunk(3, sctpEnd, a[40:])), sctpPacket(dataChunk(1, sctpBegin, a[:20]), dataChunk(4, 3, b)),
			sctpPacket(dataChunk(2, 0, a[20:40]))}, []string{string(b), string(a)}},
		{"a chunk that is missing", [][]byte{sctpPacket(dataChunk(1, sctpBegin, a[:20])), sctpPacket(dataChunk(3, sctpEnd, a[20:])),
			sctpPacket(dataChunk(4, 3, b))}, []string{string(b)}},
		{"another protocol", [][]byte{sctpPacket(dataChunk(1, 3, []byte("diameter")))}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if payloads, _, _ := read(t, pcapFile(binary.LittleEndian, magicMicro, linkEthernet, test.frames...)); !slices.Equal(payloads, test.want) {
				t.Errorf("%d messages, want %d", len(payloads), len(test.want))
			}
		})
	}
}

func TestWhatIsPassedOverIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pcap")
	frames := [][]byte{
		ethernet(0x0806, make([]byte, 28)),
		ethernet(0x88cc, make([]byte, 28)),
		ethernet(0x0800, ip4Of(1, 0, nil, make([]byte, 8))),
		ethernet(0x0800, ip4Of(89, 0, nil, make([]byte, 8))),
		tcpSegment(0, tcpSYN, nil),
		tcpSegment(1, 0x18, []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")),
		sctpPacket(dataChunk(1, 3, []byte("diameter"))),
		ethernet(0x0800, ip4(0, nil, udp("x"))),
	}
	if err := os.WriteFile(path, pcapFile(binary.LittleEndian, magicMicro, linkEthernet, frames...), 0o600); err != nil {
		t.Fatal(err)
	}
	reader := NewReader([]string{path}, nil)
	for {
		if _, err := reader.Next(); errors.Is(err, io.EOF) {
			break
		}
	}
	want := map[string]int{"ARP": 1, "LLDP": 1, "ICMP (IP protocol 1)": 1, "OSPFIGP (IP protocol 89)": 1, "TCP segments without data": 1, "TCP": 1,
		"SCTP": 1}
	if got := reader.Stats().Passed; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
