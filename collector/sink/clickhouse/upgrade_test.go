package clickhouse

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

func TestTablesOfEarlierVersionsGetWhatTheyLack(t *testing.T) {
	for _, test := range []struct {
		version int
		lacks   []string
	}{
		{1, []string{ledgerTable, "prefixes"}},
		{2, []string{"prefixes"}},
		{3, nil},
		{4, nil},
	} {
		t.Run(fmt.Sprint(test.version), func(t *testing.T) {
			s := clickhousetest.Start(t)
			c := Config{URL: s.URL()}
			c.SetDefaults()
		statements:
			for _, statement := range c.Tables().Statements() {
				for _, lacking := range test.lacks {
					if strings.Contains(statement, lacking) {
						continue statements
					}
				}
				if test.version < 4 && strings.HasPrefix(statement, "ALTER TABLE") {
					continue
				}
				if test.version < 4 && strings.Contains(statement, "."+ledgerTable+" (") {
					statement = regexp.MustCompile(`(?m)^    (sampling_rate|bytes|scaled_bytes|named|unnamed) .*\n`).ReplaceAllString(statement, "")
				}
				statement = strings.Replace(statement, "greatest(0, 1 - sets_lost / sets)", "1 - sets_lost / sets", 1)
				s.Query(strings.Replace(statement, fmt.Sprintf("SELECT %d AS version", Version), fmt.Sprintf("SELECT %d AS version", test.version), 1))
			}
			k := New(c)
			if have, err := k.Check(t.Context()); err != nil || have.Version != test.version || have.Problem == "" {
				t.Errorf("they are taken for those of version %d: %+v, %v", Version, have, err)
			}
			now := sample()
			now.TimeReceivedNs = uint64(time.Now().UnixNano()) // these tables do not keep rows for ever
			store(t, k, "before", now)
			c.CreateTables = true
			k = New(c)
			if have, err := k.Check(t.Context()); err != nil || have.Version != Version || have.Problem != "" {
				t.Fatalf("%+v, %v", have, err)
			}
			expect(t, s, "SELECT create_table_query LIKE '%greatest(0, 1 - (sets_lost / sets))%' FROM system.tables WHERE name = 'completeness'", "1")
			store(t, k, "before", now) // in doubt, and sent again: it is missing in the new table only
			store(t, k, "after", now, now)
			expect(t, s, `SELECT (SELECT count() FROM flowfleet.flows), (SELECT sum(flows) FROM flowfleet.as_5m),
				(SELECT sum(flows) FROM flowfleet.prefixes_5m WHERE side = 'src'), (SELECT count() FROM flowfleet.ledger_minutes)`, "3\t3\t3\t0")
			storeMinutes(t, k, "minutes", ledger.Minute{Minute: time.Now().Unix() / 60 * 60, Kind: ledger.KindExporter, Exporter: "192.0.2.1", Protocol: "ipfix",
				Bytes: 10, ScaledBytes: 1000, Named: map[string]uint64{"interfaces": 7}},
				ledger.Minute{Minute: time.Now().Unix() / 60 * 60, Kind: ledger.KindStream, Exporter: "192.0.2.1", Protocol: "ipfix", Domain: 3, SamplingRate: 100})
			expect(t, s, "SELECT sum(bytes), sum(scaled_bytes), sum(named['interfaces']), sum(unnamed['interfaces']), max(sampling_rate) FROM flowfleet.ledger_minutes",
				"10\t1000\t7\t0\t100")
		})
	}
}
