package names

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/flowfleet/flowfleet/collector/template"
)

// reads fails a test where a Store hands over what nobody could read.
type reads struct{ *testing.T }

func (w reads) Learned(d template.Definition) {
	var err error
	if d.Key.Family == template.FamilyPage {
		_, err = DecodePage(d.Record)
	} else {
		_, err = DecodeManifest(d.Record)
	}
	if err != nil {
		w.Fatalf("it writes %x: %v", d.Record, err)
	}
}

// Whatever the bucket has and exporters send: what a Store writes can be read, and once all exporters are forgotten, nothing is counted.
func TestWhateverIsSaidAndReadTheStoreStaysWhole(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 9))
		s := NewStore(Limits{Exporters: 4, Tables: 10, Rows: 200, ExporterBytes: 1 << 18, Bytes: 1 << 19,
			Others: OtherLimits{Rows: 50, ExporterBytes: 1 << 16, Bytes: 1 << 17}}, 3600*1e9)
		s.KeepNews()
		s.Observe(reads{t})
		now := 1_700_000_000 * second
		var pages []Hash
		for range 400 {
			now += random.Int64N(200 * second)
			scope := Scope{netip.AddrFrom4([4]byte{10, 0, 0, byte(random.IntN(6))}), uint32(random.IntN(3))}
			table := Tables[random.IntN(len(Tables))]
			key := template.Key{Scope: template.Scope{Exporter: scope.Exporter, Domain: scope.Domain}, Family: template.FamilyNames, ID: uint64(table)}
			switch random.IntN(7) {
			case 0:
				for _, p := range Pages(table, rowsOfAnybody(random, table, slotOf(now))) {
					pages = append(pages, p.Hash)
					restore(s, template.Definition{Key: pageKey(p.Hash), Record: p.Content, Told: now}, now)
				}
			case 1:
				m := Manifest{Base: template.StampOf([]uint64{1, uint64(now / second), template.LastSecond - 1}[random.IntN(3)])}
				for range min(len(pages), random.IntN(4)) {
					m.Pages = append(m.Pages, pages[random.IntN(len(pages))])
				}
				restore(s, template.Definition{Key: key, Stamp: m.Base, Record: m.Encode(), Heard: now - second, Told: now}, now)
			case 2:
				s.Tick(now)
				s.News(10)
			case 3:
				if e := s.Find(scope.Exporter); e != nil {
					e.Row(scope.Domain, table, random.Uint64N(100))
				}
				if random.IntN(10) == 0 {
					Manifests{s}.Forget(key)
				}
			default:
				texts := [][]byte{nil, {}, []byte("a"), []byte("b"), {0xff}}
				row := s.RowOf(texts[random.IntN(5)], texts[random.IntN(5)])
				row.Speed = random.Uint64N(2)
				exported := uint64(now/second) - random.Uint64N(3)*random.Uint64N(5000)
				s.LearnFrom(uint16(random.IntN(3)), Key{scope, table, random.Uint64N(100)}, row, exported, now)
			}
		}
		s.Flush(now)
		for _, e := range s.all() {
			s.mu.Lock()
			s.evict(e)
			s.mu.Unlock()
		}
		s.chunks.dropStrays(now + 1)
		if all, others, waits, news := s.chunks.size(), s.chunks.others.Load(), len(s.chunks.waiting), s.NewsWaiting(); all != 0 || others != 0 || waits != 0 || news != 0 {
			t.Fatalf("seed %d: %d bytes, %d of others, %d pages that are waited for and %d news are left", seed, all, others, waits, news)
		}
	}
}

// rowsOfAnybody are rows with attributes of all kinds, as a bucket may have them.
func rowsOfAnybody(random *rand.Rand, t Table, slot uint16) (rows []Entry) {
	most, number := MaxAttributes, uint64(0)
	if t == Others {
		most = MaxFields
	}
	for range 1 + random.IntN(30) {
		number += 1 + random.Uint64N(4)
		r := Row{Name: fmt.Sprint("n", random.IntN(3)), Description: []string{"", "d"}[random.IntN(2)], Speed: random.Uint64N(2)}
		for range random.IntN(most) {
			kind := []uint32{0, 9, contestedName, contestedDescription, refusedName, refusedDescription, blankDescription}[random.IntN(7)]
			r.Attributes = append(r.Attributes, Attribute{Enterprise: kind, ID: []uint16{0, slot, slot - 1, 65535}[random.IntN(4)], Text: []string{"a", "b"}[random.IntN(2)]})
		}
		if random.IntN(3) == 0 && len(r.Attributes) > 0 {
			r.Name = ""
		}
		rows = append(rows, Entry{Number: number, Row: r})
	}
	return rows
}
