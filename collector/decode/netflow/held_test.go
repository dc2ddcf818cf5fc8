package netflow_test

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Two exporters that share address, port and domain, as behind NAT, are not one that restarts with each message.
func TestExportersThatTakeTurnsAtAPortKeepWhatIsHeld(t *testing.T) {
	for name, message := range map[string]func(i uint32) []byte{
		"NetFlow v9": func(i uint32) []byte {
			return join(u16(9, 1), u32([]uint32{5_000_000, 50_000}[i%2]+i*1000, exported+i, 900+i, 7), set(300, u32(9, 1)))
		},
		"IPFIX": func(i uint32) []byte {
			data := set(300, u32(9, 1))
			return join(u16(10, uint16(16+len(data))), u32(exported+i, []uint32{900_000, 5}[i%2]+i, 7), data)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			for i := range uint32(20) {
				s.send(exporterPort, time.Hour, message(i))
			}
			if dropped := s.counts[ledger.SetsExpiredRestart]; dropped != 1 || s.counts.SetsWaiting() != 19 {
				t.Errorf("%d sets dropped, %d waiting", dropped, s.counts.SetsWaiting())
			}
		})
	}
}

// What an exporter sent before it restarted is not read with what it says afterwards.
func TestHeldDataIsNotReadWithTemplatesOfALaterLife(t *testing.T) {
	type sent struct{ exported, uptime, sequence uint32 }
	for _, test := range []struct {
		name          string
		ipfix         bool
		before, after sent
		restarted     bool
	}{
		{"NetFlow v9 goes on", false, sent{exported, 50_000, 900}, sent{exported + 30, 80_000, 901}, false},
		{"NetFlow v9 restarts", false, sent{exported, 5_000_000, 900}, sent{exported + 120, 20_000, 0}, true},
		{"NetFlow v9 restarts within seconds", false, sent{exported, 90_000, 900}, sent{exported + 5, 1000, 0}, true},
		{"NetFlow v9's uptime wraps", false, sent{exported, math.MaxUint32 - 9_999, 900}, sent{exported + 30, 20_000, 901}, false},
		{"NetFlow v9's clock is set", false, sent{exported, 50_000, 900}, sent{exported + 86_400, 51_000, 901}, false},
		{"NetFlow v9 without an uptime", false, sent{exported, 0, 900}, sent{exported + 30, 0, 901}, false},
		{"NetFlow v9, overtaken", false, sent{exported, 50_000, 900}, sent{exported - 1, 49_000, 899}, false},
		{"IPFIX goes on", true, sent{exported, 0, 900}, sent{exported + 30, 0, 950}, false},
		{"IPFIX restarts", true, sent{exported, 0, 900}, sent{exported + 30, 0, 0}, true},
		{"IPFIX, overtaken", true, sent{exported, 0, 900}, sent{exported, 0, 890}, false},
		{"IPFIX without sequence numbers", true, sent{exported, 0, 0}, sent{exported + 30, 0, 0}, false},
		{"IPFIX, its sequence wraps", true, sent{exported, 0, math.MaxUint32 - 5}, sent{exported + 30, 0, 20}, false},
		{"IPFIX of several processes", true, sent{exported, 0, 900_000}, sent{exported + 30, 0, 300_000}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStation(t)
			send := func(m sent, netflow9, ipfix []byte) {
				if test.ipfix {
					s.send(exporterPort, time.Hour, join(u16(10, uint16(16+len(ipfix))), u32(m.exported, m.sequence, 7), ipfix))
				} else {
					s.send(exporterPort, time.Hour, join(u16(9, 1), u32(m.uptime, m.exported, m.sequence, 7), netflow9))
				}
			}
			data, fields := set(300, u32(9, 1)), u16(300, 2, 1, 4, 2, 4)
			send(test.before, data, data)
			send(test.after, set(0, fields), set(2, fields))
			dropped := s.counts[ledger.SetsExpiredRestart]
			if test.restarted != (len(s.records) == 0) || test.restarted != (dropped == 1) || s.counts.SetsWaiting() != 0 {
				t.Errorf("%d records, %d sets dropped, %d waiting", len(s.records), dropped, s.counts.SetsWaiting())
			}
		})
	}
}

// The templates of lists come in any order, too (RFC 6313 section 4.5.2 names them by id; RFC 7011 section 8: data may come before).
func TestAListWhoseTemplateComesLaterIsHeld(t *testing.T) {
	layouts := set(2, u16(300, 2, 10, 4, 293, 65535), u16(301, 2, 14, 4, 292, 65535))
	inner := set(2, u16(302, 2, 8, 4, 1, 4))
	within := join([]byte{3}, u16(302), ip4, u32(9))
	block := join(u32(6), []byte{byte(len(within))}, within)
	nested := join([]byte{3}, u16(301, uint16(4+len(block))), block)
	flows := set(300, u32(5), []byte{byte(len(nested))}, nested)
	for name, test := range map[string]struct {
		sets       [][]byte
		after      func(s *station)
		flows      int
		unread     uint64
		stillWaits uint64
	}{
		"it came before":               {[][]byte{layouts, inner, flows}, nil, 1, 0, 0},
		"it comes in the next message": {[][]byte{layouts, flows, inner}, nil, 1, 0, 0},
		"all come later":               {[][]byte{flows, layouts, inner}, nil, 1, 0, 0},
		"it is waited for":             {[][]byte{layouts, flows}, nil, 0, 0, 1},
		"it never comes": {[][]byte{layouts, flows}, func(s *station) {
			s.decoder.Close()
			s.ipfix(flows)
		}, 0, 2, 0},
		"an empty list has none": {[][]byte{layouts, set(300, u32(5, 0x05030131), []byte{0, 4})}, nil, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			for _, b := range test.sets {
				s.ipfix(b)
			}
			if test.after != nil {
				test.after(s)
			}
			got := 0
			for _, r := range s.records {
				if r.InIf == 5 && r.OutIf == 6 && r.Bytes == 9 && r.SrcAddr.Addr().String() == "192.0.2.10" {
					got++
				}
			}
			if got != test.flows || s.counts[ledger.RecordsListsUnread] != test.unread || s.counts.SetsWaiting() != test.stillWaits {
				t.Errorf("%d flows, %d lists unread, %d sets waiting; %v", got, s.counts[ledger.RecordsListsUnread], s.counts.SetsWaiting(), s.problems)
			}
		})
	}
}

// A chassis has many domains, and its templates are long in coming. Its data makes room for its own, not that of its neighbours, which are read when
// their templates come.
func TestAnExporterOfManyStreamsPushesOutItsOwnData(t *testing.T) {
	s := newStation(t, func(c *netflow.Settings) { c.HeldBytes, c.HeldBytesPerExporter = 1<<16, 1<<13 })
	send := func(from string, domain, sequence uint32, sets ...[]byte) {
		body := join(sets...)
		s.send(netip.MustParseAddrPort(from), time.Hour, join(u16(10, uint16(16+len(body))), u32(exported, sequence, domain), body))
	}
	const neighbours = 10
	for n := range uint32(neighbours) {
		send(fmt.Sprintf("192.0.2.%d:4000", n+10), 1, 1, set(300, u32(n+1)))
	}
	for sequence := range uint32(100) {
		for domain := range uint32(16) {
			send("192.0.2.1:4000", domain, sequence+1, set(300, bytes.Repeat([]byte{1}, 400)))
		}
	}
	if _, held := s.decoder.Held(); held > 1<<16 || held < 1<<15 {
		t.Errorf("%d bytes are held, of %d", held, 1<<16)
	}
	for n := range uint32(neighbours) {
		send(fmt.Sprintf("192.0.2.%d:4000", n+10), 1, 2, set(2, u16(300, 1, 1, 4)))
	}
	if len(s.records) != neighbours {
		t.Errorf("%d records of %d neighbours are read", len(s.records), neighbours)
	}
	send("192.0.2.1:4000", 15, 101, set(2, u16(300, 1, 1, 4)))
	if len(s.records) == neighbours {
		t.Error("nothing of the chassis was held")
	}
}
