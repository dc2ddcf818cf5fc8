package decode_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/network"
	"github.com/flowfleet/flowfleet/collector/template"
)

// toldByExporter are the counters that exporters' books have.
var toldByExporter = []ledger.Counter{
	ledger.DatagramsReceived, ledger.DatagramsDecoded, ledger.RefusedNotAllowed, ledger.RefusedTooShort, ledger.RefusedVersion,
	ledger.RefusedProtocol, ledger.RefusedHeader, ledger.RefusedOversized, ledger.SetsReceived, ledger.SetsDecoded, ledger.SetsHeld,
	ledger.SetsReleased, ledger.SetsExpiredAge, ledger.SetsExpiredOverflow, ledger.SetsExpiredShutdown, ledger.SetsExpiredRestart,
	ledger.SetsDroppedNoTemplate,
	ledger.SetsDroppedMalformed, ledger.SetsDroppedReserved, ledger.RecordsDecoded,
}

// assertBooks looks whether the equations hold for each exporter, and whether all of them come to what the decoder counted.
func assertBooks(t *testing.T, d *decode.Decoder, c *ledger.Counts) (exporters map[string]ledger.Exporter) {
	t.Helper()
	exporters = make(map[string]ledger.Exporter)
	var account ledger.Account
	var all ledger.Book
	d.Books(func(exporter netip.Addr, p decode.Protocol, b *ledger.Book) {
		e := ledger.NewExporter(exporter.String(), p.String(), b)
		account.Exporters = append(account.Exporters, e)
		exporters[e.Address+" "+e.Protocol] = e
		all.AddBook(b)
	})
	for _, e := range account.Equations() {
		if e.Exporter != "" && e.Difference != 0 {
			t.Errorf("%s of %s are off by %d", e.Name, e.Exporter, e.Difference)
		}
	}
	sums := all.Counts()
	for _, counter := range toldByExporter {
		if sums[counter] != c[counter] {
			t.Errorf("%v: the exporters have %d, the decoder %d", ledger.Infos[counter], sums[counter], c[counter])
		}
	}
	if held, _ := d.Held(); all.Waiting != int64(held) {
		t.Errorf("%d sets of the exporters wait, and %d are held", all.Waiting, held)
	}
	return exporters
}

// TestEachExportersBooksBalanceWhateverItSends mixes good, damaged, templateless and forbidden datagrams of many exporters at
// random, beyond every bound: on streams, on held sets, and on exporters with books of their own.
func TestEachExportersBooksBalanceWhateverItSends(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g, random := newGenerator(seed), rand.New(rand.NewPCG(seed, 2))
			limit := []int{0, 10, 1000}[seed%3]
			var counts ledger.Counts
			store := template.NewStore(template.ModeAuto, template.Limits{Exporters: 30, Templates: 3, Fields: 50}, &ledger.Totals{}, nil)
			settings := &decode.Settings{
				Allowed:   network.New([]network.Entry[struct{}]{{Network: netip.MustParsePrefix("10.0.0.0/24")}}),
				Exporters: limit, MaxSamples: 50,
				Settings: netflow.Settings{Hold: seed%4 != 3, HeldBytes: 8 << 10, HeldBytesPerExporter: 2 << 10, HeldAge: int64(time.Second),
					Sessions: 40},
			}
			out := &sink{t: t}
			d := decode.New(config.ProtocolAuto, store, settings, &counts, out, nil)
			sent := make(map[netip.Addr]uint64)
			now := int64(0)
			for step := range 5000 {
				from := netip.AddrFrom4([4]byte{10, 0, byte(random.IntN(20) / 19), byte(random.IntN(60))}) // one in twenty is not allowed
				in := decode.Datagram{Payload: mixed(g, random), Source: netip.AddrPortFrom(from, uint16(4000+random.IntN(2))), Received: now}
				if random.IntN(100) == 0 {
					d.Oversized(in)
				} else {
					d.Decode(in)
				}
				sent[from]++
				now += int64(random.IntN(4)) * int64(time.Millisecond)
				if step%37 == 0 {
					d.Tick(now)
				}
				if step%1000 == 500 { // other settings change nothing of what was counted
					changed := *settings
					changed.Exporters += 5
					d.Configure(&changed)
				}
				if step%500 == 0 {
					assertBooks(t, d, &counts)
				}
			}
			d.Close()
			exporters := assertBooks(t, d, &counts)
			var volume ledger.Volume
			for _, e := range exporters {
				volume.Add(e.Volume)
			}
			if volume != out.volume || volume.Bytes == 0 || volume.Scaled == volume.Bytes {
				t.Errorf("the exporters' records are of %+v bytes, those handed over of %+v", volume, out.volume)
			}
			for _, reason := range []ledger.Counter{ledger.RefusedNotAllowed, ledger.RefusedHeader, ledger.RefusedOversized, ledger.SetsDroppedMalformed,
				ledger.SetsReleased, ledger.SetsExpiredOverflow, ledger.SetsDecoded, ledger.RecordsDecoded} {
				if counts[reason] == 0 && (settings.Hold || reason != ledger.SetsReleased && reason != ledger.SetsExpiredOverflow) {
					t.Errorf("the mixture has nothing that counts as %v", ledger.Infos[reason])
				}
			}
			if limit == 1000 { // what each has is what was sent with its address
				received := make(map[string]uint64)
				for _, e := range exporters {
					received[e.Address] += e.Datagrams.Received
				}
				for from, n := range sent {
					if allowed := from.As4()[2] == 0; allowed && received[from.String()] != n {
						t.Errorf("%s sent %d, and has %d", from, n, received[from.String()])
					} else if !allowed && received[from.String()] != 0 {
						t.Errorf("%s, which is not allowed, has a book", from)
					}
				}
			}
		})
	}
}

// mixed is a datagram of any protocol: good, with templates unknown to the decoder, or damaged.
func mixed(g *generator, random *rand.Rand) []byte {
	id := uint16(300 + random.IntN(4))
	version, fields := uint16(9), fieldsIPv4
	if random.IntN(2) == 0 {
		version, fields = 10, fieldsIPFIX4
	}
	var b []byte
	switch random.IntN(8) {
	case 0:
		b = g.netflow5(1 + random.IntN(10))
	case 1:
		b = g.sflow(1 + random.IntN(3))
	case 2:
		b = g.message(version, 1, templateSet(version, id, fields))
	case 3:
		b = g.message(version, 3, templateSet(version, id, fields), g.dataSet(id, fields, 2), g.dataSet(id+1, fields, 2))
	case 4:
		b = g.message(version, 2, set(100, make([]byte, 8)), g.dataSet(id, fields, 1))
	default:
		b = g.message(version, 4, g.dataSet(id, fields, 4))
	}
	switch random.IntN(4) {
	case 0:
		for range 1 + random.IntN(4) {
			b[random.IntN(min(len(b), 40))] = byte(random.Uint32())
		}
	case 1:
		b = b[:random.IntN(len(b))]
	}
	return b
}

// keeper is a decoder that has books for so many exporters.
func keeper(t *testing.T, books int, counts *ledger.Counts) *decode.Decoder {
	store := template.NewStore(template.ModeAuto, template.Limits{Exporters: 10000, Templates: 3, Fields: 50}, &ledger.Totals{}, nil)
	return decode.New(config.ProtocolAuto, store, &decode.Settings{Exporters: books, MaxSamples: 50, Settings: netflow.Settings{Hold: true,
		HeldBytes: 8 << 20, HeldBytesPerExporter: 2 << 10, HeldAge: int64(time.Second), Sessions: 10000}}, counts, &sink{t: t}, nil)
}

// Anybody can send anything with any address: of those that send no flows none keeps a book from one who does.
func TestWhatSaysNothingTakesNoBookFromWhoSendsFlows(t *testing.T) {
	g := newGenerator(1)
	for name, junk := range map[string][]byte{
		"refused":                {0, 77, 1, 2, 3, 4, 5, 6},
		"a header and no more":   g.message(9, 1),
		"data without templates": g.message(10, 1, g.dataSet(300, fieldsIPFIX4, 2)),
		"sFlow without samples":  g.sflow(0),
	} {
		t.Run(name, func(t *testing.T) {
			const books, routers = 10, 4
			var counts ledger.Counts
			d := keeper(t, books, &counts)
			number := 0
			flood := func() {
				for range 5 * books {
					number++
					d.Decode(decode.Datagram{Payload: junk, Source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(number >> 8), byte(number)}), 5000), Received: 1})
				}
			}
			router := func(i int) netip.AddrPort {
				return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 5000)
			}
			flood()
			for i := range routers { // heard before their template comes, and pushed out
				d.Decode(decode.Datagram{Payload: g.message(9, 1, g.dataSet(300, fieldsIPv4, 1)), Source: router(i), Received: 1})
			}
			for range 3 {
				flood()
				for i := range routers {
					d.Decode(decode.Datagram{Payload: g.message(9, 1, templateSet(9, 300, fieldsIPv4), g.dataSet(300, fieldsIPv4, 2)), Source: router(i), Received: 2})
				}
			}
			exporters := assertBooks(t, d, &counts)
			for i := range routers {
				if e := exporters[router(i).Addr().String()+" netflow9"]; e.Records < 4 {
					t.Errorf("%s has %+v", router(i), e)
				}
			}
			if len(exporters) > books+8 {
				t.Errorf("%d books", len(exporters))
			}
			d.Close()
			assertBooks(t, d, &counts)
		})
	}
}

func TestADatagramOfTwoMessagesIsOneInTheBooks(t *testing.T) {
	g := newGenerator(1)
	var counts ledger.Counts
	d := keeper(t, 10, &counts)
	d.Decode(decode.Datagram{Payload: append(g.message(10, 1, templateSet(10, 300, fieldsIPFIX4)), g.message(10, 2, templateSet(10, 300, fieldsIPFIX4))...),
		Source: netip.MustParseAddrPort("192.0.2.1:5000"), Received: 1})
	if e := assertBooks(t, d, &counts)["192.0.2.1 ipfix"]; e.Datagrams.Received != 1 || e.Sets.Decoded != 2 {
		t.Errorf("%+v", e)
	}
}
