package controllers

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flowfleet/flowfleet/controllers/judge"
)

const (
	// troubleHolds is how long a watch that failed counts as such at most. A reflector tries again after a minute at most, and where one watch
	// is of several namespaces, nothing says which of them failed.
	troubleHolds = 2 * time.Minute
	// failingAfter is how long a watch has to fail until that is said, and until nothing waits for it any more. What fails for another reason
	// than a right that is missing most often works again at the next attempt.
	failingAfter = time.Minute
	// standsAfter is how long a watch has to stand to count as one that works: one may begin well, and break off at the first object.
	standsAfter = 10 * time.Second
	// troublesCheck is how often the beginning and the end of that are looked for.
	troublesCheck = 5 * time.Second
)

// Watches notes what the operator may not watch, or cannot, or no longer: what is in its cache is then of the past. It is safe for concurrent
// use.
type Watches struct {
	clock      clock.PassiveClock
	server     serverClock
	returning  returning
	unreadable unreadable

	mu      sync.Mutex
	several bool // namespaces are watched one by one
	trouble map[watched]trouble
	changed chan struct{}
	notify  []func(context.Context)
	event   func(o *metav1.PartialObjectMetadata, why string) // tells of one that cannot be read; nil for nobody
}

// watched is a kind in one namespace, or in the whole cluster: "".
type watched struct{ kind, namespace string }

// trouble of what is watched.
type trouble struct {
	judge.Unwatched
	// since is when it began, and at when it was last met.
	since, at time.Time
	// begun is when a watch of it began last, zero for never since then.
	begun time.Time
	// told: others were told of it.
	told bool
}

// NewWatches returns Watches that had no trouble. A nil clock is the machine's.
func NewWatches(c clock.PassiveClock) *Watches {
	if c == nil {
		c = clock.RealClock{}
	}
	w := &Watches{clock: c, trouble: make(map[watched]trouble), changed: make(chan struct{}, 1)}
	w.unreadable.notify = w.tellUnreadable
	return w
}

// serverTime is what the API server's clock shows at a time of the operator's; that itself where it is not known, as for nil Watches.
func (w *Watches) serverTime(own time.Time) time.Time {
	if w == nil {
		return own
	}
	return w.server.at(own)
}

// away reports whether the API server is away, or has come back a moment ago; never for nil Watches.
func (w *Watches) away() bool { return w != nil && w.returning.away(w.clock.Now()) }

// Failed takes why a watch ended, and logs it as client-go does. It is a cache.Options.DefaultWatchErrorHandler.
func (w *Watches) Failed(ctx context.Context, r *toolscache.Reflector, err error) {
	toolscache.DefaultWatchErrorHandler(ctx, r, err)
	w.note(kindOf(r.TypeDescription()), err)
}

// note why a kind could not be watched.
func (w *Watches) note(kind string, err error) {
	switch {
	case apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err):
		w.add(kind, judge.Unwatched{Words: err.Error()})
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err), unanswered(err):
		// The one is how watches end. The other is no trouble of a kind: where the API server is away, nothing can be done nor said.
	default:
		w.unreadable.begin(kind, err)
		w.add(kind, judge.Unwatched{Words: err.Error(), Fails: true, Missing: apierrors.IsNotFound(err)})
	}
}

// unanswered reports whether it was not the API server that gave an error.
func unanswered(err error) bool {
	var broken *url.Error
	var network net.Error
	return errors.As(err, &broken) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled)
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

func (w *Watches) add(kind string, u judge.Unwatched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock.Now()
	what := watched{kind, ""}
	if !u.Fails {
		what.namespace = namespaceOf(u.Words)
	}
	before, known := w.trouble[what]
	t := trouble{Unwatched: u, since: now, at: now, told: before.told}
	if known && before.Fails == u.Fails {
		t.since = before.since
	}
	w.trouble[what] = t
	if w.counts(t) && (!t.told || before.Words != u.Words) {
		w.tellOf(what, t)
	}
}

// counts reports whether a trouble is one that has to be told, and waited for no more.
func (w *Watches) counts(t trouble) bool {
	works := !t.told && t.begun.After(t.at)
	return !t.Fails || w.clock.Since(t.since) >= failingAfter && !works
}

// tellOf a trouble. w.mu is held.
func (w *Watches) tellOf(what watched, t trouble) {
	if !t.told {
		ctrl.Log.Info("the operator "+t.Cannot()+" watch a kind of objects ("+t.Ask()+"): what is known of them is of the past, and where nothing is known, what needs them "+
			"is left as it is", "kind", what.kind, "namespace", cmp.Or(what.namespace, "all"), "why", t.Words)
	}
	t.told = true
	w.trouble[what] = t
	w.tell()
}

// tell that something has changed. w.mu is held.
func (w *Watches) tell() {
	select {
	case w.changed <- struct{}{}:
	default: // it is told already
	}
}

// Watch looks at which watches begin, so that a trouble ends with it, at what the API server says of its clock, and at
// whether it answers. It is for rest.Config.Wrap.
func (w *Watches) Watch(next http.RoundTripper) http.RoundTripper {
	return tripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		switch now := w.clock.Now(); {
		case err == nil:
			w.server.note(response.Header, now)
			response = w.unreadable.readable(request, w.returning.tempered(response, now))
		case unanswered(err) && request.Context().Err() == nil:
			w.returning.unanswered(now)
		}
		if err == nil && response.StatusCode == http.StatusOK && request.Method == http.MethodGet && isWatch(request) {
			w.began(request.URL.Path)
		}
		return response, err
	})
}

func isWatch(request *http.Request) bool {
	watch := request.URL.Query().Get("watch")
	return watch == "true" || watch == "1"
}

// began notes the beginning of a watch, by its path: /apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE, or the same without the namespace.
func (w *Watches) began(path string) {
	parts := strings.Split(path, "/")
	resource, namespace := parts[len(parts)-1], ""
	if n := len(parts); n > 3 && parts[n-3] == "namespaces" {
		namespace = parts[n-2]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for what, t := range w.trouble {
		// What fails in one of several namespaces is not known by that, and another one's watch does not end it.
		if resourceOf(what.kind) == resource && (what.namespace == namespace || t.Fails && !w.several) {
			t.begun = w.clock.Now()
			w.trouble[what] = t
		}
	}
}

// resourceOf is pods, of Pod.
func resourceOf(kind string) string {
	plural, _ := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Kind: kind})
	return plural.Resource
}

// Troubles are those of the kinds that may not be watched in a namespace, or cannot be; nil where there are none, as for nil Watches. An empty
// namespace is for what is watched in the whole cluster.
func (w *Watches) Troubles(namespace string, kinds ...string) (out judge.Unseen) {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for what, t := range w.trouble {
		if slices.Contains(kinds, what.kind) && (what.namespace == "" || what.namespace == namespace) && w.counts(t) {
			if out == nil {
				out = make(judge.Unseen)
			}
			out[what.kind] = t.Unwatched
		}
	}
	for _, kind := range kinds {
		if t, ok := w.unreadable.trouble(kind, namespace); ok && needed[kind] {
			if out == nil {
				out = make(judge.Unseen)
			}
			out[kind] = t
		}
	}
	return out
}

// needed are kinds of this project of which others need each object: collectors have the settings of all FlowExporters. That one FlowCollector
// cannot be read is nothing to the others; FlowSinks see to it themselves, see twins.
var needed = map[string]bool{"FlowExporter": true}

// troubled reports whether a kind may not be watched somewhere, or cannot be.
func (w *Watches) troubled(kind string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for what, t := range w.trouble {
		if what.kind == kind && w.counts(t) {
			return true
		}
	}
	return false
}

// look tells of watches that have failed for long, and forgets troubles that are over.
func (w *Watches) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for what, t := range w.trouble {
		stands := t.begun.After(t.at) && w.clock.Since(t.begun) >= standsAfter
		switch {
		case stands || w.clock.Since(t.at) > troubleHolds:
			delete(w.trouble, what)
			if t.told {
				ctrl.Log.Info("the operator watches a kind of objects again", "kind", what.kind, "namespace", cmp.Or(what.namespace, "all"))
				w.tell()
			}
		case !t.told && w.counts(t):
			w.tellOf(what, t)
		}
	}
}

// onChange has a function called after each change.
func (w *Watches) onChange(notify func(context.Context)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notify = append(w.notify, notify)
}

// run tells of each change, until the context ends.
func (w *Watches) run(ctx context.Context) {
	for {
		select {
		case <-w.changed:
			w.mu.Lock()
			notify := slices.Clone(w.notify)
			w.mu.Unlock()
			for _, notify := range notify {
				notify(ctx)
			}
		case <-ctx.Done():
			return
		}
	}
}

// keepLooking looks from time to time, until the context ends. An operator that waits to lead watches, too, and has troubles that end.
func (w *Watches) keepLooking(ctx context.Context) {
	tick := time.NewTicker(troublesCheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look()
		case <-ctx.Done():
			return
		}
	}
}
