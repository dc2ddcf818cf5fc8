package controllers

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flowfleet/flowfleet/controllers/judge"
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
	refused map[watched]refusal
	changed chan struct{}
	notify  []func(context.Context)
}

// watched is a kind in one namespace, or in the whole cluster: "".
type watched struct{ kind, namespace string }

// refusal of what is watched: the API server's words, and when it was last said.
type refusal struct {
	words string
	at    time.Time
}

// NewWatches returns Watches that were not refused anything. A nil clock is the machine's.
func NewWatches(c clock.PassiveClock) *Watches {
	if c == nil {
		c = clock.RealClock{}
	}
	return &Watches{clock: c, refused: make(map[watched]refusal), changed: make(chan struct{}, 1)}
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

// namespaceOf is the namespace in which the API server refuses something; empty for the whole cluster.
func namespaceOf(words string) string {
	_, after, _ := strings.Cut(words, ` in the namespace "`)
	namespace, _, _ := strings.Cut(after, `"`)
	return namespace
}

func (w *Watches) refuse(kind, words string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what := watched{kind, namespaceOf(words)}
	before, known := w.refused[what]
	w.refused[what] = refusal{words, w.clock.Now()}
	if !known {
		ctrl.Log.Info("the operator may not watch a kind of objects ("+judge.Interrupted+"): what is known of them is of the past, and where nothing is known, what needs them is left as it is", "kind", kind, "namespace", cmp.Or(what.namespace, "all"), "why", words)
	}
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

// Refused are those of the kinds that may not be watched in a namespace, with the API server's words; nil where there are none, as for nil
// Watches. An empty namespace is for what is watched in the whole cluster.
func (w *Watches) Refused(namespace string, kinds ...string) (words map[string]string) {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for what, r := range w.refused {
		if slices.Contains(kinds, what.kind) && (what.namespace == "" || what.namespace == namespace) {
			if words == nil {
				words = make(map[string]string)
			}
			words[what.kind] = r.words
		}
	}
	return words
}

// refuses reports whether a kind may not be watched somewhere.
func (w *Watches) refuses(kind string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for what := range w.refused {
		if what.kind == kind {
			return true
		}
	}
	return false
}

// expire forgets what was not refused for long.
func (w *Watches) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for what, r := range w.refused {
		if w.clock.Since(r.at) > refusalHolds {
			delete(w.refused, what)
			ctrl.Log.Info("the operator may watch a kind of objects again", "kind", what.kind, "namespace", cmp.Or(what.namespace, "all"))
			w.tell()
		}
	}
}

// onChange has a function called after each change. It is for before run.
func (w *Watches) onChange(notify func(context.Context)) { w.notify = append(w.notify, notify) }

// run tells of each change, until the context ends.
func (w *Watches) run(ctx context.Context) {
	tick := time.NewTicker(refusalsCheck)
	defer tick.Stop()
	for {
		select {
		case <-w.changed:
			for _, notify := range w.notify {
				notify(ctx)
			}
		case <-tick.C:
			w.expire()
		case <-ctx.Done():
			return
		}
	}
}
