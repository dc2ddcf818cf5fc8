package names

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/template"
)

// interfaces are rows as a chassis has them.
func interfaces(n int) []Entry {
	var out []Entry
	for i := range n {
		out = append(out, Entry{Number: uint64(i*3 + 1), Row: Row{Name: fmt.Sprintf("HundredGigE0/%d/0/%d", i/36, i%36),
			Description: fmt.Sprintf("to leaf-%d", i), Speed: 100_000_000_000}})
	}
	return out
}

func decodeAll(t *testing.T, pages []Page) []Entry {
	t.Helper()
	var out []Entry
	for _, p := range pages {
		rows, err := DecodePage(p.Content)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rows...)
	}
	return out
}

func TestPagesReadBackAsWritten(t *testing.T) {
	all := []Entry{
		{Number: 0, Row: Row{Name: "router"}},
		{Number: 1, Row: Row{Description: "Ünïcode ünd 漢字"}},
		{Number: 13 << 24, Row: Row{Name: "dns", Attributes: []Attribute{{9, 12232, "net-admin"}, {9, 12233, "naming"}}}},
		{Number: 1<<64 - 1, Row: Row{Speed: 1<<64 - 1}},
	}
	for name, rows := range map[string][]Entry{"none": nil, "of every kind": all, "a chassis": interfaces(5000), "65,535 rows": interfaces(65_535)} {
		pages := Pages(Interfaces, rows)
		if diff := cmp.Diff(rows, decodeAll(t, pages)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for _, p := range pages {
			if len(p.Content) > MaxPageBytes || p.Hash != HashOf(p.Content) {
				t.Errorf("%s: a page of %d bytes, named %s", name, len(p.Content), p.Hash)
			}
		}
		if len(pages) > MaxPages {
			t.Errorf("%s: %d pages", name, len(pages))
		}
	}
}

func TestOneRowMoreChangesItsPageAlone(t *testing.T) {
	rows := interfaces(3000)
	before := make(map[Hash]bool)
	for _, p := range Pages(Interfaces, rows) {
		before[p.Hash] = true
	}
	rows = slices.Insert(rows, 1, Entry{Number: 2, Row: Row{Name: "Loopback0"}})
	changed := 0
	for _, p := range Pages(Interfaces, rows) {
		if !before[p.Hash] {
			changed++
		}
	}
	if changed > 2 {
		t.Errorf("%d of %d pages changed", changed, len(before))
	}
}

func TestPagesThatNobodyWroteAreRefused(t *testing.T) {
	whole := Pages(Interfaces, []Entry{{Number: 5, Row: Row{Name: "eth0", Speed: 10}}})[0].Content
	for name, content := range map[string][]byte{
		"nothing":                    {},
		"another schema":             {9, 1, 1, 1, 'a'},
		"cut short":                  whole[:len(whole)-1],
		"a row that says nothing":    {pageSchema, 5, 0},
		"a number twice":             {pageSchema, 5, hasSpeed, 1, 0, hasSpeed, 1},
		"a text with a control":      {pageSchema, 5, hasName, 1, 0x1b},
		"an empty text":              {pageSchema, 5, hasName, 0},
		"an unknown kind of content": {pageSchema, 5, 0x80},
		"nine attributes":            {pageSchema, 5, hasAttributes, 9},
		"25 fields":                  Pages(Others, []Entry{{Number: 5, Row: Row{Attributes: slices.Repeat(make9(), 3)[:MaxFields+1]}}})[0].Content,
	} {
		if rows, err := DecodePage(content); err == nil {
			t.Errorf("%s gave %v", name, rows)
		}
	}
}

func TestManifestsReadBackAsWritten(t *testing.T) {
	rows := interfaces(500)
	for i := range rows {
		rows[i].Stamp = template.StampOf(1_700_000_000)
	}
	rows[7].Stamp = template.StampOf(1_700_000_200) + 1
	rows[9].Stamp = template.StampOf(1_700_000_201)
	m := NewManifest(rows, Pages(Interfaces, rows))
	got, err := DecodeManifest(m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Error(diff)
	}
	stamped := interfaces(500)
	got.Stamps(stamped)
	if diff := cmp.Diff(rows, stamped); diff != "" {
		t.Error(diff)
	}
}

func TestOldStampsGiveWayToABase(t *testing.T) {
	rows := interfaces(20_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		rows[i].Stamp = template.StampOf(1_700_000_000 + uint64(random.IntN(86_400)))
	}
	m := NewManifest(rows, nil)
	if len(m.Recent) > maxRecent {
		t.Fatalf("%d rows have stamps of their own", len(m.Recent))
	}
	stamped := interfaces(20_000)
	m.Stamps(stamped)
	newest := slices.MaxFunc(rows, func(a, b Entry) int { return int(int64(a.Stamp) - int64(b.Stamp)) }).Stamp
	for i := range rows {
		switch {
		case stamped[i].Stamp < rows[i].Stamp:
			t.Fatalf("row %d became older", i)
		case rows[i].Stamp.Seconds()+settled > newest.Seconds() && stamped[i].Stamp != rows[i].Stamp:
			t.Fatalf("row %d is of the last minutes and lost its stamp", i)
		}
	}
}

// make9 are more attributes than rows of tables but Others have.
func make9() (out []Attribute) {
	for i := range uint16(MaxAttributes + 1) {
		out = append(out, Attribute{9, i, "x"})
	}
	return out
}

func FuzzPage(f *testing.F) {
	f.Add(Pages(Interfaces, interfaces(3))[0].Content)
	f.Add(Pages(Interfaces, []Entry{{Number: 1 << 40, Row: Row{Name: "dns", Attributes: []Attribute{{9, 12232, "x"}}}}})[0].Content)
	f.Add(Pages(Others, []Entry{{Number: 1 << 60, Row: Row{Name: "System=1", Attributes: make9()}}})[0].Content)
	f.Fuzz(func(t *testing.T, content []byte) {
		rows, err := DecodePage(content)
		if err != nil {
			return
		}
		table := Interfaces
		if isOther(content) {
			table = Others
		}
		var again []Entry
		for _, p := range Pages(table, rows) {
			more, err := DecodePage(p.Content)
			if err != nil {
				t.Fatal(err)
			}
			again = append(again, more...)
		}
		if diff := cmp.Diff(rows, again); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzManifest(f *testing.F) {
	rows := interfaces(3)
	rows[1].Stamp = template.StampOf(9)
	m := NewManifest(rows, Pages(Interfaces, rows))
	f.Add(m.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeManifest(b)
		if err != nil {
			return
		}
		again, err := DecodeManifest(m.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Error(diff)
		}
	})
}
