package names

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Manifest is what the bucket holds of one table of one scope: the pages with its rows, and the stamps of the rows that changed
// lately. Rows that have no stamp of their own have Base.
//
// Two collectors may learn different rows of one table at once. Who meets the other's manifest merges row by row by these stamps
// and writes again.
type Manifest struct {
	// Base is the stamp of every row without one of its own.
	Base Stamp
	// Pages are the table's, in the order of their rows, at most MaxPages.
	Pages []Hash
	// Recent are the rows whose stamps are later than Base, at most maxRecent, by number.
	Recent []Recent
}

// Recent is a row's own stamp.
type Recent struct {
	Number uint64
	Stamp  Stamp
}

// settled is for how many seconds after the newest row of a table a row keeps a stamp of its own. Every collector has heard of
// it by then, but for those that are out of reach of the bucket: see tableRows.former.
const settled = 3600

// anyStamp is later than any other.
const anyStamp = ^Stamp(0)

// maxRecent bounds Manifest.Recent: beyond it the earliest give up their own stamps.
const maxRecent = 4096

const manifestSchema = 1

// ErrManifest is wrapped by the errors of DecodeManifest, ErrNewer where a newer collector wrote it: it is left alone.
var (
	ErrManifest = errors.New("not a manifest of names")
	ErrNewer    = errors.New("written by a newer collector")
)

// NewManifest describes rows, which are in the order of their numbers, and their pages.
func NewManifest(rows []Entry, pages []Page) Manifest { return newManifest(rows, pages, anyStamp, nil) }

// newManifest has rows that are later than a stamp, and fresh ones, keep their own, as far as there is room for them.
func newManifest(rows []Entry, pages []Page, exact Stamp, fresh map[uint64]Entry) Manifest {
	var m Manifest
	for i := range pages {
		m.Pages = append(m.Pages, pages[i].Hash)
	}
	m.Base, m.Recent = stampsOf(rows, exact, fresh)
	return m
}

// stampsOf finds the base that leaves at most maxRecent rows with stamps of their own. Rows of one pass of an exporter over its
// table mostly share a second, so that few have one. Those that are later than exact have one however old they are; so
// have fresh ones, since others do not know these: under a clock that was set back they are older than the rest.
func stampsOf(rows []Entry, exact Stamp, fresh map[uint64]Entry) (Stamp, []Recent) {
	if len(rows) == 0 {
		return 0, nil
	}
	counts := make(map[Stamp]int)
	newest := rows[0].Stamp
	for i := range rows {
		newest = max(newest, rows[i].Stamp)
	}
	horizon := min(template.StampOf(newest.Seconds()-min(newest.Seconds(), settled)), exact)
	base := Stamp(0)
	for i := range rows {
		if _, isFresh := fresh[rows[i].Number]; rows[i].Stamp <= horizon && !isFresh {
			base = max(base, rows[i].Stamp)
		} else {
			counts[rows[i].Stamp]++
		}
	}
	if base == 0 { // all are recent: those of the earliest stamp are the base
		base = newest
		for stamp := range counts {
			base = min(base, stamp)
		}
	}
	for {
		var recent []Recent
		for i := range rows {
			if rows[i].Stamp > base {
				recent = append(recent, Recent{rows[i].Number, rows[i].Stamp})
			}
		}
		if len(recent) <= maxRecent {
			return base, recent
		}
		next := newest
		for stamp := range counts {
			if stamp > base {
				next = min(next, stamp)
			}
		}
		base = next
	}
}

// Stamps gives rows, which are in the order of their numbers, the stamps that m has for them.
func (m *Manifest) Stamps(rows []Entry) {
	i := 0
	for j := range rows {
		rows[j].Stamp = m.Base
		for i < len(m.Recent) && m.Recent[i].Number < rows[j].Number {
			i++
		}
		if i < len(m.Recent) && m.Recent[i].Number == rows[j].Number {
			rows[j].Stamp = m.Recent[i].Stamp
		}
	}
}

// Encode writes m.
func (m *Manifest) Encode() []byte {
	b := []byte{manifestSchema}
	b = binary.BigEndian.AppendUint64(b, uint64(m.Base))
	b = binary.AppendUvarint(b, uint64(len(m.Pages)))
	for i := range m.Pages {
		b = append(b, m.Pages[i][:]...)
	}
	last := uint64(0)
	for _, r := range m.Recent {
		b = binary.AppendUvarint(b, r.Number-last)
		b = binary.AppendUvarint(b, uint64(r.Stamp-m.Base))
		last = r.Number
	}
	return b
}

// DecodeManifest is the reverse of Encode.
func DecodeManifest(b []byte) (Manifest, error) {
	var m Manifest
	const head = 1 + 8
	if len(b) > 0 && b[0] > manifestSchema {
		return m, fmt.Errorf("%w: schema %d, this one knows %d", ErrNewer, b[0], manifestSchema)
	}
	if len(b) < head || b[0] != manifestSchema {
		return m, fmt.Errorf("%w: its header is cut short or of no known schema", ErrManifest)
	}
	m.Base = Stamp(binary.BigEndian.Uint64(b[1:]))
	r := reader{b: string(b[head:])}
	n := r.number()
	if n > MaxPages || n*uint64(len(Hash{})) > uint64(len(r.b)) {
		return Manifest{}, fmt.Errorf("%w: it has %d pages in %d bytes", ErrManifest, n, len(r.b))
	}
	for range n {
		m.Pages = append(m.Pages, Hash([]byte(r.b[:len(Hash{})])))
		r.b = r.b[len(Hash{}):]
	}
	last := uint64(0)
	for len(r.b) > 0 {
		beyond, later := r.number(), r.number()
		number, stamp := last+beyond, m.Base+Stamp(later)
		if r.failed || number < last || len(m.Recent) > 0 && beyond == 0 || stamp <= m.Base || len(m.Recent) == maxRecent {
			return Manifest{}, fmt.Errorf("%w: the stamp of row %d cannot be read", ErrManifest, len(m.Recent))
		}
		m.Recent = append(m.Recent, Recent{number, stamp})
		last = number
	}
	if m.newest().Seconds() >= template.LastSecond {
		return Manifest{}, fmt.Errorf("%w: no exporter has its stamps", ErrManifest)
	}
	return m, nil
}

// Rows reads a table from its manifest, as Manifest.Encode wrote it, and the contents of pages.
func Rows(manifest []byte, pages map[Hash][]byte) ([]Entry, error) {
	m, err := DecodeManifest(manifest)
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, hash := range m.Pages {
		content, ok := pages[hash]
		if !ok {
			return nil, fmt.Errorf("page %s is not in the bucket yet", hash)
		}
		rows, err := DecodePage(content)
		if err != nil {
			return nil, err
		}
		if len(out) > 0 && !follows(rows, out) {
			return nil, fmt.Errorf("%w: page %s does not follow on the one before", ErrManifest, hash)
		}
		out = append(out, rows...)
	}
	m.Stamps(out)
	return out, nil
}
