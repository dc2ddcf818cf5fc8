package jetstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// given is a connection that gives a text in pieces.
type given struct {
	net.Conn
	text  string
	piece int
}

func (g *given) Read(b []byte) (int, error) {
	if g.text == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), g.piece)], g.text)
	g.text = g.text[n:]
	return n, nil
}

func (g *given) Close() error { return nil }

// through reads a text through a guard.
func through(text string, piece int) (string, error) {
	out, err := io.ReadAll(newGuard(&given{text: text, piece: piece}))
	return string(out), err
}

const greeting = "INFO {\"server_id\":\"x\",\"version\":\"2.10.0\",\"headers\":true,\"max_payload\":1048576}\r\n"

func TestWhatAServerSaysPassesAndNothingElse(t *testing.T) {
	var excess *excessError
	for _, test := range []struct {
		name, text string
		fine, over bool
	}{
		{name: "an ordinary conversation", text: greeting + "+OK\r\nPONG\r\nPING\r\nMSG a 1 5\r\nhe\r\no\r\nHMSG a 1 _INBOX.b 2 3\r\nabc\r\n-ERR 'x'\r\nmsg a 1 0\r\n\r\n", fine: true},
		{name: "a message that looks like more", text: "MSG a 1 19\r\nMSG b 1 700000000\r\n\r\nPONG\r\n", fine: true},
		{name: "a long line of introduction", text: "INFO {" + strings.Repeat(" ", 20<<10) + "}\r\n", fine: true},
		{name: "a huge message", text: "MSG x 1 700000000\r\n", over: true},
		{name: "a message one byte too large", text: fmt.Sprintf("MSG x 1 %d\r\n", maxPayload+1), over: true},
		{name: "a message of more than a number holds", text: "MSG x 1 99999999999999999999999999\r\n", over: true},
		{name: "a huge message with headers", text: "HMSG x 1 12 700000000\r\n", over: true},
		{name: "a huge message with a tab", text: "MSG x\t1\t700000000 \r\n", over: true},
		{name: "a line without end", text: "-ERR " + strings.Repeat("x", 1<<20), over: true},
		{name: "an introduction without end", text: "INFO " + strings.Repeat("x", 1<<20), over: true},
		{name: "small messages without end", text: strings.Repeat("MSG x 1 0\r\n\r\n", 1<<17), over: true},
		{name: "pings without end", text: strings.Repeat("PING\r\n", 1<<18), over: true},
		{name: "a size that is none", text: "MSG x 1 -5\r\n"},
		{name: "no size", text: "MSG \r\n"},
		{name: "an end of line that the client sees elsewhere", text: "INFO \nMSG x 1 30\r\nMSG x 1 700000000\r\n"},
		{name: "a carriage return within a size", text: "MSG x 1 70\r0000000\r\n"},
		{name: "a message longer than it says", text: "MSG x 1 2\r\nabcd\r\n"},
		{name: "another service", text: "SSH-2.0-OpenSSH_9.6p1 bastion\r\n"},
		{name: "bytes", text: "J\x00\x00\x00\x0a8.0.36\x00\r\n"},
	} {
		for _, piece := range []int{1, 7, 4096} {
			got, err := through(test.text, piece)
			switch {
			case test.fine && (err != nil || got != test.text):
				t.Errorf("%s, in pieces of %d: %v", test.name, piece, err)
			case !test.fine && err == nil:
				t.Errorf("%s, in pieces of %d, passes", test.name, piece)
			case !test.fine && errors.As(err, &excess) != test.over:
				t.Errorf("%s, in pieces of %d: %v", test.name, piece, err)
			}
		}
	}
}

// FuzzGuard: pieces make no difference, and what passes has no message above the bound as the client library would read it.
func FuzzGuard(f *testing.F) {
	f.Add(greeting+"MSG a 1 5\r\nhello\r\n", 3)
	f.Add("INFO \nMSG x 1 30\r\nMSG x 1 700000000\r\n", 1)
	f.Add("HMSG x 1 2 3\r\nabc\r\nPING\r\n-ERR ' '\r\n", 2)
	f.Fuzz(func(t *testing.T, text string, piece int) {
		piece = 1 + (piece&0x7fffffff)%64
		got, err := through(text, piece)
		whole, errWhole := through(text, max(len(text), 1))
		if (err == nil) != (errWhole == nil) || err == nil && got != whole {
			t.Fatalf("in pieces of %d: %v; in one: %v", piece, err, errWhole)
		}
		if err == nil && got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

// hostile listens, greets, and answers each request by what the function writes.
func hostile(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	return natstest.Listen(t, func(c net.Conn) { converse(c, answer) })
}

func converse(c net.Conn, answer func(net.Conn)) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(c, greeting)
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch {
		case strings.HasPrefix(line, "PING"):
			_, _ = io.WriteString(c, "PONG\r\n")
		case strings.HasPrefix(line, "PUB"), strings.HasPrefix(line, "HPUB"):
			answer(c)
		}
	}
}

// huge answers with one message of 700 MB.
func huge(c net.Conn) {
	_, _ = io.WriteString(c, "MSG x 1 700000000\r\n")
	flood(c, "0123456789abcdef")
}

// flood writes until the other side has enough.
func flood(c net.Conn, text string) {
	chunk := strings.Repeat(text, 1<<16/len(text))
	for {
		if _, err := io.WriteString(c, chunk); err != nil {
			return
		}
	}
}

func TestAServerThatAnswersWithoutMeasureIsCutOff(t *testing.T) {
	for name, answer := range map[string]func(net.Conn){
		"a message of 700 MB": huge,
		"messages":            func(c net.Conn) { flood(c, "MSG x 99 0\r\n\r\n") },
		"introductions":       func(c net.Conn) { flood(c, "INFO {\"connect_urls\":[\"192.0.2.1:1\"]}\r\n") },
		"a line":              func(c net.Conn) { flood(c, "-ERR ") },
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			c := open(t, hostile(t, answer))
			_, err := c.EnsureStream(background(t), edge, flows(), false)
			runtime.ReadMemStats(&after)
			if ClassOf(err) != ClassNotNATS {
				t.Errorf("it is %q: %v", ClassOf(err), err)
			}
			// A bound on what was allocated, not on a time: the message alone would be 700 MB.
			if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
				t.Errorf("%d MiB were allocated", got>>20)
			}
		})
	}
}

func TestAnIntroductionWithoutEndIsCutOff(t *testing.T) {
	url := natstest.Listen(t, func(c net.Conn) { flood(c, "INFO ") })
	if _, err := Connect(background(t), &Server{URLs: []string{url}}); ClassOf(err) != ClassNotNATS {
		t.Errorf("it is %q: %v", ClassOf(err), err)
	}
}

// What other services say is not repeated: who may name any address would read their banners in a status.
func TestWhatOtherServicesSayIsNotRepeated(t *testing.T) {
	for _, banner := range []string{"SSH-2.0-OpenSSH_9.6p1 secret\r\n", "secret role=master\r\n", "INFO secret\r\n", "J\x00\x00\x0a8.0.36-secret\x00\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, banner)
				time.AfterFunc(time.Second, func() { _ = c.Close() })
			}
		}()
		_, err = Connect(background(t), &Server{URLs: []string{"nats://" + l.Addr().String()}})
		_ = l.Close()
		if ClassOf(err) != ClassNotNATS || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q is %q: %v", banner, ClassOf(err), err)
		}
	}
}

// A websocket has frames of its own to flood with.
func TestWebsocketsAreBoundedToo(t *testing.T) {
	for name, answer := range map[string]func(*websocket.Conn){
		"a message of 700 MB": func(c *websocket.Conn) {
			_ = c.WriteMessage(websocket.BinaryMessage, []byte("MSG x 1 700000000\r\n"))
		},
		"pings": func(c *websocket.Conn) {
			for c.WriteControl(websocket.PingMessage, make([]byte, 125), time.Now().Add(time.Minute)) == nil {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var upgrader websocket.Upgrader
			h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := upgrader.Upgrade(w, r, nil)
				if err != nil {
					return
				}
				defer func() { _ = c.Close() }()
				_ = c.WriteMessage(websocket.BinaryMessage, []byte(greeting))
				for {
					_, text, err := c.ReadMessage()
					switch {
					case err != nil:
						return
					case strings.Contains(string(text), "PUB "):
						answer(c)
						return
					case strings.Contains(string(text), "PING\r\n"):
						_ = c.WriteMessage(websocket.BinaryMessage, []byte("PONG\r\n"))
					}
				}
			}))
			defer h.Close()
			c := open(t, "ws"+strings.TrimPrefix(h.URL, "http"))
			if _, err := c.EnsureStream(background(t), edge, flows(), false); ClassOf(err) != ClassNotNATS {
				t.Errorf("it is %q: %v", ClassOf(err), err)
			}
		})
	}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Secret", "secret")
		http.Error(w, "secret", http.StatusForbidden)
	}))
	defer h.Close()
	_, err := Connect(background(t), &Server{URLs: []string{"ws" + strings.TrimPrefix(h.URL, "http")}})
	if ClassOf(err) != ClassNotNATS || strings.Contains(err.Error(), "secret") {
		t.Errorf("HTTP is %q: %v", ClassOf(err), err)
	}
}
