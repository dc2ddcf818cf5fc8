package netflow

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

type nowhere struct{}

func (nowhere) Record(*flow.Record) {}

// Many streams, each with many templates and samplers that its data names: what is cached of all of them together stays bounded, and
// every one of them is decoded all the same.
func TestWhatAllStreamsCacheTogetherIsBounded(t *testing.T) {
	const templates, streams = 100, 1500
	u16 := binary.BigEndian.AppendUint16
	var message []byte
	message = u16(u16(message, 10), 0)
	message = append(message, make([]byte, 12)...)
	message = u16(u16(message, 2), 4+templates*12)
	for id := range uint16(templates) {
		message = u16(u16(u16(u16(u16(u16(message, 256+id), 2), 1), 4), 48), 2) // bytes, and a sampler's id
	}
	for id := range uint16(templates) {
		message = u16(u16(message, 256+id), 10)
		message = u16(u16(u16(message, 0), 1000), id)
	}
	binary.BigEndian.PutUint16(message[2:], uint16(len(message)))

	var counts ledger.Counts
	var book ledger.Book
	store := template.NewStore(template.ModeAuto, template.Limits{Exporters: streams, Templates: 1000, Fields: 10}, &ledger.Totals{}, nil)
	d := New(store, &Settings{Sessions: streams}, &counts, func(netip.Addr, template.Version) *ledger.Holder { return &ledger.Holder{Book: &book} }, nowhere{}, nil)
	most := 0
	for round := range 2 {
		for domain := range uint32(streams) {
			binary.BigEndian.PutUint32(message[12:], domain)
			d.Decode(Datagram{Payload: message, Source: netip.MustParseAddrPort("192.0.2.1:4000"), Received: int64(time.Hour)})
			most = max(most, d.cached)
			if d.cached > maxCached {
				t.Fatalf("%d bytes are cached after %d streams of round %d", d.cached, domain, round)
			}
		}
	}
	if n := counts[ledger.RecordsDecoded]; n != 2*streams*templates {
		t.Errorf("%d records of %d", n, 2*streams*templates)
	}
	sum := 0
	for _, s := range d.sessions {
		sum += s.cached
	}
	if sum != d.cached || most < maxCached/2 {
		t.Errorf("%d bytes are counted of %d; %d at most", d.cached, sum, most)
	}
}
