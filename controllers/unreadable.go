package controllers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// maxUnreadable bounds the objects of one kind that are known to be unreadable, and longestWhy the words about one.
const (
	maxUnreadable = 100
	longestWhy    = 300
)

// unreadable are stored objects of this project's kinds that do not fit the definition of their kind, as one that was stored under another. One makes
// every list and every watch of its kind fail, without its name. Once that has happened, lists and watches of the kind are read object by object: what
// cannot be read is noted, and left out. It is safe for concurrent use.
type unreadable struct {
	scheme *runtime.Scheme // nil looks at nothing

	mu     sync.Mutex
	all    map[string]map[types.NamespacedName]string // by kind: why
	notify func(o *metav1.PartialObjectMetadata, why string)
}

// begin to read the objects of a kind one by one, where it was not the API server that gave an error.
func (u *unreadable) begin(kind string, err error) {
	var answered apierrors.APIStatus
	if u.scheme == nil || errors.As(err, &answered) || !u.scheme.Recognizes(v1alpha1.SchemeGroupVersion.WithKind(kind)) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.all == nil {
		u.all = make(map[string]map[types.NamespacedName]string)
	}
	if u.all[kind] == nil {
		u.all[kind] = make(map[types.NamespacedName]string)
	}
}

// kindAt is the kind whose objects are to be read one by one in the answer to a request, and the namespace that it is about; empty for none.
func (u *unreadable) kindAt(path string) (kind, namespace string) {
	rest, ok := strings.CutPrefix(path, "/apis/"+v1alpha1.SchemeGroupVersion.String()+"/")
	if parts := strings.Split(rest, "/"); ok && len(parts) == 3 && parts[0] == "namespaces" {
		namespace, rest = parts[1], parts[2]
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for kind := range u.all {
		if ok && resourceOf(kind) == rest {
			return kind, namespace
		}
	}
	return "", ""
}

// readable is an answer without what cannot be read.
func (u *unreadable) readable(request *http.Request, response *http.Response) *http.Response {
	kind, namespace := u.kindAt(request.URL.Path)
	if kind == "" || response.StatusCode != http.StatusOK || request.Method != http.MethodGet || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		return response
	}
	out := *response
	out.Header = response.Header.Clone()
	out.Header.Del("Content-Length")
	out.ContentLength = -1
	if isWatch(request) {
		out.Body = &readableWatch{Closer: response.Body, events: json.NewDecoder(response.Body), keep: func(e []byte) []byte { return u.event(kind, e) }}
		return &out
	}
	out.Body = &readableList{Closer: response.Body, read: func() ([]byte, error) {
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		return u.list(kind, namespace, request.URL.Query().Get("continue") == "", text), nil
	}}
	return &out
}

// list is one without what cannot be read.
func (u *unreadable) list(kind, namespace string, whole bool, text []byte) []byte {
	var list map[string]json.RawMessage
	var items []json.RawMessage
	if json.Unmarshal(text, &list) != nil || json.Unmarshal(list["items"], &items) != nil {
		return text // who asked finds that, too
	}
	there := make(map[types.NamespacedName]bool)
	items = slices.DeleteFunc(items, func(o json.RawMessage) bool {
		name, ok := u.look(kind, o)
		there[name] = true
		return !ok
	})
	if whole {
		u.mu.Lock()
		maps.DeleteFunc(u.all[kind], func(n types.NamespacedName, _ string) bool {
			return !there[n] && (namespace == "" || namespace == n.Namespace)
		})
		u.mu.Unlock()
	}
	list["items"], _ = json.Marshal(items) // that were read as such
	out, err := json.Marshal(list)
	if err != nil {
		return text
	}
	return out
}

// event is one of a watch as it is to be passed on, nil for not at all: an object that cannot be read is as it was for whoever watches, until it goes.
func (u *unreadable) event(kind string, text []byte) []byte {
	var e struct {
		Type   watch.EventType `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	if json.Unmarshal(text, &e) != nil || e.Type != watch.Added && e.Type != watch.Modified && e.Type != watch.Deleted {
		return text
	}
	name, ok := u.look(kind, e.Object)
	if e.Type == watch.Deleted {
		u.forget(kind, name)
		if !ok { // it goes with what is known of it
			var o metav1.PartialObjectMetadata
			_ = json.Unmarshal(e.Object, &o) // otherwise it has no name, and is nobody's
			o.Annotations, o.ManagedFields = nil, nil
			e.Object, _ = json.Marshal(o)
			text, _ = json.Marshal(e)
		}
		return text
	}
	if !ok {
		return nil
	}
	return text
}

// look whether an object can be read, and note it where it cannot.
func (u *unreadable) look(kind string, text []byte) (types.NamespacedName, bool) {
	gvk := v1alpha1.SchemeGroupVersion.WithKind(kind)
	o, err := u.scheme.New(gvk)
	if err == nil {
		err = json.Unmarshal(text, o)
	}
	about := &metav1.PartialObjectMetadata{}
	var named struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	_ = json.Unmarshal(text, &named) // as far as it goes
	about.Name, about.Namespace, about.UID = named.Metadata.Name, named.Metadata.Namespace, named.Metadata.UID
	about.SetGroupVersionKind(gvk)
	name := types.NamespacedName{Namespace: about.Namespace, Name: about.Name}
	if err == nil {
		u.forget(kind, name)
		return name, true
	}
	why := judge.Cut(err.Error(), longestWhy)
	u.mu.Lock()
	_, known := u.all[kind][name]
	if notify := u.notify; (known || len(u.all[kind]) < maxUnreadable) && !known {
		u.all[kind][name] = why
		if notify != nil {
			defer notify(about, why)
		}
	}
	u.mu.Unlock()
	return name, false
}

func (u *unreadable) forget(kind string, name types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.all[kind], name)
}

// any reports whether there is an object of a kind that cannot be read.
func (u *unreadable) any(kind string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.all[kind]) > 0
}

// of are the objects of a kind in a namespace that cannot be read.
func (u *unreadable) of(kind, namespace string) (out []types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for name := range u.all[kind] {
		if name.Namespace == namespace {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b types.NamespacedName) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// trouble of those who need a kind in a namespace, for objects of it that cannot be read.
func (u *unreadable) trouble(kind, namespace string) (judge.Unwatched, bool) {
	names := u.of(kind, namespace)
	if len(names) == 0 {
		return judge.Unwatched{}, false
	}
	u.mu.Lock()
	why := u.all[kind][names[0]]
	u.mu.Unlock()
	words := fmt.Sprintf("%s %s is stored and cannot be read: %s", kind, names[0].Name, why)
	if more := len(names) - 1; more > 0 {
		words += fmt.Sprintf(", and %d more", more)
	}
	return judge.Unwatched{Words: words + "; mend it, or delete it, its finalizers too", Fails: true}, true
}

// readableList is a body that is read as a whole, when it is first read.
type readableList struct {
	io.Closer
	read func() ([]byte, error)
	text *bytes.Reader
}

// Read implements io.Reader.
func (l *readableList) Read(p []byte) (int, error) {
	if l.text == nil {
		text, err := l.read()
		if err != nil {
			return 0, err
		}
		l.text = bytes.NewReader(text)
	}
	return l.text.Read(p)
}

// readableWatch is a body of events, each of which is looked at.
type readableWatch struct {
	io.Closer
	events *json.Decoder
	keep   func([]byte) []byte
	rest   []byte
}

// Read implements io.Reader.
func (w *readableWatch) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		var e json.RawMessage
		if err := w.events.Decode(&e); err != nil {
			return 0, err
		}
		if e = w.keep(e); e != nil {
			w.rest = append(e, '\n')
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// tellUnreadable tells of an object that was found to be unreadable: in the log, and to all who look at what cannot be watched.
func (w *Watches) tellUnreadable(o *metav1.PartialObjectMetadata, why string) {
	ctrl.Log.Info("an object that is stored cannot be read, and is left as it is: mend it, or delete it, its finalizers too", "kind", o.Kind, "object", o.Namespace+"/"+o.Name, "why", why)
	w.tell()
	w.mu.Lock()
	event := w.event
	w.mu.Unlock()
	if event != nil {
		event(o, why)
	}
}
