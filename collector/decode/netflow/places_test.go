package netflow

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/template"
)

var update = flag.Bool("update", false, "write the table of the documentation")

const (
	tableFile = "../../../docs/flow-format.md"
	tableMark = "<!-- elements -->\n"
)

// documented renders the table that tells users where elements go.
func documented() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| Field | Elements, the best first | Special values |\n|---|---|---|\n")
	for _, p := range places {
		var steps []string
		for _, step := range p.order {
			var names []string
			for _, s := range step {
				if s.enterprise != 0 {
					names = append(names, fmt.Sprintf("%d.%d", s.enterprise, s.id))
					continue
				}
				names = append(names, fmt.Sprintf("%d %s", s.id, element.Name(false, 0, s.id)))
			}
			steps = append(steps, strings.Join(names, " or "))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.field, strings.Join(steps, "; "), p.special)
	}
	return b.String()
}

func TestTheDocumentedTableOfElementsIsTheCodes(t *testing.T) {
	doc, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	before, table, ok := strings.Cut(string(doc), tableMark)
	if !ok {
		t.Fatalf("%s has no table of elements", tableFile)
	}
	if *update {
		if err := os.WriteFile(tableFile, []byte(before+tableMark+documented()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != documented() {
		t.Errorf("the table in %s is not what the code does: run go test ./collector/decode/netflow -run Documented -update", tableFile)
	}
}

// unplaced says why elements have no place in FlowMessage, by ranges of their ids.
var unplaced = []struct {
	first, last uint16
	why         string
}{
	{3, 3, "a number of flows"}, {19, 20, "copies of multicast packets, beside the flow's own"}, {23, 24, "stands in for delta counts"},
	{25, 26, "an extreme over the packets"}, {33, 33, "implies the protocol"}, {35, 43, "of the exporter, not of a flow"},
	{46, 46, "the kind of a label"}, {49, 49, "of the sampler"}, {51, 51, "a traffic class"}, {61, 61, "the direction at the interface"},
	{64, 64, "extension headers as bits"}, {82, 84, "a name of what has a number"}, {85, 86, "stands in for delta counts"},
	{87, 87, "of the sampler"}, {90, 101, "routing, application and class"},
	{129, 137, "neighbour, exporter, drops and reason"}, {141, 149, "where it was metered"}, {163, 168, "of the metering process"},
	{171, 172, "stands in for delta counts"}, {173, 175, "flow key and multicast totals"}, {184, 188, "of a TCP header: implies the protocol"},
	{189, 189, "length of a header"}, {191, 191, "a length without its header"}, {194, 194, "a length without its header"},
	{198, 199, "a sum of squares"}, {201, 209, "lengths and options of headers"}, {210, 210, "padding"},
	{211, 217, "of the collector and exporter"}, {218, 223, "TCP segments by flag: implies the protocol"},
	{225, 230, "after NAT: FlowMessage has the addresses before it"}, {231, 232, "stands in for delta counts; a direction of a biflow"},
	{233, 241, "firewall, VRF, MPLS EXP, TCP window, direction, lengths"}, {244, 244, "a priority"}, {246, 251, "priorities and circuits"},
	{257, 300, "messages, collections, anonymization, tunnels, NAT; 298 and 299 count packets"},
	{303, 304, "of the selector"}, {318, 321, "of the selector"}, {326, 328, "a hash of the packet"}, {333, 351, "hashes, statistics, names of elements, virtual stations"},
	{352, 353, "stands in for delta counts"}, {354, 358, "of interfaces and applications"}, {361, 407, "of interfaces, stations, applications, sets of flows, mediators"},
	{411, 482, "bridges, layer 2 counts, MIB objects, mobile, HTTP, NAT"}, {486, 495, "communities of other kinds, SRH's other fields"},
	{500, 510, "SRH, checksums, GTP-U"}, {513, 529, "extension headers and options as bits and lists"}, {530, 533, "delays on the path"},
}

func TestEachElementOfTheRegistryHasAPlaceOrAReason(t *testing.T) {
	for id := uint16(1); id < 1<<15; id++ {
		e, known := element.Lookup(0, id)
		if !known {
			continue
		}
		m := meaningOf(template.IPFIX, template.Field{ID: id, Length: 4})
		reason := ""
		for _, n := range unplaced {
			if id >= n.first && id <= n.last {
				reason = n.why
			}
		}
		if m.operation == opNone && reason == "" {
			t.Errorf("%d %s goes nowhere, and nothing says why", id, e.Name)
		}
	}
}
