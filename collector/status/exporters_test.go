package status

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// many exporters with as many streams each, in order of their keys.
func many(exporters, streams int) *Exporters {
	all := &Exporters{Started: time.Unix(1, 0).UTC(), Time: time.Unix(2, 0).UTC()}
	for i := range exporters {
		e := Exporter{Address: fmt.Sprintf("2001:db8::%04x", i), Protocol: "ipfix", Received: 1<<64 - 1, Records: 1<<64 - 1}
		for j := range streams {
			s := Stream{Port: 65535, Domain: uint32(j), LastSeen: time.Unix(2, 123456789).UTC()}
			s.Span.First, s.Span.Next, s.Span.Units, s.Span.TotalUnits = 1<<63, 1<<64-1, 1<<64-1, 1<<64-1
			e.Streams = append(e.Streams, s)
		}
		all.Exporters = append(all.Exporters, e)
	}
	return all
}

func TestPagesHaveEachExporterOnceAndNoneIsLongerThanItMayBe(t *testing.T) {
	for _, all := range []*Exporters{many(0, 0), many(1, 1), many(MaxExporters, 0), many(MaxExporters+1, 0), many(300, MaxStreams)} {
		var got []string
		after, pages := "", 0
		for {
			text, err := EncodeExporters(all, after)
			if err != nil || len(text) > MaxPageBytes {
				t.Fatalf("%d bytes, %v", len(text), err)
			}
			page, err := DecodeExporters(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			for i := range page.Exporters {
				got = append(got, page.Exporters[i].Key())
			}
			if pages++; page.Next == "" {
				break
			}
			after = page.Next
		}
		var want []string
		for i := range all.Exporters {
			want = append(want, all.Exporters[i].Key())
		}
		if !slices.Equal(got, want) {
			t.Errorf("of %d exporters, %d pages have %d", len(want), pages, len(got))
		}
	}
}

func TestWhatIsNoPageOfExportersIsRefused(t *testing.T) {
	for _, text := range []string{"", "{}", "null", "[]", `{"version":1}`, strings.Repeat(" ", MaxPageBytes+1),
		`{"version":1,"started":"2026-01-01T00:00:00Z","exporters":[` + strings.Repeat("{},", MaxExporters) + "{}]}",
		`{"version":1,"started":"2026-01-01T00:00:00Z","exporters":[{"streams":[` + strings.Repeat("{},", MaxStreams) + "{}]}]}",
		`{"version":1,"started":"2026-01-01T00:00:00Z","exporters":{}}`} {
		if page, err := DecodeExporters(strings.NewReader(text)); err == nil {
			t.Errorf("%.40q became %+v", text, page)
		}
	}
}

func TestAPageOfManyThingsIsRefusedBeforeTheyFillTheMemory(t *testing.T) {
	const begin = `{"version":1,"started":"2026-01-01T00:00:00Z","exporters":[`
	many := strings.Repeat("{},", 99_000) + "{}"
	for _, text := range []string{begin + many + "]}", begin + `{"streams":[` + many + "]}]}", begin + `{"Streams":[` + many + "]}]}"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeExporters(strings.NewReader(text))
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("%.80s: %v", text, err)
		}
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 4 {
			t.Errorf("%.80s of %d KiB took %d MiB of memory", text, len(text)>>10, took)
		}
	}
}

// FuzzDecodeExporters: whatever a pod answers, what is made of it is within the bounds.
func FuzzDecodeExporters(f *testing.F) {
	text, err := EncodeExporters(many(3, 2), "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":2,"started":"2026-01-01T00:00:00Z","new":1,"exporters":[{"address":"\u0000"}],"next":"\n"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		page, err := DecodeExporters(bytes.NewReader(text))
		if err != nil {
			return
		}
		if len(page.Exporters) > MaxExporters || len(page.Next) > MaxText {
			t.Fatalf("%+v", page)
		}
		for _, e := range page.Exporters {
			if len(e.Streams) > MaxStreams || len(e.Address) > maxWord {
				t.Fatalf("%+v", e)
			}
		}
	})
}

// Without the time of the page nobody knows how long ago anything was: it would be taken for just now.
func TestAPageWithoutItsTimeIsRefused(t *testing.T) {
	for text, good := range map[string]bool{
		`{"version": 1, "started": "2026-01-01T00:00:00Z", "time": "2026-01-01T00:00:01Z"}`: true,
		`{"version": 1, "started": "2026-01-01T00:00:00Z"}`:                                 false,
		`{"version": 1, "time": "2026-01-01T00:00:01Z"}`:                                    false,
	} {
		if _, err := DecodeExporters(strings.NewReader(text)); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}
