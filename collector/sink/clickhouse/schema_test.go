package clickhouse

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/flowfleet/flowfleet/collector/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestEveryFieldOfAFlowHasItsColumn(t *testing.T) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(schema.Descriptor(), &set); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, f := range set.File[0].MessageType[0].Field {
		if f.GetName() != "fields" { // those without a place in a flow, which have no column
			want = append(want, f.GetName())
		}
	}
	for _, c := range columns {
		got = append(got, c.source())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flow.proto and columns differ:\n%s", diff)
	}
}

// The golden files are what a reader of a change looks at; with -update they are written.
func TestStatements(t *testing.T) {
	for name, tables := range map[string]Tables{
		"server.sql":  DefaultTables,
		"cluster.sql": {Database: "flows", Cluster: "main", Retention: Retention{Flows: 48 * time.Hour}},
	} {
		got := strings.Join(tables.Statements(), ";\n\n") + ";\n"
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s differs; if that is right, raise Version and run the test with -update:\n%s", name, diff)
		}
	}
}

func TestWrongTablesAreNamed(t *testing.T) {
	for _, tables := range []Tables{
		{Database: ""}, {Database: "a b"}, {Database: "a;DROP"}, {Database: "1a"}, {Database: "a", Cluster: "x'"},
		{Database: "a", Retention: Retention{Flows: time.Minute}}, {Database: "a", Retention: Retention{FiveMinutes: -time.Hour}},
	} {
		if tables.Check() == nil {
			t.Errorf("%+v is accepted", tables)
		}
	}
	for _, tables := range []Tables{DefaultTables, {Database: "a", Cluster: "main-1"}} {
		if err := tables.Check(); err != nil {
			t.Error(err)
		}
	}
}
