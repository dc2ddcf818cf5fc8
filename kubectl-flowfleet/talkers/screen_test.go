package talkers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/flowfleet/flowfleet/collector/top"
)

// report of 10 s with two exporters, of which one is sampled at an unknown rate.
func report() top.Report {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	big, small := top.Volume{Bytes: 3_000_000_000, Packets: 3_000_000, Flows: 1000}, top.Volume{Bytes: 1_000_000_000, Packets: 1_000_000, Flows: 50, Unscaled: 50}
	all := big
	all.Add(small)
	return top.Report{By: "exporter", From: noon, To: noon.Add(10 * time.Second), Total: all, Keyed: all, Keys: 2,
		Rows: []top.Row{{Key: "192.0.2.1 (edge-1)", Volume: big}, {Key: "192.0.2.2", Volume: small}}}
}

// started is a Screen of a size that has taken its first report; what it is asked for is sent to asked.
func started(t *testing.T, width, height int) (screen *Screen, asked chan string) {
	t.Helper()
	asked = make(chan string, 10)
	screen = NewScreen(t.Context(), func(ctx context.Context, by, sort string, each func(top.Report)) error {
		asked <- by + " by " + sort
		each(report())
		<-ctx.Done()
		return nil
	}, "flows/edge", "exporter", "bytes")
	screen.Update(tea.WindowSizeMsg{Width: width, Height: height})
	screen.Update(screen.Init()())
	return screen, asked
}

func TestAScreenShowsWhatWeighsMostWithBars(t *testing.T) {
	screen, _ := started(t, 100, 14)
	want := `flows/edge   3.20 G bit/s, 400 k packets/s, 105 flows/s over 10 s
 exporter  interface  source  destination  conversation  source-as  destination-as  port  protocol …

EXPORTER              ▼ BIT/S  PACKETS/S    FLOWS/S      SHARE
192.0.2.1 (edge-1)     2.40 G      300 k        100      75.0% ████████████████████████████████████
192.0.2.2              800 M*      100 k          5      25.0% ████████████

* 5% of the flows have no sampling rate: their volume is as exported





tab or 1-9, 0: by what   s: order   space: pause   q: quit`
	got := ansi.Strip(screen.draw())
	var lines []string
	for line := range strings.Lines(got) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	if got = strings.Join(lines, "\n"); got != want {
		t.Errorf("\n%s\ninstead of\n%s", got, want)
	}
}

// On any terminal no line is wider, and there are not more of them, than it has room for.
func TestAScreenFitsAnyTerminal(t *testing.T) {
	for _, size := range []struct{ width, height int }{{1, 1}, {20, 5}, {40, 10}, {80, 24}, {300, 100}} {
		screen, _ := started(t, size.width, size.height)
		lines := strings.Split(screen.draw(), "\n")
		if len(lines) > max(size.height, 2) {
			t.Errorf("%d lines on %dx%d", len(lines), size.width, size.height)
		}
		for _, line := range lines {
			if ansi.StringWidth(line) > size.width {
				t.Errorf("%q on %dx%d", line, size.width, size.height)
			}
		}
	}
}

func TestKeysChooseWhatIsAskedFor(t *testing.T) {
	screen, asked := started(t, 80, 24)
	if got := <-asked; got != "exporter by bytes" {
		t.Error(got)
	}
	for _, press := range []struct{ key, want string }{
		{"tab", "interface by bytes"}, {"left", "exporter by bytes"}, {"left", "application by bytes"}, {"5", "conversation by bytes"},
		{"0", "application by bytes"}, {"s", "application by packets"}, {"s", "application by flows"}, {"r", "application by flows"},
	} {
		if screen.key(press.key) == nil {
			t.Fatalf("%s asks for nothing", press.key)
		}
		if got := <-asked; got != press.want {
			t.Errorf("%s asks for %s, not for %s", press.key, got, press.want)
		}
		if screen.report != nil {
			t.Errorf("after %s the report of before is shown", press.key)
		}
	}
	if screen.key("x") != nil || screen.key("space") != nil || !screen.paused {
		t.Error("a key that means nothing asks, or the pause does not hold")
	}
}

// What a reading of before still sends, or says as it ends, is not taken for an answer.
func TestOnlyTheLastReadingCounts(t *testing.T) {
	screen, _ := started(t, 80, 24)
	before := screen.current
	screen.key("tab")
	late := report()
	screen.Update(reported{before, &late})
	screen.Update(reported{from: before})
	if screen.report != nil || screen.ended {
		t.Error("it counts")
	}
}

func TestAFailureBeforeAnythingWasShownEndsTheScreen(t *testing.T) {
	screen := NewScreen(t.Context(), func(context.Context, string, string, func(top.Report)) error {
		return errors.New("no collector is ready")
	}, "flows/edge", "exporter", "bytes")
	_, command := screen.Update(screen.Init()())
	if command == nil {
		t.Fatal("it stays")
	}
	if _, quits := command().(tea.QuitMsg); !quits || screen.Err() == nil {
		t.Errorf("quits: %t, and says %v", quits, screen.Err())
	}
}

// It is told once: on the screen, and not again after it.
func TestALaterFailureIsShownWithWhatToDo(t *testing.T) {
	screen, _ := started(t, 40, 12)
	const why = "no connection to NATS at nats://nats.nats:4222 after 10s: connection refused"
	screen.source = func(context.Context, string, string, func(top.Report)) error { return errors.New(why) }
	_, command := screen.Update(screen.key("tab")())
	text := ansi.Strip(screen.draw())
	if command != nil || screen.Err() != nil || !strings.Contains(text, "r asks again") {
		t.Errorf("%v\n%s", screen.Err(), text)
	}
	for _, word := range strings.Fields(why) {
		if !strings.Contains(text, word) {
			t.Errorf("%q is not on the screen:\n%s", word, text)
		}
	}
}
