package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/publish"
)

// What the rows are compared with is what the stream holds: the sum of what its messages say, also where that is many messages, or none.
func TestRecordsOfAStreamAreThoseOfItsMessages(t *testing.T) {
	js, err := jetstream.New(natstest.Connect(t, natstest.Start(t).URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}}); err != nil {
		t.Fatal(err)
	}
	counted := func() uint64 {
		t.Helper()
		stream, err := js.Stream(t.Context(), "flows")
		if err != nil {
			t.Fatal(err)
		}
		n, err := count(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := counted(); n != 0 {
		t.Errorf("an empty stream has %d records", n)
	}
	for range 700 {
		m := nats.NewMsg("flows.ipfix")
		m.Header.Set(publish.HeaderCount, "10")
		m.Data = []byte("contents that nobody needs")
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.Publish(t.Context(), "flows.ledger", []byte("no flows")); err != nil {
		t.Fatal(err)
	}
	if n := counted(); n != 7000 {
		t.Errorf("%d records, want 7000", n)
	}
}

// Who shares the machine with others waits longer, and not in vain: only rows that stand still end it.
func TestTheDemoWaitsAsLongAsRowsCome(t *testing.T) {
	for name, test := range map[string]struct {
		counts []uint64 // the last one stays
		rows   uint64
		fails  string
	}{
		"rows come one by one":     {[]uint64{0, 1, 2, 3, 4}, 4, ""},
		"more than are in the way": {[]uint64{9}, 9, ""},
		"rows stand still":         {[]uint64{0, 1, 2}, 2, "2 rows are stored of 4 records, and no more come"},
		"none ever comes":          {[]uint64{0}, 0, "0 rows are stored of 4 records"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			patience := time.Millisecond
			if test.fails == "" {
				patience = time.Minute // however long the machine stands still
			}
			rows, err := awaitRows(t.Context(), patience, 4, func() (uint64, error) {
				asked++
				return test.counts[min(asked, len(test.counts))-1], nil
			}, func(string, ...any) {})
			if rows != test.rows || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%d rows, %v", rows, err)
			}
		})
	}
}

func TestTheLastTableHasTheRowsBesideTheRecords(t *testing.T) {
	got := talkers("TABLE", 896140, 896140)
	for _, want := range []string{topTalkers, "\nTABLE\n", "records in the stream     896140\n", "rows in ClickHouse        896140\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %q:\n%s", want, got)
		}
	}
}

func TestOfFlowsThatAreNotStoredTheDemoSaysWhyAndWhatToType(t *testing.T) {
	said := notStored(errors.New("7 rows are stored of 9 records"), "flows")
	for _, want := range []string{"7 rows are stored of 9 records", "kubectl -n flows describe flowsink rows\n", `"make demo" tries again`} {
		if !strings.Contains(said, want) {
			t.Errorf("it lacks %q:\n%s", want, said)
		}
	}
}
