package dashboards

import (
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
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
