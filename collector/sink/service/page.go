package service

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/sink"
	"github.com/flowfleet/flowfleet/collector/status"
)

const (
	// pageAge is how old a page may be that is served: making it asks NATS.
	pageAge = 2 * time.Second
	// placeTime bounds that. It is less than an operator waits for an answer.
	placeTime = 2 * time.Second
)

// page serves what a sink says of itself, as JSON.
type page struct {
	sink     *sink.Sink
	instance string
	started  time.Time

	mu   sync.Mutex
	made time.Time
	text []byte
	err  error
}

// ServeHTTP serves the page.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	if p.made.IsZero() || time.Since(p.made) >= pageAge {
		p.text, p.err = status.EncodeSink(p.document(context.WithoutCancel(r.Context())))
		p.made = time.Now()
	}
	text, err := p.text, p.err
	p.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) // a client that is gone does not matter
}

func (p *page) document(ctx context.Context) *status.Sink {
	ctx, cancel := context.WithTimeout(ctx, placeTime)
	defer cancel()
	state, books := p.sink.State(), p.sink.Books()
	d := &status.Sink{
		Instance: p.instance, Build: observe.Version(), Started: p.started, Time: time.Now(),
		NATS: state.NATS, Reading: state.Reading, Destination: state.Checking, Storing: state.Storing, Refusing: state.Refusing,
		Rejecting: state.Rejecting, Blocks: cmp.Or(state.Noting, state.Fetching),
		Stored: books.Stored.Records, Waiting: books.Waiting.Records, Refused: make(map[string]uint64),
	}
	if state.Checking == sink.NotChecked {
		d.Destination = "" // nobody knows yet whether it fails
	}
	if state.Schema.Known {
		d.Schema = &status.Schema{Version: state.Schema.Version, Wanted: state.Schema.Wanted}
	}
	for reason, n := range books.Refused {
		if n.Records > 0 {
			d.Refused[string(reason)] = n.Records
		}
	}
	if state.NATS != "" {
		d.Unplaced = state.NATS
		return d
	}
	place, err := p.sink.Place(ctx)
	if d.Place = place; err != nil {
		d.Unplaced = err.Error()
	}
	return d
}
