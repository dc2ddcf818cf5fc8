package main

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

func TestMain(m *testing.M) {
	clickhousetest.ServeIfAsked()
	m.Run()
}

func TestADemoWithoutClickHouseSaysInOneLineWhatToType(t *testing.T) {
	missing := errors.Join(fs.ErrNotExist)
	for name, test := range map[string]struct {
		ours      bool
		find, npm error
		words     []string
	}{
		"all is here":              {true, nil, nil, nil},
		"no npm, and none needed":  {true, nil, errors.New("no npm"), nil},
		"somebody else's cluster":  {false, nil, nil, []string{"docs/clickhouse.md"}},
		"no engine":                {true, missing, nil, []string{"566 MB", `"go run ./hack/chdb"`, `"make demo" again`}},
		"neither engine nor npm":   {true, missing, errors.New("no npm"), []string{"566 MB", "install npm", `"go run ./hack/chdb"`}},
		"a machine without engine": {true, errors.New("it is for Linux on amd64"), nil, []string{"Linux on amd64"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := lacking(test.ours, test.find, test.npm)
			if (got == "") != (test.words == nil) || strings.Contains(got, "\n") {
				t.Errorf("%q", got)
			}
			for _, words := range test.words {
				if !strings.Contains(got, words) {
					t.Errorf("%q lacks %q", got, words)
				}
			}
		})
	}
}

// An engine that is not there is one that somebody can have.
func TestOfAnEngineThatDoesNotRunTheDemoSaysWhatStartsIt(t *testing.T) {
	t.Setenv("FLOWFLEET_CACHE", t.TempDir())
	if err := query(t.Context(), ""); err == nil || !strings.Contains(err.Error(), `"make demo" starts one`) {
		t.Errorf("%v", err)
	}
}

func TestTheFlowSinkIsOne(t *testing.T) {
	var sink v1alpha1.FlowSink
	if err := yaml.UnmarshalStrict([]byte(sinkManifest(rig.Fleet{Namespace: "flows", Name: "edge"})), &sink); err != nil {
		t.Fatal(err)
	}
	if sink.Namespace != "flows" || sink.Name != sinkName || sink.Spec.From.FlowCollector != "edge" || !sink.Spec.ClickHouse.CreateTables ||
		sink.Spec.ClickHouse.URL != "http://10.77.0.1:8123" {
		t.Errorf("%+v", sink)
	}
}

func TestWhatTheDemoStoredCanBeAskedForByTheCommandThatItPrints(t *testing.T) {
	command := "make demo-query SQL='" + firstQuestion + "'"
	if said := next(true, true, "flows"); strings.Count(said, command) != 1 {
		t.Errorf("it does not say %s:\n%s", command, said)
	}
	for _, said := range []string{next(true, false, "flows"), next(false, false, "flows")} {
		if strings.Contains(said, "demo-query") || strings.Contains(said, "NAMESPACE") || strings.Contains(said, "ASK") {
			t.Errorf("nothing was stored, and it says:\n%s", said)
		}
	}
	s := clickhousetest.Start(t)
	for _, statement := range (clickhouse.Tables{Database: "flowfleet"}).Statements() {
		s.Query(statement)
	}
	s.Query("INSERT INTO flowfleet.flows (type, bytes, sampling_rate) VALUES ('IPFIX', 7, 100)")
	if got, want := s.Query(firstQuestion), "IPFIX\t1\t700"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The demo's query runs on the tables of a FlowSink, in ClickHouse's engine: by name of exporter and interface, of scaled bytes, the largest
// first; flows whose rate nobody knows count nothing, and come last.
func TestTopTalkersAreByNameAndScaledVolume(t *testing.T) {
	s := clickhousetest.Start(t)
	for _, statement := range (clickhouse.Tables{Database: "flowfleet"}).Statements() {
		s.Query(statement)
	}
	s.Query("INSERT INTO flowfleet.flows (exporter_name, in_if_name, bytes, sampling_rate) VALUES " +
		"('branch-01', 'ge-0/0/1', 1024, 100), ('branch-01', 'ge-0/0/1', 1024, 100), ('branch-02', 'ge-0/0/2', 1024, 150), " +
		"('office', 'lan', 999999, 0), ('office', '', 999999, 1)")
	got, want := s.Query(topTalkers), "branch-01\tge-0/0/1\t200.00 KiB\nbranch-02\tge-0/0/2\t150.00 KiB\noffice\tlan\t\\N"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
