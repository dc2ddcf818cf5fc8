package tap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flowfleet/flowfleet/collector/capture"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

var (
	exporter = netip.MustParseAddrPort("192.0.2.1:4000")
	another  = netip.MustParseAddrPort("192.0.2.2:4000")
	local    = netip.MustParseAddrPort("[::]:2055")
)

// serve serves captures under a port that no other test has.
func serve(t *testing.T) (*Tap, *Server, int) {
	t.Helper()
	return serveWith(t, slog.DiscardHandler)
}

func serveWith(t *testing.T, log slog.Handler) (*Tap, *Server, int) {
	t.Helper()
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close() })
	port := held.Addr().(*net.TCPAddr).Port
	tap := &Tap{}
	s, err := Serve(tap, port, "a test", "edge-1", slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return tap, s, port
}

func ask(t *testing.T, port int, change func(*Request)) *Capture {
	t.Helper()
	request := Request{Address: exporter.Addr(), For: MaxTime, Bytes: MaxBytes}
	change(&request)
	c, err := Ask(t.Context(), port, request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// offer is what a worker does with a datagram, and reports whether anybody captures.
func (t *Tap) offer(source netip.AddrPort, payload []byte) bool {
	running := t.Running()
	if running != nil {
		running.Offer(time.Unix(1_700_000_000, 1), source, local, payload, false)
	}
	return running != nil
}

// read reads a capture to its end.
func read(t *testing.T, c io.Reader) (payloads [][]byte, s *capture.Statistics) {
	t.Helper()
	live := capture.NewLive(c, MaxBytes+1<<20)
	err := live.Begin()
	for err == nil {
		var p *capture.Packet
		if p, err = live.Next(); err == nil {
			if p.Source != exporter {
				t.Errorf("a datagram of %s", p.Source)
			}
			payloads = append(payloads, bytes.Clone(p.Payload))
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return payloads, live.Statistics()
}

func TestACaptureHasTheDatagramsOfOneExporterUntilItsCount(t *testing.T) {
	tap, _, port := serve(t)
	if tap.offer(exporter, []byte("before")) {
		t.Error("somebody captures before anybody asked")
	}
	c := ask(t, port, func(r *Request) { r.Count = 2 })
	for _, one := range []string{"a", "b", "c"} {
		tap.offer(another, []byte("of another"))
		tap.offer(exporter, []byte(one))
	}
	payloads, s := read(t, c)
	if string(bytes.Join(payloads, nil)) != "ab" || s.Received != 2 || s.Dropped != 0 || s.Comment != endedCount {
		t.Errorf("%q, %+v", payloads, s)
	}
	natstest.Eventually(t, "receiving pays nothing any more", func() bool { return !tap.offer(exporter, nil) })
}

func TestACaptureEndsWithItsTimeItsSizeAndWhoAsked(t *testing.T) {
	for why, test := range map[string]struct {
		change func(*Request)
		then   func(*Tap, *Server, *Capture)
	}{
		endedTime: {func(r *Request) { r.For = 10 * time.Millisecond }, func(*Tap, *Server, *Capture) {}},
		endedBytes: {func(r *Request) { r.Bytes = 1000 }, func(tap *Tap, _ *Server, _ *Capture) {
			tap.offer(exporter, make([]byte, 900))
			tap.offer(exporter, make([]byte, 900))
		}},
		endedAsked: {func(*Request) {}, func(_ *Tap, _ *Server, c *Capture) { c.End() }},
		endedDrain: {func(*Request) {}, func(_ *Tap, s *Server, _ *Capture) { go s.Close() }},
	} {
		tap, server, port := serve(t)
		c := ask(t, port, test.change)
		test.then(tap, server, c)
		payloads, s := read(t, c)
		if s.Comment != why || why == endedBytes && len(payloads) != 1 {
			t.Errorf("%q, not %q; %d datagrams", s.Comment, why, len(payloads))
		}
	}
}

// A reader that is too slow costs him datagrams, which he is told; nobody waits for him.
func TestWhatASlowReaderMissesIsCounted(t *testing.T) {
	tap, _, port := serve(t)
	c := ask(t, port, func(*Request) {})
	const sent, length = 20_000, 1000
	for range sent {
		tap.offer(exporter, make([]byte, length))
	}
	c.End()
	payloads, s := read(t, c)
	if s.Received != sent || s.Dropped == 0 || uint64(len(payloads))+s.Dropped != sent {
		t.Errorf("%d read, %+v", len(payloads), s)
	}
	if stats := tap.Stats(); stats.Dropped != s.Dropped || stats.Datagrams != uint64(len(payloads)) || stats.Begun != 1 {
		t.Errorf("%+v", stats)
	}
	if most := 3 * bufferBytes / length; len(payloads) > most {
		t.Errorf("%d datagrams waited, more than the buffers have room for", len(payloads))
	}
}

func TestAReaderWhoIsGoneEndsHisCapture(t *testing.T) {
	tap, _, port := serve(t)
	c := ask(t, port, func(*Request) {})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "nothing is captured any more", func() bool { return tap.Running() == nil })
}

func TestACollectorHasTwoCapturesAtATime(t *testing.T) {
	tap, _, port := serve(t)
	first, second := ask(t, port, func(*Request) {}), ask(t, port, func(*Request) {})
	if _, err := Ask(t.Context(), port, Request{Address: exporter.Addr(), For: time.Second, Bytes: 1000}); err == nil || !strings.Contains(err.Error(), "2 captures are running") {
		t.Errorf("the third: %v", err)
	}
	tap.offer(exporter, []byte("x"))
	for _, c := range []*Capture{first, second} {
		c.End()
		if payloads, _ := read(t, c); len(payloads) != 1 {
			t.Errorf("%q", payloads)
		}
	}
	natstest.Eventually(t, "there is room again", func() bool {
		c, err := Ask(t.Context(), port, Request{Address: exporter.Addr(), For: time.Millisecond, Bytes: 1000})
		return err == nil && c.Close() == nil
	})
	if s := tap.Stats(); s.Refused == 0 {
		t.Errorf("%+v", s)
	}
}

func TestRequestsThatAreUnboundedAreRefused(t *testing.T) {
	good := Request{Address: exporter.Addr(), For: time.Second, Bytes: 1000}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Request){
		"no address":         func(r *Request) { r.Address = netip.Addr{} },
		"all addresses":      func(r *Request) { r.Address = netip.IPv4Unspecified() },
		"a multicast group":  func(r *Request) { r.Address = netip.MustParseAddr("224.0.0.1") },
		"no time":            func(r *Request) { r.For = 0 },
		"too long":           func(r *Request) { r.For = MaxTime + 1 },
		"no bytes":           func(r *Request) { r.Bytes = 0 },
		"too many bytes":     func(r *Request) { r.Bytes = MaxBytes + 1 },
		"a count below zero": func(r *Request) { r.Count = -1 },
		"a novel":            func(r *Request) { r.By = strings.Repeat("x", MaxBy+1) },
	} {
		r := good
		change(&r)
		if r.Check() == nil {
			t.Errorf("%s is allowed", name)
		}
	}
}

// What is no request gets words, and nothing is captured. A connection that says nothing is let go of; that takes a while.
func TestWhatIsNoRequestIsRefused(t *testing.T) {
	tap, _, port := serve(t)
	for _, words := range []string{"\n", "{}\n", "{\"address\": \"192.0.2.1\", \"for\": 1e30}\n", "GET / HTTP/1.1\r\n", strings.Repeat("x", 2*maxRequest)} {
		conn, err := net.Dial("unix", socketName(port))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, words) // it may be refused before all is said
		answer, _ := io.ReadAll(conn)      // likewise
		if len(answer) > 0 && !strings.HasPrefix(string(answer), answerRefused) || tap.Running() != nil {
			t.Errorf("%.20q: %q", words, answer)
		}
		_ = conn.Close()
	}
	if s := tap.Stats(); s.Refused != 5 || s.Begun != 0 {
		t.Errorf("%+v", s)
	}
}

func TestOnlyTheCollectorsOwnUserAndRootMayCapture(t *testing.T) {
	me := uint32(os.Getuid())
	for _, test := range []struct {
		about            string
		peer             unix.Ucred
		mayAsk, mayReply bool
	}{
		{"itself", unix.Ucred{Pid: 1, Uid: me}, true, true},
		{"root", unix.Ucred{Pid: 1, Uid: 0}, true, true},
		{"another user", unix.Ucred{Pid: 1, Uid: me + 1}, false, me == 0},
		{"another container", unix.Ucred{Pid: 0, Uid: me}, false, false},
		{"root of another container", unix.Ucred{Pid: 0, Uid: 0}, false, false},
	} {
		p := peer{test.peer}
		if (p.mayAsk() == nil) != test.mayAsk || (p.mayAnswer() == nil) != test.mayReply {
			t.Errorf("%s: %v, %v", test.about, p.mayAsk(), p.mayAnswer())
		}
	}
}

func TestAskingWhereNoCollectorIsSaysSo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := Ask(ctx, 1, Request{Address: exporter.Addr(), For: time.Second, Bytes: 1}); err == nil || !strings.Contains(err.Error(), "no collector here") {
		t.Errorf("%v", err)
	}
}

func TestOfferingAllocatesNothing(t *testing.T) {
	tap := &Tap{}
	if _, err := tap.begin(Request{Address: exporter.Addr(), For: time.Minute, Bytes: MaxBytes}); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 1400)
	for _, source := range []netip.AddrPort{exporter, another} {
		if n := testing.AllocsPerRun(1000, func() { tap.offer(source, payload) }); n > 0 {
			t.Errorf("%s: %v allocations", source, n)
		}
	}
}

// What receiving pays: for a batch while nobody captures, for a datagram of others, and for one that is captured.
func BenchmarkOffer(b *testing.B) {
	payload := make([]byte, 1400)
	b.Run("nobody captures", func(b *testing.B) {
		tap := &Tap{}
		for b.Loop() {
			if tap.Running() != nil {
				b.Fatal("somebody does")
			}
		}
	})
	for name, source := range map[string]netip.AddrPort{"another": another, "captured": exporter} {
		b.Run(name, func(b *testing.B) {
			tap := &Tap{}
			r, err := tap.begin(Request{Address: exporter.Addr(), For: time.Minute, Bytes: 1 << 62})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				tap.offer(source, payload)
				if len(r.waiting) > bufferBytes/2 {
					r.waiting = r.waiting[:0]
				}
			}
		})
	}
}

// That nothing was heard is said of silence only.
func TestACaptureThatHasNoRoomForOneDatagramSaysThatItCame(t *testing.T) {
	tap, _, port := serve(t)
	c := ask(t, port, func(r *Request) { r.Bytes = 500 })
	tap.offer(exporter, make([]byte, 1400))
	payloads, s := read(t, c)
	if len(payloads) != 0 || s.Comment != endedBytes || s.Received != 1 || s.Dropped != 1 {
		t.Errorf("%d datagrams, %+v", len(payloads), s)
	}
	if text := capture.Summary(exporter.Addr(), s); strings.Contains(text, "nothing was heard") || !strings.Contains(text, "1 more came") {
		t.Error(text)
	}
}

// Who has asked for half does not hold up the end of a collector, and is told.
func TestACollectorThatEndsDoesNotWaitForWhoHasOnlyBegunToAsk(t *testing.T) {
	tap, server, port := serve(t)
	conn, err := net.Dial("unix", socketName(port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, `{"address": `); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the connection is taken", func() bool { return len(server.slots) == 1 })
	server.Close()
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), endedDrain) || tap.Stats().Refused != 1 {
		t.Errorf("%q, %v", answer, err)
	}
}

// Who may not capture may ask all the same, as often as he likes: that fills no log.
func TestRefusalsAreAllCountedAndSomeLogged(t *testing.T) {
	var log lines
	tap, _, port := serveWith(t, slog.NewTextHandler(&log, nil))
	const asked = 500
	for range asked {
		conn, err := net.Dial("unix", socketName(port))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "\n")
		_, _ = io.ReadAll(conn) // which ends when it is refused
		_ = conn.Close()
	}
	natstest.Eventually(t, "all are counted", func() bool { return tap.Stats().Refused == asked })
	if n := log.n.Load(); n == 0 || n > asked/2 {
		t.Errorf("%d refusals are logged of %d", n, asked)
	}
}

// lines counts what is logged.
type lines struct{ n atomic.Int64 }

func (l *lines) Write(b []byte) (int, error) {
	l.n.Add(1)
	return len(b), nil
}
