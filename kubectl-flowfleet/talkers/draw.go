package talkers

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/flowfleet/flowfleet/collector/top"
)

// Colours of the terminal's own palette, so that they fit its theme.
var (
	bold    = lipgloss.NewStyle().Bold(true)
	faint   = lipgloss.NewStyle().Faint(true)
	chosen  = lipgloss.NewStyle().Reverse(true).Bold(true)
	bar     = lipgloss.NewStyle().Foreground(lipgloss.Cyan)
	warning = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
)

// Widths of the columns of figures, and the least of the others.
const (
	figure   = 11
	leastKey = 16
	mostBar  = 40
	// around are the lines that are no rows: title, dimensions, two empty ones, headings, others, notes, keys.
	around = 9
)

// draw is the whole screen.
func (s *Screen) draw() string {
	lines := []string{s.heading(), s.dimensions(), ""}
	switch {
	case s.report == nil && s.err != nil:
		for line := range strings.SplitSeq(ansi.Wrap(s.err.Error(), s.width, ""), "\n") {
			lines = append(lines, warning.Render(line))
		}
		lines = append(lines, "", "r asks again.")
	case s.report == nil && s.ended:
		lines = append(lines, warning.Render("The collector ended. r asks again."))
	case s.report == nil:
		lines = append(lines, "Reading flows ...")
	case s.report.Total.Flows == 0:
		lines = append(lines, s.report.Nothing())
	default:
		lines = append(lines, s.table()...)
	}
	for len(lines) < s.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(s.height-1, 1)], faint.Render("tab or 1-9, 0: by what   s: order   space: pause   q: quit"))
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], s.width, "…")
	}
	return strings.Join(lines, "\n")
}

func (s *Screen) heading() string {
	text := bold.Render(s.title)
	if s.report != nil {
		text += "   " + s.report.Summary()
	}
	switch {
	case s.paused:
		text += "   " + warning.Render("paused")
	case s.ended && s.report != nil:
		text += "   " + warning.Render("ended: r asks again")
	}
	return text
}

// dimensions are all, the chosen one marked; of what a narrow screen has no room for, those around the chosen one are shown.
func (s *Screen) dimensions() string {
	first, width := s.by, 0
	for i := s.by; i >= 0; i-- {
		if width += len(top.Dimensions[i].Name) + 2; width > s.width {
			break
		}
		first = i
	}
	var text strings.Builder
	for i := first; i < len(top.Dimensions); i++ {
		style := faint
		if i == s.by {
			style = chosen
		}
		text.WriteString(style.Render(" " + top.Dimensions[i].Name + " "))
	}
	return text.String()
}

// table has the rows with bars, which compare them with the heaviest.
func (s *Screen) table() []string {
	r := s.report
	key, bars := s.columns()
	lines := []string{bold.Render(row(key, top.Dimensions[s.by].Title, s.columnTitles()...))}
	most := 0.0
	for i, one := range r.Rows {
		if i >= s.height-around {
			break
		}
		weight := s.weight(one.Volume)
		most = max(most, weight)
		lines = append(lines, s.line(key, one.Key, one.Volume)+" "+bar.Render(strings.Repeat("█", portion(weight, most, bars))))
	}
	rest := r.Rest
	shown := len(lines) - 1
	for _, one := range r.Rows[shown:] {
		rest.Add(one.Volume)
	}
	if rest.Flows > 0 {
		copied := *r
		copied.Rows = r.Rows[:shown]
		lines = append(lines, faint.Render(s.line(key, copied.Others(), rest)))
	}
	lines = append(lines, "")
	for _, note := range r.Notes() {
		lines = append(lines, faint.Render(note))
	}
	return lines
}

// columns are the widths of keys and of bars.
func (s *Screen) columns() (key, bars int) {
	longest := leastKey
	for _, one := range s.report.Rows {
		longest = max(longest, ansi.StringWidth(one.Key))
	}
	free := s.width - 4*figure - 2
	key = max(min(longest, free), leastKey)
	return key, max(min(free-key, mostBar), 0)
}

func (s *Screen) columnTitles() []string {
	titles := []string{"BIT/S", "PACKETS/S", "FLOWS/S"}
	titles[s.sort] = "▼ " + titles[s.sort]
	return append(titles, "SHARE")
}

func (s *Screen) line(key int, name string, v top.Volume) string {
	r := s.report
	share := 0.0
	if all := s.weight(r.Keyed); all > 0 {
		share = s.weight(v) / all
	}
	return row(key, name, top.Mark(top.SI(r.BitsPerSecond(v)), v), top.SI(r.PacketsPerSecond(v)), top.SI(r.FlowsPerSecond(v)),
		fmt.Sprintf("%.1f%%", 100*share))
}

// weight of a volume, as the order has it.
func (s *Screen) weight(v top.Volume) float64 { return float64(top.Orders[s.sort].Weight(v)) }

// row puts a key to the left and figures to the right.
func row(key int, name string, figures ...string) string {
	var text strings.Builder
	name = ansi.Truncate(name, key, "…")
	text.WriteString(name + strings.Repeat(" ", key-ansi.StringWidth(name)))
	for _, f := range figures {
		text.WriteString(strings.Repeat(" ", max(figure-ansi.StringWidth(f), 1)) + f)
	}
	return text.String()
}

// portion of a bar.
func portion(weight, most float64, width int) int {
	if most == 0 {
		return 0
	}
	return int(weight/most*float64(width) + 0.5)
}
