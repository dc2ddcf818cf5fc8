package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/share"
	"github.com/flowfleet/flowfleet/collector/template"
)

// withInterfaces are flows that say where they came in and went out.
var withInterfaces = layout{303, [][2]uint16{{1, 4}, {2, 4}, {10, 4}, {14, 4}}}

// crossing is a set with a flow of these interfaces.
func crossing(number, in, out uint32) []byte {
	var b []byte
	for _, v := range []uint32{number, packetsOfTest, in, out} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return set(withInterfaces.id, b)
}

// interfaceNames are sets with an options table of interfaces from number 1 on, by the options template 400.
func interfaceNames(list ...string) [][]byte {
	const length = 24
	t := []uint16{400, 2, 1, 10, 4, 82, length}
	var head, rows []byte
	for _, v := range t {
		head = binary.BigEndian.AppendUint16(head, v)
	}
	for i, name := range list {
		if name != "" {
			rows = binary.BigEndian.AppendUint32(rows, uint32(i+1))
			rows = append(append(rows, name...), make([]byte, length-len(name))...)
		}
	}
	return [][]byte{set(3, head), set(400, rows)}
}

// namedFlows are the names of the flows of the stream so far, by their numbers.
func namedFlows(t *testing.T, s *natstest.Server, least int) map[uint64]string {
	t.Helper()
	out := make(map[uint64]string)
	natstest.Eventually(t, fmt.Sprintf("%d records are published", least), func() bool {
		for _, r := range published(t, s) {
			out[r.Bytes] = r.NameText(flow.InIfName).String() + " -> " + r.NameText(flow.OutIfName).String()
		}
		return len(out) >= least
	})
	return out
}

func TestATableToOneNamesTheFlowsOfTheOtherAndOfAllAfterARestart(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, withInterfaces.template())
	e.send(a.port, 2, interfaceNames("Te0/0/0", "Te0/0/1")...)
	natstest.Eventually(t, "the other has both", func() bool { return b.metric("names_rows", "interfaces") == 2 && b.metric("templates") == 2 })
	e.send(b.port, 1, crossing(1, 1, 2))
	if got := namedFlows(t, s, 1); got[1] != "Te0/0/0 -> Te0/0/1" {
		t.Errorf("a flow to the other collector is %q", got[1])
	}
	natstest.Eventually(t, "the flow counts as named", func() bool { return b.metric("records_named_total", "interfaces") == 1 })
	a.checkLedger()
	b.checkLedger()
	a.terminate()
	b.terminate()

	for i, p := range []*process{startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()} {
		n := uint32(10 + i)
		e.send(p.port, 1, crossing(n, 1, 2))
		if got := namedFlows(t, s, 2+i); got[uint64(n)] != "Te0/0/0 -> Te0/0/1" {
			t.Errorf("the first flow after the restart of all is %q", got[uint64(n)])
		}
	}

	out, err := execute(t, "", "names", "list", "--server", s.URL())
	if err != nil || !strings.Contains(out, "127.0.0.1  1       interfaces  2 ") {
		t.Errorf("names list: %v\n%s", err, out)
	}
	out, err = execute(t, "", "names", "show", "--json", "--table", "interfaces", "--server", s.URL())
	var row shownName
	if err != nil || json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &row) != nil || row.Name != "Te0/0/0" || row.Number != "1" {
		t.Errorf("names show: %v\n%s", err, out)
	}
	if out, err := execute(t, "", "templates", "list", "--server", s.URL()); err != nil || strings.Contains(out, "n1.") {
		t.Errorf("templates list shows names: %v\n%s", err, out)
	}
}

func TestAReassignmentThatTheBucketHasIsOnTheFlowsOfTheOther(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, withInterfaces.template())
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	manifest := func() (revision uint64) {
		if kv, err := js.KeyValue(t.Context(), "flowfleet-templates"); err == nil {
			if entry, err := kv.Get(t.Context(), "n1.names.127-0-0-1.1.any.interfaces"); err == nil {
				revision = entry.Revision()
			}
		}
		return revision
	}
	n, before := uint32(0), uint64(0)
	for round := range 5 {
		name := fmt.Sprint("port ", round)
		e.send(a.port, 1, interfaceNames(name)...)
		natstest.Eventually(t, "the bucket has the new name", func() bool { return manifest() > before })
		before = manifest()
		// The bound: what the bucket has is in force once the watch has delivered it.
		natstest.Eventually(t, "the watch has delivered it", func() bool {
			n++
			e.send(b.port, 1, crossing(n, 1, 0))
			return namedFlows(t, s, int(n))[uint64(n)] == name+" -> "
		})
		for range 20 {
			n++
			e.send(b.port, 1, crossing(n, 1, 0))
		}
		got := namedFlows(t, s, int(n))
		for i := n - 19; i <= n; i++ {
			if got[uint64(i)] != name+" -> " {
				t.Errorf("flow %d carries %q, not %q", i, got[uint64(i)], name)
			}
		}
	}
}

func TestNamesOfAFileAreTakenUpWithoutARestart(t *testing.T) {
	s := natstest.Start(t)
	file := filepath.Join(t.TempDir(), "names.csv")
	write := func(content string) {
		if err := os.WriteFile(file+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write("127.0.0.1,interfaces,1,from the file\n")
	a := startCollector(t, "a", s.URL(), "exporters: {namesFile: "+file+"}").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, withInterfaces.template())
	e.send(a.port, 1, interfaceNames("from the exporter", "only from the exporter")...)
	e.send(a.port, 1, crossing(1, 1, 2))
	if got := namedFlows(t, s, 1); got[1] != "from the file -> only from the exporter" {
		t.Errorf("the flow is %q", got[1])
	}
	time.Sleep(10 * time.Millisecond) // the file's time is to differ
	write("exporter,table,key,name\n127.0.0.0/8,interfaces,1,another\n127.0.0.1,interfaces,2,nonsense,,,\n")
	n := uint32(1)
	natstest.Eventually(t, "the file is taken up", func() bool {
		n++
		e.send(a.port, 1, crossing(n, 1, 2))
		return namedFlows(t, s, int(n))[uint64(n)] == "another -> only from the exporter"
	})
	if a.logs.find("the file with names has faults; what can be read of it holds") == nil {
		t.Error("the wrong line is not named")
	}
}

func TestWithoutNamesNothingIsLearnedOrRead(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "decoding: {names: []}").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, withInterfaces.template())
	e.send(a.port, 2, interfaceNames("Te0/0/0", "Te0/0/1")...)
	natstest.Eventually(t, "the other has the template", func() bool { return b.metric("templates") == 2 })
	e.send(b.port, 2, interfaceNames("Te0/0/0", "Te0/0/1")...)
	e.send(b.port, 1, crossing(1, 1, 2))
	if got := namedFlows(t, s, 1); got[1] != " -> " {
		t.Errorf("the flow is %q", got[1])
	}
	if b.family("names_rows") != nil || b.metric("store_values_ignored_total") > 0 {
		t.Error("names are read where nobody asked for any")
	}
	b.checkLedger()
}

// What is in the bucket is shown, however late a stamp it has: one entry keeps nobody from seeing the others. What its writer is called does nothing
// to a terminal.
func TestAnEntryOfTheBucketIsShownWhateverItSays(t *testing.T) {
	var tables []sharedTable
	var entries []share.Entry
	for _, seconds := range []uint64{1_700_000_000, template.LastSecond - 1} {
		e := share.Entry{Key: template.Key{Scope: template.Scope{Exporter: netip.MustParseAddr("192.0.2.1")}, Family: template.FamilyNames, ID: uint64(names.VRFs)},
			Value: share.Value{Kind: template.KindNames, Stamp: template.StampOf(seconds), Writer: "\x1b[2J"}}
		entries = append(entries, e)
		tables = append(tables, sharedTable{Entry: e, table: names.VRFs, rows: []names.Entry{{Number: 7, Row: names.Row{Name: "red"}, Stamp: e.Stamp}}})
	}
	tables[0].Heard, tables[1].Heard = time.Now(), time.Now()
	entries = append(entries, share.Entry{Key: template.Key{Scope: entries[0].Key.Scope, Family: template.FamilyClock},
		Value: share.Value{Kind: template.KindClock, Record: bytes.Repeat([]byte{255}, 8)}})
	for name, show := range map[string]func(io.Writer) error{
		"names list":     func(w io.Writer) error { return printTables(w, tables, true) },
		"names show":     func(w io.Writer) error { return printRows(w, tables, true) },
		"templates list": func(w io.Writer) error { return printEntries(w, entries[1:], true, false) },
	} {
		var out bytes.Buffer
		if err := show(&out); err != nil || strings.Count(out.String(), "\n") != len(tables) {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
	for name, show := range map[string]func(io.Writer) error{
		"names list":     func(w io.Writer) error { return printTables(w, tables, false) },
		"templates list": func(w io.Writer) error { return printEntries(w, entries, false, false) },
		"templates show": func(w io.Writer) error { return printEntries(w, entries, false, true) },
	} {
		var out bytes.Buffer
		if err := show(&out); err != nil || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: %v\n%q", name, err, out.String())
		}
	}
}
