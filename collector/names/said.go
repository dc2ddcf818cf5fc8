package names

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/flowfleet/flowfleet/collector/network"
)

// Said are names that the operator says, for exporters that send none or that send wrong ones. It is immutable.
type Said struct {
	// numbers have the networks that say something of them: what a look-up costs does not grow with the networks.
	numbers map[saidKey]*network.Table[*Row]
}

type saidKey struct {
	table  Table
	number uint64
}

// Line is one name that the operator says.
type Line struct {
	// Network has the exporters that the name holds for.
	Network netip.Prefix
	Table   Table
	Number  uint64
	Row     Row
}

// NewSaid returns what lines say. Of two lines for one number of one network the later counts; of two networks the smaller.
func NewSaid(lines []Line) *Said {
	entries := make(map[saidKey][]network.Entry[*Row])
	for i := range lines {
		l := &lines[i]
		key := saidKey{l.Table, l.Number}
		entries[key] = append(entries[key], network.Entry[*Row]{Network: l.Network, Value: &l.Row})
	}
	s := &Said{numbers: make(map[saidKey]*network.Table[*Row], len(entries))}
	for key, list := range entries {
		s.numbers[key] = network.New(list)
	}
	return s
}

// Find returns what is said of a number, or nil. sender is who sent the datagrams of an sFlow agent, and invalid for others: what is said of
// either address holds. Of two networks the smaller counts, of two that are as small the agent's. A nil Said says nothing.
func (s *Said) Find(k Key, sender netip.Addr) *Row {
	if s == nil {
		return nil
	}
	row, _ := s.numbers[saidKey{k.Table, k.Number}].LookupEither(k.Scope.Exporter, sender)
	return row
}

// MaxLines bounds what ReadLines reads: a ConfigMap has 1 MiB at most.
const MaxLines = 100_000

var header = []string{"exporter", "table", "key", "name", "description"}

// ReadLines reads names from CSV (RFC 4180) with the columns exporter, table, key, name and description, the last of which may be
// left out. The exporter is an address or a network (0.0.0.0/0 and ::/0 for all); the key a number, for applications also engine:selector as
// routers show it (3:53). Blanks around what a column has do not count. Lines that begin with # are comments, and a first line that names
// the columns is none of the names. No name has a line break, so that each line is read by itself: of those that are wrong the first few are
// said, by their numbers; all others are returned.
func ReadLines(r io.Reader) ([]Line, error) {
	in := bufio.NewReader(r)
	var columns splitter
	var out []Line
	wrong := &wrongLines{}
	first := true
	for at := 1; ; at++ {
		text, err := in.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return out, wrong.and(fmt.Errorf("reading names: %w", err))
		}
		end := err != nil
		if at == 1 {
			text = strings.TrimPrefix(text, byteOrderMark)
		}
		if text = strings.TrimSpace(text); text != "" && text[0] != '#' {
			fields, err := columns.of(text)
			isHeader := first && err == nil && strings.EqualFold(fields[0], header[0])
			first = false
			var line Line
			if err == nil && !isHeader {
				line, err = parseLine(fields)
			}
			switch {
			case isHeader:
			case err != nil:
				wrong.add(at, err)
			case len(out) == MaxLines:
				return out, wrong.and(fmt.Errorf("reading names: there are more than %d lines", MaxLines))
			default:
				out = append(out, line)
			}
		}
		if end {
			return out, wrong.and(nil)
		}
	}
}

// byteOrderMark is what spreadsheets begin a file of UTF-8 with.
const byteOrderMark = "\ufeff"

// splitter splits lines into columns.
type splitter struct {
	line strings.Reader
	in   *bufio.Reader // of a size that csv takes as its own
}

func (s *splitter) of(line string) ([]string, error) {
	s.line.Reset(line)
	if s.in == nil {
		s.in = bufio.NewReader(&s.line)
	}
	s.in.Reset(&s.line)
	columns := csv.NewReader(s.in)
	columns.FieldsPerRecord, columns.TrimLeadingSpace = -1, true
	fields, err := columns.Read()
	if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
		return nil, parse.Err // its own numbers are those of a text of one line
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	return fields, err
}

// wrongLines are the first few lines that are wrong, and how many more there are.
type wrongLines struct {
	errors []error
	more   int
}

func (w *wrongLines) add(at int, err error) {
	if len(w.errors) == maxWrong {
		w.more++
		return
	}
	w.errors = append(w.errors, fmt.Errorf("line %d: %w", at, err))
}

// and is what is wrong, with what ended the reading, nil where nothing is.
func (w *wrongLines) and(end error) error {
	if w.more > 0 {
		w.errors = append(w.errors, fmt.Errorf("and %d more", w.more))
	}
	return errors.Join(append(w.errors, end)...)
}

// maxWrong is how many wrong lines are named.
const maxWrong = 20

func parseLine(fields []string) (Line, error) {
	var l Line
	if len(fields) < len(header)-1 || len(fields) > len(header) {
		return l, fmt.Errorf("it has %d columns, not %s", len(fields), strings.Join(header, ", "))
	}
	var ok bool
	var err error
	if l.Network, ok = network.Parse(fields[0]); !ok {
		return l, fmt.Errorf("%q is neither an address nor a network", fields[0])
	}
	if l.Table, ok = ParseTable(fields[1]); !ok || !l.Table.joined() {
		return l, fmt.Errorf("there is no table %q: there are %s", fields[1], Joined)
	}
	if l.Number, err = parseNumber(l.Table, fields[2]); err != nil {
		return l, err
	}
	for i, text := range fields[3:] {
		clean, refusal := Clean([]byte(text))
		if refusal != Accepted {
			return l, fmt.Errorf("its %s is refused: %s", header[3+i], refusal)
		}
		if i == 0 {
			l.Row.Name = clean
		} else {
			l.Row.Description = clean
		}
	}
	switch {
	case l.Row.Empty():
		return l, errors.New("it has neither a name nor a description")
	case l.Row.Name == "" && l.Table != Interfaces: // of which alone flows carry descriptions
		return l, errors.New("it has no name")
	}
	return l, nil
}

// numbersOf are the numbers of a table that flows can have, the least and the greatest: of others, nobody would see what is said. Interface,
// application, sampler, selector and domain 0 are none.
func numbersOf(t Table) (least, greatest uint64) {
	switch t {
	case Exporters:
		return 0, 0
	case VRFs:
		return 0, math.MaxUint32
	case Interfaces, Domains:
		return 1, math.MaxUint32
	}
	return 1, math.MaxUint64
}

func parseNumber(t Table, s string) (n uint64, err error) {
	if t == Applications {
		n, err = parseApplication(s)
	} else if n, err = strconv.ParseUint(s, 10, 64); err != nil {
		err = fmt.Errorf("its key %q is not a number", s)
	}
	if least, greatest := numbersOf(t); err == nil && (n < least || n > greatest) {
		err = fmt.Errorf("its key %q is no number that %s have: they have %d to %d", s, t, least, greatest)
	}
	return n, err
}
