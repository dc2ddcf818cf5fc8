package clickhouse

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
)

// The docs name two sets of rights: what a sink needs, and what it needs besides to make the tables.
func TestTheRightsThatTheDocsNameAreEnough(t *testing.T) {
	docs, err := os.ReadFile("../../../docs/clickhouse.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^    (GRANT .* ON flowfleet\.\*) TO sink;`).FindAllStringSubmatch(string(docs), -1)
	if len(found) != 2 {
		t.Fatalf("the docs have %d GRANTs instead of two", len(found))
	}
	toStore, toMake := found[0][1], found[1][1]
	s := clickhousetest.Start(t)
	s.Kill()
	s.RestartWith(toStore)
	if refused, ok := s.Try(DefaultTables.Statements()[0]); ok {
		t.Errorf("the first set alone makes tables, so that this test tells nothing: %s", refused)
	}
	s.Kill()
	s.RestartWith(toStore, toMake)
	for range 2 { // missing, and there
		for _, statement := range DefaultTables.Statements() {
			s.Query(statement)
		}
	}
	s.Kill()
	s.RestartWith(toStore)
	c := Config{URL: s.URL()}
	c.SetDefaults()
	record := sample()
	record.TimeReceivedNs = uint64(time.Now().UnixNano()) // what is older than 30 days goes
	store(t, New(c), "a", record)
	expect(t, s, "SELECT count() FROM flowfleet.flows", "1")
	expect(t, s, "SELECT version FROM flowfleet.schema_version", strconv.Itoa(Version))
}
