package talkers

import (
	"flag"
	"fmt"
	"html"
	"os"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/flowfleet/flowfleet/collector/top"
)

var update = flag.Bool("update", false, "write the pictures of the docs anew")

// The picture in the docs is what the screen draws: go test ./kubectl-flowfleet/talkers -update
func TestThePictureInTheDocsIsTheScreen(t *testing.T) {
	const file = "../../docs/top.svg"
	screen, _ := started(t, 100, 16)
	screen.by = 1
	r := report()
	r.By, r.Rows = "interface", nil
	for i, key := range []string{"192.0.2.1 HundredGigE0/0/0/1 in", "192.0.2.2 xe-0/0/7 out", "192.0.2.1 HundredGigE0/0/0/4 out", "192.0.2.7 ethernet1/1 in",
		"192.0.2.2 xe-0/0/7 in", "2001:db8::7 interface 12 out"} {
		v := top.Volume{Bytes: 2_000_000_000 >> i, Packets: 2_100_000 >> i, Flows: 900 >> i}
		r.Rows = append(r.Rows, top.Row{Key: key, Volume: v})
	}
	r.Keys, r.Rest = 41, top.Volume{Bytes: 150_000_000, Packets: 200_000, Flows: 90}
	r.Keyed, r.Total = r.Rest, top.Volume{}
	for _, row := range r.Rows {
		r.Keyed.Add(row.Volume)
	}
	r.Total = r.Keyed
	screen.report = &r
	picture := svg(screen.draw(), screen.width)
	if *update {
		if err := os.WriteFile(file, []byte(picture), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != picture {
		t.Errorf("%s is not what the screen draws (%v): run this test with -update", file, err)
	}
}

// svg is a picture of text on a terminal, in the colours of a dark one.
func svg(text string, width int) string {
	const wide, high, margin = 8.4, 18.0, 12.0
	lines := strings.Split(text, "\n")
	var b strings.Builder
	w, h := 2*margin+wide*float64(width), 2*margin+high*float64(len(lines))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="monospace" font-size="14">`+"\n", w, h)
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" rx="6" fill="#1c2128"/>`+"\n", w, h)
	for i, line := range lines {
		plain, y := ansi.Strip(line), margin+high*float64(i)+14
		before, bars, _ := strings.Cut(plain, "█")
		if before = strings.TrimRight(before, " "); before != "" {
			fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" fill="#d0d7de" textLength="%.1f" xml:space="preserve">%s</text>`+"\n", margin, y,
				wide*float64(ansi.StringWidth(before)), html.EscapeString(before))
		}
		if n := strings.Count(plain, "█"); n > 0 {
			at := ansi.StringWidth(plain) - ansi.StringWidth(bars) - 1
			fmt.Fprintf(&b, `<rect x="%.1f" y="%.0f" width="%.1f" height="13" fill="#39c5cf"/>`+"\n", margin+wide*float64(at), y-11, wide*float64(n))
		}
	}
	return b.String() + "</svg>\n"
}
