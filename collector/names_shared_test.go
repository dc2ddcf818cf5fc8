package main

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

func octets16(v ...uint16) (b []byte) {
	for _, n := range v {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return b
}

func octets32(v ...uint32) (b []byte) {
	for _, n := range v {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// portName is a text in a field of 8 bytes.
func portName(s string) []byte { return append([]byte(s), make([]byte, 8-len(s))...) }

// message9 is a packet of NetFlow v9.
func (e *exporter) message9(sets ...[]byte) []byte {
	e.now++
	e.sequence++
	b := append(octets16(9, uint16(len(sets))), octets32(1_000_000, e.now, e.sequence, e.domain)...)
	return append(b, slices.Concat(sets...)...)
}

// sflowSample is a datagram of sFlow version 5 with a sample of a format.
func (e *exporter) sflowSample(format uint32, sample ...[]byte) []byte {
	e.sequence++
	body := slices.Concat(sample...)
	return append(octets32(5, 1, 0x7f000001, e.domain, e.sequence, 1000*e.sequence, 1, format, uint32(len(body))), body...)
}

// What exporters of each protocol say to one collector is on the first flow to another one that began later, and of no other exporter's.
func TestTablesOfEachProtocolNameTheFirstFlowOfACollectorThatBeginsLater(t *testing.T) {
	s := natstest.Start(t)
	teacher := startCollector(t, "a", s.URL(), "").awaitReady()
	type protocol struct {
		exporter *exporter
		taught   [][]byte
		flow     []byte
		want     string
		listed   []string
	}
	nine, ten, sflow := newExporter(t, 9, "127.0.0.9"), newExporter(t, 10, "127.0.0.10"), newExporter(t, 5, "127.0.0.5")
	// A header of Ethernet, IPv4 and UDP without content.
	header := slices.Concat(make([]byte, 12), octets16(0x0800), []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2},
		octets16(1000, 53, 8, 0))
	raw := slices.Concat(octets32(1, uint32(len(header)), 0, uint32(len(header))), header, make([]byte, -len(header)&3))
	counters := func(port uint32, name string) []byte {
		return sflow.sflowSample(2, octets32(1, port, 1, 1005, uint32(4+len(name)), uint32(len(name))), []byte(name))
	}
	for name, p := range map[string]protocol{
		"netflow9": {nine, [][]byte{
			nine.message9(set(0, octets16(303, 4, 1, 4, 2, 4, 10, 4, 14, 4))),
			nine.message9(set(1, octets16(400, 4, 4, 2, 4, 82, 8, 0))), // its scope is Interface
			nine.message9(set(400, slices.Concat(octets32(1), portName("nine1"), octets32(2), portName("nine2")))),
			nine.message9(set(1, octets16(401, 4, 8, 1, 4, 51, 4, 100, 8, 0)), set(401, slices.Concat(octets32(1, 6), portName("gold"))))},
			nine.message9(crossing(9, 1, 2)), "nine1 -> nine2", []string{"nine1", "nine2", "gold"}},
		"ipfix": {ten, [][]byte{
			ten.message(0, withInterfaces.template()),
			ten.message(2, set(3, octets16(400, 2, 1, 10, 4, 82, 8)),
				set(400, slices.Concat(octets32(1), portName("ten1"), octets32(2), portName("ten2"))))},
			ten.message(1, crossing(10, 1, 2)), "ten1 -> ten2", []string{"ten1", "ten2"}},
		"sflow": {sflow, [][]byte{counters(1, "swp1"), counters(2, "swp2")},
			sflow.sflowSample(1, octets32(3, 1, 1, 1, 0, 1, 2, 1, 1, uint32(len(raw))), raw), "swp1 -> swp2", []string{"swp1", "swp2"}},
	} {
		t.Run(name, func(t *testing.T) {
			known := teacher.metric("names_rows", "interfaces")
			for _, b := range p.taught {
				p.exporter.write(teacher.port, b)
			}
			natstest.Eventually(t, "the table is known", func() bool { return teacher.metric("names_rows", "interfaces") == known+2 })
			natstest.Eventually(t, "the bucket has all that was said", func() bool {
				listed, _ := execute(t, "", "names", "show", "--server", s.URL())
				return !slices.ContainsFunc(p.listed, func(word string) bool { return !strings.Contains(listed, word) })
			})
			before := len(published(t, s))
			later := startCollector(t, "later-"+name, s.URL(), "").awaitReady()
			p.exporter.write(later.port, p.flow)
			natstest.Eventually(t, "the flow is published", func() bool { return len(published(t, s)) > before })
			records := published(t, s)
			r := records[len(records)-1]
			if got := r.NameText(flow.InIfName).String() + " -> " + r.NameText(flow.OutIfName).String(); got != p.want {
				t.Errorf("the first flow is %q, want %q", got, p.want)
			}
			later.checkLedger()
			later.terminate()
		})
	}
	out, err := execute(t, "", "names", "show", "--table", "others", "--server", s.URL())
	if err != nil || !strings.Contains(out, "System=1 classId=6") || !strings.Contains(out, "className=gold") || strings.Count(out, "\n") != 2 {
		t.Errorf("the other tables: %v\n%s", err, out)
	}
}
