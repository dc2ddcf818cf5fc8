package names

import (
	"net/netip"
	"strings"
	"testing"
)

func TestWhatTheOperatorSays(t *testing.T) {
	lines, err := ReadLines(strings.NewReader(`exporter,table,key,name,description
# the core
192.0.2.1,interfaces,5,xe-0/0/5,"to the left, then right"
192.0.2.0/24,interfaces,5,ge-0/0/5
192.0.2.0/24,exporters,0,core
::/0,applications,13:453,custom
192.0.2.0/24,interfaces,6,old
192.0.2.0/24,interfaces,6,new
`))
	if err != nil {
		t.Fatal(err)
	}
	s := NewSaid(lines)
	for _, test := range []struct {
		exporter string
		table    Table
		number   uint64
		want     string
	}{
		{"192.0.2.1", Interfaces, 5, "xe-0/0/5"},
		{"192.0.2.9", Interfaces, 5, "ge-0/0/5"},
		{"192.0.2.1", Exporters, 0, "core"},
		{"192.0.2.1", Interfaces, 6, "new"},
		{"192.0.3.1", Interfaces, 5, ""},
		{"2001:db8::1", Applications, ApplicationNumber([]byte{13, 0, 1, 0xc5}), "custom"},
		{"fe80::1%eth0", Applications, ApplicationNumber([]byte{13, 0, 1, 0xc5}), "custom"},
	} {
		got := ""
		if row := s.Find(Key{Scope{Exporter: netip.MustParseAddr(test.exporter), Domain: 7}, test.table, test.number}, netip.Addr{}); row != nil {
			got = row.Name
		}
		if got != test.want {
			t.Errorf("%s %s %d is %q, want %q", test.exporter, test.table, test.number, got, test.want)
		}
	}
	if (*Said)(nil).Find(Key{}, netip.Addr{}) != nil {
		t.Error("nothing says something")
	}
}

func TestWrongLinesAreNamedAndTheOthersHold(t *testing.T) {
	lines, err := ReadLines(strings.NewReader("router,interfaces,5,x\n192.0.2.1,ports,5,x\n192.0.2.1,interfaces,five,x\n" +
		"192.0.2.1,interfaces,5\n192.0.2.1,interfaces,5,\x1b[2J\n192.0.2.1,interfaces,5,,\n192.0.2.1,interfaces,7,good\n"))
	if len(lines) != 1 || lines[0].Row.Name != "good" {
		t.Errorf("%+v", lines)
	}
	for i, want := range []string{"line 1: \"router\" is neither", "line 2: there is no table", "line 3: its key", "line 4: it has 3 columns",
		"line 5: its name is refused", "line 6: it has neither"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v does not say %q", i, err, want)
		}
	}
}

// A line that no flow can be named by is a mistake that nobody would find: its key is one that no flow has, or flows do not carry what it says.
func TestLinesThatNameNoFlowAreWrong(t *testing.T) {
	for line, right := range map[string]bool{
		"exporters,0,edge": true, "exporters,1,edge": false,
		"interfaces,1,x": true, "interfaces,4294967294,x": true, "interfaces,0,x": false, "interfaces,4294967296,x": false,
		"vrfs,0,default": true, "vrfs,4294967295,x": true, "vrfs,4294967296,x": false,
		"domains,4294967295,x": true, "domains,0,x": false, "domains,4294967296,x": false,
		"samplers,18446744073709551615,x": true, "samplers,0,x": false, "selectors,1,x": true, "selectors,0,x": false,
		"applications,13:0,unclassified": true, "applications,50331701,dns": true, "applications,0:1,x": true, "applications,0:0,x": false, "applications,0,x": false,
		"interfaces,5,,uplink": true, "vrfs,7,,red": false, "applications,3:53,,dns": false, "exporters,0,,edge": false,
	} {
		lines, err := ReadLines(strings.NewReader("192.0.2.1," + line + "\n"))
		if (err == nil) != right || (len(lines) == 1) != right {
			t.Errorf("%s: %+v, %v", line, lines, err)
		}
	}
}

// What a hand or a spreadsheet writes otherwise than it should costs the names of its own lines only, however many those are.
func TestAWrongLineCostsNoOther(t *testing.T) {
	const good = "192.0.2.1,interfaces,7,good\n"
	for name, test := range map[string]struct {
		text        string
		good, wrong int
	}{
		"a quote within a column":                 {"192.0.2.1,interfaces,5,xe-0/0/5,the \"old\" uplink\n" + good, 1, 1},
		"a quote that ends too early":             {"192.0.2.1,interfaces,5,\"old\" uplink\n" + good, 1, 1},
		"a quote that never ends":                 {good + "192.0.2.1,interfaces,5,\"uplink\n" + good + good, 3, 1},
		"a column that goes on in the next line":  {"192.0.2.1,interfaces,5,\"to the left,\nthen right\"\n" + good, 1, 2},
		"more wrong lines than are named":         {strings.Repeat("192.0.2.1,ports,5,x\n", 100) + good, 1, 100},
		"a byte order mark before the columns":    {"\ufeffexporter,table,key,name\n" + good, 1, 0},
		"a byte order mark before a name":         {"\ufeff" + good, 1, 0},
		"a byte order mark before a comment":      {"\ufeff# core\r\nexporter,table,key,name\r\n" + good, 1, 0},
		"columns that are aligned with blanks":    {"192.0.2.1 , interfaces ,7 , good ,\t\n", 1, 0},
		"quoted columns with blanks behind":       {"\"192.0.2.1\",\"interfaces\",\"7\",\"good\"  \n", 1, 0},
		"line ends of Windows, no end at the end": {"exporter,table,key,name\r\n\r\n192.0.2.1,interfaces,7,good", 1, 0},
		"columns behind the first line":           {good + "exporter,table,key,name\n", 1, 1},
	} {
		lines, err := ReadLines(strings.NewReader(test.text))
		if len(lines) != test.good {
			t.Errorf("%s: %+v", name, lines)
		}
		for _, line := range lines {
			if line.Row.Name != "good" || line.Number != 7 {
				t.Errorf("%s: %+v", name, line)
			}
		}
		if (err != nil) != (test.wrong > 0) || err != nil && test.wrong <= maxWrong && strings.Count(err.Error(), "line ") != test.wrong ||
			test.wrong > maxWrong && !strings.HasSuffix(err.Error(), "and 80 more") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of the networks that have a number the smallest counts, whichever lengths there are, and none of the other family.
func TestOfTheNetworksThatHaveANumberTheSmallestCounts(t *testing.T) {
	said := NewSaid([]Line{
		{Network: netip.MustParsePrefix("0.0.0.0/0"), Table: Interfaces, Number: 1, Row: Row{Name: "any"}},
		{Network: netip.MustParsePrefix("0.0.0.0/0"), Table: Interfaces, Number: 2, Row: Row{Name: "two"}},
		{Network: netip.MustParsePrefix("10.1.2.3/8"), Table: Interfaces, Number: 1, Row: Row{Name: "ten"}},
		{Network: netip.MustParsePrefix("10.1.2.0/24"), Table: Interfaces, Number: 1, Row: Row{Name: "small"}},
		{Network: netip.MustParsePrefix("10.1.2.3/32"), Table: Interfaces, Number: 1, Row: Row{Name: "one"}},
		{Network: netip.MustParsePrefix("2001:db8::/32"), Table: Interfaces, Number: 1, Row: Row{Name: "six"}},
	})
	for _, test := range []struct {
		address string
		number  uint64
		want    string
	}{
		{"192.0.2.1", 1, "any"}, {"10.9.9.9", 1, "ten"}, {"10.1.2.4", 1, "small"}, {"10.1.2.3", 1, "one"}, {"10.1.2.3", 2, "two"},
		{"2001:db8::7", 1, "six"}, {"2001:db8::7%eth0", 1, "six"}, {"2001:db9::7", 1, ""}, {"10.1.2.3", 3, ""},
	} {
		got := ""
		if row := said.Find(Key{Scope: Scope{Exporter: netip.MustParseAddr(test.address)}, Table: Interfaces, Number: test.number}, netip.Addr{}); row != nil {
			got = row.Name
		}
		if got != test.want {
			t.Errorf("%s, number %d: %q instead of %q", test.address, test.number, got, test.want)
		}
	}
	if said.Find(Key{Table: Interfaces, Number: 1}, netip.Addr{}) != nil {
		t.Error("something is said of no address")
	}
}

// What the operator says of an sFlow agent may stand under its own address or that of its datagrams: of two networks the smaller counts.
func TestWhatIsSaidOfAnAgentStandsUnderItsAddressOrThatOfItsSender(t *testing.T) {
	line := func(network string, number uint64, name string) Line {
		return Line{Network: netip.MustParsePrefix(network), Table: Interfaces, Number: number, Row: Row{Name: name}}
	}
	said := NewSaid([]Line{
		line("192.0.2.1/32", 1, "agent"), line("198.51.100.1/32", 2, "sender"),
		line("192.0.2.1/32", 3, "agent"), line("198.51.100.1/32", 3, "sender"),
		line("192.0.2.0/24", 4, "network of the agent"), line("198.51.100.1/32", 4, "sender"),
		line("192.0.2.1/32", 5, "agent"), line("0.0.0.0/0", 5, "all"),
		line("0.0.0.0/0", 6, "all"), line("2001:db8::1/128", 6, "sender of IPv6"),
	})
	for _, test := range []struct {
		number       uint64
		sender, want string
	}{
		{1, "198.51.100.1", "agent"}, {2, "198.51.100.1", "sender"}, {3, "198.51.100.1", "agent"}, {4, "198.51.100.1", "sender"},
		{5, "198.51.100.1", "agent"}, {6, "2001:db8::1", "sender of IPv6"}, {6, "198.51.100.1", "all"}, {7, "198.51.100.1", ""}, {2, "198.51.100.2", ""},
	} {
		got := ""
		if row := said.Find(Key{Scope{Exporter: netip.MustParseAddr("192.0.2.1"), Domain: 9}, Interfaces, test.number}, netip.MustParseAddr(test.sender)); row != nil {
			got = row.Name
		}
		if got != test.want {
			t.Errorf("%d from %s is %q, want %q", test.number, test.sender, got, test.want)
		}
	}
}
