package clickhouse

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/sink"
)

// What somebody changes by hand, they can mend: the batch waits, and is stored once then, in flows and in each roll-up. None is given up,
// and none counts as stored that is not there.
func TestABatchWaitsForTablesThatWereChangedByHand(t *testing.T) {
	for name, change := range map[string]struct{ by, mend []string }{
		"the view that makes the rows is dropped": {[]string{"DROP VIEW flowfleet.flows_from_raw"}, []string{(Tables{Database: "flowfleet"}).viewOfRaw()}},
		"flows is renamed":                        {[]string{"RENAME TABLE flowfleet.flows TO flowfleet.away"}, []string{"RENAME TABLE flowfleet.away TO flowfleet.flows"}},
		"a column of flows is no longer a text": {[]string{"ALTER TABLE flowfleet.flows MODIFY COLUMN exporter_name UInt8"},
			[]string{"ALTER TABLE flowfleet.flows MODIFY COLUMN exporter_name String"}},
		"a column of flows has few values": {[]string{"ALTER TABLE flowfleet.flows MODIFY COLUMN etype Enum16('a' = 1)"},
			[]string{"ALTER TABLE flowfleet.flows MODIFY COLUMN etype UInt32"}},
		"a view of somebody's own cannot read a name": {[]string{"CREATE TABLE flowfleet.own (n UInt8) ENGINE = MergeTree ORDER BY n",
			"CREATE MATERIALIZED VIEW flowfleet.own_from TO flowfleet.own AS SELECT toUInt8(toString(exporter_name)) AS n FROM flowfleet.flows"},
			[]string{"DROP VIEW flowfleet.own_from"}},
		"a view of somebody's own cannot read what is longer than most answers": {[]string{"CREATE TABLE flowfleet.own (n UInt8) ENGINE = MergeTree ORDER BY n",
			"CREATE MATERIALIZED VIEW flowfleet.own_from TO flowfleet.own AS SELECT toUInt8(repeat(toString(exporter_name), 5000)) AS n FROM flowfleet.flows"},
			[]string{"DROP VIEW flowfleet.own_from"}},
		"a view of somebody's own has a table with a constraint": {[]string{
			"CREATE TABLE flowfleet.own (n UInt64, CONSTRAINT small CHECK n < 10) ENGINE = MergeTree ORDER BY n",
			"CREATE MATERIALIZED VIEW flowfleet.own_from TO flowfleet.own AS SELECT bytes AS n FROM flowfleet.flows"},
			[]string{"DROP VIEW flowfleet.own_from"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, k := begin(t)
			for _, statement := range change.by {
				s.Query(statement)
			}
			batch := sink.Batch{Payload: encode(sample(), sample()), Token: "a"}
			for range 2 {
				err := k.Store(t.Context(), batch)
				if refused := (*sink.Refusal)(nil); err == nil || errors.As(err, &refused) {
					t.Errorf("it does not wait: %v", err)
				}
			}
			for _, statement := range change.mend {
				s.Query(statement)
			}
			var err error
			for range 2 { // the first finds a view that it does not know
				if err = k.Store(t.Context(), batch); err == nil {
					break
				}
			}
			if err != nil {
				t.Error(err)
			}
			everywhere(t, s, "2")
		})
	}
}

// Who changes a view drops it and makes it anew.
func TestWhatIsInsertedWhileAViewIsMadeAnewIsInsertedAgain(t *testing.T) {
	s, k := begin(t)
	store(t, k, "before", sample())
	view := (Tables{Database: "flowfleet"}).viewOfRaw()
	batch := sink.Batch{Payload: encode(sample()), Token: "meanwhile"}
	err := k.way.through(t.Context(), k, func() error {
		s.Query("DROP VIEW flowfleet.flows_from_raw")
		err := k.put(t.Context(), k.insert, "flows_raw", &batch)
		s.Query(view)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("it is taken for stored: %v", err)
	}
	everywhere(t, s, "1")
	if err := k.Store(t.Context(), batch); err != nil {
		t.Error(err)
	}
	everywhere(t, s, "2")
}

func TestTheMissingViewIsAProblemOfTheTablesAndIsMadeWhereTheConfigurationAsksForThat(t *testing.T) {
	s, k := begin(t)
	s.Query("DROP VIEW flowfleet.flows_from_raw")
	if schema, err := k.Check(t.Context()); err != nil || schema.Version != Version || !strings.Contains(schema.Problem, "flowfleet.flows_from_raw is missing") {
		t.Errorf("%+v, %v", schema, err)
	}
	k.config.CreateTables = true
	if schema, err := k.Check(t.Context()); err != nil || schema.Problem != "" {
		t.Errorf("%+v, %v", schema, err)
	}
	store(t, k, "a", sample())
	everywhere(t, s, "1")
}

// A row that a table's owner does not want is the batch's fault: it does not hold up the others.
func TestABatchThatAConstraintOfFlowsForbidsIsRefused(t *testing.T) {
	s, k := begin(t)
	s.Query("ALTER TABLE flowfleet.flows ADD CONSTRAINT small CHECK bytes < 10")
	err := k.Store(t.Context(), sink.Batch{Payload: encode(sample()), Token: "a"})
	if refused := (*sink.Refusal)(nil); !errors.As(err, &refused) || refused.Reason != sink.ReasonDestination {
		t.Errorf("it is not refused: %v", err)
	}
	everywhere(t, s, "0")
}

// Somebody empties a table by dropping it, as one does with a database.
func TestTablesThatSomebodyDropsAreMadeWhereTheConfigurationAsksForThat(t *testing.T) {
	for _, table := range []string{"flows", "protocols_1m", "flows_raw", ledgerTable} {
		t.Run(table, func(t *testing.T) {
			s, k := begin(t)
			s.Query("DROP TABLE flowfleet." + table)
			now := sample()
			now.TimeReceivedNs = uint64(time.Now().UnixNano()) // these tables do not keep rows for ever
			batch := sink.Batch{Payload: encode(now), Token: "a"}
			if table == ledgerTable {
				batch = sink.Batch{Payload: fmt.Appendf(nil, `{"minute":%d}`+"\n", time.Now().Unix()), Token: "a", Ledger: true}
			}
			err := k.Store(t.Context(), batch)
			if err == nil || errors.As(err, new(*sink.Refusal)) || !strings.Contains(err.Error(), "collector schema clickhouse") {
				t.Errorf("without it: %v", err)
			}
			k.config.CreateTables = true
			if schema, err := k.Check(t.Context()); err != nil || schema.Problem != "" {
				t.Errorf("%+v, %v", schema, err)
			}
			for range 2 { // the first may find a view that it does not know
				if err = k.Store(t.Context(), batch); err == nil {
					break
				}
			}
			if err != nil {
				t.Error(err)
			}
			expect(t, s, "SELECT count() FROM flowfleet."+strings.Replace(table, "flows_raw", "flows", 1), "1")
		})
	}
}
