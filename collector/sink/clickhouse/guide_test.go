package clickhouse

import (
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

var isSQL = regexp.MustCompile(`^(SELECT|CREATE|INSERT|ALTER) `)

// guideStatements are the statements that docs/clickhouse.md and docs/clickhouse-recipes.md print, in their order, but for those that give
// rights.
func guideStatements(t *testing.T) (out []string) {
	t.Helper()
	var docs string
	for _, page := range []string{"clickhouse.md", "clickhouse-recipes.md"} {
		text, err := os.ReadFile("../../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		docs += string(text) + "\n"
	}
	var block []string
	for line := range strings.Lines(docs) {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			block = append(block, code)
			continue
		}
		if len(block) > 0 && isSQL.MatchString(block[0]) {
			for statement := range strings.SplitSeq(strings.TrimSpace(strings.Join(block, "")), ";") {
				if statement != "" {
					out = append(out, strings.TrimSpace(statement))
				}
			}
		}
		block = nil
	}
	return out
}

// Readers copy the statements as they stand: each runs, and says what the guide says of it.
func TestTheStatementsOfTheGuideRun(t *testing.T) {
	s, k := begin(t)
	answers := make(map[string]string)
	find := func(part string) string {
		t.Helper()
		for statement, answer := range answers {
			if strings.Contains(statement, part) {
				return answer
			}
		}
		t.Fatalf("the guide has no statement with %q", part)
		return ""
	}
	records, now := make([]flow.Record, 4), uint64(time.Now().UnixNano())
	for i := range records {
		r := sample() // from 10.10.13.10, of 1,500 bytes, at a rate of 1,000
		r.TimeReceivedNs, r.SrcNet, r.DstNet = now, 16, 32
		records[i] = r
	}
	records[3].SamplingRate, records[3].SrcNet, records[3].DstNet = 0, 1000, 0 // nobody knows the rate, and lengths that are none
	store(t, k, "before", records...)
	statements := guideStatements(t)
	for _, statement := range statements {
		answers[statement] = s.Query(statement)
		if strings.HasPrefix(statement, "CREATE MATERIALIZED VIEW") {
			store(t, k, "after", records...) // what comes from now on is in it, once
			store(t, k, "after", records...)
		}
	}
	if len(statements) < 12 {
		t.Errorf("only %d statements were found", len(statements))
	}
	for part, want := range map[string]string{
		"AS without_rate":         "::ffff:10.10.13.10\t2001:db8::1\t4500000\t1",
		"FROM flowfleet.as_names": "", // the dictionary is made
		"dictGet(":                "4294967295\tEXAMPLE\t4500000",
		"quantileExact":           "edge-1\txe-0/0/3\t120000", // 4,500,000 bytes in 300 s
	} {
		if got := find(part); got != want {
			t.Errorf("%s: %q, want %q", part, got, want)
		}
	}
	if got := strings.Count(find("toIPv6('192.0.2.10')"), "\n"); got != 0 {
		t.Errorf("%d lines about a host that nobody talked to", got)
	}
	expect(t, s, `SELECT src_prefix, src_length, dst_prefix, dst_length, sum(flows), sum(flows_without_rate), sum(bytes), sum(scaled_bytes)
		FROM flowfleet.prefix_pairs_5m GROUP BY ALL ORDER BY ALL`,
		"::ffff:10.10.0.0\t16\t2001:db8::\t32\t3\t0\t4500\t4500000\n::ffff:10.10.13.10\t32\t::\t0\t1\t1\t1500\t\\N")
	if got := find("FROM flowfleet.prefix_pairs_5m"); got != "10.10.0.0/16\t2001:db8::/32\t4500000\n10.10.13.10/32\t::/0\t\\N" {
		t.Errorf("prefixes: %q", got)
	}
	if made := s.Query("SHOW CREATE TABLE flowfleet.flows"); strings.Contains(made, "TTL") {
		t.Errorf("rows are not kept for ever: %s", made)
	}
}

// The share is of all that came in the hour: not the lowest of its minutes; an exporter without numbers has none.
func TestTheGuideSaysWhichShareOfAnHourCame(t *testing.T) {
	s, k := begin(t)
	hour := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	short := &router{t: t, s: s, k: k, begin: hour, address: "192.0.2.1", fleet: map[string]*follower{}, random: rand.New(rand.NewPCG(1, 2))}
	short.start("a")
	short.send(10, "a")
	short.send(5, "") // lost
	short.send(5, "a")
	short.next()
	short.send(20, "a")
	short.next()
	storeMinutes(t, k, "numberless", ledger.Minute{Minute: hour.Unix(), Fleet: "flows/edge", Collector: "a", Run: "a", Share: 1, Kind: ledger.KindDomain,
		Exporter: "192.0.2.2", Protocol: "netflow1", Port: 4000, Records: 3})
	for _, statement := range guideStatements(t) {
		if strings.Contains(statement, "AS received_share") {
			expect(t, s, statement, "::ffff:192.0.2.1\t40\t5\t35\t35\t0.875\n::ffff:192.0.2.2\t0\t0\t3\t0\t\\N")
			return
		}
	}
	t.Error("the guide has no such statement")
}
