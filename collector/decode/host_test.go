package decode_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// hostDatagram is an sFlow datagram of one counter sample with a host_descr.
func hostDatagram(number uint32, name, release string) []byte {
	words := func(b []byte, list ...uint32) []byte {
		for _, w := range list {
			b = binary.BigEndian.AppendUint32(b, w)
		}
		return b
	}
	text := func(b []byte, s string) []byte {
		b = append(words(b, uint32(len(s))), s...)
		return append(b, make([]byte, -len(s)&3)...)
	}
	host := append(text(nil, name), make([]byte, 16)...)
	host = text(words(host, 3, 2), release) // x86_64, linux
	sample := append(words(nil, number, 2<<24|1, 1, 2000, uint32(len(host))), host...)
	datagram := words(nil, 5, 1, 192<<24|2<<8|1, 0, number, 1000, 1, 2, uint32(len(sample)))
	return append(datagram, sample...)
}

// host_descr has the hostname of the machine that the agent runs on (sFlow Host Structures): what the exporter calls itself.
func TestFlowsOfAnAgentCarryItsHostname(t *testing.T) {
	g := newGenerator(1)
	flows := g.sflow(1) // of agent 192.0.2.9
	hostname := func(number uint32, name string) []byte {
		b := hostDatagram(number, name, "")
		copy(b[4:12], flows[4:12])
		return b
	}
	r := newReader(allNames)
	r.decode(router, flows, hostname(1, "leaf-12"), flows, hostname(2, "leaf-13"), flows)
	for i, want := range []string{"", "leaf-12", "leaf-13"} {
		if got := r.flows[i]["exporter_name"]; got != want {
			t.Errorf("flow %d: %q, not %q", i, got, want)
		}
	}
	attacker := netip.MustParseAddrPort("192.0.2.66:6343")
	r.decode(attacker, hostname(3, "evil"))
	if r.decode(router, flows); r.last(t)["exporter_name"] != "leaf-13" {
		t.Errorf("another sender renames the agent: %v", r.last(t))
	}
}

func TestAStreamHasWhatAnAgentSaysOfItself(t *testing.T) {
	r := newReader(allNames)
	device := func() (name, software string) {
		r.decoder.Streams(0, func(_ decode.Protocol, s decode.Stream) {
			if d := s.Said.Device; d != nil {
				name, software = d.Name, d.Software
			}
		})
		return name, software
	}
	source := netip.MustParseAddrPort("192.0.2.1:6343")
	r.decode(source, hostDatagram(1, "leaf-12", "4.19.0-6-amd64"))
	if name, software := device(); name != "leaf-12" || software != "linux 4.19.0-6-amd64 (x86_64)" {
		t.Errorf("%q, %q", name, software)
	}
	again := decode.Datagram{Payload: hostDatagram(2, "leaf-12", "4.19.0-6-amd64"), Source: source, Received: exportSeconds * 1e9}
	if n := testing.AllocsPerRun(10, func() { r.decoder.Decode(again) }); n != 0 {
		t.Errorf("what is said again costs %v allocations", n)
	}
	r.decode(source, hostDatagram(3, "leaf-12", "5.10.0"))
	if _, software := device(); software != "linux 5.10.0 (x86_64)" {
		t.Errorf("after an upgrade it is %q", software)
	}
	refused := r.store.Refused()["control_character"]
	r.decode(source, hostDatagram(4, "leaf\x1b[31m", "5.10.0"))
	if name, _ := device(); name != "" || r.store.Refused()["control_character"] != refused+1 {
		t.Errorf("a name with control characters is %q, %d refused", name, r.store.Refused()["control_character"])
	}
	without := newReader(0)
	without.decode(source, hostDatagram(1, strings.Repeat("x", 10), ""))
	if r.counts[ledger.DatagramsDecoded] == 0 || without.counts[ledger.DatagramsDecoded] != 1 {
		t.Error("a datagram was not decoded")
	}
}

// Samples that a datagram does not announce are not read: who watches the collector is told.
func TestSamplesThatAnSFlowDatagramDoesNotAnnounceAreReported(t *testing.T) {
	g := newGenerator(1)
	var counts ledger.Counts
	var discard counting
	var reasons []ledger.Counter
	decoder := decode.New(config.ProtocolAuto, template.NewStore(template.ModeAuto, template.Limits{Exporters: 100, Templates: 100,
		Fields: 100, Bytes: 1 << 20}, &ledger.Totals{}, nil), &decode.Settings{MaxSamples: 100, Settings: netflow.Settings{Sessions: 100}}, &counts,
		&discard, func(p decode.Problem) { reasons = append(reasons, p.Reason) })
	b := g.sflow(2)
	binary.BigEndian.PutUint32(b[24:], 1)
	decoder.Decode(decode.Datagram{Payload: b, Source: router, Received: exportSeconds * 1e9})
	if counts[ledger.RecordsDecoded] != 1 || len(reasons) != 1 || reasons[0] != ledger.DatagramsTrailing {
		t.Errorf("%d records, problems %v", counts[ledger.RecordsDecoded], reasons)
	}
}
