package names

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Said are names that the operator says, for exporters that send none or that send wrong ones. It is immutable.
type Said struct {
	// networks have rows of their own each.
	networks map[netip.Prefix]map[saidKey]*Row
	// bits are the lengths of prefixes that occur, of IPv4 and of IPv6, the longest first: so many steps does a look-up take at most,
	// however many networks there are.
	bits4, bits6 []int
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
	s := &Said{networks: make(map[netip.Prefix]map[saidKey]*Row)}
	for i := range lines {
		l := &lines[i]
		network := l.Network.Masked()
		rows := s.networks[network]
		if rows == nil {
			rows = make(map[saidKey]*Row)
			s.networks[network] = rows
			if bits := s.bits(network.Addr()); !slices.Contains(*bits, network.Bits()) {
				*bits = append(*bits, network.Bits())
			}
		}
		rows[saidKey{l.Table, l.Number}] = &l.Row
	}
	for _, bits := range [][]int{s.bits4, s.bits6} {
		slices.SortFunc(bits, func(a, b int) int { return b - a })
	}
	return s
}

// bits are the lengths of an address's family.
func (s *Said) bits(a netip.Addr) *[]int {
	if a.Is4() {
		return &s.bits4
	}
	return &s.bits6
}

// Find returns what is said of a number, or nil. A nil Said says nothing.
func (s *Said) Find(k Key) *Row {
	if s == nil {
		return nil
	}
	address := k.Scope.Exporter.WithZone("")
	for _, bits := range *s.bits(address) {
		network, err := address.Prefix(bits)
		if err != nil {
			return nil // no address
		}
		if row := s.networks[network][saidKey{k.Table, k.Number}]; row != nil {
			return row
		}
	}
	return nil
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
	var err error
	if l.Network, err = parseNetwork(fields[0]); err != nil {
		return l, err
	}
	ok := false
	if l.Table, ok = ParseTable(fields[1]); !ok {
		return l, fmt.Errorf("there is no table %q: there are %s", fields[1], Tables)
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

func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is neither an address nor a network", s)
	}
	return p.Masked(), nil
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
