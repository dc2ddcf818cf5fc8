package jetstream

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
)

// Bounds of what is read from a server. They are far above what a server answers to the questions that are asked here, and far below
// what the operator would notice. The client library has none of its own: it makes room for a message as soon as it is announced.
const (
	// maxInfo is for the line in which a server introduces itself: it names all servers of a cluster.
	maxInfo = 32 << 10
	// maxControl is for any other line.
	maxControl = 4 << 10
	// maxPayload is for one message, maxFlows for one that is of flows: 900 KiB at most, written in base64.
	maxPayload = 128 << 10
	maxFlows   = 1280 << 10
	// maxAnswer is for all that comes while one request waits, or while the connection is made, asked for or not; a message of flows comes
	// on top.
	maxAnswer = 512 << 10
)

// errNotNATS is for what no NATS server says.
var errNotNATS = errors.New("what answers there does not speak NATS")

// excessError says that a server sends more than any answer may have.
type excessError struct {
	what string
	most int
}

// Error says what was too much. What was sent is not told: it may be anything.
func (e *excessError) Error() string {
	return fmt.Sprintf("what answers there sends %s of more than %d KiB", e.what, e.most>>10)
}

// guard lets through what a server may say and ends the connection at anything else, before the client sees it. It is stricter than
// the client about how lines end, so that both agree on where messages begin.
type guard struct {
	net.Conn
	// left of maxAnswer; largest is what one message may have.
	left, largest atomic.Int64
	// failed ends all further reading.
	failed atomic.Pointer[error]

	// line is the present one, of INFO only its beginning; length is that of all of it.
	line   []byte
	length int
	// payload bytes are to come, and then the end of a line: inside says so.
	payload int
	inside  bool
	// carriage: the last byte was a carriage return.
	carriage bool
}

func newGuard(conn net.Conn) *guard {
	g := &guard{Conn: conn}
	g.more(maxPayload)
	return g
}

// more lets in what one more request may be answered with: messages of at most that many bytes.
func (g *guard) more(largest int64) {
	g.largest.Store(largest)
	g.left.Store(answer(largest))
}

// answer is what may come while a request waits that is answered with messages of at most that many bytes.
func answer(largest int64) int64 { return max(maxAnswer, largest+maxPayload) }

// Read reads what is within the bounds. It is called by one goroutine at a time.
func (g *guard) Read(b []byte) (int, error) {
	if err := g.fault(); err != nil {
		return 0, err
	}
	n, err := g.Conn.Read(b)
	if n == 0 {
		return 0, err
	}
	wrong := g.check(b[:n])
	if g.left.Add(-int64(n)) < 0 {
		wrong = &excessError{"an answer", maxAnswer}
	}
	if wrong != nil {
		g.failed.Store(&wrong)
		_ = g.Close() // nothing more is wanted of it
		return 0, wrong
	}
	return n, err
}

// fault is why nothing more is read, nil while all is well. It may be called by any goroutine.
func (g *guard) fault() error {
	if err := g.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// check follows the protocol: lines that end in "\r\n", and behind those of messages as many bytes as they say, and "\r\n".
func (g *guard) check(b []byte) error {
	for i := 0; i < len(b); i++ {
		if g.payload > 0 {
			n := min(g.payload, len(b)-i)
			g.payload -= n
			i += n - 1
			continue
		}
		c := b[i]
		switch {
		case c == '\n' && g.carriage:
			g.carriage = false
			if g.inside {
				g.inside = false
				continue
			}
			if err := g.end(); err != nil {
				return err
			}
		case g.carriage || c == '\n' || g.inside && c != '\r':
			return errNotNATS
		case c == '\r':
			g.carriage = true
		default:
			if err := g.take(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// word of a line that says what it is.
const word = len("HMSG ")

// take takes one byte of a line.
func (g *guard) take(c byte) error {
	g.length++
	info := len(g.line) >= len(opInfo) && g.is(opInfo)
	switch {
	case info && g.length > maxInfo:
		return &excessError{"a line", maxInfo}
	case info:
		return nil
	case g.length > maxControl:
		return &excessError{"a line", maxControl}
	}
	g.line = append(g.line, c)
	if len(g.line) == word && g.operation() == "" {
		return errNotNATS // known before it ends: of what is no NATS server, as little as can be is read
	}
	return nil
}

const opInfo = "INFO"

// operation is what the line says, empty for nothing that a server says.
func (g *guard) operation() string {
	for _, op := range []string{opInfo, "MSG", "HMSG", "PING", "PONG", "+OK", "-ERR"} {
		if g.is(op) && (len(g.line) == len(op) || g.line[len(op)] == ' ' || g.line[len(op)] == '\t') {
			return op
		}
	}
	return ""
}

func (g *guard) is(op string) bool {
	return len(g.line) >= len(op) && strings.EqualFold(string(g.line[:len(op)]), op)
}

// end takes the end of a line.
func (g *guard) end() error {
	op := g.operation()
	arguments := strings.Fields(string(g.line[min(len(op), len(g.line)):]))
	g.line, g.length = g.line[:0], 0
	switch op {
	case "":
		return errNotNATS
	case "MSG", "HMSG":
		if len(arguments) == 0 {
			return errNotNATS
		}
		size, err := strconv.ParseUint(arguments[len(arguments)-1], 10, 63)
		switch {
		case err != nil && !errors.Is(err, strconv.ErrRange):
			return errNotNATS
		case err != nil, size > uint64(g.largest.Load()):
			return &excessError{"a message", int(g.largest.Load())}
		}
		g.payload, g.inside = int(size), true
	}
	return nil
}
