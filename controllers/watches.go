package controllers

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

const (
	// refusalHolds is how long a refused watch counts as such. A reflector tries again after a minute at most, and nothing says that it
	// went well but that it is not refused again.
	refusalHolds = 2 * time.Minute
	// refusalsCheck is how often the end of that is looked for.
	refusalsCheck = 10 * time.Second
)

// Watches notes what the operator may not watch, or no longer: what is in its cache is then of the past. It is safe for concurrent use.
type Watches struct {
	clock clock.PassiveClock

	mu      sync.Mutex
	refused map[string]refusal
	changed chan struct{}
}

// refusal of a kind: the API server's words, and when it was last said.
type refusal struct {
	words string
	at    time.Time
}

// NewWatches returns Watches that were not refused anything. A nil clock is the machine's.
func NewWatches(c clock.PassiveClock) *Watches {
	if c == nil {
		c = clock.RealClock{}
	}
	return &Watches{clock: c, refused: make(map[string]refusal), changed: make(chan struct{}, 1)}
}

// Failed takes why a watch ended, and logs it as client-go does. It is a cache.Options.DefaultWatchErrorHandler.
func (w *Watches) Failed(ctx context.Context, r *toolscache.Reflector, err error) {
	toolscache.DefaultWatchErrorHandler(ctx, r, err)
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		w.refuse(kindOf(r.TypeDescription()), err.Error())
	}
}

// kindOf is Pod, of "*v1.Pod" as reflectors describe what they watch.
func kindOf(description string) string {
	return description[strings.LastIndex(description, ".")+1:]
}

func (w *Watches) refuse(kind, words string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, known := w.refused[kind]
	w.refused[kind] = refusal{words, w.clock.Now()}
	if !known || before.words != words {
		w.tell()
	}
}

// tell that something has changed. w.mu is held.
func (w *Watches) tell() {
	select {
	case w.changed <- struct{}{}:
	default: // it is told already
	}
}

// Refused are the kinds that may not be watched, with the API server's words; nil where there are none, as for nil Watches.
func (w *Watches) Refused() map[string]string {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.refused) == 0 {
		return nil
	}
	words := make(map[string]string, len(w.refused))
	for kind, r := range w.refused {
		words[kind] = r.words
	}
	return words
}

// expire forgets what was not refused for long.
func (w *Watches) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.refused)
	maps.DeleteFunc(w.refused, func(_ string, r refusal) bool { return w.clock.Since(r.at) > refusalHolds })
	if len(w.refused) != before {
		w.tell()
	}
}

// run calls notify after each change, until the context ends.
func (w *Watches) run(ctx context.Context, notify func(context.Context)) {
	tick := time.NewTicker(refusalsCheck)
	defer tick.Stop()
	for {
		select {
		case <-w.changed:
			notify(ctx)
		case <-tick.C:
			w.expire()
		case <-ctx.Done():
			return
		}
	}
}
