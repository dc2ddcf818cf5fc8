package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/publish"
)

// startWithNameRecords starts a collector that publishes changes of names.
func startWithNameRecords(t *testing.T, name, nats string) *process {
	t.Helper()
	return startConfigured(t, name, strings.NewReplacer("NAME", name, "NATS", nats).Replace(`
instance: NAME
listeners: [{name: any, address: "127.0.0.1:0", workers: 2}]
nats: {urls: ["NATS"]}
templateStore: {maxBytes: -1, loadTimeout: 60s}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
output: {names: Changes, stream: {maxBytes: -1}, batch: {maxAge: 20ms}}
`)).awaitReady()
}

// nameRecords are what a stream has of names, with how many messages these are.
func nameRecords(t *testing.T, s *natstest.Server) (messages int, out []names.Record) {
	t.Helper()
	for _, m := range messagesOf(t, s) {
		if ofNames := m.Subject == "flows.default.collector.names"; ofNames != (m.Header.Get(publish.HeaderEncoding) == publish.EncodingNames) {
			t.Errorf("%s has the encoding %q", m.Subject, m.Header.Get(publish.HeaderEncoding))
		} else if !ofNames {
			continue
		}
		messages++
		for line := range strings.Lines(string(m.Data)) {
			var r names.Record
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			out = append(out, r)
		}
	}
	return messages, out
}

// Two collectors hear a table at once, one of them a reassignment, and the other one after a restart all of it again.
func TestChangesOfNamesArePublishedOnceWithTheTimeFromWhichTheyHold(t *testing.T) {
	s := natstest.Start(t)
	a, b := startWithNameRecords(t, "a", s.URL()), startWithNameRecords(t, "b", s.URL())
	e := newExporter(t, 1)
	expect := func(messages int, want ...string) {
		t.Helper()
		var got []string
		natstest.Eventually(t, fmt.Sprintf("there are %q", want), func() bool {
			n, records := nameRecords(t, s)
			got = nil
			for _, r := range records {
				got = append(got, fmt.Sprintf("%s %s %s@%d", r.Exporter, r.Number, r.Name, r.ValidFrom))
			}
			return n == messages && slices.Equal(got, want)
		})
	}
	first := e.message(2, interfaceNames("Te0/0/0", "Te0/0/1")...)
	said := e.now
	e.write(a.port, first)
	e.write(b.port, first)
	names := []string{fmt.Sprintf("127.0.0.1 1 Te0/0/0@%d", said), fmt.Sprintf("127.0.0.1 2 Te0/0/1@%d", said)}
	expect(1, names...)
	natstest.Eventually(t, "both know both", func() bool {
		return a.metric("names_rows", "interfaces") == 2 && b.metric("names_rows", "interfaces") == 2
	})
	for _, c := range []*process{a, b} { // what is still to be handed on would go with what comes next
		c.atRest()
		natstest.Eventually(t, "it is handed on", func() bool { return c.metric("name_records_waiting") == 0 })
	}

	e.send(a.port, 2, interfaceNames("Te0/0/0", "Te0/0/2")...)
	names = append(names, fmt.Sprintf("127.0.0.1 2 Te0/0/2@%d", e.now))
	expect(2, names...)
	e.send(b.port, 0, withInterfaces.template())
	e.send(b.port, 1, crossing(1, 1, 2))
	b.atRest()

	a.terminate()
	a = startWithNameRecords(t, "a", s.URL())
	e.send(a.port, 2, interfaceNames("Te0/0/0", "Te0/0/2")...)
	e.send(a.port, 2, interfaceNames("Te0/0/0", "Te0/0/2", "Te0/0/3")...)
	expect(3, append(names, fmt.Sprintf("127.0.0.1 3 Te0/0/3@%d", e.now))...)
	natstest.Eventually(t, "it is counted", func() bool { return a.metric("name_records_published_total") == 1 })
	if lost := a.metric("name_records_lost_total", "replaced") + a.metric("name_records_waiting"); lost != 0 {
		t.Errorf("%v are lost or wait", lost)
	}
	a.terminate()
	b.terminate()

	out, err := execute(t, "", "tail", "--server", s.URL(), "--stream", "flows", "--all", "-n", "1", "--json")
	if lines := strings.Count(out, "\n"); err != nil || lines != 1 {
		t.Errorf("tail shows %d flows, %v:\n%s", lines, err, out)
	}
	out, err = execute(t, "", "names", "show", "--json", "--server", s.URL())
	if err != nil || !strings.Contains(out, fmt.Sprintf(`"valid_from":%d,`, e.now)) || strings.Count(out, "\n") != 3 {
		t.Errorf("%v: readers that begin later read\n%s", err, out)
	}
}

func TestWhereNoNamesAreKnownTheCommandSaysWhatToDo(t *testing.T) {
	s := natstest.Start(t)
	startCollector(t, "a", s.URL(), "").awaitReady().terminate()
	for _, command := range []string{"list", "show"} {
		out, err := execute(t, "", "names", command, "--server", s.URL())
		if err != nil || !strings.HasPrefix(out, "No names are known yet.") || strings.Contains(out, "EXPORTER") {
			t.Errorf("%v\n%s", err, out)
		}
		out, err = execute(t, "", "names", command, "--server", s.URL(), "--exporter", "192.0.2.1")
		if err != nil || !strings.HasPrefix(out, "Nothing is known of that.") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err = execute(t, "", "names", command, "--server", s.URL(), "--json"); err != nil || out != "" {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
