package dashboards

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/sink"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	clickhousetest.ServeIfAsked()
	os.Exit(m.Run())
}

// shape is what these tests read of Grafana's JSON.
type shape struct {
	UID        string
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		Title, Type string
		Datasource  struct{ Type, UID string }
		Targets     []struct {
			RawSQL, QueryType, EditorType string
			Format                        int
		}
		GridPos struct{ H, W, X, Y int }
	}
}

func all(t *testing.T) map[string]shape {
	t.Helper()
	dashboards, err := All(clickhouse.Tables{Database: "flowfleet"})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]shape{}
	for _, d := range dashboards {
		var s shape
		if err := json.Unmarshal(d.JSON, &s); err != nil {
			t.Fatal(err)
		}
		if s.UID != "flowfleet-"+d.Name || out[d.Name].UID != "" {
			t.Errorf("%s: uid %s", d.Name, s.UID)
		}
		out[d.Name] = s
	}
	return out
}

func TestDashboardsOfTwoDatabasesStandSideBySide(t *testing.T) {
	seen := map[string]string{}
	for _, database := range []string{"flowfleet", "flows", strings.Repeat("f", 64)} {
		dashboards, err := All(clickhouse.Tables{Database: database})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dashboards {
			var s struct{ UID, Title string }
			if err := json.Unmarshal(d.JSON, &s); err != nil {
				t.Fatal(err)
			}
			if other := seen[s.UID]; other != "" || len(s.UID) > 40 || seen[s.Title] != "" || s.Title != d.Title {
				t.Errorf("%s of %s: %+v, which %s has", d.Name, database, s, other)
			}
			seen[s.UID], seen[s.Title] = database, database
		}
	}
}

// One golden file, so that a reader of a change sees what Grafana gets.
func TestDashboards(t *testing.T) {
	dashboards, err := All(clickhouse.Tables{Database: "flows"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "interface.json")
	for _, d := range dashboards {
		if d.Name != "interface" {
			continue
		}
		if *update {
			if err := os.WriteFile(path, d.JSON, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(d.JSON)); diff != "" {
			t.Errorf("%s (-want +got, -update writes it):\n%s", path, diff)
		}
	}
}

func TestEachPanelAsksTheChosenDataSourceWithVariablesThatAreThere(t *testing.T) {
	used := regexp.MustCompile(`\$\{?([a-z]+)`)
	for name, d := range all(t) {
		var variables []string
		for _, v := range d.Templating.List {
			variables = append(variables, v.Name)
		}
		row, y := 0, 0
		for _, p := range d.Panels {
			if p.GridPos.Y != y {
				row, y = 0, p.GridPos.Y
			}
			if row += p.GridPos.W; row > 24 || p.GridPos.H == 0 {
				t.Errorf("%s, %s: no place at %+v", name, p.Title, p.GridPos)
			}
			if p.Datasource.UID != "${datasource}" || p.Datasource.Type != plugin || len(p.Targets) != 1 {
				t.Errorf("%s, %s: %+v", name, p.Title, p)
				continue
			}
			for _, match := range used.FindAllStringSubmatch(p.Targets[0].RawSQL, -1) {
				if !slices.Contains(variables, match[1]) {
					t.Errorf("%s, %s: no variable %s", name, p.Title, match[1])
				}
			}
			if strings.Contains(p.Targets[0].RawSQL, "{flows}") || !strings.Contains(p.Targets[0].RawSQL, " flowfleet.") {
				t.Errorf("%s, %s: %s", name, p.Title, p.Targets[0].RawSQL)
			}
		}
	}
}

// reader is what a person before Grafana has chosen.
type reader struct {
	from, to  time.Time
	interval  int // seconds
	variables map[string][]string
}

var variableUse = regexp.MustCompile(`\$\{([a-z]+)(:sqlstring)?\}`)

// expand does with a statement what Grafana and its plugin do: variables (":sqlstring" quotes each value, and leaves a list's own value
// for all as it is), then macros.
func (r reader) expand(t *testing.T, statement string) string {
	t.Helper()
	statement = variableUse.ReplaceAllStringFunc(statement, func(use string) string {
		match := variableUse.FindStringSubmatch(use)
		values, ok := r.variables[match[1]]
		if !ok {
			t.Errorf("no variable %s", use)
		}
		if match[2] == "" || values[0] == everything {
			return strings.Join(values, ",")
		}
		var quoted []string
		for _, v := range values {
			quoted = append(quoted, "'"+strings.ReplaceAll(v, "'", "''")+"'")
		}
		return strings.Join(quoted, ",")
	})
	return strings.NewReplacer(
		"$__fromTime", fmt.Sprintf("toDateTime(%d)", r.from.Unix()),
		"$__toTime", fmt.Sprintf("toDateTime(%d)", r.to.Unix()),
		"$__interval_s", strconv.Itoa(r.interval)).Replace(statement)
}

// begin is a whole hour; the flows of these tests come in the ten minutes behind it.
var begin = time.Unix(1_700_002_800, 0)

func address(s string) flow.Address { return flow.AddressFrom(netip.MustParseAddr(s)) }

// records are 600 flows, one a second, of two exporters; every tenth has no sampling rate.
func records() (out []flow.Record) {
	for i := range 600 {
		r := flow.Record{
			Type: flow.TypeIPFIX, TimeReceivedNs: uint64(begin.Add(time.Duration(i) * time.Second).UnixNano()), SamplingRate: 100,
			SamplerAddress: address("192.0.2.1"), SrcAddr: address("10.0.0." + strconv.Itoa(i%3)), DstAddr: address("2001:db8::1"),
			Bytes: 1000, Packets: 2, Proto: 6, SrcPort: 50000, DstPort: 443, InIf: 3, OutIf: 4, SrcAS: 64500 + uint32(i%20), DstAS: 64496,
			Names: []*flow.Text{flow.NewText(flow.InIfName, "xe-0/0/3"), flow.NewText(flow.ExporterName, "edge-1"),
				flow.NewText(flow.ApplicationName, "app-"+strconv.Itoa(i%15))},
		}
		r.TimeFlowStartNs, r.TimeFlowEndNs = r.TimeReceivedNs-2e9, r.TimeReceivedNs-1e9
		if i%4 >= 2 {
			r.InIf, r.OutIf = 4, 3
			r.Names[0] = flow.NewText(flow.OutIfName, "xe-0/0/3")
		}
		if i%2 == 1 {
			r.SamplerAddress, r.Names, r.Proto, r.DstPort = address("2001:db8::9"), nil, 17, 53
		}
		if i%10 == 0 {
			r.SamplingRate = 0
		}
		out = append(out, r)
	}
	return out
}

// minutes are what the ledger says of one of the exporters: of 40 records that it sent in each minute, 30 came. The other one's is not
// published.
func minutes() (out []byte) {
	for i := range 10 {
		at := begin.Add(time.Duration(i) * time.Minute)
		m := ledger.Minute{Minute: at.Unix(), Fleet: "flows/edge", Collector: "a", Run: "1", Share: uint64(i + 1), Kind: ledger.KindStream,
			Exporter: "192.0.2.1", Protocol: "ipfix", Port: 4000, Domain: 1, Datagrams: 30, Sets: 30, SetsDecoded: 30, Records: 30,
			LastSeen: at.Add(59 * time.Second).UnixMilli(), SequenceFrom: uint32(40 * i), SequenceNext: uint32(40 * (i + 1)), Units: 30}
		out = m.AppendLine(out)
	}
	return out
}

// serve is an engine with the tables, the flows, and the ledger's minutes.
func serve(t *testing.T) *clickhousetest.Server {
	t.Helper()
	s := clickhousetest.Start(t)
	for _, statement := range (clickhouse.Tables{Database: "flowfleet"}).Statements() {
		s.Query(statement)
	}
	c := clickhouse.Config{URL: s.URL()}
	c.SetDefaults()
	var e flow.Encoder
	var payload []byte
	flows := records()
	for i := range flows {
		payload = e.AppendDelimited(payload, &flows[i])
	}
	if err := clickhouse.New(c).Store(t.Context(), sink.Batch{Payload: payload, Token: "1"}); err != nil {
		t.Fatal(err)
	}
	if err := clickhouse.New(c).Store(t.Context(), sink.Batch{Payload: minutes(), Token: "2", Ledger: true}); err != nil {
		t.Fatal(err)
	}
	return s
}

func usual() reader {
	return reader{from: begin, to: begin.Add(10 * time.Minute), interval: 60, variables: map[string][]string{
		"resolution": {"1m"}, "exporter": {everything}, "interface": {"3"}, "address": {""}, "port": {""}}}
}

// Every statement of every panel and variable runs on ClickHouse, at both resolutions, and has rows.
func TestEveryQueryRuns(t *testing.T) {
	s := serve(t)
	for name, d := range all(t) {
		for _, resolution := range []string{"1m", "5m"} {
			r := usual()
			r.variables["resolution"] = []string{resolution}
			if resolution == "5m" {
				r.interval = 300
			}
			if name == "interface" || name == "exporter" { // where one is chosen
				r.variables["exporter"] = []string{"::ffff:192.0.2.1"}
			}
			for _, v := range d.Templating.List {
				if v.Type != "query" {
					continue
				}
				answer := s.Query(r.expand(t, v.Query))
				for line := range strings.Lines(answer) {
					if !strings.Contains(line, "|") {
						t.Errorf("%s, variable %s has %q", name, v.Name, line)
					}
				}
				if answer == "" {
					t.Errorf("%s, variable %s has no values", name, v.Name)
				}
			}
			for _, p := range d.Panels {
				if s.Query(r.expand(t, p.Targets[0].RawSQL)) == "" {
					t.Errorf("%s, %s at %s: no rows\n%s", name, p.Title, resolution, r.expand(t, p.Targets[0].RawSQL))
				}
			}
		}
	}
}

// rowsOf answers a panel, as fields of lines.
func rowsOf(t *testing.T, s *clickhousetest.Server, board, title string, r reader) (out [][]string) {
	t.Helper()
	for _, p := range all(t)[board].Panels {
		if p.Title == title {
			for line := range strings.Lines(s.Query(r.expand(t, p.Targets[0].RawSQL))) {
				out = append(out, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
			}
			return out
		}
	}
	t.Fatalf("%s has no panel %s", board, title)
	return nil
}

// What a stacked graph shows adds up to what was carried: its ten series and the others together.
func TestGraphsAddUpToTheTraffic(t *testing.T) {
	s := serve(t)
	const carried = 540 * 1000 * 100 // bytes of flows whose rate is known
	for _, test := range []struct {
		board, title string
		names        int
	}{
		{"overview", "Traffic by exporter", 2},
		{"overview", "Traffic by application", shown + 1}, // of fifteen and "not told"
		{"protocols", "Traffic by protocol", 2},
		{"protocols", "Traffic by service", 2},
		{"as", "Traffic by source AS", shown + 1},
		{"as", "Traffic by destination AS", 1},
		{"prefixes", "Traffic by source prefix", 1},
		{"prefixes", "Traffic by destination prefix", 1},
	} {
		names, sum := map[string]bool{}, 0.0
		for _, row := range rowsOf(t, s, test.board, test.title, usual()) {
			bits, err := strconv.ParseFloat(row[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			names[row[1]] = true
			sum += bits * 60 / 8
		}
		if math.Abs(sum-carried) > 1 || len(names) != test.names {
			t.Errorf("%s, %s: %.0f bytes of %d, %d names: %v", test.board, test.title, sum, carried, len(names), names)
		}
	}
	r := usual()
	r.from, r.to = begin.Add(30*time.Second), begin.Add(150*time.Second) // parts of points
	got := rowsOf(t, s, "as", "Traffic by destination AS", r)
	if len(got) != 2 || got[0][2] != got[1][2] || got[0][2] != "720000" { // 54 flows a minute
		t.Errorf("parts of points are drawn: %v", got)
	}
}

// An exporter of which the ledger says nothing makes the share neither better nor worse.
func TestTheShareThatIsHereIsOfWhatWasSent(t *testing.T) {
	got := rowsOf(t, serve(t), "completeness", "Of what exporters sent, here", usual())
	if len(got) != 10 {
		t.Errorf("%d minutes", len(got))
	}
	for _, row := range got {
		if row[1] != "0.75" {
			t.Errorf("%v, of 40 that were sent 30 came", row)
		}
	}
}

// A collector closes its minute a moment late, so that a datagram is stored in one minute, and counted in the next.
func TestWhatIsCountedAMomentLaterIsNotLost(t *testing.T) {
	s := clickhousetest.Start(t)
	for _, statement := range (clickhouse.Tables{Database: "flowfleet"}).Statements() {
		s.Query(statement)
	}
	var flows []flow.Record
	var lines []byte
	next := uint32(0)
	for i := range 10 {
		at := begin.Add(time.Duration(i) * time.Minute)
		for range 30 {
			flows = append(flows, flow.Record{TimeReceivedNs: uint64(at.UnixNano()), SamplerAddress: address("192.0.2.1"), SamplingRate: 1, Bytes: 1})
		}
		n := uint32(20 + i%2*20) // 20 and 40, of 30 each
		m := ledger.Minute{Minute: at.Unix(), Fleet: "flows/edge", Collector: "a", Run: "1", Share: uint64(i + 1), Kind: ledger.KindStream,
			Exporter: "192.0.2.1", Protocol: "ipfix", Port: 4000, Domain: 1, Datagrams: uint64(n), Sets: uint64(n), SetsDecoded: uint64(n), Records: uint64(n),
			LastSeen: at.Add(59 * time.Second).UnixMilli(), SequenceFrom: next, SequenceNext: next + n, Units: uint64(n)}
		next += n
		lines = m.AppendLine(lines)
	}
	storeOf(t, s, flows...)
	storeMinutes(t, s, lines)
	if got := fmt.Sprint(rowsOf(t, s, "completeness", "What exporters sent, and what became of it", usual())); got != "[[192.0.2.1 300 300 0 0 0 300 300 1]]" {
		t.Error(got)
	}
	r := usual()
	r.interval = 600
	if got := rowsOf(t, s, "completeness", "Of what exporters sent, here", r); len(got) != 1 || got[0][1] != "1" {
		t.Error(got)
	}
}

func TestTablesHaveTheRightVolumes(t *testing.T) {
	s := serve(t)
	one := usual()
	one.variables["exporter"] = []string{"::ffff:192.0.2.1"}
	both := usual()
	both.variables["exporter"] = []string{"::ffff:192.0.2.1", "2001:db8::9"}
	found := usual()
	found.variables["address"], found.variables["port"] = []string{"10.0.0.1"}, []string{"53"}
	prefix := usual()
	prefix.variables["address"] = []string{"10.0."}
	hostile := usual()
	hostile.variables["address"] = []string{"' OR 1=1 --"}
	for _, test := range []struct {
		board, title string
		r            reader
		want         string
	}{
		{"overview", "Now and here", usual(), "[[54.00 MB 600.00 2 10 %]]"},
		{"overview", "Destinations", usual(), "[[2001:db8::1 54000000 108000 600]]"},
		{"overview", "Destinations", one, "[[2001:db8::1 24000000 48000 300]]"},
		{"overview", "Destinations", both, "[[2001:db8::1 54000000 108000 600]]"},
		{"protocols", "Services", usual(), "[[UDP 53 30000000 60000 300] [TCP 443 24000000 48000 300]]"},
		{"interface", "In, by service", one, "[[TCP 443 12000000 24000 150]]"},
		{"exporter", "Interfaces", one, "[[interface 4 4 in 12000000 24000 150] [interface 4 4 out 12000000 24000 150] [xe-0/0/3 3 in 12000000 24000 150] [xe-0/0/3 3 out 12000000 24000 150]]"},
		{"conversations", "Conversations", found, "[[10.0.0.1 50000 2001:db8::1 53 UDP 10000000 20000 100]]"},
		{"conversations", "Conversations", hostile, "[]"},
		{"completeness", "What exporters sent, and what became of it", usual(),
			`[[192.0.2.1 400 300 100 0 0 300 300 0.75] [2001:db8::9 0 0 0 0 0 0 300 \N]]`},
		{"completeness", "What exporters sent, and what became of it", one, "[[192.0.2.1 400 300 100 0 0 300 300 0.75]]"},
	} {
		if got := fmt.Sprint(rowsOf(t, s, test.board, test.title, test.r)); got != test.want {
			t.Errorf("%s, %s:\n got %s\nwant %s", test.board, test.title, got, test.want)
		}
	}
	if got := rowsOf(t, s, "conversations", "Flows", prefix); len(got) != 500 {
		t.Errorf("%d flows", len(got))
	}
}
