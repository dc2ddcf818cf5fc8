package dashboards

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/sink"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
)

// Whatever time somebody chooses, and where nothing was stored yet: each statement runs.
func TestEveryQueryRunsForAnyTimeAndOnEmptyTables(t *testing.T) {
	empty := clickhousetest.Start(t)
	for _, statement := range (clickhouse.Tables{Database: "flowfleet"}).Statements() {
		empty.Query(statement)
	}
	full := serve(t)
	for name, test := range map[string]struct {
		s        *clickhousetest.Server
		from, to time.Time
		interval int
	}{
		"nothing stored":    {empty, begin, begin.Add(10 * time.Minute), 60},
		"no time":           {full, begin, begin, 1},
		"backwards":         {full, begin.Add(time.Minute), begin, 1},
		"since 1970":        {full, time.Unix(0, 0), begin.AddDate(20, 0, 0), 86400 * 30},
		"less than a point": {full, begin.Add(time.Second), begin.Add(2 * time.Second), 3600},
	} {
		r := reader{from: test.from, to: test.to, interval: test.interval, variables: usual().variables}
		for board, d := range all(t) {
			r.variables["exporter"] = []string{everything}
			if board == "interface" || board == "exporter" { // where one is chosen
				r.variables["exporter"] = []string{"::ffff:192.0.2.1"}
			}
			for _, p := range d.Panels {
				if answer, ok := test.s.Try(r.expand(t, p.Targets[0].RawSQL)); !ok {
					t.Errorf("%s, %s, %s: %.600s", board, p.Title, name, answer)
				}
			}
			for _, v := range d.Templating.List {
				if v.Type != "query" {
					continue
				}
				if answer, ok := test.s.Try(r.expand(t, v.Query)); !ok {
					t.Errorf("%s, variable %s, %s: %.600s", board, v.Name, name, answer)
				}
			}
		}
	}
}

// storeOf stores flows in a server's tables.
func storeOf(t *testing.T, s *clickhousetest.Server, records ...flow.Record) {
	t.Helper()
	c := clickhouse.Config{URL: s.URL()}
	c.SetDefaults()
	var e flow.Encoder
	var payload []byte
	for i := range records {
		payload = e.AppendDelimited(payload, &records[i])
	}
	if err := clickhouse.New(c).Store(t.Context(), sink.Batch{Payload: payload, Token: t.Name()}); err != nil {
		t.Fatal(err)
	}
}

// storeMinutes stores the ledger's minutes there.
func storeMinutes(t *testing.T, s *clickhousetest.Server, lines []byte) {
	t.Helper()
	c := clickhouse.Config{URL: s.URL()}
	c.SetDefaults()
	if err := clickhouse.New(c).Store(t.Context(), sink.Batch{Payload: lines, Token: t.Name(), Ledger: true}); err != nil {
		t.Fatal(err)
	}
}

// ClickHouse's time zone is that of its host where nobody chose one, and a user's profile may have another.
func TestWhatIsShownIsOfTheTimeThatWasChosenWhateverTheServersTimeZone(t *testing.T) {
	for whose, zone := range map[string]string{"server": "Europe/Berlin", "session": "America/St_Johns"} {
		t.Setenv("TZ", "UTC") // the server's process takes the test's environment
		if whose == "server" {
			t.Setenv("TZ", zone)
		}
		s := serve(t)
		if whose == "session" {
			s.Query("SET session_timezone = '" + zone + "'")
		}
		if got := s.Query("SELECT timezone()"); got != zone {
			t.Fatalf("the %s's time zone is %s", whose, got)
		}
		for _, test := range []struct{ board, title, want string }{
			{"completeness", "What exporters sent, and what became of it", `[[192.0.2.1 400 300 100 0 0 300 300 0.75] [2001:db8::9 0 0 0 0 0 0 300 \N]]`},
			{"protocols", "Services", "[[UDP 53 30000000 60000 300] [TCP 443 24000000 48000 300]]"},
			{"overview", "Destinations", "[[2001:db8::1 54000000 108000 600]]"},
		} {
			if got := fmt.Sprint(rowsOf(t, s, test.board, test.title, usual())); got != test.want {
				t.Errorf("the %s's zone is %s: %s\n got %s\nwant %s", whose, zone, test.title, got, test.want)
			}
		}
		for _, test := range []struct{ board, title string }{{"completeness", "Of what exporters sent, here"}, {"as", "Traffic by destination AS"}} {
			if got := rowsOf(t, s, test.board, test.title, usual()); len(got) != 10 || got[0][0] != "2023-11-14 23:00:00" {
				t.Errorf("the %s's zone is %s: %s has %v", whose, zone, test.title, got)
			}
		}
	}
}

// An IPv6 address may have within it what an IPv4 address begins with as an IPv6 one.
func TestAddressesAreShownAsTheyAreAndFoundHoweverTheyAreTyped(t *testing.T) {
	s := clickhousetest.Start(t)
	for _, statement := range (clickhouse.Tables{Database: "flowfleet"}).Statements() {
		s.Query(statement)
	}
	shown := []string{"2001:db8::ffff:1:2", "::ffff:1:2:3", "192.0.2.1", "2001:db8::1"}
	var flows []flow.Record
	for i, a := range shown {
		flows = append(flows, flow.Record{TimeReceivedNs: uint64(begin.UnixNano()), SrcAddr: address(a), DstAddr: address("198.51.100.1"), SamplerAddress: address(a),
			SamplingRate: 1, Bytes: uint64(100 - i), Packets: 1})
	}
	storeOf(t, s, flows...)
	var sources, exporters []string
	for _, row := range rowsOf(t, s, "overview", "Sources", usual()) {
		sources = append(sources, row[0])
	}
	for _, row := range rowsOf(t, s, "completeness", "Exporters", usual()) {
		exporters = append(exporters, row[0])
	}
	slices.Sort(exporters)
	if !slices.Equal(sources, shown) || !slices.Equal(exporters, slices.Sorted(slices.Values(shown))) {
		t.Errorf("sources %q and exporters %q, of %q", sources, exporters, shown)
	}
	for typed, found := range map[string]int{
		"": 4, "2001:db8::ffff:1:2": 1, "2001:0DB8:0:0:0:FFFF:1:2": 1, "::ffff:192.0.2.1": 1, "192.0.2.1": 1, "192.0.2.": 1, "2001:DB8:": 2, "2001:db81:2": 0,
		"198.51.100.1": 4, "192.0.2": 0, "' OR '1'='1": 0, "%": 0,
	} {
		r := usual()
		r.variables["address"] = []string{typed}
		if rows := rowsOf(t, s, "conversations", "Flows", r); len(rows) != found {
			t.Errorf("%q finds %d flows, not %d", typed, len(rows), found)
		}
	}
}

// On a cluster each server has the rows of its own shard.
func TestDashboardsOverAClusterReadAllShards(t *testing.T) {
	s := clickhousetest.Start(t)
	s.Kill()
	s.RestartAsCluster("main", 2)
	tables := clickhouse.Tables{Database: "flowfleet", Cluster: "main"}
	alone := strings.NewReplacer(" ON CLUSTER 'main'", "", "ENGINE = Replicated", "ENGINE = ") // it has no Keeper
	for _, statement := range tables.Statements() {
		s.Query(alone.Replace(statement))
	}
	storeOf(t, s, records()...)
	storeMinutes(t, s, minutes())
	dashboards, err := All(tables)
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`flowfleet\.([a-z_]+(\$\{resolution\})?\w*)`)
	for _, d := range dashboards {
		var board shape
		if err := json.Unmarshal(d.JSON, &board); err != nil {
			t.Fatal(err)
		}
		r := usual()
		if d.Name == "interface" || d.Name == "exporter" { // where one is chosen
			r.variables["exporter"] = []string{"::ffff:192.0.2.1"}
		}
		var statements []string
		for _, p := range board.Panels {
			statements = append(statements, p.Targets[0].RawSQL)
		}
		for _, v := range board.Templating.List {
			if v.Type == "query" {
				statements = append(statements, v.Query)
			}
		}
		if d.Name == "overview" {
			if got := s.Query(r.expand(t, statements[0])); !strings.Contains(got, "\t1.20 thousand\t2\t") {
				t.Errorf("of twice 600 flows there are: %s", got)
			}
		}
		for _, statement := range statements {
			for _, match := range table.FindAllStringSubmatch(statement, -1) {
				if !strings.HasSuffix(match[1], "_all") && match[1] != "completeness" {
					t.Errorf("%s reads %s, one server's", d.Name, match[1])
				}
			}
			if s.Query(r.expand(t, statement)) == "" {
				t.Errorf("%s: no rows\n%s", d.Name, statement)
			}
		}
	}
}
