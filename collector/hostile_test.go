package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// hostileDatagrams are what should harm nobody: attacks that are known to work elsewhere, and each beginning of a valid
// message.
func hostileDatagrams() [][]byte {
	ipfix := func(length int, sets ...[]byte) []byte {
		b := append([]byte{0, 10, 0, 0}, make([]byte, 12)...)
		for _, s := range sets {
			b = append(b, s...)
		}
		if length == 0 {
			length = len(b)
		}
		binary.BigEndian.PutUint16(b[2:], uint16(length))
		return b
	}
	u32 := func(values ...uint32) (b []byte) {
		for _, v := range values {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return b
	}
	valid := ipfix(0, append(oldLayout.template(), oldLayout.data(1, 2, 3)...))
	out := [][]byte{
		valid,
		ipfix(0, set(2, []byte{1, 44, 0, 0}), oldLayout.data(1)),                       // a withdrawal, and data of its id
		ipfix(0, set(2, []byte{1, 44, 0, 2, 0, 1, 0, 0, 0, 2, 0, 0}), set(300, valid)), // records without a byte
		ipfix(0, set(2, []byte{1, 45, 0, 1, 0, 82, 255, 255}), set(301, make([]byte, 500))),
		ipfix(0, set(2, append([]byte{1, 44, 255, 255}, make([]byte, 4000)...))), // 65,535 fields
		ipfix(60000, oldLayout.data(1)),
		append([]byte{0, 5, 255, 255}, make([]byte, 20)...), // version 5 without records
		u32(5, 1, 0x01020304, 0, 1, 1, 1, 3, 80, 1, 0, 3, 1, 1, 0, 0, 5, 0, 6, 0xffffffff, 1003, 32, 1, 0, 1, 1, 1, 0xffffffff, 2, 0xffffffff),
		u32(5, 1, 0x01020304, 0, 1, 1, 0xffffffff),
	}
	for n := range valid {
		out = append(out, valid[:n])
	}
	return out
}

func TestHostileDatagramsFromManyExportersStayWithinTheLimits(t *testing.T) {
	s := natstest.Start(t)
	const limit = 20
	a := startCollector(t, "a", s.URL(), `
exporters:
  limits: {exporters: 20, exporterMetrics: 10}
  heldData: {maxBytes: 64Ki, maxBytesPerExporter: 4Ki}
`).awaitReady()
	to, err := net.ResolveUDPAddr("udp4", a.port)
	if err != nil {
		t.Fatal(err)
	}
	g := rand.New(rand.NewPCG(1, 1))
	datagrams := hostileDatagrams()
	sent := 0
	for i := range 60 { // exporters, each with an address of its own
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 9, byte(i>>8), byte(i+1))})
		if err != nil {
			t.Fatal(err)
		}
		for _, datagram := range datagrams {
			if g.IntN(2) == 0 && len(datagram) > 0 { // a flipped byte
				datagram = append([]byte(nil), datagram...)
				datagram[g.IntN(len(datagram))] ^= byte(1 + g.IntN(255))
			}
			if _, err := conn.WriteToUDP(datagram, to); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		_ = conn.Close()
		natstest.Eventually(t, "all is read", func() bool { return a.metric("datagrams_received_total") == float64(sent) })
	}
	if n := a.metric("exporters"); n > limit {
		t.Errorf("%v exporters are remembered", n)
	}
	if n := a.metric("exporters_evicted_total"); n == 0 {
		t.Error("no exporter is counted as forgotten")
	}
	if n := a.metric("held_bytes"); n > 64<<10 {
		t.Errorf("%v bytes are held", n)
	}
	for _, counter := range []string{"datagrams_refused_total", "datagrams_truncated_total", "sets_dropped_total", "templates_refused_total",
		"templates_withdrawn_total"} {
		if a.metric(counter) == 0 {
			t.Errorf("%s is 0", counter)
		}
	}
	if status, _ := a.get("/healthz"); status != http.StatusOK {
		t.Errorf("health is %d", status)
	}
	a.checkLedger()
	// An honest exporter is served as ever.
	before := a.metric("records_decoded_total")
	e := newExporter(t, 1)
	e.send(a.port, 2, oldLayout.template(), oldLayout.data(1, 2))
	natstest.Eventually(t, "its records are decoded", func() bool { return a.metric("records_decoded_total") == before+2 })
	a.checkLedger()
	a.terminate()
}
