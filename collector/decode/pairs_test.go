package decode_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/names"
)

// Flows between interfaces that had flows before are named by what those were given. Whatever is said and asked for in between, and however
// many interfaces there are, each flow has the names that hold.
func TestFlowsBetweenTheSameInterfacesHaveTheNamesThatHold(t *testing.T) {
	for _, interfaces := range []int{3, 12, 200} {
		t.Run(fmt.Sprint(interfaces, " interfaces"), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(interfaces)))
			want := decode.NameSet(0).With(flow.InIfName, flow.OutIfName, flow.ExporterName)
			r, g := newReader(want), newGenerator(1)
			exporters := []netip.AddrPort{router, netip.MustParseAddrPort("192.0.2.8:4000")}
			for _, e := range exporters {
				r.decode(e, g.message(10, 1, templateSet(10, 300, flowFields)))
			}
			said, device := map[[2]int]string{}, map[int]string{}
			say := func() {
				var lines []names.Line
				for e, name := range device {
					lines = append(lines, names.Line{Network: netip.PrefixFrom(exporters[e].Addr(), 32), Table: names.Exporters, Row: names.Row{Name: name}})
				}
				r.store.Say(names.NewSaid(lines), false)
			}
			for step := range 6_000 {
				e := random.IntN(len(exporters))
				switch random.IntN(30) {
				case 0:
					n := 1 + random.IntN(interfaces)
					said[[2]int{e, n}] = fmt.Sprint("interface ", n, " of step ", step)
					r.decode(exporters[e], interfaceTable(g, exportSeconds+uint32(step), n, said[[2]int{e, n}]))
				case 1:
					device[e] = fmt.Sprint("device of step ", step)
					say()
				case 2:
					want ^= decode.NameSet(0).With(flow.InIfName)
					r.decoder.Configure(settingsFor(want))
				default:
					in, out := random.IntN(interfaces+1), random.IntN(interfaces+1)
					r.decode(exporters[e], g.message(10, 1, oneFlow(uint32(in), uint32(out), 0, 0, 0, 0)))
					names := map[string]string{"out_if_name": said[[2]int{e, out}], "exporter_name": device[e]}
					if want.Has(flow.InIfName) {
						names["in_if_name"] = said[[2]int{e, in}]
					}
					assertNames(t, r.last(t), names)
				}
				if t.Failed() {
					t.Fatal("at step ", step)
				}
			}
		})
	}
}

// A datagram with flows between ever other interfaces makes no more than one pair, and in the long run hardly any.
func TestFlowsBetweenEverOtherInterfacesTakeFewAllocations(t *testing.T) {
	const interfaces, flows = 100, 50
	r, g := newReader(allNames), newGenerator(1)
	template := g.message(10, 1, templateSet(10, 300, []field{{10, 4}, {14, 4}, {1, 4}}))
	r.decode(router, template)
	for n := 1; n <= interfaces; n++ {
		r.decode(router, interfaceTable(g, exportSeconds, n, fmt.Sprint("ge-0/0/", n)))
	}
	var named counting
	decoder, in := r.counting(&named), decode.Datagram{Payload: template, Source: router, Received: exportSeconds * 1e9}
	decoder.Decode(in)
	var datagrams [][]byte
	for pair := uint32(0); pair < interfaces*interfaces; {
		var records []byte
		for range flows {
			records = append(records, u32(1+pair%interfaces, 1+pair/interfaces, 1000)...)
			pair++
		}
		datagrams = append(datagrams, g.message(10, flows, set(300, records)))
	}
	all := func() {
		for _, b := range datagrams {
			in.Payload = b
			decoder.Decode(in)
		}
	}
	for range 20 { // until there is no room for more pairs
		all()
	}
	named = 0
	if n := testing.AllocsPerRun(1, all) / float64(len(datagrams)); n > 0.01 {
		t.Errorf("%v allocations a datagram", n)
	}
	if named != 2*2*interfaces*interfaces {
		t.Errorf("%d names", named)
	}
}
