package decode_test

import (
	"encoding/binary"
	"net/netip"
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

// allNames has flows carry every name there is.
var allNames = decode.NameSet(1<<flow.NumNames - 1)

// reader decodes for tests of names.
type reader struct {
	decoder *decode.Decoder
	store   *names.Store
	counts  ledger.Counts
	// flows are the names of each.
	flows []map[string]string
	// templates are those that the decoder knows.
	templates *template.Store
}

func newReader(want decode.NameSet) *reader {
	return newReaderOf(want, template.NewStore(template.ModeAuto, template.Limits{Exporters: 100, Templates: 100,
		Fields: 100, Bytes: 1 << 20}, &ledger.Totals{}, nil))
}

func newReaderOf(want decode.NameSet, templates *template.Store) *reader {
	r := &reader{store: names.NewStore(names.LimitsFor(100), 0), templates: templates}
	r.decoder = decode.New(config.ProtocolAuto, templates, settingsFor(want), &r.counts, r, nil)
	shared := netflow.OwnShared()
	shared.Names = r.store
	r.decoder.Share(shared)
	return r
}

// settingsFor are those of a reader whose flows carry these names.
func settingsFor(want decode.NameSet) *decode.Settings {
	return &decode.Settings{Names: want, MaxSamples: 100, Exporters: 10,
		Settings: netflow.Settings{Names: want != 0, Sessions: 100, Hold: true, HeldBytes: 1 << 20, HeldBytesPerExporter: 1 << 20,
			HeldAge: 1 << 62}}
}

func (r *reader) Record(f *flow.Record) {
	carried := make(map[string]string)
	for n := range flow.NumNames {
		if text := f.NameText(n); text != nil {
			carried[n.String()] = text.String()
		}
	}
	r.flows = append(r.flows, carried)
}

var router = netip.MustParseAddrPort("192.0.2.7:4000")

func (r *reader) decode(from netip.AddrPort, datagrams ...[]byte) {
	for _, b := range datagrams {
		r.decoder.Decode(decode.Datagram{Payload: b, Source: from, Received: exportSeconds * 1e9})
	}
}

// last are the names of the flow that came last.
func (r *reader) last(t *testing.T) map[string]string {
	t.Helper()
	if len(r.flows) == 0 {
		t.Fatal("there is no flow")
	}
	return r.flows[len(r.flows)-1]
}

// optionsSet is an options template of NetFlow v9 or IPFIX.
func optionsSet(version, id uint16, scope, fields []field) []byte {
	b := u16(id)
	if version == 9 {
		b = append(b, u16(uint16(4*len(scope)), uint16(4*len(fields)))...)
	} else {
		b = append(b, u16(uint16(len(scope)+len(fields)), uint16(len(scope)))...)
	}
	for _, f := range append(append([]field{}, scope...), fields...) {
		b = append(b, u16(f.id, f.length)...)
	}
	if version == 9 {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return set(1, b)
	}
	return set(3, b)
}

// padded is a text in a field of fixed length.
func padded(s string, n int) []byte { return append([]byte(s), make([]byte, n-len(s))...) }

// flowFields are those of a flow that tables can name everything of.
var flowFields = []field{{8, 4}, {12, 4}, {1, 4}, {10, 4}, {14, 4}, {95, 4}, {234, 4}, {235, 4}, {48, 4}}

// oneFlow is a set with a flow of these interfaces, application, VRFs and sampler.
func oneFlow(in, out, application, ingress, egress, sampler uint32) []byte {
	return set(300, u32(0x0a000001, 0x0a000002, 1000, in, out, application, ingress, egress, sampler))
}

func concat(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func TestFlowsCarryWhatOptionsTablesSay(t *testing.T) {
	const text = 32
	interfaces := concat(u32(5), padded("Te0/0/0", text), padded("to the core", text), u32(6), padded("Te0/0/1", text), padded("", text))
	for name, test := range map[string]struct {
		version uint16
		tables  func(m func(sets ...[]byte) []byte) [][]byte
		want    map[string]string
	}{
		"interfaces under NetFlow v9's scope": {9, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(9, 400, []field{{2, 4}}, []field{{82, text}, {83, text}})), m(set(400, interfaces))}
		}, map[string]string{"in_if_name": "Te0/0/0", "in_if_description": "to the core", "out_if_name": "Te0/0/1"}},
		"interfaces beside NetFlow v9's scope System": {9, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(9, 400, []field{{1, 4}}, []field{{10, 2}, {82, text}})),
				m(set(400, concat(u32(9), u16(5), padded("Te0/0/0", text), u32(9), u16(6), padded("Te0/0/1", text))))}
		}, map[string]string{"in_if_name": "Te0/0/0", "out_if_name": "Te0/0/1"}},
		"interfaces of IPFIX, by the input": {10, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(10, 400, []field{{10, 4}}, []field{{82, text}, {83, text}})), m(set(400, interfaces))}
		}, map[string]string{"in_if_name": "Te0/0/0", "in_if_description": "to the core", "out_if_name": "Te0/0/1"}},
		"texts of variable length": {10, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(10, 400, []field{{253, 4}}, []field{{82, 65535}, {83, 65535}})),
				m(set(400, concat(u32(6), []byte{3}, []byte("ge6"), []byte{255, 0, 4}, []byte("x & "))))}
		}, map[string]string{"out_if_name": "ge6", "out_if_description": "x &"}},
		"an application of the same bytes": {9, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(9, 400, []field{{1, 4}}, []field{{95, 4}, {96, text}, {94, text}})),
				m(set(400, concat(u32(9), u32(3<<24|53), padded("dns", text), padded("Domain Name System", text))))}
		}, map[string]string{"application_name": "dns"}},
		"an application whose selector has fewer bytes": {10, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(10, 400, []field{{95, 65535}}, []field{{96, text}})),
				m(set(400, concat([]byte{3, 3, 0, 53}, padded("dns", text))))}
		}, map[string]string{"application_name": "dns"}},
		"VRFs": {10, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(10, 400, []field{{234, 4}}, []field{{236, text}, {90, 8}})),
				m(set(400, concat(u32(7), padded("red", text), u16(0, 65000), u32(7), u32(8), padded("blue", text), u16(0, 65000), u32(8))))}
		}, map[string]string{"ingress_vrf_name": "red", "egress_vrf_name": "blue"}},
		"samplers": {9, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(9, 400, []field{{1, 4}}, []field{{48, 1}, {84, text}, {49, 1}, {50, 4}})),
				m(set(400, concat(u32(9), []byte{2}, padded("one in a thousand", text), []byte{2}, u32(1000))))}
		}, map[string]string{"sampler_name": "one in a thousand"}},
		"the sender's domain": {10, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(10, 400, []field{{144, 4}}, []field{{300, text}})), m(set(400, concat(u32(1), padded("line cards", text))))}
		}, map[string]string{"observation_domain_name": "line cards"}},
		"interfaces that are only described": {9, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(9, 400, []field{{1, 4}}, []field{{10, 4}, {83, text}})), m(set(400, concat(u32(9, 5), padded("TenGigE0_0_1_0", text))))}
		}, map[string]string{"in_if_name": "TenGigE0_0_1_0", "in_if_description": "TenGigE0_0_1_0"}},
		"a table that is sent as data": {10, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(templateSet(10, 400, []field{{10, 4}, {82, text}})), m(set(400, concat(u32(5), padded("vlan5", text))))}
		}, map[string]string{"in_if_name": "vlan5"}},
		"names that are no texts": {10, func(m func(...[]byte) []byte) [][]byte {
			return [][]byte{m(optionsSet(10, 400, []field{{10, 4}}, []field{{82, text}})), m(set(400, concat(u32(5), padded("a\x1b[2J", text),
				u32(6), padded("\xff\xfe", text))))}
		}, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGenerator(1)
			message := func(sets ...[]byte) []byte { return g.message(test.version, 1, sets...) }
			r := newReader(allNames)
			r.decode(router, message(templateSet(test.version, 300, flowFields)))
			r.decode(router, test.tables(message)...)
			for n := range 3 { // flows between the same interfaces are named faster than the first
				r.decode(router, message(oneFlow(5, 6, 3<<24|53, 7, 8, 2)))
				if len(r.flows) != n+1 {
					t.Fatalf("%d flows", len(r.flows))
				}
				assertNames(t, r.last(t), test.want)
			}
			other := netip.MustParseAddrPort("192.0.2.8:4000")
			r.decode(other, message(templateSet(test.version, 300, flowFields), oneFlow(5, 6, 3<<24|53, 7, 8, 2)))
			assertNames(t, r.last(t), nil) // a table names nothing of another exporter's
		})
	}
}

// Cisco's IOS XR gives selectors a samplerName, others a selectorName (RFC 5477 section 8.2.1).
func TestFlowsCarryTheNameOfTheirSelector(t *testing.T) {
	const text = 24
	for fields, want := range map[[2]uint16]string{{84, 305}: "one", {335, 305}: "one", {335, 84}: "one", {84, 335}: "other"} {
		g := newGenerator(1)
		r := newReader(allNames)
		options := []field{{fields[0], text}, {fields[1], text}}
		record := concat(u32(7), padded("one", text), padded("other", text))
		if fields[1] == 305 {
			options[1].length = 4
			record = concat(u32(7), padded("one", text), u32(1000))
		}
		r.decode(router, g.message(10, 1, optionsSet(10, 400, []field{{302, 4}}, options)), g.message(10, 1, set(400, record)),
			g.message(10, 1, templateSet(10, 300, []field{{8, 4}, {12, 4}, {1, 4}, {302, 4}})), g.message(10, 1, set(300, u32(1, 2, 3, 7))))
		assertNames(t, r.last(t), map[string]string{"sampler_name": want})
	}
}

// RFC 6759 section 4.2: an application of engine 20 is an enterprise's, and takes 9 bytes. FortiGate has no other ones.
func TestFlowsCarryTheNamesOfAnEnterprisesApplications(t *testing.T) {
	const text = 32
	g := newGenerator(1)
	message := func(sets ...[]byte) []byte { return g.message(9, 1, sets...) }
	r := newReader(allNames)
	r.decode(router,
		message(optionsSet(9, 257, []field{{1, 2}}, []field{{95, 9}, {96, text}, {94, text}, {372, text}})),
		message(set(257, concat(u16(9), []byte{20}, u32(12356, 40568), padded("HTTPS.BROWSER", text), padded("Web client", text),
			padded("Web", text), u16(9), []byte{20}, u32(12356, 25843), padded("DNS", text), padded("", text), padded("Network", text)))),
		message(templateSet(9, 258, []field{{8, 4}, {12, 4}, {1, 4}, {95, 9}})),
		message(set(258, concat(u32(0x0a000001, 0x0a000002, 1000), []byte{20}, u32(12356, 40568)))))
	assertNames(t, r.last(t), map[string]string{"application_name": "HTTPS.BROWSER"})
	r.decode(router, message(set(258, concat(u32(0x0a000001, 0x0a000002, 1000), []byte{20}, u32(12356, 25843)))))
	assertNames(t, r.last(t), map[string]string{"application_name": "DNS"})
	// An id that no number holds has no name, rather than another's.
	r.decode(router, message(set(258, concat(u32(0x0a000001, 0x0a000002, 1000), []byte{20}, u32(1<<24|12356, 40568)))))
	assertNames(t, r.last(t), nil)
}

func assertNames(t *testing.T, got, want map[string]string) {
	t.Helper()
	for n := range flow.NumNames {
		if got[n.String()] != want[n.String()] {
			t.Errorf("%s is %q, want %q", n, got[n.String()], want[n.String()])
		}
	}
}

// interfaceTable is a message with rows of an options table of IPFIX, 400.
func interfaceTable(g *generator, exported uint32, rows ...any) []byte {
	var b []byte
	for i := 0; i < len(rows); i += 2 {
		b = append(b, concat(u32(uint32(rows[i].(int))), padded(rows[i+1].(string), 32))...)
	}
	m := g.message(10, 0, optionsSet(10, 400, []field{{10, 4}}, []field{{82, 32}}), set(400, b))
	binary.BigEndian.PutUint32(m[4:], exported)
	return m
}

func TestAReassignmentHoldsFromTheNextFlowOn(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	flows := g.message(10, 0, oneFlow(5, 6, 0, 0, 0, 0))
	r.decode(router, g.message(10, 0, templateSet(10, 300, flowFields)), interfaceTable(g, 1000, 5, "old", 6, "six"), flows)
	assertNames(t, r.last(t), map[string]string{"in_if_name": "old", "out_if_name": "six"})
	r.decode(router, interfaceTable(g, 1300, 5, "new"), flows)
	assertNames(t, r.last(t), map[string]string{"in_if_name": "new", "out_if_name": "six"})
	r.decode(router, interfaceTable(g, 1290, 5, "late"), flows) // a datagram that was overtaken
	assertNames(t, r.last(t), map[string]string{"in_if_name": "new", "out_if_name": "six"})
	if n := r.store.Refused()["stale"]; n != 1 {
		t.Errorf("%d rows were counted as stale", n)
	}
}

func TestWhatTheOperatorSaysWinsUnlessTheExporterDoes(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	lines, err := names.ReadLines(strings.NewReader("192.0.2.0/24,exporters,0,edge-7\n192.0.2.7,interfaces,5,uplink,to Berlin\n"))
	if err != nil {
		t.Fatal(err)
	}
	flows := g.message(10, 0, oneFlow(5, 6, 0, 0, 0, 0))
	r.decode(router, g.message(10, 0, templateSet(10, 300, flowFields)), interfaceTable(g, 1000, 5, "five", 6, "six"), flows)
	assertNames(t, r.last(t), map[string]string{"in_if_name": "five", "out_if_name": "six"})
	r.store.Say(names.NewSaid(lines), false)
	r.decode(router, flows)
	assertNames(t, r.last(t), map[string]string{"in_if_name": "uplink", "in_if_description": "to Berlin", "out_if_name": "six",
		"exporter_name": "edge-7"})
	r.store.Say(names.NewSaid(lines), true)
	r.decode(router, flows)
	assertNames(t, r.last(t), map[string]string{"in_if_name": "five", "in_if_description": "to Berlin", "out_if_name": "six",
		"exporter_name": "edge-7"})
}

func TestOnlyTheNamesThatAreAskedForAreCarried(t *testing.T) {
	g := newGenerator(1)
	for want, carried := range map[decode.NameSet]map[string]string{
		0:                                      nil,
		decode.NameSet(0).With(flow.OutIfName): {"out_if_name": "six"},
	} {
		r := newReader(want)
		r.decode(router, g.message(10, 0, templateSet(10, 300, flowFields)), interfaceTable(g, 1000, 5, "five", 6, "six"),
			g.message(10, 0, oneFlow(5, 6, 0, 0, 0, 0)))
		assertNames(t, r.last(t), carried)
		if exporters, _ := r.store.Size(); want == 0 && exporters != 0 {
			t.Error("without any name, tables are learned")
		}
	}
}

func TestCoverageCountsRecordsByTable(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	r.decode(router, g.message(10, 0, templateSet(10, 300, flowFields)), interfaceTable(g, 1000, 5, "five", 6, "six"),
		g.message(10, 0, oneFlow(5, 6, 9, 0, 0, 0)), // both named
		g.message(10, 0, oneFlow(5, 7, 9, 0, 0, 0)), // one of them
		g.message(10, 0, oneFlow(0, 6, 0, 0, 0, 0)), // the only one
		g.message(10, 0, oneFlow(0, 0, 0, 0, 0, 0))) // none to name
	r.decoder.Tick(exportSeconds * 1e9)
	c := r.store.Coverage()
	if c.Named[names.Interfaces] != 2 || c.Unnamed[names.Interfaces] != 1 || c.Unnamed[names.Applications] != 2 || c.Unnamed[names.VRFs] != 0 {
		t.Errorf("%+v", c)
	}
}

func TestFlowsThatWaitedAreNamedAsTheirExportersWhateverCameLast(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	r.decode(router, interfaceTable(g, 1000, 5, "five", 6, "six"), g.message(10, 0, oneFlow(5, 6, 0, 0, 0, 0)))
	if len(r.flows) != 0 {
		t.Fatal("a flow is read without its template")
	}
	// Another worker hears the template; this one hears an agent of sFlow, behind another address, last.
	newReaderOf(allNames, r.templates).decode(router, g.message(10, 0, templateSet(10, 300, flowFields)))
	r.decode(netip.MustParseAddrPort("192.0.2.99:5000"), g.sflow(1))
	r.flows = nil
	r.decoder.Tick(exportSeconds * 1e9)
	assertNames(t, r.last(t), map[string]string{"in_if_name": "five", "out_if_name": "six"})
}

func TestEachExportersBookHasHowManyOfItsRecordsGotNames(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	r.decode(router, g.message(10, 0, templateSet(10, 300, flowFields)), interfaceTable(g, 1000, 5, "five", 6, "six"),
		g.message(10, 0, oneFlow(5, 6, 9, 0, 0, 0)),
		g.message(10, 0, oneFlow(5, 7, 0, 0, 0, 0)))
	r.decode(netip.MustParseAddrPort("192.0.2.99:5000"), g.message(10, 0, templateSet(10, 300, flowFields)),
		g.message(10, 0, oneFlow(5, 6, 0, 0, 0, 0)), g.message(10, 0, oneFlow(0, 0, 0, 0, 0, 0)))
	got := make(map[netip.Addr]ledger.Naming)
	r.decoder.Books(func(exporter netip.Addr, _ decode.Protocol, b *ledger.Book) { got[exporter] = b.Naming })
	want := map[netip.Addr]ledger.Naming{
		router.Addr():                     {Interfaces: ledger.Named{Named: 1, Unnamed: 1}, Applications: ledger.Named{Unnamed: 1}},
		netip.MustParseAddr("192.0.2.99"): {Interfaces: ledger.Named{Unnamed: 1}},
	}
	for address, naming := range want {
		if naming.Exporters, naming.Domains = got[address].Exporters, got[address].Domains; got[address] != naming {
			t.Errorf("%s has %+v, not %+v", address, got[address], naming)
		}
	}
	tables := 0
	(&ledger.Naming{}).Tables(func(table string, _ *ledger.Named) bool {
		tables++
		if _, ok := names.ParseTable(table); !ok {
			t.Errorf("there is no table %q", table)
		}
		return true
	})
	if tables != len(names.Joined)-1 { // selectors count with samplers
		t.Errorf("%d tables", tables)
	}
}

// counting is a decoder that knows the names that r learned, and only counts those of flows.
func (r *reader) counting(names *counting) *decode.Decoder {
	d := decode.New(config.ProtocolAuto, template.NewStore(template.ModeAuto, template.Limits{Exporters: 100, Templates: 100,
		Fields: 100, Bytes: 1 << 20}, &ledger.Totals{}, nil), &decode.Settings{Names: allNames,
		Settings: netflow.Settings{Names: true, Sessions: 100}}, &r.counts, names, nil)
	shared := netflow.OwnShared()
	shared.Names = r.store
	d.Share(shared)
	return d
}

func TestNamesTakeNoAllocationARecord(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	var rows []any
	for i := range 300 {
		rows = append(rows, i+1, "HundredGigE0/0/0/"+string(rune('a'+i%26)))
	}
	r.decode(router, g.message(10, 0, templateSet(10, 300, flowFields)), interfaceTable(g, 1000, rows...))
	var flows []byte
	for i := range uint32(100) {
		flows = append(flows, oneFlow(2*i+1, 2*i+2, 0, 0, 0, 0)...)
	}
	var discard counting
	decoder := r.counting(&discard)
	in := decode.Datagram{Payload: g.message(10, 0, templateSet(10, 300, flowFields)), Source: router, Received: exportSeconds * 1e9}
	decoder.Decode(in)
	in.Payload = g.message(10, 0, flows)
	for range 200 { // until every interface has found its place, and every pair
		decoder.Decode(in)
	}
	discard = 0
	if n := testing.AllocsPerRun(10, func() { decoder.Decode(in) }); n != 0 {
		t.Errorf("%v allocations a datagram", n)
	}
	if discard != 11*100*2 {
		t.Errorf("%d names on 1100 flows", discard)
	}
}

// A flood of spoofed addresses may cost what it costs to know them, and nothing for those that are known already.
func TestAFloodOfAddressesCostsTheSameHoweverManyCameBefore(t *testing.T) {
	const addresses = 100_000 // more than have room in what a decoder keeps of names
	var discard counting
	var counts ledger.Counts
	decoder := decode.New(config.ProtocolAuto, template.NewStore(template.ModeAuto, template.Limits{Exporters: 10, Templates: 10,
		Fields: 100, Bytes: 1 << 20}, &ledger.Totals{}, nil), &decode.Settings{Names: allNames, Exporters: 2 * addresses,
		Settings: netflow.Settings{Names: true, Sessions: 2 * addresses}}, &counts, &discard, nil)
	in := decode.Datagram{Payload: newGenerator(1).netflow5(30), Received: exportSeconds * 1e9}
	next := 0
	some := func() {
		for range 1000 {
			next++
			in.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(next >> 16), byte(next >> 8), byte(next)}), 2055)
			decoder.Decode(in)
		}
	}
	first := testing.AllocsPerRun(1, some)
	for next < addresses {
		some()
	}
	if n := testing.AllocsPerRun(10, some); n > 2*first {
		t.Errorf("%v allocations for a thousand addresses, and %v after %d of them", first, n, addresses)
	}
}

// counting counts names.
type counting int

func (c *counting) Record(r *flow.Record) {
	for n := range flow.NumNames {
		if r.NameText(n) != nil {
			*c++
		}
	}
}

func TestSFlowCounterSamplesNameInterfaces(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	datagram := g.sflow(1)
	r.decode(router, datagram)
	before := len(r.flows)
	agent := datagram[4:12]
	const inIf = 3 // of the generated flow
	name := concat(u32(1005, 4+4, 4), []byte("swp1"))
	sample := concat(u32(1, 0, inIf, 1), name)
	r.decode(router, concat(u32(5), agent, u32(0, 1, 1, 1), u32(4, uint32(len(sample))), sample), datagram)
	if len(r.flows) != before+1 || r.last(t)["in_if_name"] != "swp1" {
		t.Errorf("%v", r.flows)
	}
	attacker := netip.MustParseAddrPort("192.0.2.66:6343")
	forged := concat(u32(5), agent, u32(0, 1, 1, 1), u32(4, uint32(len(sample))), sample)
	copy(forged[len(forged)-4:], "evil")
	r.decode(attacker, forged)
	r.decode(router, datagram)
	if r.last(t)["in_if_name"] != "swp1" {
		t.Errorf("another sender that says it is the agent renames its interfaces: %v", r.last(t))
	}
	r.decode(attacker, datagram)
	if r.last(t)["in_if_name"] != "evil" {
		t.Errorf("an agent's names are not its sender's: %v", r.last(t))
	}
}

// A switch's agent has the address of its loopback, and sends from another one, by which FlowExporters know it.
func TestNamesThatAreSaidOfAnAgentsSenderAreOnItsFlows(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	lines, err := names.ReadLines(strings.NewReader("192.0.2.7,exporters,0,edge\n192.0.2.7,interfaces,3,uplink\n"))
	if err != nil {
		t.Fatal(err)
	}
	r.store.Say(names.NewSaid(lines), false)
	r.decode(router, g.sflow(1))
	if got := r.last(t); got["in_if_name"] != "uplink" || got["exporter_name"] != "edge" {
		t.Errorf("%v", got)
	}
	r.decode(netip.MustParseAddrPort("192.0.2.8:6343"), g.sflow(1))
	if got := r.last(t); got["in_if_name"] != "" || got["exporter_name"] != "" {
		t.Errorf("from another sender: %v", got)
	}
}

// What is renamed in words that are refused is not called what it was called before, on flows of any protocol.
func TestARenamedInterfaceWhoseNameIsRefusedHasNone(t *testing.T) {
	const text = 8
	g := newGenerator(1)
	r := newReader(allNames)
	table := func(name, description string) []byte {
		return g.message(10, 0, set(400, concat(u32(5), padded(name, text), padded(description, text))))
	}
	r.decode(router, g.message(10, 0, templateSet(10, 300, flowFields)), g.message(10, 0, optionsSet(10, 400, []field{{10, 4}}, []field{{82, text}, {83, text}})))
	for _, said := range []struct {
		name, description string
		want              map[string]string
	}{
		{"eth5", "WAN", map[string]string{"in_if_name": "eth5", "in_if_description": "WAN"}},
		{"Z\xfcrich", "", nil},
		{"eth5", "WAN", map[string]string{"in_if_name": "eth5", "in_if_description": "WAN"}},
		{"eth5", "Z\xfcrich", map[string]string{"in_if_name": "eth5"}},
		{"eth5", "LAN", map[string]string{"in_if_name": "eth5", "in_if_description": "LAN"}},
		{"eth5", "", map[string]string{"in_if_name": "eth5"}},
	} {
		r.decode(router, table(said.name, said.description), g.message(10, 0, oneFlow(5, 0, 0, 0, 0, 0)))
		assertNames(t, r.last(t), said.want)
	}

	flows := g.sflow(1) // of agent 192.0.2.9, by interface 3
	port := func(name string) []byte {
		record := concat(u32(1005, 4+text, text), padded(name, text))
		sample := concat(u32(1, 0, 3, 1), record)
		return concat(u32(5), flows[4:12], u32(0, 1, 1, 1), u32(4, uint32(len(sample))), sample)
	}
	host := func(number uint32, name string) []byte {
		b := hostDatagram(number, name, "6.1")
		copy(b[4:12], flows[4:12])
		return b
	}
	for i, said := range []struct {
		port, host string
		want       map[string]string
	}{
		{"swp3", "leaf-1", map[string]string{"in_if_name": "swp3", "exporter_name": "leaf-1"}},
		{"sw\x1bp3", "leaf\x1b", nil},
		{"swp3", "leaf-2", map[string]string{"in_if_name": "swp3", "exporter_name": "leaf-2"}},
	} {
		r.decode(router, port(said.port), host(uint32(i), said.host), flows)
		assertNames(t, r.last(t), said.want)
	}
}

// 302 took the place of 48 (IANA, samplerId): routers put the one on flows and the other in their tables.
func TestASamplerIsNamedByTheTableOfSelectorsAndTheOtherWayRound(t *testing.T) {
	const text = 8
	for _, test := range []struct {
		flows []field // beside addresses and bytes
		table []field
		want  string
	}{
		{[]field{{48, 4}, {143, 4}}, []field{{302, 4}, {84, text}}, "s"},
		{[]field{{48, 4}, {143, 4}}, []field{{302, 4}, {335, text}}, "s"},
		{[]field{{302, 4}, {143, 4}}, []field{{48, 4}, {84, text}}, "s"},
		{[]field{{48, 4}, {302, 4}}, []field{{48, 4}, {84, text}}, ""}, // the flow says which is which: its selector is 2, its sampler 3
	} {
		g, r := newGenerator(1), newReader(allNames)
		if test.want == "" {
			test.flows[0], test.flows[1] = test.flows[1], test.flows[0]
		}
		r.decode(router, g.message(10, 0, templateSet(10, 300, append([]field{{8, 4}, {12, 4}, {1, 4}}, test.flows...))),
			g.message(10, 0, optionsSet(10, 400, []field{{144, 4}}, test.table)), g.message(10, 0, set(400, concat(u32(1, 2), padded("s", text)))),
			g.message(10, 0, set(300, u32(1, 2, 1000, 2, 3))))
		if got := r.last(t)["sampler_name"]; got != test.want {
			t.Errorf("flows with %v, table of %v: %q, want %q", test.flows, test.table, got, test.want)
		}
	}
}
