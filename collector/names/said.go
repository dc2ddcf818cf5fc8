package names

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
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

// Find returns what is said of a number, or nil. A nil Said says nothing.
func (s *Said) Find(k Key) *Row {
	if s == nil {
		return nil
	}
	row, _ := s.numbers[saidKey{k.Table, k.Number}].Lookup(k.Scope.Exporter)
	return row
}

// MaxLines bounds what ReadLines reads: a ConfigMap has 1 MiB at most.
const MaxLines = 100_000

var header = []string{"exporter", "table", "key", "name", "description"}

// ReadLines reads names from CSV (RFC 4180) with the columns exporter, table, key, name and description, the last of which may be
// left out. The exporter is an address or a network (0.0.0.0/0 and ::/0 for all); the key a number, for applications also engine:selector as
// routers show it (3:53). Lines that begin with # are comments, and a first line that names the columns is none of the names. All
// that is wrong is said at once, line by line; the other lines are returned.
func ReadLines(r io.Reader) ([]Line, error) {
	in := csv.NewReader(r)
	in.Comment, in.FieldsPerRecord, in.TrimLeadingSpace = '#', -1, true
	var out []Line
	var wrong []error
	for n := 0; ; n++ {
		fields, err := in.Read()
		switch {
		case errors.Is(err, io.EOF):
			return out, errors.Join(wrong...)
		case err != nil:
			return out, errors.Join(append(wrong, fmt.Errorf("reading names: %w", err))...)
		case n == 0 && strings.EqualFold(fields[0], header[0]):
			continue
		case len(out) == MaxLines:
			return out, errors.Join(append(wrong, fmt.Errorf("reading names: there are more than %d lines", MaxLines))...)
		}
		line, err := parseLine(fields)
		if err != nil {
			at, _ := in.FieldPos(0)
			if wrong = append(wrong, fmt.Errorf("line %d: %w", at, err)); len(wrong) == maxWrong {
				return out, errors.Join(append(wrong, errors.New("and perhaps more"))...)
			}
			continue
		}
		out = append(out, line)
	}
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
	if l.Row.Empty() {
		return l, errors.New("it has neither a name nor a description")
	}
	return l, nil
}

func parseNumber(t Table, s string) (uint64, error) {
	if t == Applications {
		return parseApplication(s)
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("its key %q is not a number", s)
	}
	return n, nil
}
