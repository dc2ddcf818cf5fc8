package gather

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/capture"
)

var (
	exporter = netip.MustParseAddrPort("192.0.2.1:4000")
	limit    = Limit{Address: exporter.Addr(), For: time.Minute, Bytes: 1 << 20}
)

// at is a datagram of a second, whose payload tells where it came.
func at(second int64, payload string) capture.Packet {
	return capture.Packet{Time: time.Unix(second, 0).UTC(), Source: exporter, Destination: netip.MustParseAddrPort("0.0.0.0:2055"), Payload: []byte(payload)}
}

func begun() []byte { return capture.AppendInterface(capture.AppendSection(nil, "", ""), "", "") }

// collector is a source that captures these, and ends at once, or when it is told to.
func collector(name string, waits bool, packets ...capture.Packet) Source {
	return Source{Name: name, Capture: func(_ context.Context, in io.Reader, out io.Writer) error {
		b := begun()
		for i := range packets {
			b = capture.AppendPacket(b, 0, &packets[i])
		}
		if _, err := out.Write(b); err != nil {
			return err
		}
		if waits {
			_, _ = io.Copy(io.Discard, in) // any end is one
		}
		_, err := out.Write(capture.AppendStatistics(nil, 0, capture.Statistics{Received: uint64(len(packets)) + 1, Dropped: 1, Comment: "the \x1b[2Jend"}))
		return err
	}}
}

// says is a source that sends this, over and over, or once.
func says(b []byte, forEver bool, err error) Source {
	return Source{Name: "liar", Capture: func(_ context.Context, _ io.Reader, out io.Writer) error {
		for {
			if _, failed := out.Write(b); failed != nil || !forEver {
				return errors.Join(failed, err)
			}
		}
	}}
}

// datagrams of a file, in their order. A file has no fault beside datagrams that a collector received in part, and says so of them.
func datagrams(t *testing.T, file []byte) (payloads []string) {
	t.Helper()
	for _, d := range read(t, file) {
		payloads = append(payloads, string(d.Payload))
	}
	return payloads
}

func read(t *testing.T, file []byte) (found []capture.Datagram) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "capture.pcapng")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	problems, cut := 0, 0
	reader := capture.NewReader([]string{path}, func(p capture.Problem) {
		problems++
		t.Logf("the file: %s", p.Reason)
	})
	for {
		d, err := reader.Next()
		if err != nil {
			break
		}
		if d.Truncated {
			cut++
		}
		d.Payload = bytes.Clone(d.Payload)
		found = append(found, *d)
	}
	if problems != cut {
		t.Errorf("the file has %d faults beside %d datagrams that are cut", problems-cut, cut)
	}
	return found
}

// A collector receives the beginning of a datagram that is longer than its buffer: the file says that the rest is missing.
func TestADatagramThatWasReceivedInPartIsMarkedInTheFile(t *testing.T) {
	part := at(2, "the beginning")
	part.Cut = true
	var file bytes.Buffer
	outcomes, err := Gather(t.Context(), []Source{collector("a", false, at(1, "whole"), part)}, limit, "", "", &file)
	if err != nil || outcomes[0].Err != nil || outcomes[0].Taken != 2 {
		t.Fatalf("%v, %+v", err, outcomes)
	}
	if got := read(t, file.Bytes()); len(got) != 2 || got[0].Truncated || !got[1].Truncated || string(got[1].Payload) != "the beginning" {
		t.Errorf("%+v", got)
	}
}

func TestCapturesOfSeveralCollectorsAreOneInTheOrderOfTime(t *testing.T) {
	var file bytes.Buffer
	outcomes, err := Gather(t.Context(), []Source{
		collector("a", false, at(1, "1"), at(4, "4"), at(5, "5")),
		collector("b", false, at(2, "2"), at(3, "3"), at(6, "6")),
		collector("idle", false),
	}, limit, "a test", "for a test", &file)
	if err != nil {
		t.Fatal(err)
	}
	if got := datagrams(t, file.Bytes()); strings.Join(got, "") != "123456" {
		t.Errorf("%q", got)
	}
	for i, o := range outcomes {
		if o.Err != nil || !o.Begun || o.Taken != []int{3, 3, 0}[i] || o.Statistics.Dropped != 1 || strings.Contains(o.Statistics.Comment, "\x1b") {
			t.Errorf("%d: %+v, %+v", i, o, o.Statistics)
		}
	}
}

func TestACaptureEndsForAllWithItsCountOrItsSize(t *testing.T) {
	for name, l := range map[string]Limit{
		"count": {Address: exporter.Addr(), For: time.Minute, Count: 2, Bytes: 1 << 20},
		"size":  {Address: exporter.Addr(), For: time.Minute, Bytes: 2*(1+capture.PacketOverhead) + 5},
	} {
		var file bytes.Buffer
		outcomes, err := Gather(t.Context(), []Source{collector("a", true, at(1, "1"), at(2, "2"), at(3, "3")), collector("waits", true)}, l, "", "", &file)
		if err != nil {
			t.Fatal(err)
		}
		if got := datagrams(t, file.Bytes()); len(got) != 2 || outcomes[0].Taken != 2 || outcomes[0].LeftOut != 1 || outcomes[1].Err != nil {
			t.Errorf("%s: %q, %+v", name, got, outcomes)
		}
	}
}

// A collector ends where the next datagram is beyond the size. The others have heard nothing, and would wait for the time to end.
func TestACaptureEndsForAllWhenTheNextDatagramOfOneIsBeyondTheSize(t *testing.T) {
	var file bytes.Buffer
	outcomes, err := Gather(t.Context(), []Source{collector("a", false, at(1, "1")), collector("b", true)},
		Limit{Address: exporter.Addr(), For: time.Second, Bytes: 2 * capture.PacketOverhead}, "", "", &file)
	if got := datagrams(t, file.Bytes()); err != nil || !slices.Equal(got, []string{"1"}) || outcomes[0].Err != nil || outcomes[1].Err != nil {
		t.Errorf("%v, %q, %+v", err, got, outcomes)
	}
}

func TestAnInterruptLeavesAWholeFile(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var file bytes.Buffer
	one := collector("a", true, at(1, "1"))
	inner := one.Capture
	one.Capture = func(ctx context.Context, in io.Reader, out io.Writer) error {
		time.AfterFunc(10*time.Millisecond, cancel)
		return inner(ctx, in, out)
	}
	outcomes, err := Gather(ctx, []Source{one}, limit, "", "", &file)
	if got := datagrams(t, file.Bytes()); err != nil || outcomes[0].Err != nil || !slices.Equal(got, []string{"1"}) || outcomes[0].Statistics == nil {
		t.Errorf("%v, %q, %+v", err, got, outcomes)
	}
}

// A pod may be no collector, or one that was taken over. It costs its own datagrams at most.
func TestALyingPodCostsNoMoreThanItsOwnCapture(t *testing.T) {
	other := at(1, "x")
	other.Source = netip.MustParseAddrPort("192.0.2.2:4000")
	packet := at(1, "endless")
	for name, test := range map[string]struct {
		liar Source
		want string
	}{
		"no command":           {says(nil, false, errors.New("unknown command \"capture\"")), "unknown command"},
		"nothing":              {says(nil, false, nil), "unexpected EOF"},
		"no capture":           {says([]byte("Welcome to a shell, whatever you like to have\n"), true, nil), "no capture of a collector"},
		"another exporter":     {says(capture.AppendPacket(begun(), 0, &other), false, nil), "192.0.2.2"},
		"no end":               {says(capture.AppendPacket(begun(), 0, &packet), false, nil), "unexpected EOF"},
		"a section in between": {says(capture.AppendPacket(begun(), 0, &packet), true, nil), "not part of a collector's capture"},
	} {
		var file bytes.Buffer
		outcomes, err := Gather(t.Context(), []Source{test.liar, collector("honest", false, at(2, "honest"))}, limit, "", "", &file)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(datagrams(t, file.Bytes()), "honest") {
			t.Errorf("%s: the honest one's datagram is missing", name)
		}
		if outcomes[0].Err == nil || !strings.Contains(outcomes[0].Err.Error(), test.want) || outcomes[1].Err != nil {
			t.Errorf("%s: %v, %v", name, outcomes[0].Err, outcomes[1].Err)
		}
		if file.Len() > int(limit.Bytes)+slack {
			t.Errorf("%s: the file has %d bytes", name, file.Len())
		}
	}
}

// Datagrams without end, from whatever time, fill a file and no more.
func TestEndlessDatagramsEndWithTheSize(t *testing.T) {
	early := at(0, strings.Repeat("x", 1000))
	packet, first := capture.AppendPacket(nil, 0, &early), true
	liar := Source{Name: "liar", Capture: func(_ context.Context, _ io.Reader, out io.Writer) error {
		for {
			b := packet
			if first {
				b, first = begun(), false
			}
			if _, err := out.Write(b); err != nil {
				return err
			}
		}
	}}
	var file bytes.Buffer
	outcomes, err := Gather(t.Context(), []Source{liar}, limit, "", "", &file)
	if err != nil || outcomes[0].Err == nil || !strings.Contains(outcomes[0].Err.Error(), "more than") || file.Len() > int(limit.Bytes)+slack {
		t.Errorf("%v, %v, %d bytes", err, outcomes[0].Err, file.Len())
	}
	datagrams(t, file.Bytes())
}

func TestAFileThatCannotBeWrittenEndsTheCapture(t *testing.T) {
	if _, err := Gather(t.Context(), []Source{collector("a", true, at(1, "1"))}, limit, "", "", &failing{}); err == nil || !strings.Contains(err.Error(), "disk") {
		t.Errorf("%v", err)
	}
	after := &failing{after: 2}
	if _, err := Gather(t.Context(), []Source{collector("a", false, at(1, "1"))}, limit, "", "", after); err == nil {
		t.Error("nobody says that the end is missing")
	}
}

// failing takes so many writes.
type failing struct{ after int }

func (f *failing) Write(b []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, errors.New("the disk is full")
	}
	return len(b), nil
}

// What was late for less than the window comes in its place; what waits is not held for ever.
func TestLateDatagramsFindTheirPlaceWithinTheWindow(t *testing.T) {
	var file bytes.Buffer
	m := merger{out: &file, limit: limit}
	now := time.Unix(1_000_000, 0)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(m.begin("", ""))
	for range 2 {
		_, err := m.join("", "")
		must(err)
	}
	m.add(0, at(2, "2"), now)
	m.add(0, at(9_999_999, "of a clock that is ahead"), now)
	must(m.release(now.Add(window / 2)))
	m.add(1, at(1, "1"), now.Add(window/2))
	must(m.release(now.Add(window * 3 / 2)))
	m.add(1, at(3, "3"), now.Add(window*3/2))
	must(m.release(now.Add(window * 5)))
	if got := datagrams(t, file.Bytes()); !slices.Equal(got, []string{"1", "2", "of a clock that is ahead", "3"}) {
		t.Errorf("%q", got)
	}
}

func FuzzGather(f *testing.F) {
	f.Add(begun(), []byte{})
	packet := at(1, "1")
	f.Add(capture.AppendStatistics(capture.AppendPacket(begun(), 0, &packet), 0, capture.Statistics{Received: 1}), []byte("x"))
	packet.Payload, packet.Cut = nil, true
	f.Add(capture.AppendStatistics(capture.AppendPacket(begun(), 0, &packet), 0, capture.Statistics{Received: 1}), []byte("x"))
	f.Fuzz(func(t *testing.T, one, other []byte) {
		var file bytes.Buffer
		if _, err := Gather(t.Context(), []Source{says(one, false, nil), says(other, false, nil)}, limit, "", "", &file); err != nil {
			t.Fatal(err)
		}
		datagrams(t, file.Bytes())
	})
}

// What a collector says in the end is checked against what came of it.
func TestACollectorWhoseFiguresContradictWhatItSentIsNamed(t *testing.T) {
	packet := at(1, "1")
	for name, s := range map[string]capture.Statistics{
		"fewer":          {},
		"more":           {Received: 5},
		"less than none": {Received: 1, Dropped: 2},
	} {
		var file bytes.Buffer
		b := capture.AppendStatistics(capture.AppendPacket(begun(), 0, &packet), 0, s)
		outcomes, err := Gather(t.Context(), []Source{says(b, false, nil)}, limit, "", "", &file)
		if err != nil {
			t.Fatal(err)
		}
		if o := outcomes[0]; o.Err == nil || !strings.Contains(o.Err.Error(), "but 1 came") || o.Statistics != nil || o.Taken != 1 {
			t.Errorf("%s: %+v", name, o)
		}
		if got := datagrams(t, file.Bytes()); !slices.Equal(got, []string{"1"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A disk that is full for a moment leaves a file that is cut at one place, and not one with a hole.
func TestNothingIsWrittenBehindABlockThatIsCut(t *testing.T) {
	disk := &hiccup{room: 300}
	if _, err := Gather(t.Context(), []Source{collector("a", false, at(1, strings.Repeat("x", 400)), at(2, "y"))}, limit, "", "", disk); err == nil ||
		!strings.Contains(err.Error(), "full") {
		t.Errorf("%v", err)
	}
	if !disk.failed || disk.Len() != disk.room {
		t.Errorf("the file goes on behind the hole: %q", disk.String()[disk.room:])
	}
}

// hiccup has room for so many bytes, takes a part of what does not fit, and has room again.
type hiccup struct {
	bytes.Buffer
	room   int
	failed bool
}

func (h *hiccup) Write(b []byte) (int, error) {
	if !h.failed && h.Len()+len(b) > h.room {
		h.failed = true
		n, _ := h.Buffer.Write(b[:h.room-h.Len()])
		return n, errors.New("the disk is full")
	}
	return h.Buffer.Write(b)
}
