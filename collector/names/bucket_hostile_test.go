package names

import (
	"errors"
	"testing"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Whoever can write into the bucket can name anything. That a few bytes stand for millions of rows, which the next change of one of them would
// unfold, or end a collector, is another matter.
func TestAListOfPagesThatNobodyWritesIsRefused(t *testing.T) {
	var rows []Entry
	for n := range uint64(4000) {
		rows = append(rows, Entry{Number: n + 1, Row: Row{Name: "x"}})
	}
	pages := Pages(Interfaces, rows)
	if len(pages) < 2 {
		t.Fatal("one page is not enough")
	}
	one, two := pages[0], pages[1]
	none := Page{Hash: HashOf([]byte{pageSchema}), Content: []byte{pageSchema}}
	repeated := make([]Hash, MaxPages)
	for i := range repeated {
		repeated[i] = one.Hash
	}
	for name, list := range map[string][]Hash{
		"a page many times":   repeated,
		"in another order":    {two.Hash, one.Hash},
		"a page without rows": {none.Hash},
	} {
		t.Run(name, func(t *testing.T) {
			s, contents := newStore(), make(map[Hash][]byte)
			for _, p := range []Page{one, two, none} {
				restore(s, template.Definition{Key: pageKey(p.Hash), Record: p.Content}, second)
				contents[p.Hash] = p.Content
			}
			m := Manifest{Base: template.StampOf(1000), Pages: list}
			restore(s, template.Definition{Key: template.Key{Family: template.FamilyNames, Scope: template.Scope{Exporter: router},
				ID: uint64(Interfaces)}, Stamp: m.Base, Record: m.Encode(), Heard: second}, second)
			if got := nameOf(s, at(5)); got != "" {
				t.Errorf("it names %q", got)
			}
			if got := s.Rows(main0, Interfaces); len(got) != 0 {
				t.Errorf("it has %d rows", len(got))
			}
			if s.Refused()[RefusedPage.String()] == 0 {
				t.Error("it is not counted")
			}
			if s.Learn(at(5), Row{Name: "eth5"}, 1001, second) != Learned || nameOf(s, at(5)) != "eth5" {
				t.Error("it keeps out what the exporter says")
			}
			if got, err := Rows(m.Encode(), contents); !errors.Is(err, ErrManifest) && !errors.Is(err, ErrPage) {
				t.Errorf("a reader of the bucket has %d rows of it: %v", len(got), err)
			}
		})
	}
}

// What a table of the bucket has beyond the rows that an exporter may have is left out.
func TestATableOfTheBucketHasNoMoreRowsThanAnExporterMay(t *testing.T) {
	var rows []Entry
	for n := range uint64(4000) {
		rows = append(rows, Entry{Number: n + 1, Row: Row{Name: "x"}, Stamp: template.StampOf(1000)})
	}
	pages := Pages(Interfaces, rows)
	m := NewManifest(rows, pages)
	limits := LimitsFor(1000)
	limits.Rows = 3000
	s := NewStore(limits, 0)
	for _, p := range pages {
		restore(s, template.Definition{Key: pageKey(p.Hash), Record: p.Content}, second)
	}
	restore(s, template.Definition{Key: template.Key{Family: template.FamilyNames, Scope: template.Scope{Exporter: router}, ID: uint64(Interfaces)},
		Stamp: m.Base, Record: m.Encode(), Heard: second}, second)
	if got := s.Rows(main0, Interfaces); len(got) != limits.Rows {
		t.Errorf("it has %d rows", len(got))
	}
}

// A list that is refused does not stand in the way of what the exporter says, however late a stamp it has.
func TestWhatAnExporterSaysTakesThePlaceOfAListThatIsRefused(t *testing.T) {
	rows := []Entry{{Number: 5, Row: Row{Name: "forged"}}}
	page := Pages(Interfaces, rows)[0]
	key := template.Key{Family: template.FamilyNames, Scope: template.Scope{Exporter: router}, ID: uint64(Interfaces)}
	last := template.StampOf(template.LastSecond - 1)
	twice := Manifest{Base: last, Pages: []Hash{page.Hash, page.Hash}}
	b := newBucket(1)
	for _, d := range []template.Definition{{Key: pageKey(page.Hash), Record: page.Content}, {Key: key, Stamp: last, Record: twice.Encode(), Heard: second}} {
		b.values[d.Key] = d
		restore(b.stores[0], d, second)
	}
	b.stores[0].Learn(at(5), Row{Name: "eth5"}, 1000, second)
	restore(b.stores[0], b.values[key], second) // as listed again, or as what stood in the way of the write
	now := b.settle(second)
	late := newStore()
	for range 2 {
		for _, d := range b.values {
			restore(late, d, now)
		}
	}
	if got := nameOf(late, at(5)); got != "eth5" {
		t.Errorf("who begins later has %q", got)
	}
}

// Rows with stamps on which nothing can follow would win for ever.
func TestStampsThatNoExporterHasAreRefused(t *testing.T) {
	for name, m := range map[string]Manifest{
		"as the base": {Base: anyStamp},
		"of a row":    {Base: 1, Recent: []Recent{{5, anyStamp}}},
	} {
		if _, err := DecodeManifest(m.Encode()); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
