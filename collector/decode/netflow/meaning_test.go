package netflow_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

func TestAClockThatIsNotSetGivesTimesByTheReceipt(t *testing.T) {
	const received = 1_700_000_000 * time.Second
	s := newStation(t)
	body := join(set(0, u16(300, 3, 22, 4, 21, 4, 1, 4)), set(300, u32(uptime9-10_000, uptime9-9000, 1)))
	s.send(exporterPort, received, join(u16(9, 2), u32(uptime9, 0, 1, 7), body))
	if r := s.only(); r.TimeFlowStartNs != uint64(received-10*time.Second) || r.TimeFlowEndNs != uint64(received-9*time.Second) {
		t.Errorf("%d to %d", r.TimeFlowStartNs, r.TimeFlowEndNs)
	}
}

// A header of NetFlow v9 without an uptime does not say when the exporter started; the record may.
func TestUptimesCountFromTheTimeOfTheRecordWhereTheHeaderHasNone(t *testing.T) {
	for _, up := range []uint32{0, 100_000} {
		s := newStation(t)
		s.send(exporterPort, exported*time.Second, join(u16(9, 2), u32(up, exported, 1, 7), set(0, u16(300, 4, 160, 8, 22, 4, 21, 4, 1, 4)),
			set(300, u64((exported-100)*1000), u32(90_000, 95_000, 9))))
		if r := s.only(); r.TimeFlowStartNs != (exported-10)*second || r.TimeFlowEndNs != (exported-5)*second {
			t.Errorf("an uptime of %d: %d to %d", up, r.TimeFlowStartNs, r.TimeFlowEndNs)
		}
	}
}

func TestUptimesOfNetFlow9CountFromTheTimeOfOptionsWhereTheHeaderHasNone(t *testing.T) {
	for _, test := range []struct{ uptime, start, end uint32 }{{0, 10, 5}, {100_000, 20, 15}} {
		s := newStation(t)
		s.send(exporterPort, exported*time.Second, join(u16(9, 4), u32(test.uptime, exported, 1, 7), set(1, u16(400, 4, 4, 1, 4, 160, 8)),
			set(400, u32(1), u64((exported-90)*1000)), set(0, u16(300, 3, 22, 4, 21, 4, 1, 4)), set(300, u32(80_000, 85_000, 9))))
		if r := s.only(); r.TimeFlowStartNs != (exported-uint64(test.start))*second || r.TimeFlowEndNs != (exported-uint64(test.end))*second {
			t.Errorf("an uptime of %d: %d to %d", test.uptime, r.TimeFlowStartNs, r.TimeFlowEndNs)
		}
	}
}

func TestUptimesCountFromTheTimeOfOptions(t *testing.T) {
	for _, order := range []string{"before", "behind"} {
		s := newStation(t)
		options := join(set(3, u16(400, 2, 1, 149, 4, 160, 8)), set(400, u32(7), u64((exported-9000)*1000)))
		data := join(set(2, u16(300, 3, 22, 4, 21, 4, 1, 4)), set(300, u32(1000, 2000, 1)))
		if order == "before" {
			s.ipfix(options, data)
		} else {
			s.ipfix(data, options)
		}
		if r := s.only(); r.TimeFlowStartNs != (exported-8999)*second || r.TimeFlowEndNs != (exported-8998)*second {
			t.Errorf("options %s: %d to %d", order, r.TimeFlowStartNs, r.TimeFlowEndNs)
		}
	}
}

// An uptime begins anew each 49.7 days, and the time of export has whole seconds: what ended within that second did not end 49.7 days ago.
func TestUptimesThatBeganAnewMayEndWithinTheSecondOfTheirExport(t *testing.T) {
	const day = 86_400_000
	for _, days := range []uint64{1, 49, 60, 100, 1000} {
		for _, after := range []int64{-5000, 0, 500, 999, 3000} { // milliseconds after the export
			s := newStation(t)
			end := uint32(days*day + uint64(after))
			s.ipfix(set(2, u16(300, 4, 160, 8, 22, 4, 21, 4, 1, 4)), set(300, u64(exported*1000-days*day), u32(end-1000, end, 1)))
			wantEnd := exported*second + uint64(after)*uint64(time.Millisecond)
			if r := s.only(); r.TimeFlowEndNs != wantEnd || r.TimeFlowStartNs != wantEnd-second {
				t.Errorf("up for %d days, %d ms after the export: %d to %d, want %d", days, after, r.TimeFlowStartNs, r.TimeFlowEndNs, wantEnd)
			}
		}
	}
}

func TestAbsoluteTimesCountBeforeUptimesAndTheFinerBeforeTheCoarser(t *testing.T) {
	s := newStation(t)
	s.ipfix(set(2, u16(300, 6, 22, 4, 21, 4, 150, 4, 152, 8, 153, 8, 1, 4)),
		set(300, u32(1, 2, exported-9), u64((exported-10)*1000, (exported-5)*1000), u32(1)))
	if r := s.only(); r.TimeFlowStartNs != (exported-10)*second || r.TimeFlowEndNs != (exported-5)*second {
		t.Errorf("%d to %d", r.TimeFlowStartNs, r.TimeFlowEndNs)
	}
}

// An end of 0 is none, and a flow that ended after its export has another clock than the header: neither began when the exporter did, nor 49
// days ago.
// The fraction of its NTP timestamps is a number of microseconds, not of 2^-32 seconds (logstash-codec-netflow, changes of 3.2.1).
func TestNetScalerCountsMicrosecondsInTheFraction(t *testing.T) {
	ntp := func(before uint64) uint64 { return (exported - before + 2_208_988_800) << 32 }
	for _, behind := range []bool{false, true} { // its own elements stand before the times, or behind them
		own, times := u16(0x8000|132, 4, 0, 5951), u16(154, 8, 155, 8)
		values, number := u64(ntp(10)|500_000, ntp(5)|999_999), u32(7)
		s := newStation(t)
		if behind {
			s.ipfix(set(2, u16(300, 4), times, own, u16(1, 4)), set(300, values, number, u32(9)))
		} else {
			s.ipfix(set(2, u16(300, 4), own, times, u16(1, 4)), set(300, number, values, u32(9)))
		}
		r := s.only()
		start, end := (exported-10)*second+500_000_000, (exported-5)*second+999_999_000
		if start-r.TimeFlowStartNs > 1000 || end-r.TimeFlowEndNs > 1000 {
			t.Errorf("%d to %d, want %d to %d", r.TimeFlowStartNs, r.TimeFlowEndNs, start, end)
		}
	}
}

func TestUptimesThatCannotBeAreNotUsed(t *testing.T) {
	const ms = uint64(time.Millisecond)
	for _, test := range []struct {
		name       string
		start, end uint32
		// In milliseconds before the export.
		wantStart, wantEnd uint64
	}{
		{"start and end", uptime9 - 9000, uptime9 - 1000, 9000, 1000},
		{"no end", uptime9 - 9000, 0, 9000, 9000},
		{"from when the exporter started", 0, uptime9 - 1000, uptime9, 1000},
		{"an end after the export", uptime9 - 9000, uptime9 + 90_000, 9000, 0},
		{"start and end after the export", uptime9 + 80_000, uptime9 + 90_000, 10_000, 0},
		{"an end with all bits set", uptime9 - 9000, math.MaxUint32, 9000, 9000},
		{"from a millisecond before the exporter started", math.MaxUint32, uptime9 - 1000, uptime9 + 1, 1000},
		{"40 days long", 1<<32 - (40*86_400_000 - uptime9), uptime9 - 1000, 40 * 86_400_000, 1000},
	} {
		record := join(ip4, ip4, u32(0, 0, 1, 60, test.start, test.end), make([]byte, 16))
		legacy, nine, ipfix := newStation(t), newStation(t), newStation(t)
		legacy.send(exporterPort, exported*time.Second, join(u16(5, 1), u32(uptime9, exported, 0, 1, 0), record))
		nine.netflow9(set(0, u16(300, 3, 22, 4, 21, 4, 1, 4)), set(300, u32(test.start, test.end, 1)))
		stations := map[string]*station{"5": legacy, "9": nine}
		if test.wantEnd != 0 && test.wantStart <= uptime9 { // else the exporter started at another time
			ipfix.ipfix(set(2, u16(300, 4, 160, 8, 22, 4, 21, 4, 1, 4)), set(300, u64(exported*1000-uptime9), u32(test.start, test.end, 1)))
			stations["IPFIX"] = ipfix
		}
		for version, s := range stations {
			wantStart, wantEnd := exported*second-test.wantStart*ms, exported*second-test.wantEnd*ms
			if r := s.only(); r.TimeFlowStartNs != wantStart || r.TimeFlowEndNs != wantEnd {
				t.Errorf("%s, version %s: %d to %d, want %d to %d", test.name, version, r.TimeFlowStartNs, r.TimeFlowEndNs, wantStart, wantEnd)
			}
		}
	}
	s := newStation(t)
	s.ipfix(set(2, u16(300, 3, 22, 4, 21, 4, 1, 4)), set(300, u32(uptime9, 0, 1)))
	if r := s.only(); r.TimeFlowStartNs != exported*second || r.TimeFlowEndNs != exported*second {
		t.Errorf("no end, and nothing says since when uptimes count: %d to %d", r.TimeFlowStartNs, r.TimeFlowEndNs)
	}
}

func TestTypeAndCodeOfICMPMayStandInTheDestinationPort(t *testing.T) {
	s := newStation(t)
	s.netflow9(set(0, u16(300, 3, 4, 1, 11, 2, 1, 4)), set(300, []byte{1}, u16(769), u32(84)))
	if r := s.only(); r.ICMPType != 3 || r.ICMPCode != 1 || r.DstPort != 769 {
		t.Errorf("%d, %d, %d", r.ICMPType, r.ICMPCode, r.DstPort)
	}
}

func TestSpecialValuesAreNoIndicesVLANsOrAddresses(t *testing.T) {
	s := newStation(t)
	s.ipfix(set(2, u16(300, 5, 10, 4, 14, 4, 58, 2, 15, 4, 1, 4)), set(300, u32(0x3fffffff, 0xffffffff), u16(4095), u32(0, 1)))
	if r := s.only(); r.InIf != 0 || r.OutIf != 0 || r.SrcVLAN != 0 || r.VLANID != 0 || r.NextHop.Len() != 0 {
		t.Errorf("%+v", r)
	}
}

func TestInterfacesHaveTheNumbersThatTheirExporterGivesThem(t *testing.T) {
	for _, test := range []struct {
		name   string
		length uint16
		value  []byte
		want   uint32
	}{
		{"an index of RFC 2863", 4, u32(0x7fffffff), 0x7fffffff},
		{"a number of its own, as of NetScaler", 4, u32(0x80000003), 0x80000003},
		{"the last number", 4, u32(0xfffffffe), 0xfffffffe},
		{"none, in four bytes", 4, u32(0xffffffff), 0},
		{"none, in two bytes", 2, u16(0xffff), 0},
		{"the device itself", 4, u32(0x3fffffff), 0},
		{"more than 32 bits hold", 8, u32(1, 5), 0},
		{"none, in eight bytes", 8, u32(0xffffffff, 0xffffffff), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStation(t)
			s.ipfix(set(2, u16(300, 3, 10, test.length, 14, test.length, 1, 4)), set(300, test.value, test.value, u32(84)))
			if r := s.only(); r.InIf != test.want || r.OutIf != test.want {
				t.Errorf("%d and %d, want %d", r.InIf, r.OutIf, test.want)
			}
		})
	}
}

func TestPaddingOfAnyLengthIsNoRecord(t *testing.T) {
	s := newStation(t)
	s.netflow9(set(0, u16(300, 2, 8, 4, 1, 4)), set(300, u32(0x0a000001, 5), make([]byte, 21)))
	if r := s.only(); r.Bytes != 5 {
		t.Errorf("%+v", r)
	}
}

func TestWholeRecordsOfCutMessagesAreKept(t *testing.T) {
	data := join(set(2, u16(300, 1, 1, 4)), set(300, u32(1, 2)))
	for _, test := range []struct {
		name   string
		length int
		sent   []byte
		want   int
	}{
		{"the message says less than it has", 16 + len(data) - 2, data, 2},
		{"the datagram is cut", 16 + len(data), data[:len(data)-2], 1},
		{"set ids of NetFlow v9", 0, join(set(0, u16(300, 1, 1, 4)), set(300, u32(1, 2))), 2},
	} {
		s := newStation(t)
		length := test.length
		if length == 0 {
			length = 16 + len(test.sent)
		}
		s.send(exporterPort, time.Hour, join(u16(10, uint16(length)), u32(exported, 1, 7), test.sent))
		if len(s.records) != test.want {
			t.Errorf("%s: %d records, want %d; %v", test.name, len(s.records), test.want, s.problems)
		}
	}
}

func TestBiflowsBecomeTwoFlowsWhereAskedFor(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []uint16
		count  uint16
	}{
		{"RFC 5103", []uint16{7, 2, 11, 2, 1, 4, 0x8001, 4, 0, 29305}, 4},
		{"initiator and responder", []uint16{7, 2, 11, 2, 231, 4, 232, 4}, 4},
	} {
		for _, asked := range []bool{false, true} {
			s := newStation(t, func(c *netflow.Settings) { c.Biflows, c.StandInCounters = asked, true })
			s.ipfix(set(2, u16(300, test.count), u16(test.fields...)), set(300, u16(1000, 443), u32(10, 90)))
			if !asked {
				if r := s.only(); r.Bytes != 10 {
					t.Errorf("%s: %d bytes", test.name, r.Bytes)
				}
				continue
			}
			if len(s.records) != 2 || s.records[0].Bytes != 10 || s.records[1].Bytes != 90 || s.records[1].SrcPort != 443 ||
				s.records[1].DstPort != 1000 || s.counts[ledger.RecordsDecoded] != 2 {
				t.Errorf("%s: %+v", test.name, s.records)
			}
		}
	}
}

// nProbe counts what went back in the elements that others have for what left.
func TestWhatWentBackIsTheOtherDirection(t *testing.T) {
	for _, test := range []struct {
		name  string
		send  func(s *station)
		bytes []uint64
	}{
		{"nProbe's IPFIX", func(s *station) {
			s.ipfix(set(2, u16(300, 6, 7, 2, 1, 4, 2, 4, 23, 4, 24, 4, 0x8000|118, 2, 0, 35632)), set(300, u16(443), u32(10, 1, 90, 2), u16(7)))
		}, []uint64{10, 90}},
		{"nProbe's NetFlow v9", func(s *station) {
			s.netflow9(set(0, u16(300, 6, 7, 2, 1, 4, 2, 4, 23, 4, 24, 4, 57590, 2)), set(300, u16(443), u32(10, 1, 90, 2), u16(7)))
		}, []uint64{10, 90}},
		{"Ixia's elements of its own", func(s *station) {
			s.ipfix(set(2, u16(300, 5, 7, 2, 1, 4, 2, 4, 0x8000|176, 4, 0, 3054, 0x8000|177, 4, 0, 3054)), set(300, u16(443), u32(10, 1, 90, 2)))
		}, []uint64{10, 90}},
		{"Cisco's AVC in NetFlow v9", func(s *station) {
			s.netflow9(set(0, u16(300, 5, 45004, 4, 45005, 4, 45009, 2, 41105, 8, 41106, 8)), set(300, ip4, ip4, u16(443), u64(90, 10)))
		}, []uint64{10, 90}},
		{"nothing went back", func(s *station) {
			s.netflow9(set(0, u16(300, 6, 7, 2, 1, 4, 2, 4, 23, 4, 24, 4, 57590, 2)), set(300, u16(443), u32(10, 1, 0, 0), u16(7)))
		}, []uint64{10}},
		{"a router's", func(s *station) {
			s.netflow9(set(0, u16(300, 5, 7, 2, 1, 4, 2, 4, 23, 4, 24, 4)), set(300, u16(443), u32(10, 1, 9, 1)))
		}, []uint64{10}},
		{"Palo Alto's", func(s *station) {
			s.netflow9(set(0, u16(300, 4, 7, 2, 1, 4, 23, 4, 56701, 2)), set(300, u16(443), u32(10, 9), []byte("ip")))
		}, []uint64{10}},
	} {
		s := newStation(t, func(c *netflow.Settings) { c.Biflows, c.StandInCounters = true, true })
		test.send(s)
		var have []uint64
		for _, r := range s.records {
			have = append(have, r.Bytes)
		}
		if !slices.Equal(have, test.bytes) {
			t.Errorf("%s: %d bytes, want %d", test.name, have, test.bytes)
		}
	}
}

// Antrea sends delta counts and totals of both directions again and again. What went back before is not counted twice.
func TestATotalOfTheOtherDirectionCountsWhereThereIsNoDeltaCount(t *testing.T) {
	const reverse = 29305
	for _, test := range []struct {
		name   string
		fields []uint16
		values []byte
		want   []uint64 // bytes of each flow
	}{
		{"nothing went back since the last record", []uint16{1, 4, 85, 4, 0x8001, 4, 0, reverse, 0x8000 | 85, 4, 0, reverse}, u32(10, 1000, 0, 5000), []uint64{10}},
		{"something did", []uint16{0x8000 | 85, 4, 0, reverse, 0x8001, 4, 0, reverse, 1, 4, 85, 4}, u32(5000, 90, 10, 1000), []uint64{10, 90}},
		{"totals alone", []uint16{85, 4, 86, 4, 0x8000 | 85, 4, 0, reverse, 0x8000 | 86, 4, 0, reverse}, u32(1000, 10, 5000, 50), []uint64{1000, 5000}},
		{"what a host sent and received, by Cisco's Network Visibility Module", []uint16{0x8000 | 12346, 4, 0, 9, 0x8000 | 12347, 4, 0, 9, 10, 2, 14, 2, 4, 1},
			join(u32(90, 10), u16(1, 2), []byte{6}), []uint64{10, 90}},
		{"a total beside the responder's count", []uint16{231, 4, 85, 4, 232, 4, 0x8000 | 85, 4, 0, reverse}, u32(10, 1000, 0, 5000), []uint64{10}},
	} {
		s := newStation(t, func(c *netflow.Settings) { c.Biflows, c.StandInCounters = true, true })
		s.ipfix(set(2, u16(300, 5), u16(test.fields...), u16(7, 2)), set(300, test.values, u16(443)))
		var have []uint64
		for _, r := range s.records {
			have = append(have, r.Bytes)
		}
		if !slices.Equal(have, test.want) {
			t.Errorf("%s: %d bytes, want %d", test.name, have, test.want)
		}
	}
}

// YAF says how much later the answer began.
func TestTheOtherDirectionBeginsLaterByWhatTheRecordSays(t *testing.T) {
	for _, test := range []struct {
		name        string
		delta, want uint32
	}{{"later", 3000, 7}, {"at once", 0, 10}, {"after the end", 60_000, 5}} {
		for _, text := range [][]byte{nil, {2, 'e', '0'}} { // in records of fixed and of variable length
			layout, value := []uint16{7, 2, 152, 8, 153, 8, 1, 4, 0x8001, 4, 0, 29305, 0x8015, 4, 0, 6871}, text
			count := uint16(6)
			if text != nil {
				layout, count = append([]uint16{82, 65535}, layout...), 7
			}
			s := newStation(t, func(c *netflow.Settings) { c.Biflows = true })
			s.ipfix(set(2, u16(300, count), u16(layout...)), set(300, value, u16(1000), u64((exported-10)*1000, (exported-5)*1000), u32(10, 90, test.delta)))
			if len(s.records) != 2 || s.records[0].TimeFlowStartNs != (exported-10)*second || s.records[1].TimeFlowEndNs != (exported-5)*second ||
				s.records[1].TimeFlowStartNs != (exported-uint64(test.want))*second {
				t.Errorf("%s: %+v", test.name, s.records)
			}
		}
	}
}

// What became of the packets of one direction says nothing of those of the other.
func TestTheOtherDirectionHasItsOwnForwardingStatus(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []uint16
		values []byte
		count  uint16
		want   uint32
	}{
		{"none", []uint16{7, 2, 11, 2, 89, 1, 231, 4, 232, 4}, join(u16(1000, 443), []byte{130}, u32(10, 90)), 5, 0},
		{"its own", []uint16{7, 2, 11, 2, 89, 1, 231, 4, 232, 4, 0x8000 | 89, 1, 0, 29305}, join(u16(1000, 443), []byte{130}, u32(10, 90), []byte{64}), 6, 64},
	} {
		s := newStation(t, func(c *netflow.Settings) { c.Biflows = true })
		s.ipfix(set(2, u16(300, test.count), u16(test.fields...)), set(300, test.values))
		if len(s.records) != 2 || s.records[0].ForwardingStatus != 130 || s.records[1].ForwardingStatus != test.want {
			t.Errorf("%s: %+v", test.name, s.records)
		}
	}
}

// As Cisco's firewalls count a connection in updates, and all of it again at its end: who adds up needs to know which.
func TestBothDirectionsHaveTheFieldsOfTheirConnection(t *testing.T) {
	for _, test := range []struct {
		name   string
		nine   bool
		fields []uint16
		values []byte
		kept   []uint16
	}{
		{"of a firewall of Cisco's", true, []uint16{8, 4, 231, 4, 232, 4, 148, 4, 233, 1, 33002, 2, 225, 4, 40000, 5},
			join(u32(0x0a000001, 10, 90, 77), []byte{2}, u16(2015), ip4, []byte("alice")), []uint16{148, 233, 33002, 40000}},
		{"of one of Palo Alto's", false, []uint16{8, 4, 1, 4, 233, 1, 0x8000 | 23933, 3, 0, 25461, 0x8001, 4, 0, 29305},
			join(u32(0x0a000001, 10), []byte{2}, []byte("ssl"), u32(90)), []uint16{233, 23933}},
		{"why each direction ended", false, []uint16{8, 4, 1, 4, 136, 1, 0x8000 | 136, 1, 0, 29305, 0x8001, 4, 0, 29305},
			join(u32(0x0a000001, 10), []byte{3, 2}, u32(90)), []uint16{136}},
		{"33002 is no such element in IPFIX", false, []uint16{8, 4, 1, 4, 0x8000 | 234, 2, 0, 9, 136, 1, 0x8001, 4, 0, 29305},
			join(u32(0x0a000001, 10), u16(2015), []byte{3}, u32(90)), []uint16{136}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStation(t, func(c *netflow.Settings) { c.Biflows, c.Extra = true, true })
			fields := uint16(0)
			for i := 0; i < len(test.fields); i += 2 {
				if fields++; !test.nine && test.fields[i]&0x8000 != 0 {
					i += 2
				}
			}
			if test.nine {
				s.netflow9(set(0, u16(300, fields), u16(test.fields...)), set(300, test.values))
			} else {
				s.ipfix(set(2, u16(300, fields), u16(test.fields...)), set(300, test.values))
			}
			if len(s.records) != 2 || s.records[1].Bytes != 90 {
				t.Fatalf("%+v", s.records)
			}
			var kept []uint16
			for _, x := range s.records[1].Extra {
				kept = append(kept, x.ID)
				if x.ID == 136 && strings.HasPrefix(test.name, "why") && (x.Enterprise != 0 || x.Value[0] != 2) {
					t.Errorf("the other direction's reason is %+v", x)
				}
			}
			if !slices.Equal(kept, test.kept) {
				t.Errorf("the other direction has fields %v, want %v", kept, test.kept)
			}
		})
	}
}

func TestFlowsWithinListsAreFlowsAndTheRestIsTheRecords(t *testing.T) {
	s := newStation(t)
	s.ipfix(set(2, u16(300, 2, 8, 4, 293, 65535), u16(500, 1, 6, 1), u16(301, 1, 292, 65535), u16(501, 2, 8, 4, 1, 4)),
		set(300, u32(0x0a000001), []byte{6, 3, 1, 244, 0, 5, 0x1b}),
		set(301, []byte{19, 3, 1, 245}, u32(0x0a000002, 5, 0x0a000003, 6)))
	if len(s.records) != 3 || s.records[0].TCPFlags != 0x1b || s.records[1].Bytes != 5 || s.records[2].Bytes != 6 {
		t.Errorf("%+v", s.records)
	}
}

// What holds flows is none of its own: its counts are those of them all.
func TestNoByteOfFlowsWithinListsIsLostOrThereTwice(t *testing.T) {
	counts, bare := uint16(301), uint16(302)
	layouts := set(2, u16(300, 5, 7, 2, 56, 6, 1, 4, 2, 4, 292, 65535), u16(301, 3, 8, 4, 1, 4, 2, 4), u16(302, 1, 8, 4), u16(303, 2, 8, 4, 1, 4),
		u16(304, 3, 8, 4, 1, 4, 0x8001, 4, 0, 29305), u16(305, 3, 1, 4, 0x8001, 4, 0, 29305, 292, 65535))
	holder := func(template uint16, flows ...uint32) []byte {
		return join(u16(1000), []byte{2, 0, 0, 0, 0, 1}, u32(30, 3), []byte{byte(3 + 4*len(flows)), 3}, u16(template), u32(flows...))
	}
	for _, test := range []struct {
		name string
		data []byte
		want [][2]uint64 // bytes and packets of each flow
	}{
		{"flows that count themselves", set(300, holder(counts, 0x0a000001, 10, 1, 0x0a000002, 20, 2)), [][2]uint64{{10, 1}, {20, 2}}},
		{"a flow that counts itself", set(300, holder(counts, 0x0a000001, 30, 3)), [][2]uint64{{30, 3}}},
		{"flows that are not all", set(300, holder(counts, 0x0a000001, 10, 1, 0x0a000002, 15, 1)), [][2]uint64{{10, 1}, {15, 1}, {5, 1}}},
		{"flows that count more than their record", set(300, holder(counts, 0x0a000001, 30, 3, 0x0a000002, 5, 1)), [][2]uint64{{30, 3}, {5, 1}}},
		{"a flow that counts nothing", set(300, holder(bare, 0x0a000001)), [][2]uint64{{30, 3}}},
		{"flows that count nothing", set(300, holder(bare, 0x0a000001, 0x0a000002)), [][2]uint64{{0, 0}, {0, 0}, {30, 3}}},
		{"flows that count bytes", set(300, holder(303, 0x0a000001, 10, 0x0a000002, 20)), [][2]uint64{{10, 0}, {20, 0}, {0, 3}}},
		{"no flow", set(300, holder(counts)), [][2]uint64{{30, 3}}},
		{"no flow in a list of zeros", set(300, holder(bare, 0)), [][2]uint64{{30, 3}}},
		{"both directions", set(305, join(u32(30, 70), []byte{27, 3}, u16(304), u32(0x0a000001, 10, 30, 0x0a000002, 20, 40))),
			[][2]uint64{{10, 0}, {30, 0}, {20, 0}, {40, 0}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStation(t, func(c *netflow.Settings) { c.Biflows = true })
			s.ipfix(layouts, test.data)
			var got [][2]uint64
			for _, r := range s.records {
				got = append(got, [2]uint64{r.Bytes, r.Packets})
			}
			if !slices.Equal(got, test.want) || s.counts[ledger.RecordsDecoded] != uint64(len(test.want)) {
				t.Errorf("bytes and packets %v, want %v; %d records counted", got, test.want, s.counts[ledger.RecordsDecoded])
			}
		})
	}
}

func TestFlowsWithinListsHaveTheFieldsOfTheRecordThatHoldsThem(t *testing.T) {
	s := newStation(t, func(c *netflow.Settings) { c.Extra = true })
	s.ipfix(set(2, u16(300, 3, 10, 4, 233, 1, 292, 65535), u16(301, 3, 8, 4, 1, 4, 136, 1)),
		set(300, u32(7), []byte{5, 21, 3}, u16(301), u32(0x0a000001, 10), []byte{1}, u32(0x0a000002, 20), []byte{2}))
	if len(s.records) != 2 {
		t.Fatalf("%d records", len(s.records))
	}
	for i, r := range s.records {
		if x := r.Extra; len(x) != 2 || x[0].ID != 233 || x[0].Value[0] != 5 || x[1].ID != 136 || x[1].Value[0] != byte(i+1) {
			t.Errorf("fields of flow %d: %v", i, x)
		}
	}
	// They are bounded: a datagram has room for thousands of flows in one record.
	const flows, numbers = 100, 100
	ids := make([]uint32, flows)
	for i := range ids {
		ids[i] = 0x0a000001 + uint32(i)
	}
	points := join([]byte{3}, u16(363, 1), make([]byte, numbers))
	held := join([]byte{3}, u16(302), u32(ids...))
	s = newStation(t, func(c *netflow.Settings) { c.Extra = true })
	s.ipfix(set(2, u16(300, 2, 291, 65535, 292, 65535), u16(302, 1, 8, 4)),
		set(300, []byte{byte(len(points))}, points, []byte{255}, u16(uint16(len(held))), held))
	kept := 0
	for _, r := range s.records {
		kept += len(r.Extra)
	}
	if len(s.records) != flows || kept == 0 || kept > 4096 || s.counts[ledger.RecordsListsUnread] != 1 {
		t.Errorf("%d flows with %d fields, %d lists unread", len(s.records), kept, s.counts[ledger.RecordsListsUnread])
	}
}

// Lists have a record for each VLAN, each station, and so on: the flow has room for one.
func TestWhatAListSaysBesideTheFlowIsKept(t *testing.T) {
	layouts := set(2, u16(300, 3, 8, 4, 1, 4, 292, 65535), u16(500, 2, 58, 2, 1, 1))
	data := set(300, u32(0x0a000001, 1000), []byte{9, 3}, u16(500, 7), []byte{1}, u16(8), []byte{2})
	s := newStation(t, func(c *netflow.Settings) { c.Extra = true })
	s.ipfix(layouts, data)
	r := s.only()
	var kept []string
	for _, x := range r.Extra {
		if !x.List && x.Items == 0 {
			kept = append(kept, fmt.Sprintf("%d=%x", x.ID, x.Value))
		}
	}
	if got := strings.Join(kept, " "); r.SrcVLAN != 7 || r.Bytes != 1000 || got != "1=01 58=0008 1=02" {
		t.Errorf("VLAN %d, %d bytes, beside them %s", r.SrcVLAN, r.Bytes, got)
	}
	s = newStation(t)
	s.ipfix(layouts, data)
	if r := s.only(); len(r.Extra) != 0 || r.Bytes != 1000 {
		t.Errorf("without extra fields: %+v", r)
	}
}

// What holds the flows may stand in a list itself.
func TestFlowsWithinListsWithinListsAreFlows(t *testing.T) {
	layouts := set(2, u16(300, 2, 10, 4, 293, 65535), u16(301, 2, 14, 4, 292, 65535), u16(302, 2, 8, 4, 1, 4))
	inner := join([]byte{19, 3}, u16(302), u32(0x0a000002, 5, 0x0a000003, 6))
	block := join(u16(301, uint16(8+len(inner))), u32(9), inner)
	s := newStation(t)
	s.ipfix(layouts, set(300, u32(7), []byte{byte(1 + len(block)), 3}, block))
	if len(s.records) != 2 || s.records[0].Bytes != 5 || s.records[1].Bytes != 6 || s.records[1].InIf != 7 || s.records[1].OutIf != 9 {
		t.Errorf("%+v", s.records)
	}
	s.ipfix(set(300, u32(7), []byte{0}))
	if len(s.records) > 2 {
		t.Errorf("a record without a list has the flows of the one before: %+v", s.records[2:])
	}
}

// A basicList may be of lists (RFC 6313 section 4.5.1).
func TestListsWithinABasicListAreOpened(t *testing.T) {
	layout := set(2, u16(300, 2, 10, 4, 291, 65535))
	inner := set(2, u16(302, 2, 8, 4, 1, 4))
	one, other := join([]byte{3}, u16(302), u32(0x0a000002, 5)), join([]byte{3}, u16(302), u32(0x0a000003, 6))
	all := join([]byte{3}, u16(292, 65535), []byte{byte(len(one))}, one, []byte{byte(len(other))}, other)
	data := set(300, u32(7), []byte{byte(len(all))}, all)
	for _, test := range []struct {
		name  string
		parts [][]byte
	}{
		{"templates first", [][]byte{layout, inner, data}}, {"the inner template last", [][]byte{layout, data, inner}},
	} {
		s := newStation(t)
		for _, part := range test.parts {
			s.ipfix(part)
		}
		if len(s.records) != 2 || s.records[0].Bytes != 5 || s.records[1].Bytes != 6 || s.records[1].InIf != 7 || s.counts[ledger.RecordsListsUnread] != 0 {
			t.Errorf("%s: %+v", test.name, s.records)
		}
	}
	// Of other values than flows' all is kept, in its order.
	s := newStation(t, func(c *netflow.Settings) { c.Extra = true })
	numbers := join([]byte{3}, u16(363, 2), u16(1, 2))
	all = join([]byte{3}, u16(291, 65535), []byte{byte(len(numbers))}, numbers, []byte{byte(len(numbers))}, numbers)
	s.ipfix(set(2, u16(300, 2, 8, 4, 291, 65535)), set(300, ip4, []byte{byte(len(all))}, all))
	r := s.only()
	got, items := 0, 0
	for _, x := range r.Extra {
		if x.ID == 363 && len(x.Value) == 2 {
			got++
		}
		items = max(items, x.Items)
	}
	if got != 4 || items != len(r.Extra)-1 || len(r.Extra) != 13 {
		t.Errorf("%d values in %d fields, of which %d are the list's: %+v", got, len(r.Extra), items, r.Extra)
	}
	// What is nested too deep is counted, not read.
	deep := numbers
	for range 6 {
		deep = join([]byte{3}, u16(291, 65535), []byte{byte(len(deep))}, deep)
	}
	s.ipfix(set(300, ip4, []byte{byte(len(deep))}, deep))
	if s.counts[ledger.RecordsListsUnread] != 1 {
		t.Errorf("%d lists unread", s.counts[ledger.RecordsListsUnread])
	}
}

// As YAF sends the flags of TCP: in a list beside the flow.
func TestWhatAListSaysOfTheOtherDirectionIsThatFlows(t *testing.T) {
	s := newStation(t, func(c *netflow.Settings) { c.Biflows = true })
	s.ipfix(set(2, u16(300, 4, 7, 2, 1, 4, 0x8001, 4, 0, 29305, 293, 65535), u16(500, 2, 6, 1, 0x8006, 1, 0, 29305)),
		set(300, u16(1000), u32(10, 90), []byte{7, 3}, u16(500, 6), []byte{0x1b, 0x1a}))
	if len(s.records) != 2 || s.records[0].TCPFlags != 0x1b || s.records[1].TCPFlags != 0x1a || s.records[1].Bytes != 90 {
		t.Errorf("%+v", s.records)
	}
}

// YAF has no tcpControlBits: the flags of the first packet and those of the others stand in two elements of its own, for each direction.
func TestTheFlagsOfAFlowAreThoseOfItsFirstPacketAndOfTheOthers(t *testing.T) {
	flags := []uint16{0x8000 | 14, 1, 0, 6871, 0x8000 | 15, 1, 0, 6871, 0xc000 | 14, 1, 0, 6871, 0xc000 | 15, 1, 0, 6871}
	values := []byte{0x02, 0x19, 0x12, 0x11}
	for _, test := range []struct {
		name     string
		template []byte
		data     []byte
	}{
		{"in the record", u16(append([]uint16{300, 7, 7, 2, 1, 4, 0x8001, 4, 0, 29305}, flags...)...), join(u16(1000), u32(10, 90), values)},
		{"in a list beside it", join(u16(300, 4, 7, 2, 1, 4, 0x8001, 4, 0, 29305, 293, 65535, 500, 4), u16(flags...)),
			join(u16(1000), u32(10, 90), []byte{9, 3}, u16(500, 8), values)},
	} {
		for _, biflows := range []bool{false, true} {
			s := newStation(t, func(c *netflow.Settings) { c.Biflows, c.Extra, c.StandInCounters = biflows, true, true })
			s.ipfix(set(2, test.template), set(300, test.data))
			if len(s.records) == 0 || s.records[0].TCPFlags != 0x1b || biflows && (len(s.records) != 2 || s.records[1].TCPFlags != 0x13) {
				t.Errorf("%s: %+v", test.name, s.records)
			}
			kept := 0
			for _, r := range s.records {
				for _, x := range r.Extra {
					if x.Enterprise == 6871 {
						kept++
					}
				}
			}
			if kept != 4 {
				t.Errorf("%s: %d kept", test.name, kept)
			}
			s = newStation(t, func(c *netflow.Settings) { c.Biflows = biflows }) // as dissectors show it
			s.ipfix(set(2, test.template), set(300, test.data))
			if s.records[0].TCPFlags != 0 {
				t.Errorf("%s: flags %x", test.name, s.records[0].TCPFlags)
			}
		}
	}
}

// tcpSequenceNumber tells of TCP, which the other direction has from this one: it has no place of its own and is kept.
func TestWhatHasNoPlaceInTheOtherDirectionIsKept(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []uint16
		values []byte
	}{
		{"in the record", []uint16{1, 4, 0x8001, 4, 0, 29305, 0x8000 | 184, 4, 0, 29305}, u32(10, 90, 2000)},
		{"beside a protocol", []uint16{1, 4, 0x8001, 4, 0, 29305, 4, 1, 0x8000 | 184, 4, 0, 29305}, join(u32(10, 90), []byte{6}, u32(2000))},
	} {
		s := newStation(t, func(c *netflow.Settings) { c.Biflows, c.Extra = true, true })
		count := uint16(3)
		if len(test.values) > 12 {
			count = 4
		}
		s.ipfix(set(2, u16(300, count), u16(test.fields...)), set(300, test.values))
		if len(s.records) != 2 || len(s.records[0].Extra) != 1 || s.records[0].Extra[0].ID != 184 || s.records[0].Extra[0].Enterprise != 29305 {
			t.Errorf("%s: %+v", test.name, s.records)
		}
	}
}

func TestBiflowsWithinListsHaveBothDirections(t *testing.T) {
	s := newStation(t, func(c *netflow.Settings) { c.Biflows = true })
	s.ipfix(set(2, u16(300, 1, 292, 65535), u16(501, 4, 8, 4, 12, 4, 1, 4, 0x8001, 4, 0, 29305)),
		set(300, []byte{35, 3}, u16(501), u32(0x0a000001, 0x0a000002, 5, 7, 0x0a000003, 0x0a000004, 6, 0)))
	if len(s.records) != 3 || s.records[0].Bytes != 5 || s.records[1].Bytes != 7 || s.records[1].DstAddr != s.records[0].SrcAddr ||
		s.records[2].Bytes != 6 || s.counts[ledger.RecordsDecoded] != 3 {
		t.Errorf("%+v", s.records)
	}
}

func TestALabelStackAndItsPayloadInTwoFieldsAreOnePacket(t *testing.T) {
	ip := join([]byte{0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20}, u16(1000, 443), make([]byte, 8),
		[]byte{0x50, 0x12}, make([]byte, 6))
	labels := u32(16001<<12|64, 24002<<12|1<<8|63)
	for _, test := range []struct {
		name   string
		fields []uint16
		values []byte
	}{
		{"labels first", []uint16{316, 8, 317, 40}, join(labels, ip)},
		{"payload first", []uint16{317, 40, 316, 8}, join(ip, labels)},
		{"one field", []uint16{316, 48}, join(labels, ip)},
	} {
		s := newStation(t)
		s.ipfix(set(2, u16(300, uint16(len(test.fields)/2)), u16(test.fields...)), set(300, test.values))
		if r := s.only(); r.Bytes != 48 || r.DstPort != 443 || len(r.MPLSLabel) != 2 || r.MPLSLabel[0] != 16001 {
			t.Errorf("%s: %d bytes to port %d with labels %v", test.name, r.Bytes, r.DstPort, r.MPLSLabel)
		}
	}
}

// As Cisco's Network Visibility Module sends the modules that a process has loaded.
func TestVendorsListsAreOpened(t *testing.T) {
	names := join([]byte{255}, u16(0x8000|12348, 65535), u32(9), []byte("\x05a.dll\x05b.dll"))
	s := newStation(t, func(c *netflow.Settings) { c.Extra = true })
	s.ipfix(set(2, u16(300, 2, 8, 4, 0x8000|12352, 65535, 0, 9)), set(300, ip4, []byte{byte(len(names))}, names))
	var got []string
	r := s.only()
	for _, x := range r.Extra {
		if x.Enterprise == 9 && x.ID == 12348 {
			got = append(got, string(x.Value))
		}
	}
	if !slices.Equal(got, []string{"a.dll", "b.dll"}) || !r.Extra[0].List || r.Extra[0].Items != 4 {
		t.Errorf("%q of %+v", got, r.Extra)
	}
	// What a list of the other direction says is not this flow's.
	s = newStation(t, func(c *netflow.Settings) { c.Extra = true })
	s.ipfix(set(2, u16(300, 2, 8, 4, 0x8000|292, 65535, 0, 29305), u16(301, 1, 6, 1)), set(300, ip4, []byte{4, 3}, u16(301), []byte{0x1b}))
	if r := s.only(); r.TCPFlags != 0 || len(r.Extra) != 1 || r.Extra[0].List {
		t.Errorf("%+v", r)
	}
}

// A translator between both families, and a switch with long numbers of its points, say more than FlowMessage has room for.
func TestWhatFindsItsPlaceTakenOrTooSmallIsKept(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []uint16
		values []byte
		kept   []uint16
		point  uint32
	}{
		{"addresses of both families", []uint16{8, 4, 27, 16, 12, 4, 28, 16}, join(ip4, ip6, ip4, ip6), []uint16{27, 28}, 0},
		{"a template for both families", []uint16{8, 4, 27, 16, 12, 4, 28, 16}, join(ip4, make([]byte, 16), ip4, make([]byte, 16)), nil, 0},
		{"a point of 32 bits", []uint16{8, 4, 138, 8}, join(ip4, u64(7)), nil, 7},
		{"a point of more", []uint16{8, 4, 138, 8}, join(ip4, u64(1<<40+7)), []uint16{138}, 0},
	} {
		s := newStation(t, func(c *netflow.Settings) { c.Extra = true })
		s.ipfix(set(2, u16(300, uint16(len(test.fields)/2)), u16(test.fields...)), set(300, test.values))
		var kept []uint16
		r := s.only()
		for _, x := range r.Extra {
			kept = append(kept, x.ID)
		}
		if !slices.Equal(kept, test.kept) || r.ObservationPointID != test.point {
			t.Errorf("%s: kept %v, point %d", test.name, kept, r.ObservationPointID)
		}
	}
}

func TestOfJunipersPropertiesTheExceptionSaysThatAPacketWasDropped(t *testing.T) {
	for _, test := range []struct {
		name      string
		class     uint32
		exception uint16
		ingress   uint32
		want      uint32
	}{
		{"a packet that was forwarded", 0x04000000, 0x0800, 0x18000168, 0},
		{"a class of forwarding is no exception", 0x04000003, 0x0800, 0x18000168, 0},
		{"a packet that was discarded", 0x04000000, 0x08c2, 0x18000168, 128},
		{"an exception whose last byte is zero", 0x04000000, 0x0900, 0x18000168, 128},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStation(t, func(c *netflow.Settings) { c.Extra = true })
			property := func(length uint16) []byte { return join(u16(0x8000|137, length), u32(2636)) }
			s.ipfix(set(2, u16(384, 5), property(4), property(2), property(4), u16(8, 4, 1, 4)),
				set(384, u32(test.class), u16(test.exception), u32(test.ingress), ip4, u32(9)))
			if r := s.only(); r.ForwardingStatus != test.want || len(r.Extra) != 3 || len(r.Extra[0].Value) != 4 || len(r.Extra[1].Value) != 2 {
				t.Errorf("forwarding status %d, fields %v", r.ForwardingStatus, r.Extra)
			}
		})
	}
}

func TestAListWhosePlaceIsTakenIsKeptWithItsValues(t *testing.T) {
	s := newStation(t, func(c *netflow.Settings) { c.Extra = true })
	list := func(values ...uint32) []byte {
		return join([]byte{byte(5 + 4*len(values)), 3}, u16(483, 4), u32(values...))
	}
	s.ipfix(set(2, u16(300, 4, 8, 4, 1, 4, 484, 65535, 485, 65535)), set(300, ip4, u32(9), list(65000<<16|1, 65000<<16|2), list(65001<<16|7)))
	r := s.only()
	if len(r.BGPCommunities) != 1 || r.BGPCommunities[0] != 65001<<16|7 {
		t.Errorf("communities %v", r.BGPCommunities)
	}
	if x := r.Extra; len(x) != 5 || !x[0].List || x[0].ID != 484 || x[0].Items != 4 || x[2].ID != 483 || !bytes.Equal(x[4].Value, u32(65000<<16|2)) {
		t.Errorf("fields %+v", x)
	}
}

func TestASectionThatCannotBeReadIsKept(t *testing.T) {
	for _, test := range []struct {
		name   string
		offset uint16
		want   int
	}{{"it begins at the packet", 0, 0}, {"it begins in the middle of a header", 6, 1}} {
		t.Run(test.name, func(t *testing.T) {
			s := newStation(t, func(c *netflow.Settings) { c.Extra = true })
			header := join([]byte{0x45, 0, 0, 20}, make([]byte, 4), []byte{64, 17, 0, 0}, ip4, ip4)
			s.ipfix(set(2, u16(300, 3, 10, 4, 409, 2, 313, 20)), set(300, u32(5), u16(test.offset), header))
			if r := s.only(); len(r.Extra) != test.want || test.want != 0 && !bytes.Equal(r.Extra[0].Value, header) {
				t.Errorf("fields %v", r.Extra)
			}
		})
	}
}

func TestFlowsWithinListsHaveTheTimesOfARecordThatHasAnotherDirection(t *testing.T) {
	s := newStation(t, func(c *netflow.Settings) { c.Biflows = true })
	s.ipfix(set(2, u16(300, 4, 152, 8, 153, 8, 0x8001, 4, 0, 29305, 292, 65535), u16(301, 2, 8, 4, 1, 4)),
		set(300, u64((exported-10)*1000, (exported-5)*1000), u32(77), []byte{11, 3}, u16(301), ip4, u32(9)))
	if len(s.records) != 2 {
		t.Fatalf("%d records", len(s.records))
	}
	if r := s.records[0]; r.Bytes != 9 || r.TimeFlowStartNs != (exported-10)*second || r.TimeFlowEndNs != (exported-5)*second {
		t.Errorf("%d bytes, %d to %d", r.Bytes, r.TimeFlowStartNs, r.TimeFlowEndNs)
	}
}

// What is used for a rate or for times has no place in FlowMessage of its own; nor has what cannot be what its element says.
func TestWhatIsUsedAndToldNowhereIsKept(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []uint16
		values []byte
		kept   []uint16
	}{
		{"a sampler, and its selector", []uint16{48, 1, 302, 4, 1, 4}, join([]byte{3}, u32(4, 9)), []uint16{48, 302}},
		{"how one packet of so many is taken", []uint16{304, 2, 305, 4, 306, 4, 1, 4}, join(u16(1), u32(1, 99, 9)), []uint16{304, 305, 306}},
		{"the time of an event beside the flow's own", []uint16{152, 8, 153, 8, 323, 8, 1, 4}, join(u64((exported-10)*1000, (exported-5)*1000, (exported-7)*1000), u32(9)),
			[]uint16{323}},
		{"the interval in which it was metered, beside them", []uint16{359, 8, 360, 8, 22, 4, 21, 4, 1, 4}, join(u64((exported-300)*1000, exported*1000), u32(1, 2, 9)),
			[]uint16{359, 360}},
		{"the time of an event that is the flow's end is told", []uint16{152, 8, 323, 8, 1, 4}, join(u64((exported-10)*1000, (exported-7)*1000), u32(9)), nil},
		{"and so is a duration that says when it ended", []uint16{152, 8, 161, 4, 1, 4}, join(u64((exported-10)*1000), u32(5000, 9)), nil},
		{"an address of six bytes", []uint16{1, 4, 8, 6}, join(u32(9), make([]byte, 5), []byte{1}), []uint16{8}},
		{"the same with a length of its own", []uint16{1, 4, 8, 65535}, join(u32(9), []byte{6}, make([]byte, 5), []byte{1}), []uint16{8}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, extra := range []bool{true, false} {
				s := newStation(t, func(c *netflow.Settings) { c.Extra = extra })
				s.ipfix(set(2, u16(300, uint16(len(test.fields)/2)), u16(test.fields...)), set(300, test.values))
				var kept []uint16
				r := s.only()
				for _, x := range r.Extra {
					kept = append(kept, x.ID)
				}
				slices.Sort(kept)
				if want := test.kept; extra && !slices.Equal(kept, want) || !extra && len(kept) != 0 {
					t.Errorf("fields %v, want %v", kept, want)
				}
			}
		})
	}
}
