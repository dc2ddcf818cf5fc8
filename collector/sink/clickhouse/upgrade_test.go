package clickhouse

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
)

func TestTablesOfEarlierVersionsGetWhatTheyLack(t *testing.T) {
	for _, test := range []struct {
		version int
		lacks   []string
	}{
		{1, []string{ledgerTable, "prefixes"}},
		{2, []string{"prefixes"}},
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
			store(t, k, "before", now) // in doubt, and sent again: it is missing in the new table only
			store(t, k, "after", now, now)
			expect(t, s, `SELECT (SELECT count() FROM flowfleet.flows), (SELECT sum(flows) FROM flowfleet.as_5m),
				(SELECT sum(flows) FROM flowfleet.prefixes_5m WHERE side = 'src'), (SELECT count() FROM flowfleet.ledger_minutes)`, "3\t3\t3\t0")
		})
	}
}
