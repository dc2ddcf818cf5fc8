package names

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/template"
)

// What an exporter says anew in words that are refused, or describes no more, is not called what it was called before.
func TestAFormerTextDoesNotStandWhereTheNewOneIsRefusedOrBlank(t *testing.T) {
	latin, control := []byte("Z\xfcrich"), []byte("a\x1b[31m")
	said := func(name, description string) [2][]byte { return [2][]byte{[]byte(name), []byte(description)} }
	uplink, category := said("eth5", "uplink"), Attribute{ID: 372, Text: "email"}
	refused := func(kind uint32, reason string) Attribute { return Attribute{Enterprise: kind, Text: reason} }
	for name, test := range map[string]struct {
		said   [][2][]byte // names and descriptions
		also   []Attribute // with the first
		want   *Row
		result Result // of the last
	}{
		"a name that is not UTF-8": {[][2][]byte{uplink, {latin, nil}}, []Attribute{category},
			&Row{Attributes: []Attribute{refused(refusedName, "encoding")}}, Reassigned},
		"a name with control characters, and a description": {[][2][]byte{uplink, {control, []byte("WAN")}}, nil,
			&Row{Description: "WAN", Attributes: []Attribute{refused(refusedName, "control_character")}}, Reassigned},
		"said again":                  {[][2][]byte{uplink, {latin, nil}, {latin, nil}}, nil, &Row{Attributes: []Attribute{refused(refusedName, "encoding")}}, Refreshed},
		"the former name again":       {[][2][]byte{uplink, {latin, nil}, said("eth5", "WAN")}, nil, &Row{Name: "eth5", Description: "WAN"}, Reassigned},
		"a description of it follows": {[][2][]byte{uplink, {latin, nil}, {nil, []byte("WAN")}}, nil, &Row{Description: "WAN", Attributes: []Attribute{refused(refusedName, "encoding")}}, Learned},
		"no name before":              {[][2][]byte{{latin, []byte("WAN")}}, nil, &Row{Description: "WAN"}, Learned},
		"nothing before":              {[][2][]byte{{latin, latin}}, nil, nil, RefusedEmpty},
		"nothing refused, nothing said of a name that stays away": {[][2][]byte{uplink, {nil, nil}}, nil, &Row{Name: "eth5", Description: "uplink"}, RefusedEmpty},
		"a description that is refused":                           {[][2][]byte{uplink, {[]byte("eth5"), latin}}, nil, &Row{Name: "eth5"}, Learned},
		"in a record without a name":                              {[][2][]byte{uplink, {nil, latin}}, nil, &Row{Name: "eth5"}, Learned},
		"of what is only described":                               {[][2][]byte{{nil, []byte("uplink")}, {nil, latin}}, nil, &Row{Attributes: []Attribute{refused(refusedDescription, "encoding")}}, Learned},
		"and is described again":                                  {[][2][]byte{{nil, []byte("uplink")}, {nil, latin}, {nil, []byte("WAN")}}, nil, &Row{Description: "WAN"}, Learned},
		"a description that was taken away":                       {[][2][]byte{uplink, said("eth5", "")}, nil, &Row{Name: "eth5"}, Learned},
		"of blanks":                                               {[][2][]byte{uplink, said("eth5", "  \x00x")}, nil, &Row{Name: "eth5"}, Learned},
		"in a record without a name, blank":                       {[][2][]byte{uplink, {nil, []byte("\x00\x00")}}, nil, &Row{Name: "eth5"}, Learned},
		"of what is only described, blank":                        {[][2][]byte{{nil, []byte("uplink")}, {nil, []byte("")}}, nil, &Row{Attributes: []Attribute{refused(refusedDescription, "blank")}}, Learned},
		"and blank again":                                         {[][2][]byte{{nil, []byte("uplink")}, {nil, []byte("")}, {nil, []byte(" ")}}, nil, &Row{Attributes: []Attribute{refused(refusedDescription, "blank")}}, Refreshed},
		"blank, and described again":                              {[][2][]byte{{nil, []byte("uplink")}, {nil, []byte("")}, {nil, []byte("WAN")}}, nil, &Row{Description: "WAN"}, Learned},
		"blank, before it is described":                           {[][2][]byte{{nil, []byte("")}}, nil, nil, RefusedEmpty},
		"a record that has no description":                        {[][2][]byte{uplink, {[]byte("eth5"), nil}}, nil, &Row{Name: "eth5", Description: "uplink"}, Refreshed},
		"a record that names nothing":                             {[][2][]byte{uplink, said("", "")}, nil, &Row{Name: "eth5", Description: "uplink"}, RefusedEmpty},
		"another name, without a description":                     {[][2][]byte{uplink, said("eth6", "")}, nil, &Row{Name: "eth6"}, Reassigned},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewStore(LimitsFor(10), 0)
			k := Key{Scope{Exporter: netip.MustParseAddr("192.0.2.1")}, Interfaces, 5}
			var result Result
			for i, texts := range test.said {
				row := s.RowOf(texts[0], texts[1])
				if i == 0 {
					row.Attributes = append(row.Attributes, test.also...)
				}
				result = s.LearnFrom(uint16(i), k, row, uint64(1000+i), int64(1000+i)*1e9)
			}
			find := func(s *Store) *Row { return s.Resolve(s.Find(k.Scope.Exporter), k, netip.Addr{}) }
			if diff := cmp.Diff(test.want, find(s)); diff != "" || result != test.result {
				t.Errorf("%d, want %d: %s", result, test.result, diff)
			}
			for _, e := range s.Rows(k.Scope, Interfaces) { // as the bucket has it
				rows, err := DecodePage(Pages(Interfaces, []Entry{e})[0].Content)
				if err != nil || !rows[0].same(&e.Row) {
					t.Errorf("%v: %+v", err, rows)
				}
			}
		})
	}
}

// A name of another domain may be the one that is not true any more.
func TestARefusedNameHasNoOtherDomainsName(t *testing.T) {
	s := NewStore(LimitsFor(10), 0)
	of := func(domain uint32) Key {
		return Key{Scope{Exporter: netip.MustParseAddr("192.0.2.1"), Domain: domain}, VRFs, 5}
	}
	s.Learn(of(1), Row{Name: "red"}, 1000, 0)
	s.Learn(of(2), Row{Name: "red"}, 1000, 0)
	s.Learn(of(1), s.RowOf([]byte("r\xf6t"), nil), 1001, 0)
	for domain, want := range map[uint32]string{1: "", 2: "red", 3: ""} {
		got := ""
		if row := s.Resolve(s.Find(of(domain).Scope.Exporter), of(domain), netip.Addr{}); row != nil {
			got = row.Name
		}
		if got != want {
			t.Errorf("domain %d: %q", domain, got)
		}
	}
}

// Collectors share that a name is refused as they share names, and write it once.
func TestANameThatOneCollectorRefusesIsNoneInAll(t *testing.T) {
	b := newBucket(2)
	b.stores[0].Learn(at(7), Row{Name: "eth7", Description: "uplink"}, 1000, 0)
	now := b.settle(0)
	latin := func(s *Store, exported uint64) Result {
		return s.Learn(at(7), s.RowOf([]byte("Z\xfcrich"), []byte("")), exported, now)
	}
	if got := latin(b.stores[1], 1500); got != Reassigned {
		t.Errorf("it became %d", got)
	}
	now = b.settle(now)
	writes := b.writes
	if got := latin(b.stores[0], 2100); got != Refreshed {
		t.Errorf("said again to the other, it became %d", got)
	}
	now = b.settle(now)
	if b.writes != writes {
		t.Errorf("said again, it caused %d writes", b.writes-writes)
	}
	late := newStore()
	for _, d := range b.values {
		restore(late, d, now)
	}
	for _, d := range b.values {
		restore(late, d, now)
	}
	for i, s := range append(b.stores, late) {
		row := s.Resolve(s.Find(router), at(7), netip.Addr{})
		if row == nil || row.Name != "" || row.Description != "" {
			t.Errorf("collector %d: %+v", i, row)
			continue
		}
		r := NewRecord(main0, Interfaces, &Entry{Number: 7, Row: *row}, now)
		if r.Name != "" || r.Attributes["refused_name"] != "encoding" {
			t.Errorf("collector %d: %+v", i, r)
		}
	}
}

// Collectors of a version before the one that notes why a name is refused leave the reason where they add a name.
func TestANameThatAFormerCollectorAddedToARefusedOneIsNoneOnceANameIsRefusedAgain(t *testing.T) {
	rows := []Entry{{Number: 7, Row: Row{Name: "eth6", Attributes: []Attribute{{Enterprise: refusedName, Text: "encoding"}}}, Stamp: 1000}}
	pages := Pages(Interfaces, rows)
	m := NewManifest(rows, pages)
	for name, test := range map[string]struct {
		said string
		want Row
	}{
		"a refused one":        {"Z\xfcrich", Row{Attributes: []Attribute{{Enterprise: refusedName, Text: "encoding"}}}},
		"the name it has":      {"eth6", Row{Name: "eth6"}},
		"some other name":      {"eth8", Row{Name: "eth8"}},
		"it is not said again": {"", rows[0].Row},
	} {
		s := newStore()
		restore(s, template.Definition{Key: pageKey(pages[0].Hash), Kind: template.KindPage, Record: pages[0].Content, Heard: second}, second)
		restore(s, template.Definition{Key: template.Key{Scope: template.Scope{Exporter: router}, Family: template.FamilyNames, ID: uint64(Interfaces)},
			Kind: template.KindNames, Stamp: 1000, Record: m.Encode(), Heard: second}, second)
		if test.said != "" {
			s.Learn(at(7), s.RowOf([]byte(test.said), nil), 2000, 2*second)
		}
		if diff := cmp.Diff(&test.want, s.Resolve(s.Find(router), at(7), netip.Addr{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Two devices share an address and a domain, and the name that one of them has for a number is refused. That is a text like another one: the number
// is contested, is not written again with each announcement, and is so no longer than both say what they say.
func TestARefusedNameTakesTurnsWithANameOfAnotherDevice(t *testing.T) {
	const minute, both = 60 * second, 8 * 60
	for name, test := range map[string]struct {
		collectors int
		stays      int // the device that is left
		want       Row
	}{
		"at one collector, the named one is left":    {1, 0, Row{Name: "eth5"}},
		"at one collector, the refused one is left":  {1, 1, Row{Attributes: []Attribute{{Enterprise: refusedName, Text: "encoding"}}}},
		"at two collectors, the named one is left":   {2, 0, Row{Name: "eth5"}},
		"at two collectors, the refused one is left": {2, 1, Row{Attributes: []Attribute{{Enterprise: refusedName, Text: "encoding"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBucket(test.collectors)
			texts := [2][]byte{[]byte("eth5"), []byte("Z\xfcrich")}
			now, begun := int64(1_700_000_000)*second, 0
			for n := range both + 4*60 {
				now += minute
				for device, text := range texts {
					if n%10 == 5*device && (n < both || device == test.stays) {
						s := b.stores[device%test.collectors]
						s.LearnFrom(uint16(1000+device), at(5), s.RowOf(text, nil), uint64(now/second), now)
					}
				}
				for _, s := range b.stores {
					s.Tick(now + 31*second)
				}
				b.deliver(now + 31*second)
				for _, s := range b.stores {
					for _, key := range (BucketPages{s}).Wants(100, now+31*second) {
						restore(s, b.values[key], now+31*second)
					}
				}
				switch n {
				case 60:
					begun = b.writes
				case both - 1: // a page and its list for each text and each half hour, in which it was said
					if most := 2 * 2 * (both - 60) / 30; b.writes-begun > most {
						t.Errorf("%d writes while both announce, more than %d", b.writes-begun, most)
					}
				}
				for i, s := range b.stores {
					row := s.Find(router).tables.get(place{main0.Domain, Interfaces}).find(5)
					switch {
					case n > 60 && n < both && !row.contested(contestedName):
						t.Fatalf("minute %d: collector %d has %+v", n, i, row)
					case n > both+160 && !row.same(&test.want):
						t.Fatalf("minute %d: collector %d has %+v of the device that is left", n, i, row)
					}
				}
			}
		})
	}
}
