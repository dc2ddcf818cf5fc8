package clickhouse

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/sink"
)

// A profile is written for people who look at data: "an answer that takes too long ends with what there is". A sink's user may have it, too.
func TestNoProfileOfTheUserHasABatchStoredInPartOrTwice(t *testing.T) {
	records := make([]flow.Record, 0, 1000)
	for i := range cap(records) {
		r := sample()
		r.SrcAS, r.Bytes, r.SamplingRate = uint32(i%10), 1, 1
		records = append(records, r)
	}
	for name, profile := range map[string][]string{
		"the first rows only":                {"limit = 10"},
		"without the first rows":             {"offset = 10"},
		"some rows of the batch":             {"additional_table_filters = {'flowfleet.flows_raw': 'src_as = 1'}"},
		"some rows of the flows":             {"additional_table_filters = {'flowfleet.flows': 'src_as = 1'}"},
		"some rows of an answer":             {"additional_result_filter = 'src_as = 1'"},
		"each insert":                        {"deduplicate_insert = 'disable'"},
		"each insert, as it used to be said": {"insert_deduplicate = 0", "deduplicate_blocks_in_dependent_materialized_views = 0"},
		"asynchronous ones":                  {"async_insert = 1", "wait_for_async_insert = 0"},
		"bad rows are left out":              {"input_format_allow_errors_num = 100"},
		"an answer has more than its rows":   {"extremes = 1"},
		"no answer that is not cached":       {"use_query_cache = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			s, k := begin(t)
			for _, setting := range profile {
				s.Query("SET " + setting)
			}
			if found, err := k.Check(t.Context()); err != nil || found.Problem != "" {
				t.Errorf("the check: %v, %v", found, err)
			}
			for range 2 {
				store(t, k, "a", records...)
			}
			for _, setting := range profile { // for the queries below
				setting, _, _ := strings.Cut(setting, " ")
				s.Query("SET " + setting + " = DEFAULT")
			}
			expect(t, s, "SELECT count(), (SELECT sum(flows) FROM flowfleet.as_1m), (SELECT uniqExact(src_as) FROM flowfleet.as_5m) FROM flowfleet.flows",
				"1000\t1000\t10")
		})
	}
}

// What came broken is told, and not left out.
func TestNoProfileOfTheUserHasRowsThatCannotBeReadLeftOut(t *testing.T) {
	s, k := begin(t)
	s.Query("SET input_format_allow_errors_num = 100")
	s.Query("SET input_format_allow_errors_ratio = 1")
	good, cut := `{"minute": 1700000000, "kind": "stream", "exporter": "::1"}`+"\n", encode(sample(), sample())
	for name, b := range map[string]sink.Batch{
		"a minute of the ledger":      {Ledger: true, Token: "a", Payload: []byte(good + `{"minute": "x"}` + "\n" + good)},
		"a flow that was cut in half": {Token: "b", Payload: cut[:len(cut)-1]},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := k.Store(ctx, b); err == nil || ctx.Err() != nil {
			t.Fatalf("%s: %v, %v", name, err, ctx.Err())
		}
	}
	expect(t, s, "SELECT count(), (SELECT count() FROM flowfleet.ledger_minutes) FROM flowfleet.flows", "0\t0")
}

func TestAnInsertThatTakesTooLongForTheUsersProfileIsNotStored(t *testing.T) {
	s, k := begin(t)
	s.Query("CREATE MATERIALIZED VIEW flowfleet.slow ENGINE = Null AS SELECT sleep(2) AS s FROM flowfleet.flows_raw")
	s.Query("SET timeout_overflow_mode = 'break'")
	s.Query("SET max_execution_time = 1")
	err := k.Store(t.Context(), sink.Batch{Payload: encode(sample()), Token: "a"})
	if err == nil || errors.As(err, new(*sink.Refusal)) {
		t.Errorf("it is told as %v", err)
	}
}

// A view makes its rows of blocks of the batch. One that is beyond a bound of the profile fails the insert, and leaves nothing out; the batch is
// stored when the bound is gone.
func TestABatchThatIsBeyondABoundOfTheUsersProfileWaits(t *testing.T) {
	records := make([]flow.Record, 0, 1000)
	for i := range cap(records) {
		r := sample()
		r.InIf, r.Bytes, r.SamplingRate = uint32(i), 1, 1
		records = append(records, r)
	}
	for name, mode := range map[string]string{"the first groups only": "any", "groups until there are enough": "break"} {
		t.Run(name, func(t *testing.T) {
			s, k := begin(t)
			profile := []string{"max_block_size = 100", "max_rows_to_group_by = 5", "group_by_overflow_mode = '" + mode + "'"}
			for _, setting := range profile {
				s.Query("SET " + setting)
			}
			err := k.Store(t.Context(), sink.Batch{Payload: encode(records...), Token: "a"})
			if err == nil || errors.As(err, new(*sink.Refusal)) {
				t.Errorf("it is told as %v", err)
			}
			s.Query("SET max_rows_to_group_by = DEFAULT")
			store(t, k, "a", records...)
			expect(t, s, "SELECT count(), (SELECT (sum(flows), uniqExact(interface)) FROM flowfleet.interfaces_1m WHERE direction = 'in') FROM flowfleet.flows",
				"1000\t(1000,1000)")
		})
	}
}

func TestAFlowWhoseTableIsGoneIsNotStored(t *testing.T) {
	s, k := begin(t)
	s.Query("SET ignore_materialized_views_with_dropped_target_table = 1")
	s.Query("DROP TABLE flowfleet.flows")
	if err := k.Store(t.Context(), sink.Batch{Payload: encode(sample()), Token: "a"}); err == nil || errors.As(err, new(*sink.Refusal)) {
		t.Errorf("it is told as %v", err)
	}
}
