// Package talkers shows on a terminal what weighs most among the flows of a fleet, and follows it.
package talkers

import (
	"context"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/flowfleet/flowfleet/collector/top"
)

// Source reads reports, and hands each over until ctx ends or there are no more.
type Source func(ctx context.Context, by, sort string, report func(top.Report)) error

// Screen is what the terminal shows. It is a model of bubbletea.
type Screen struct {
	ctx           context.Context
	source        Source
	title         string
	by, sort      int
	width, height int
	report        *top.Report
	err           error
	paused, ended bool
	shown         bool // a report, at least one
	// current is the reading whose reports count: those of one before may still come.
	current *reading
}

// reading is one run of the source.
type reading struct {
	reports chan top.Report
	err     error // once reports is closed
	stop    context.CancelFunc
}

// reported is a report of a reading, nil once it has ended.
type reported struct {
	from   *reading
	report *top.Report
}

// NewScreen returns a Screen that begins with a dimension and an order, which are known ones.
func NewScreen(ctx context.Context, source Source, title, by, sort string) *Screen {
	return &Screen{ctx: ctx, source: source, title: title, by: slices.Index(top.Names(), by), sort: slices.Index(top.OrderNames(), sort), width: 80, height: 24}
}

// Err is why the first reading failed before it had anything to show, if it did: the screen ends then. Later failures are on the screen.
func (s *Screen) Err() error {
	if s.shown {
		return nil
	}
	return s.err
}

// Init implements tea.Model.
func (s *Screen) Init() tea.Cmd { return s.begin() }

// begin reads anew, as dimension and order are now.
func (s *Screen) begin() tea.Cmd {
	if s.current != nil {
		s.current.stop()
	}
	ctx, stop := context.WithCancel(s.ctx)
	r := &reading{reports: make(chan top.Report), stop: stop}
	s.current, s.report, s.err, s.ended = r, nil, nil, false
	by, sort := top.Dimensions[s.by].Name, top.Orders[s.sort].Name
	go func() {
		defer close(r.reports)
		r.err = s.source(ctx, by, sort, func(report top.Report) {
			select {
			case r.reports <- report:
			case <-ctx.Done():
			}
		})
	}()
	return r.next
}

// next waits for a report.
func (r *reading) next() tea.Msg {
	if report, more := <-r.reports; more {
		return reported{r, &report}
	}
	return reported{from: r}
}

// Update implements tea.Model.
func (s *Screen) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = message.Width, message.Height
	case tea.KeyPressMsg:
		return s, s.key(message.String())
	case reported:
		return s, s.take(message)
	}
	return s, nil
}

func (s *Screen) take(m reported) tea.Cmd {
	switch {
	case m.from != s.current:
		return nil
	case m.report == nil:
		s.err, s.ended = m.from.err, true
		if s.Err() != nil {
			return tea.Quit
		}
		return nil
	case !s.paused || s.report == nil:
		s.report, s.shown = m.report, true
	}
	return m.from.next
}

func (s *Screen) key(key string) tea.Cmd {
	all := len(top.Dimensions)
	switch key {
	case "q", "esc", "ctrl+c":
		s.current.stop()
		return tea.Quit
	case "tab", "right", "l":
		s.by = (s.by + 1) % all
	case "shift+tab", "left", "h":
		s.by = (s.by + all - 1) % all
	case "s":
		s.sort = (s.sort + 1) % len(top.Orders)
	case "space", "p":
		s.paused = !s.paused
		return nil
	case "r":
	default:
		if len(key) != 1 || key[0] < '0' || key[0] > '9' {
			return nil
		}
		s.by = (int(key[0]-'0') + 9) % 10 % all
	}
	return s.begin()
}

// View implements tea.Model.
func (s *Screen) View() tea.View {
	view := tea.NewView(s.draw())
	view.AltScreen = true
	view.WindowTitle = "flowfleet " + s.title
	return view
}
