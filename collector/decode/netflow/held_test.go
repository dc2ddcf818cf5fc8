package netflow_test

import (
	"math"
	"testing"
	"time"

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
