package decode_test

import (
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Some exporters send names with each flow, and no tables.
func TestFlowsCarryTheNamesThatTheirRecordsSay(t *testing.T) {
	const text = 16
	name := func(s string) []byte { return padded(s, text) }
	addresses := []field{{8, 4}, {12, 4}, {1, 4}}
	for exporter, test := range map[string]struct {
		version uint16
		fields  []field
		values  []byte
		want    map[string]string
	}{
		"Open vSwitch: names of variable length behind each interface (RFC 7011 section 8)": {10,
			[]field{{10, 4}, {368, 4}, {82, 65535}, {83, 65535}, {14, 4}, {369, 4}, {82, 65535}, {83, 65535}},
			concat(u32(5, 6), []byte("\x04eth5\x00"), u32(6, 6), []byte("\x04tap6\x02vm")),
			map[string]string{"in_if_name": "eth5", "out_if_name": "tap6", "out_if_description": "vm"}},
		"Open vSwitch: the ingress alone": {10, []field{{10, 4}, {368, 4}, {82, 65535}, {83, 65535}},
			concat(u32(5, 6), []byte("\x04eth5\x00")), map[string]string{"in_if_name": "eth5"}},
		"nProbe: applications":          {9, []field{{95, 4}, {96, text}}, concat(u32(3<<24|53), name("DNS")), map[string]string{"application_name": "DNS"}},
		"applications without a number": {9, []field{{96, text}}, name("DNS.Google"), map[string]string{"application_name": "DNS.Google"}},
		"VRFs, the egress first": {10, []field{{235, 4}, {236, text}, {234, 4}, {236, text}},
			concat(u32(8), name("blue"), u32(7), name("red")), map[string]string{"ingress_vrf_name": "red", "egress_vrf_name": "blue"}},
		"UPG: a VRF without any number": {10, []field{{10, 4}, {236, 65535}}, concat(u32(5), []byte("\x03red")),
			map[string]string{"ingress_vrf_name": "red"}},
		"two VRFs without numbers are nobody's":   {10, []field{{236, text}, {236, text}}, concat(name("red"), name("blue")), nil},
		"one VRF of two is neither's":             {10, []field{{234, 4}, {235, 4}, {236, text}}, concat(u32(1, 2), name("red")), nil},
		"samplers":                                {9, []field{{48, 2}, {84, text}}, concat(u16(2), name("1-of-100")), map[string]string{"sampler_name": "1-of-100"}},
		"domains":                                 {10, []field{{300, text}}, name("LC 3"), map[string]string{"observation_domain_name": "LC 3"}},
		"one name of two interfaces is neither's": {10, []field{{10, 4}, {14, 4}, {82, text}}, concat(u32(5, 6), name("eth?")), nil},
		"no text":                                 {10, []field{{96, text}}, name("a\x1b[31m"), nil},
		"padding":                                 {10, []field{{96, text}}, name(""), nil},
	} {
		t.Run(exporter, func(t *testing.T) {
			g := newGenerator(1)
			r := newReader(allNames)
			template := g.message(test.version, 0, templateSet(test.version, 300, append(append([]field{}, addresses...), test.fields...)))
			datagram := g.message(test.version, 1, set(300, concat(u32(0x0a000001, 0x0a000002, 1000), test.values)))
			r.decode(router, template, datagram)
			assertNames(t, r.last(t), test.want)
		})
	}
}

// Firewalls and probes say the application in elements of their own. What IANA's element says, a table or the operator, counts before.
func TestFlowsCarryTheApplicationThatMakersElementsSay(t *testing.T) {
	const paloAlto, ntop, ixia = 25461, 35632, 3054
	// own is a field of an enterprise in IPFIX: its number stands behind it.
	own := func(enterprise uint32, id uint16) []byte { return concat(u16(id|0x8000, 65535), u32(enterprise)) }
	ipfix := func(fields ...[]byte) []byte {
		return set(2, concat(u16(300, uint16(2+len(fields)), 8, 4, 12, 4), concat(fields...)))
	}
	variable := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	v9 := func(fields ...field) []byte { return templateSet(9, 300, append([]field{{8, 4}, {12, 4}}, fields...)) }
	for name, test := range map[string]struct {
		version  uint16
		template []byte
		values   []byte
		want     string
	}{
		"Palo Alto, NetFlow v9":                  {9, v9(field{56701, 32}, field{56702, 64}), concat(padded("google-base", 32), padded("corp\\alice", 64)), "google-base"},
		"Palo Alto, IPFIX":                       {10, ipfix(own(paloAlto, 23933), own(paloAlto, 23934)), concat(variable("ssl"), variable("alice")), "ssl"},
		"nProbe, NetFlow v9":                     {9, v9(field{57590, 2}, field{57591, 16}), concat(u16(91), padded("TLS.Google", 16)), "TLS.Google"},
		"nProbe, IPFIX":                          {10, ipfix(own(ntop, 119)), variable("DNS"), "DNS"},
		"nProbe, the better of two, behind":      {10, ipfix(own(ntop, 119), own(ntop, 427)), concat(variable("TLS"), variable("Dropbox")), "Dropbox"},
		"Ixia":                                   {10, ipfix(own(ixia, 110), own(ixia, 111)), concat([]byte{4, 0, 0, 0, 7}, variable("netflix")), "netflix"},
		"IANA's element beside a maker's":        {9, v9(field{56701, 8}, field{96, 8}), concat(padded("theirs", 8), padded("iana", 8)), "iana"},
		"the number alone is another's in IPFIX": {10, ipfix(own(paloAlto, 119), own(ntop, 23933)), concat(variable("x"), variable("y")), ""},
		"one that says nothing":                  {9, v9(field{56701, 8}), padded("", 8), ""},
		"a number in NetFlow v9":                 {9, v9(field{56701, 4}), []byte("ABCD"), ""},
		"of a table, for its number":             {9, v9(field{56701, 8}, field{95, 4}), concat(padded("theirs", 8), u32(3<<24|53)), "table"},
	} {
		g := newGenerator(1)
		r := newReader(allNames)
		r.decode(router, g.message(test.version, 1, optionsSet(test.version, 400, []field{{1, 4}}, []field{{95, 4}, {96, 8}}),
			set(400, concat(u32(9), u32(3<<24|53), padded("table", 8)))))
		r.decode(router, g.message(test.version, 0, test.template), g.message(test.version, 1, set(300, concat(u32(0x0a000001, 0x0a000002), test.values))))
		var want map[string]string
		if test.want != "" {
			want = map[string]string{"application_name": test.want}
		}
		assertNames(t, r.last(t), want)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func TestTablesAndTheOperatorCountBeforeTheNamesOfARecord(t *testing.T) {
	g := newGenerator(1)
	r := newReader(decode.NameSet(0).With(flow.InIfName, flow.OutIfName))
	lines, err := names.ReadLines(strings.NewReader("192.0.2.7,interfaces,5,uplink\n"))
	if err != nil {
		t.Fatal(err)
	}
	r.store.Say(names.NewSaid(lines), false)
	fields := []field{{8, 4}, {1, 4}, {10, 4}, {82, 4}, {14, 4}, {82, 4}, {96, 4}}
	r.decode(router, g.message(10, 0, templateSet(10, 300, fields)),
		g.message(10, 0, set(300, concat(u32(0x0a000001, 9, 5), padded("five", 4), u32(6), padded("six", 4), padded("dns", 4)))))
	assertNames(t, r.last(t), map[string]string{"in_if_name": "uplink", "out_if_name": "six"})
	r.decoder.Tick(exportSeconds * 1e9)
	if c := r.store.Coverage(); c.Named[names.Interfaces] != 1 || c.Unnamed[names.Interfaces] != 0 {
		t.Errorf("%+v", c)
	}
}

func TestNamesOfRecordsThatComeAndGoTakeNoMoreRoomThanThereIs(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	r.decode(router, g.message(9, 0, templateSet(9, 300, []field{{8, 4}, {1, 4}, {96, 8}})))
	for i := range uint32(10_000) {
		r.decode(router, g.message(9, 1, set(300, concat(u32(0x0a000001, 9), padded(string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)), 8)))))
	}
	if got := r.flows[9_999]["application_name"]; got != string([]rune{'a' + 9_999%26, 'a' + 9_999/26%26, 'a' + 9_999/676}) {
		t.Errorf("the last one is %q", got)
	}
}

func TestNamesThatRecordsSayAgainTakeNoAllocation(t *testing.T) {
	g := newGenerator(1)
	var carried counting
	var counts ledger.Counts
	decoder := decode.New(config.ProtocolAuto, template.NewStore(template.ModeAuto, template.Limits{Exporters: 100, Templates: 100,
		Fields: 100, Bytes: 1 << 20}, &ledger.Totals{}, nil), &decode.Settings{Names: allNames, Settings: netflow.Settings{Names: true, Sessions: 100}},
		&counts, &carried, nil)
	in := decode.Datagram{Source: router, Received: exportSeconds * 1e9}
	in.Payload = g.message(10, 0, templateSet(10, 300, []field{{8, 4}, {1, 4}, {10, 4}, {82, 65535}, {14, 4}, {82, 65535}, {96, 4}}))
	decoder.Decode(in)
	in.Payload = g.message(10, 1, set(300, concat(u32(0x0a000001, 9, 5), []byte("\x04eth5"), u32(6), []byte("\x04eth6dns\x00"))))
	again := func() { decoder.Decode(in) }
	again()
	carried = 0
	if n := testing.AllocsPerRun(9, again); n != 0 || carried != 10*3 {
		t.Errorf("%v allocations, %d names", n, carried)
	}
}

// A NUL ends a name; what stands behind it differs from record to record.
func TestWhatIsBehindANameTakesNoAllocation(t *testing.T) {
	g := newGenerator(1)
	var carried counting
	var counts ledger.Counts
	decoder := decode.New(config.ProtocolAuto, template.NewStore(template.ModeAuto, template.Limits{Exporters: 100, Templates: 100,
		Fields: 100, Bytes: 1 << 20}, &ledger.Totals{}, nil), &decode.Settings{Names: allNames, Settings: netflow.Settings{Names: true, Sessions: 100}},
		&counts, &carried, nil)
	in := decode.Datagram{Source: router, Received: exportSeconds * 1e9}
	in.Payload = g.message(10, 0, templateSet(10, 300, []field{{8, 4}, {1, 4}, {96, 16}}))
	decoder.Decode(in)
	name := []byte("dns\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	in.Payload = g.message(10, 1, set(300, concat(u32(0x0a000001, 9), name)))
	end := len(in.Payload) - 1
	decoder.Decode(in)
	if n := testing.AllocsPerRun(99, func() { in.Payload[end]++; decoder.Decode(in) }); n != 0 || carried != 101 {
		t.Errorf("%v allocations, %d names", n, carried)
	}
}

// What came in by one interface goes out by it in the other direction (RFC 5103 section 2).
func TestTheOtherDirectionHasTheNamesOfARecordTurned(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	r.decoder.Configure(&decode.Settings{Names: allNames, Settings: netflow.Settings{Names: true, Biflows: true, Sessions: 100}})
	fields := []field{{8, 4}, {12, 4}, {10, 4}, {82, 4}, {14, 4}, {82, 4}, {234, 4}, {236, 4}, {231, 4}, {232, 4}}
	r.decode(router, g.message(10, 0, templateSet(10, 300, fields)), g.message(10, 1, set(300, concat(u32(0x0a000001, 0x0a000002, 5),
		padded("five", 4), u32(6), padded("six", 4), u32(7), padded("red", 4), u32(100, 200)))))
	if len(r.flows) != 2 {
		t.Fatalf("%d flows", len(r.flows))
	}
	assertNames(t, r.flows[0], map[string]string{"in_if_name": "five", "out_if_name": "six", "ingress_vrf_name": "red"})
	assertNames(t, r.flows[1], map[string]string{"in_if_name": "six", "out_if_name": "five", "egress_vrf_name": "red"})
}
