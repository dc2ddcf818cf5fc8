package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var captured = []Packet{
	{Time: time.Unix(1_700_000_000, 123_456_789).UTC(), Source: netip.MustParseAddrPort("192.0.2.1:4000"), Destination: netip.MustParseAddrPort("198.51.100.7:2055"), Payload: []byte("odd")},
	{Time: time.Unix(1_700_000_001, 0).UTC(), Source: netip.MustParseAddrPort("[2001:db8::1]:4001"), Destination: netip.MustParseAddrPort("[::]:4739"), Payload: []byte("even")},
	{Time: time.Unix(1_700_000_002, 0).UTC(), Source: netip.MustParseAddrPort("192.0.2.1:1"), Destination: netip.MustParseAddrPort("0.0.0.0:6343"), Payload: []byte{}},
	{Time: time.Unix(1_700_000_003, 0).UTC(), Source: netip.MustParseAddrPort("192.0.2.1:65535"), Destination: netip.MustParseAddrPort("0.0.0.0:6343"), Payload: make([]byte, 9216), Cut: true},
}

var ending = Statistics{Received: 7, Dropped: 3, Begin: time.Unix(1_700_000_000, 5).UTC(), End: time.Unix(1_700_000_004, 0).UTC(), Comment: "the time is over"}

// written is what a collector writes.
func written(packets ...Packet) []byte {
	b := AppendInterface(AppendSection(nil, "flowfleet collector", "for a test"), "edge-1", "a collector")
	for i := range packets {
		b = AppendPacket(b, 0, &packets[i])
	}
	return AppendStatistics(b, 0, ending)
}

func TestWhatACollectorCapturesIsReadAsItWasReceived(t *testing.T) {
	live := NewLive(bytes.NewReader(written(captured...)), 1<<20)
	if err := live.Begin(); err != nil {
		t.Fatal(err)
	}
	for i, want := range captured {
		got, err := live.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Payload, want.Payload) || got.Source != want.Source || got.Destination != want.Destination || !got.Time.Equal(want.Time) || got.Cut != want.Cut {
			t.Errorf("%d: %+v, not %+v", i, got, want)
		}
	}
	if _, err := live.Next(); !errors.Is(err, io.EOF) || *live.Statistics() != ending {
		t.Errorf("%v, %+v", err, live.Statistics())
	}
}

func TestCapturesOfCollectorsAreReadLikeAllOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "capture.pcapng")
	if err := os.WriteFile(file, written(captured...), 0o600); err != nil {
		t.Fatal(err)
	}
	var problems []string
	r := NewReader([]string{file}, func(p Problem) { problems = append(problems, p.Reason) })
	for i, want := range captured {
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Payload, want.Payload) || got.Source != want.Source || got.Destination != want.Destination || !got.Time.Equal(want.Time) || got.Truncated != want.Cut {
			t.Errorf("%d: %+v, not %+v", i, got, want)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) || len(problems) != 1 || !strings.Contains(problems[0], "9216 of the datagram's 9217 bytes") {
		t.Errorf("%v, %q", err, problems)
	}
}

// Wireshark is the reader that captures are for.
func TestWiresharkReadsCapturesOfCollectors(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	file := filepath.Join(t.TempDir(), "capture.pcapng")
	if err := os.WriteFile(file, written(captured...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tshark, "-r", file, "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=,", "-e", "frame.time_epoch",
		"-e", "ip.src", "-e", "ipv6.src", "-e", "udp.srcport", "-e", "udp.dstport", "-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "frame.interface_name").Output()
	want := "1700000000.123456789,192.0.2.1,,4000,2055,1,3,edge-1\n" + // a good checksum of IP, none of UDP
		"1700000001.000000000,,2001:db8::1,4001,4739,,1,edge-1\n" +
		"1700000002.000000000,192.0.2.1,,1,6343,1,3,edge-1\n" +
		"1700000003.000000000,192.0.2.1,,65535,6343,1,3,edge-1\n"
	if err != nil || string(out) != want {
		t.Errorf("%v:\n%s\nnot\n%s", err, out, want)
	}
	capinfos, err := exec.LookPath("capinfos")
	if err != nil {
		return
	}
	out, err = exec.CommandContext(t.Context(), capinfos, file).Output()
	if err != nil || !strings.Contains(string(out), "for a test") || !strings.Contains(string(out), "pcapng") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// Whoever sends a capture may be no collector.
func TestALyingCollectorsCaptureIsRefusedOrBounded(t *testing.T) {
	whole := written(captured[:2]...)
	begun := AppendInterface(AppendSection(nil, "", ""), "", "")
	block := func(kind uint32, body []byte) []byte {
		b, start := openBlock(nil, kind)
		return closeBlock(pad(append(b, body...)), start)
	}
	ofLink := func(linkType byte) []byte {
		b := slices.Clone(begun)
		b[len(AppendSection(nil, "", ""))+8] = linkType
		return b
	}
	endless := func() io.Reader {
		packet := AppendPacket(nil, 0, &captured[3])
		return io.MultiReader(bytes.NewReader(begun), &repeated{of: packet})
	}
	fragment := AppendPacket(slices.Clone(begun), 0, &captured[0])
	fragment[len(begun)+28+6] = 0x20
	for name, in := range map[string]io.Reader{
		"nothing":                    strings.NewReader(""),
		"words":                      strings.NewReader("error: there is no such command, and this is long enough"),
		"no end":                     bytes.NewReader(whole[:len(whole)-len(AppendStatistics(nil, 0, ending))]),
		"cut":                        bytes.NewReader(whole[:len(whole)-30]),
		"another link":               bytes.NewReader(ofLink(linkEthernet)),
		"a second section":           bytes.NewReader(append(slices.Clone(begun), AppendSection(nil, "", "")...)),
		"a second interface":         bytes.NewReader(append(slices.Clone(begun), AppendInterface(nil, "", "")...)),
		"a packet of another one":    bytes.NewReader(AppendPacket(slices.Clone(begun), 1, &captured[0])),
		"something behind the end":   bytes.NewReader(AppendPacket(slices.Clone(whole), 0, &captured[0])),
		"secrets":                    bytes.NewReader(append(slices.Clone(begun), block(10, make([]byte, 1000))...)),
		"a fragment":                 bytes.NewReader(fragment),
		"a block of 4 GiB":           io.MultiReader(bytes.NewReader(append(slices.Clone(begun), 10, 0, 0, 0, 0xfc, 0xff, 0xff, 0xff)), &repeated{of: make([]byte, 1<<16)}),
		"datagrams without an end":   endless(),
		"gzip, of whatever is in it": bytes.NewReader([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
	} {
		counted := &countedReader{in: in}
		live := NewLive(counted, 1<<20)
		err := live.Begin()
		for err == nil {
			_, err = live.Next()
		}
		if errors.Is(err, io.EOF) {
			t.Errorf("%s: read as if it were whole", name)
		}
		if counted.n > 1<<20 {
			t.Errorf("%s: %d bytes were read", name, counted.n)
		}
	}
}

type repeated struct {
	of []byte
	at int
}

func (r *repeated) Read(b []byte) (int, error) {
	n := copy(b, r.of[r.at:])
	r.at = (r.at + n) % len(r.of)
	return n, nil
}

type countedReader struct {
	in io.Reader
	n  int
}

func (c *countedReader) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	c.n += n
	return n, err
}

func TestAPacketTakesNoMoreThanItsOverhead(t *testing.T) {
	for length := range 9 {
		for _, p := range captured[:2] {
			p.Payload = make([]byte, length)
			if n := len(AppendPacket(nil, 0, &p)); n > length+PacketOverhead {
				t.Errorf("%d bytes of %s take %d", length, p.Source, n)
			}
		}
	}
}

func FuzzLive(f *testing.F) {
	f.Add(written(captured...))
	f.Add(written())
	f.Fuzz(func(t *testing.T, b []byte) {
		live := NewLive(bytes.NewReader(b), 1<<20)
		err := live.Begin()
		for err == nil {
			var p *Packet
			if p, err = live.Next(); err == nil {
				assertWritable(t, p)
			}
		}
	})
}

// assertWritable: what was read is written so that it is read as the same.
func assertWritable(t *testing.T, p *Packet) {
	t.Helper()
	again := NewLive(bytes.NewReader(written(*p)), 1<<20)
	if err := again.Begin(); err != nil {
		t.Fatal(err)
	}
	got, err := again.Next()
	if err != nil || got.Source != p.Source || got.Destination != p.Destination || !bytes.Equal(got.Payload, p.Payload) || got.Cut != p.Cut {
		t.Fatalf("%+v, not %+v: %v", got, p, err)
	}
}

func FuzzPacketRoundTrip(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, uint16(1), []byte("payload"), false)
	f.Add(binary.BigEndian.AppendUint64(make([]byte, 8), 1), uint16(2055), []byte{}, true)
	f.Fuzz(func(t *testing.T, address []byte, port uint16, payload []byte, cut bool) {
		from, ok := netip.AddrFromSlice(address)
		if !ok || len(payload) > maxPayload {
			return
		}
		to := netip.IPv6Unspecified()
		if from = from.Unmap(); from.Is4() {
			to = netip.IPv4Unspecified()
		}
		assertWritable(t, &Packet{Time: time.Unix(1, 0), Source: netip.AddrPortFrom(from, port), Destination: netip.AddrPortFrom(to, 2055), Payload: payload, Cut: cut})
	})
}

func TestASummaryHoldsAlsoWhereAClockWasSetBackAndWhereItIsALie(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	for _, s := range []Statistics{
		{Received: 3, Begin: begin, End: begin.Add(-time.Hour)},
		{Begin: begin, End: begin.Add(-time.Hour)},
		{Received: 1, Dropped: 2, Begin: begin, End: begin.Add(time.Second)},
	} {
		if text := Summary(netip.MustParseAddr("192.0.2.1"), &s); strings.Contains(text, "-") || strings.Contains(text, "18446744073709551615") {
			t.Errorf("%+v: %s", s, text)
		}
	}
}
