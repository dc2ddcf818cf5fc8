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
		if row := s.Find(Key{Scope{Exporter: netip.MustParseAddr(test.exporter), Domain: 7}, test.table, test.number}); row != nil {
			got = row.Name
		}
		if got != test.want {
			t.Errorf("%s %s %d is %q, want %q", test.exporter, test.table, test.number, got, test.want)
		}
	}
	if (*Said)(nil).Find(Key{}) != nil {
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
