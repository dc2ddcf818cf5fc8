package decode_test

import (
	"fmt"
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

// vendorTable is an options table as routers lay it out, with its records.
type vendorTable struct {
	scope, fields []field
	records       []byte
}

// Each has the tables of one exporter, and what its flow from interface 5 to 6 with application 3:53, VRFs 0 and 8 and sampler 2 carries.
func TestOptionsTablesOfMakersGiveTheirNames(t *testing.T) {
	const text = 32
	name := func(s string) []byte { return padded(s, text) }
	blanks := func(s string) []byte { return []byte(s + strings.Repeat(" ", text-len(s))) }
	variable := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	for maker, test := range map[string]struct {
		version uint16
		tables  []vendorTable
		want    map[string]string
	}{
		"IOS interface table, System scope, ifIndex of 2 bytes": {9, []vendorTable{{[]field{{1, 4}}, []field{{10, 2}, {82, text}, {83, text}},
			concat(u32(0), u16(5), name("Gi0/0"), name("WAN"), u32(0), u16(6), name("Gi0/1"), name(""))}},
			map[string]string{"in_if_name": "Gi0/0", "in_if_description": "WAN", "out_if_name": "Gi0/1"}},
		"IOS-XE, several scopes, the interface last": {9, []vendorTable{{[]field{{1, 4}, {3, 2}, {2, 4}}, []field{{82, text}},
			concat(u32(9), u16(1), u32(5), name("Te0/1/0"))}}, map[string]string{"in_if_name": "Te0/1/0"}},
		"NX-OS, the interface first and padded with blanks": {9, []vendorTable{{[]field{{2, 4}, {1, 4}}, []field{{82, text}, {83, text}},
			concat(u32(5, 9), blanks("Ethernet1/5"), blanks(""))}}, map[string]string{"in_if_name": "Ethernet1/5"}},
		"scopes cache and template name no interface": {9, []vendorTable{{[]field{{4, 2}, {5, 2}}, []field{{82, text}},
			concat(u16(5, 6), name("none"))}}, map[string]string{}},
		"ASR 9000, names and descriptions in tables of their own": {10, []vendorTable{
			{[]field{{144, 4}}, []field{{10, 4}, {82, text}}, concat(u32(1, 5), name("HundredGigE0/0/0/5"))},
			{[]field{{144, 4}}, []field{{10, 4}, {83, text}}, concat(u32(1, 5), name("to Berlin"))}},
			map[string]string{"in_if_name": "HundredGigE0/0/0/5", "in_if_description": "to Berlin"}},
		"as egress interfaces": {10, []vendorTable{{[]field{{14, 4}}, []field{{82, text}}, concat(u32(5), name("xe-0/0/5"))}},
			map[string]string{"in_if_name": "xe-0/0/5"}},
		"physical interfaces, texts of variable length with a long length": {10, []vendorTable{{[]field{{252, 4}}, []field{{82, 65535}, {83, 65535}},
			concat(u32(5), variable("ge-0/0/5"), []byte{255, 0, 3}, []byte("WAN"), u32(6), variable("ge-0/0/6"), variable(""))}},
			map[string]string{"in_if_name": "ge-0/0/5", "in_if_description": "WAN", "out_if_name": "ge-0/0/6"}},
		"an ifIndex of reduced size, and one that is none": {10, []vendorTable{{[]field{{10, 1}}, []field{{82, text}},
			concat([]byte{5}, name("eth5"), []byte{0}, name("none"))}}, map[string]string{"in_if_name": "eth5"}},
		"UTF-8, Latin 1 and cut UTF-8": {10, []vendorTable{{[]field{{10, 4}}, []field{{82, text}, {83, text}},
			concat(u32(5), name("Zürich"), name("Z\xfcrich"), u32(6), name("eth6"), name("Z\xc3"))}},
			map[string]string{"in_if_name": "Zürich", "out_if_name": "eth6"}},
		"control characters, direction marks and private ones are refused": {10, []vendorTable{{[]field{{10, 4}}, []field{{82, text}, {83, text}},
			concat(u32(5), name("eth5\r\n"), name("a\x1b[31m"), u32(6), name("a\u202eb"), name("eth6"))}},
			map[string]string{"in_if_name": "eth5", "out_if_name": "eth6", "out_if_description": "eth6"}},
		"a name longer than any may be is refused whole": {10, []vendorTable{{[]field{{10, 4}}, []field{{82, 65535}, {83, text}},
			concat(u32(5), []byte{255, 1, 0}, []byte(strings.Repeat("x", 256)), name("WAN"))}},
			map[string]string{"in_if_name": "WAN", "in_if_description": "WAN"}},
		"NBAR: names, then attributes in Cisco's own fields": {9, []vendorTable{
			{[]field{{1, 4}}, []field{{95, 4}, {96, text}, {94, text}}, concat(u32(9), u32(3<<24|53), name("dns"), name("Domain Name System"))},
			{[]field{{1, 4}}, []field{{95, 4}, {12232 | 0x8000, text}, {12233 | 0x8000, text}, {12234 | 0x8000, text}, {288, text}, {289, text}, {290, text}},
				concat(u32(9), u32(3<<24|53), name("net-admin"), name("naming"), name("dns-group"), name("no"), name("no"), name("no"))}},
			map[string]string{"application_name": "dns"}},
		"an application as the scope, with a selector of three bytes": {10, []vendorTable{{[]field{{95, 3}}, []field{{96, 65535}},
			concat([]byte{3, 0, 53}, variable("dns"))}}, map[string]string{"application_name": "dns"}},
		"VRFs, of which 0 has a name": {9, []vendorTable{{[]field{{1, 4}}, []field{{234, 4}, {236, text}},
			concat(u32(9, 0), name("default"), u32(9, 8), name("blue"))}},
			map[string]string{"ingress_vrf_name": "default", "egress_vrf_name": "blue"}},
		"Huawei: VRFs as egress ones": {10, []vendorTable{{[]field{{235, 4}}, []field{{236, text}}, concat(u32(8), name("A4"))}},
			map[string]string{"egress_vrf_name": "A4"}},
		"samplers with their mode, of one byte": {9, []vendorTable{{[]field{{1, 4}}, []field{{48, 1}, {84, text}, {49, 1}, {50, 4}},
			concat(u32(9), []byte{2}, name("1-of-100"), []byte{2}, u32(100))}}, map[string]string{"sampler_name": "1-of-100"}},
		"samplers in the scope of an interface are no interface's name": {9, []vendorTable{{[]field{{2, 4}}, []field{{48, 2}, {84, text}},
			concat(u32(5), u16(2), name("1-of-100"))}}, map[string]string{"sampler_name": "1-of-100"}},
		"the observation domain as the scope": {10, []vendorTable{{[]field{{149, 4}}, []field{{300, text}}, concat(u32(generatedDomain), name("LC 3"))}},
			map[string]string{"observation_domain_name": "LC 3"}},
		"a table for another domain holds for this one too, that for domain 0 as well": {10, []vendorTable{
			{[]field{{149, 4}, {10, 4}}, []field{{82, text}}, concat(u32(99, 5), name("eth5"), u32(0, 6), name("eth6"))}},
			map[string]string{"in_if_name": "eth5", "out_if_name": "eth6"}},
		"a subinterface beside its port: the name is not the port's": {10, []vendorTable{{[]field{{144, 4}}, []field{{10, 4}, {252, 4}, {82, text}},
			concat(u32(1, 5, 6), name("Te0/0/5.100"))}}, map[string]string{"in_if_name": "Te0/0/5.100"}},
		"a port beside one of its subinterfaces: the scope is named": {10, []vendorTable{{[]field{{252, 4}}, []field{{10, 4}, {82, text}},
			concat(u32(6, 5), name("Te0/0/5"))}}, map[string]string{"out_if_name": "Te0/0/5"}},
		"one name and two interfaces, or VRFs: nobody knows whose": {10, []vendorTable{
			{[]field{{144, 4}}, []field{{10, 4}, {14, 4}, {82, text}}, concat(u32(1, 5, 6), name("eth5"))},
			{[]field{{144, 4}}, []field{{234, 4}, {235, 4}, {236, text}}, concat(u32(1, 7, 8), name("red"))}}, map[string]string{}},
		"the interface as input and output": {10, []vendorTable{{[]field{{144, 4}}, []field{{10, 4}, {14, 4}, {82, text}},
			concat(u32(1, 5, 5), name("eth5"), u32(1, 0, 6), name("eth6"))}}, map[string]string{"in_if_name": "eth5", "out_if_name": "eth6"}},
		"the interface as the scope, with another beside it": {10, []vendorTable{{[]field{{10, 4}}, []field{{14, 4}, {82, text}},
			concat(u32(5, 6), name("eth5"))}}, map[string]string{"in_if_name": "eth5"}},
		"a scope that says 0, and the interface beside it": {9, []vendorTable{{[]field{{2, 4}}, []field{{10, 4}, {82, text}},
			concat(u32(0, 5), name("eth5"))}}, map[string]string{"in_if_name": "eth5"}},
		"a VRF beside 0, which is not named by it": {10, []vendorTable{{[]field{{144, 4}}, []field{{234, 4}, {235, 4}, {236, text}},
			concat(u32(1, 8, 0), name("red"))}}, map[string]string{"egress_vrf_name": "red"}},
		"input and output with a name each (RFC 7011 section 8)": {10, []vendorTable{{[]field{{144, 4}},
			[]field{{10, 4}, {82, text}, {83, text}, {14, 4}, {82, text}, {83, text}},
			concat(u32(1, 5), name("eth5"), name("WAN"), u32(6), name("eth6"), name("LAN"))}},
			map[string]string{"in_if_name": "eth5", "in_if_description": "WAN", "out_if_name": "eth6", "out_if_description": "LAN"}},
		"samplers with the name of selectors (IANA: 335 took the place of 84)": {9, []vendorTable{{[]field{{1, 4}}, []field{{48, 2}, {335, text}},
			concat(u32(9), u16(2), name("1-of-100"))}}, map[string]string{"sampler_name": "1-of-100"}},
		"exporter statistics and classes name nothing": {9, []vendorTable{
			{[]field{{1, 4}}, []field{{41, 8}, {40, 8}, {42, 8}}, concat(u32(9), u32(0, 1, 0, 2, 0, 3))},
			{[]field{{1, 4}}, []field{{51, 4}, {100, text}}, concat(u32(9), u32(5), name("gold"))}}, map[string]string{}},
	} {
		t.Run(maker, func(t *testing.T) {
			flows := oneFlow(5, 6, 3<<24|53, 0, 8, 2)
			for order, flowsFirst := range []bool{false, true} {
				g := newGenerator(1)
				message := func(sets ...[]byte) []byte { return g.message(test.version, 1, sets...) }
				r := newReader(allNames)
				r.decode(router, message(templateSet(test.version, 300, flowFields)))
				if flowsFirst {
					r.decode(router, message(flows))
					assertNames(t, r.last(t), nil)
				}
				for range 2 { // a table that is sent again says the same
					for i, table := range test.tables {
						id := uint16(400 + i)
						r.decode(router, message(optionsSet(test.version, id, table.scope, table.fields)), message(set(id, table.records)))
					}
					r.decode(router, message(flows))
					assertNames(t, r.last(t), test.want)
				}
				if t.Failed() {
					t.Fatalf("flows first: %t (%d); refused: %v", flowsFirst, order, r.store.Refused())
				}
			}
		})
	}
}

// A router that boots anew gives its numbers to other interfaces, exports from another domain, and its clock may begin at 1970.
func TestARouterThatBootsAnewNamesItsInterfacesAnew(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	flows := g.message(10, 0, oneFlow(5, 6, 0, 0, 0, 0))
	r.decode(router, g.message(10, 0, templateSet(10, 300, flowFields)), interfaceTable(g, exportSeconds, 5, "Te0/0/0", 6, "Te0/0/1"), flows)
	assertNames(t, r.last(t), map[string]string{"in_if_name": "Te0/0/0", "out_if_name": "Te0/0/1"})
	r.decode(router, interfaceTable(g, 40, 5, "Te0/0/1", 6, "Te0/0/0"), flows)
	assertNames(t, r.last(t), map[string]string{"in_if_name": "Te0/0/1", "out_if_name": "Te0/0/0"})
}

// A chassis with thousands of interfaces is named without a look at what is shared once all of them were met, as inputs and as outputs. Some
// pairs of them change what is kept of pairs, once in a thousand flows.
func TestThousandsOfInterfacesTakeHardlyAnyAllocation(t *testing.T) {
	const interfaces = 5000
	g := newGenerator(1)
	store := names.NewStore(names.LimitsFor(100), 0)
	var discard counting
	var counts ledger.Counts
	decoder := decode.New(config.ProtocolAuto, template.NewStore(template.ModeAuto, template.Limits{Exporters: 100, Templates: 100,
		Fields: 100, Bytes: 1 << 20}, &ledger.Totals{}, nil), &decode.Settings{Names: decode.NameSet(0).With(flow.InIfName, flow.OutIfName),
		Settings: netflow.Settings{Names: true, Sessions: 100}}, &counts, &discard, nil)
	shared := netflow.OwnShared()
	shared.Names = store
	decoder.Share(shared)
	in := decode.Datagram{Source: router, Received: exportSeconds * 1e9}
	decode := func(b []byte) {
		in.Payload = b
		decoder.Decode(in)
	}
	decode(g.message(10, 0, templateSet(10, 300, flowFields)))
	for i := range interfaces {
		decode(interfaceTable(g, 1000, 100_000+7*i, fmt.Sprint("Te0/0/", i)))
	}
	var datagrams [][]byte
	for i := range uint32(interfaces) {
		datagrams = append(datagrams, g.message(10, 0, oneFlow(100_000+7*i, 100_000+7*(interfaces-1-i), 0, 0, 0, 0)))
	}
	all := func() {
		for _, b := range datagrams {
			decode(b)
		}
	}
	all()
	discard = 0
	if n := testing.AllocsPerRun(2, all); n > interfaces/100 {
		t.Errorf("%v allocations for %d flows", n, interfaces)
	}
	if discard != 3*2*interfaces {
		t.Errorf("%d names on %d flows", discard, 3*interfaces)
	}
}
