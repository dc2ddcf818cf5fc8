package exporters

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

const (
	// fileAge is how long what was read of a ConfigMap holds, and eachFileAge how much longer for each of its namespace that is read: at most
	// ten of a namespace are read again a second, and none waits for those of others.
	fileAge     = 20 * time.Second
	eachFileAge = 100 * time.Millisecond
	// maxFiles is how many are read of a namespace: as many as there are devices for which the collectors of a fleet have room.
	maxFiles = config.MaxDevices
	// maxText bounds the bytes of a namespace's files that are kept: 16 times what the settings of one fleet may take. A file takes up to three
	// times its bytes, where each line has a network of its own.
	maxText = 16 * maxSettings
	// withoutRoom is how many times as long what found no room in maxText holds, which is read for nothing.
	withoutRoom = 5
	// fileTimeout bounds reading one.
	fileTimeout = 5 * time.Second
	// wrongLines is how many lines with faults are named.
	wrongLines = 5
	// readsOfPass is how many are read at most for one pass that others wait for, and readsAtOnce how many at a time for those that nobody waits
	// for. Of one namespace, one is read at a time for each of the two.
	readsOfPass = 8
	readsAtOnce = 4
)

// ErrReading is for what was never read, and is not to be read now, because a namespace has had its part of the operator's time: it is there soon.
var ErrReading = errors.New("ConfigMaps of interfacesFrom are being read")

// Files reads the ConfigMaps of spec.interfacesFrom. They are the users', and not watched: a watch would bring all ConfigMaps of the
// cluster. It is safe for concurrent use.
type Files struct {
	reader client.Reader
	clock  clock.PassiveClock

	mu   sync.Mutex
	read map[string]map[string]*configMap // by namespace and name

	background chan struct{} // has room for readsAtOnce
	turns      map[turn]*share
}

// turn to read ConfigMaps of a namespace, for a pass or beside all passes.
type turn struct {
	namespace string
	ofPass    bool
}

// share is a turn that somebody has, or waits for.
type share struct {
	slot  chan struct{}
	users int
}

// NewFiles returns Files that are read with a client that asks the API server.
func NewFiles(reader client.Reader, c clock.PassiveClock) *Files {
	return &Files{reader: reader, clock: c, read: make(map[string]map[string]*configMap), background: make(chan struct{}, readsAtOnce), turns: make(map[turn]*share)}
}

// configMap is what was read of one.
type configMap struct {
	at     time.Time
	keys   map[string]*interfaceFile
	bytes  int  // of the texts that are kept
	noRoom bool // for the texts
}

// Named are the names of interfaces that one FlowExporter has from its ConfigMap. They are looked up when they are needed: a file that names
// much for everybody would take its room once for each of its FlowExporters otherwise.
type Named struct {
	file *interfaceFile
	// addresses of the device.
	addresses []v1alpha1.ExporterAddress
}

// interfaces are those that the file names for the device, and no more than one beyond config.MaxInterfaces, which are too many.
func (n *Named) interfaces() []config.Interface { return n.file.of(n.addresses) }

// Of returns what ConfigMaps say for objects of one namespace, by the names of those that have interfacesFrom. What cannot be read now is as
// it was read last. What may not be read is a fault, so that one ConfigMap holds up nothing else of a fleet. An error is one of reading what
// was never read, which passes: without it the collectors would lose names that they have.
//
// Nobody waits for it: it reads all that is due, when it is its turn.
func (f *Files) Of(ctx context.Context, objects []*v1alpha1.FlowExporter) (map[string]*Named, error) {
	return f.of(ctx, objects, false)
}

// OfPass is Of for a pass that others wait for. It reads little at a time, and nothing while another pass reads for its namespace: what is due stays
// as it is, and of what was never read, it returns ErrReading. All of it is there after some passes, and some reads of Of.
func (f *Files) OfPass(ctx context.Context, objects []*v1alpha1.FlowExporter) (map[string]*Named, error) {
	return f.of(ctx, objects, true)
}

func (f *Files) of(ctx context.Context, objects []*v1alpha1.FlowExporter, ofPass bool) (map[string]*Named, error) {
	out := make(map[string]*Named)
	if f == nil {
		return out, nil
	}
	keys := make(map[string]map[string]bool) // by ConfigMap: one request brings all that objects name
	for _, o := range objects {
		if from := o.Spec.InterfacesFrom; from != nil {
			if keys[from.Name] == nil {
				keys[from.Name] = make(map[string]bool)
			}
			keys[from.Name][from.Key] = true
		}
	}
	reads := &reading{files: f, ofPass: ofPass, left: readsOfPass}
	defer reads.end()
	for _, o := range f.unreadFirst(objects) {
		file, err := f.file(ctx, o, keys[o.Spec.InterfacesFrom.Name], reads)
		if err != nil {
			return nil, err
		}
		out[o.Name] = &Named{file: file, addresses: o.Spec.Addresses}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget()
	return out, nil
}

// unreadFirst are the objects that name a ConfigMap, those first of which nothing was read yet: of the others, what was read before would do.
func (f *Files) unreadFirst(objects []*v1alpha1.FlowExporter) []*v1alpha1.FlowExporter {
	var unread, known []*v1alpha1.FlowExporter
	for _, o := range objects {
		from := o.Spec.InterfacesFrom
		if from == nil {
			continue
		}
		if _, before, _ := f.kept(types.NamespacedName{Namespace: o.Namespace, Name: from.Name}, from); before == nil {
			unread = append(unread, o)
		} else {
			known = append(known, o)
		}
	}
	return append(unread, known...)
}

// file is the key that an object names, and keys are all that are wanted of its ConfigMap. No other fleet waits while it is read.
func (f *Files) file(ctx context.Context, o *v1alpha1.FlowExporter, keys map[string]bool, reads *reading) (*interfaceFile, error) {
	from := o.Spec.InterfacesFrom
	name := types.NamespacedName{Namespace: o.Namespace, Name: from.Name}
	file, known, _ := f.kept(name, from)
	if file != nil {
		return file, nil
	}
	ended, err := reads.begin(ctx, name.Namespace)
	switch {
	case errors.Is(err, ErrReading) && known != nil:
		return known, nil
	case err != nil:
		return nil, err
	}
	defer ended()
	file, _, now := f.kept(name, from)
	if file != nil {
		return file, nil // somebody else has read it meanwhile
	}
	m := &corev1.ConfigMap{}
	ctx, cancel := context.WithTimeout(ctx, fileTimeout)
	defer cancel()
	err = f.reader.Get(ctx, name, m)
	denied := apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
	read := &configMap{at: now, keys: make(map[string]*interfaceFile)}
	if err == nil || apierrors.IsNotFound(err) || denied {
		f.readKeys(read, m, name, keys, denied, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.read[name.Namespace][name.Name]
	switch {
	case len(read.keys) > 0:
	case before != nil && before.keys[from.Key] != nil:
		before.at = now // it is tried again when this one is due
		return before.keys[from.Key], nil
	default:
		return nil, fmt.Errorf("reading ConfigMap %s for interfacesFrom of FlowExporter %s: %w", name, o.Name, err)
	}
	var others int // bytes of keys that another fleet names
	fresh := before != nil && now.Sub(before.at) < f.ageOf(name.Namespace, before)
	if fresh {
		for key, file := range before.keys {
			if read.keys[key] == nil {
				others += file.bytes
			}
		}
	}
	if !f.room(name, read.bytes+others) { // something else has taken it meanwhile
		read.giveUp(name.Name)
	}
	if fresh {
		for key, file := range before.keys {
			if read.keys[key] == nil {
				read.keys[key] = file
			}
		}
		read.bytes, read.at = read.bytes+others, before.at // they are read again when they are due
	}
	if f.read[name.Namespace] == nil {
		f.read[name.Namespace] = make(map[string]*configMap)
	}
	f.read[name.Namespace][name.Name] = read
	return read.keys[from.Key], nil
}

// kept is a key that need not be read now, and known what is known of it, nil for nothing.
func (f *Files) kept(name types.NamespacedName, from *v1alpha1.ConfigMapKey) (file, known *interfaceFile, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now = f.clock.Now()
	m := f.read[name.Namespace][name.Name]
	if m != nil {
		known = m.keys[from.Key]
	}
	switch {
	case known != nil && now.Sub(m.at) < f.ageOf(name.Namespace, m):
		return known, known, now
	case m == nil && len(f.read[name.Namespace]) >= maxFiles:
		return &interfaceFile{fault: fmt.Sprintf("FlowExporters of this namespace name more than %d ConfigMaps, and the operator does not read %s: put the names "+
			"of several devices into one", maxFiles, from.Name)}, nil, now
	}
	return nil, known, now
}

// reading is what one pass, or one look beside the passes, reads: all of it of one namespace.
type reading struct {
	files  *Files
	ofPass bool
	left   int // that a pass may still read
	leave  func()
}

// begin waits until a ConfigMap of a namespace may be read, and returns what to call once it is. A pass does not wait, and gets ErrReading.
func (r *reading) begin(ctx context.Context, namespace string) (ended func(), err error) {
	if r.leave == nil {
		if r.leave, err = r.files.turn(ctx, turn{namespace, r.ofPass}); err != nil {
			return nil, err
		}
	}
	if r.ofPass {
		if r.left--; r.left < 0 {
			return nil, ErrReading
		}
		return func() {}, nil
	}
	select {
	case r.files.background <- struct{}{}:
		return func() { <-r.files.background }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *reading) end() {
	if r.leave != nil {
		r.leave()
	}
}

// turn waits for one, or, of a pass, takes one that is free, and returns what to call at its end.
func (f *Files) turn(ctx context.Context, t turn) (leave func(), err error) {
	f.mu.Lock()
	s := f.turns[t]
	if s == nil {
		s = &share{slot: make(chan struct{}, 1)}
		f.turns[t] = s
	}
	s.users++
	f.mu.Unlock()
	gone := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if s.users--; s.users == 0 {
			delete(f.turns, t)
		}
	}
	if t.ofPass {
		select {
		case s.slot <- struct{}{}:
		default:
			gone()
			return nil, ErrReading
		}
	} else {
		select {
		case s.slot <- struct{}{}:
		case <-ctx.Done():
			gone()
			return nil, ctx.Err()
		}
	}
	return func() { <-s.slot; gone() }, nil
}

// readKeys reads what is wanted of a ConfigMap that was read, could not be read (denied), or was not there (err). No other fleet waits
// for that.
func (f *Files) readKeys(read *configMap, m *corev1.ConfigMap, name types.NamespacedName, keys map[string]bool, denied bool, err error) {
	for key := range keys {
		read.bytes += len(m.Data[key])
	}
	f.mu.Lock()
	room := f.room(name, read.bytes)
	f.mu.Unlock()
	if !room {
		for key := range keys {
			read.keys[key] = nil
		}
		read.giveUp(name.Name)
		return
	}
	for key := range keys {
		read.keys[key] = readKey(m, name, key, denied, err)
	}
}

// room reports whether so many bytes of a ConfigMap can be kept beside those of the others of its namespace. f.mu is held.
func (f *Files) room(name types.NamespacedName, bytes int) bool {
	for other, m := range f.read[name.Namespace] {
		if other != name.Name {
			bytes += m.bytes
		}
	}
	return bytes <= maxText
}

// giveUp keeps nothing of a ConfigMap's texts.
func (m *configMap) giveUp(name string) {
	m.bytes, m.noRoom = 0, true
	for key := range m.keys {
		m.keys[key] = &interfaceFile{fault: fmt.Sprintf("ConfigMaps that FlowExporters of this namespace name have more than %d MiB together, and the "+
			"operator does not keep %s: leave out lines that name no interface of these devices", maxText>>20, name)}
	}
}

// readKey is a key of a ConfigMap that was read, could not be read (denied), or was not there (err).
func readKey(m *corev1.ConfigMap, name types.NamespacedName, key string, denied bool, err error) *interfaceFile {
	text, ok := m.Data[key]
	switch {
	case denied:
		return &interfaceFile{fault: fmt.Sprintf("the operator may not read the ConfigMap %s: give its account the right to get ConfigMaps "+
			"of this namespace", name.Name)}
	case err != nil:
		return &interfaceFile{fault: fmt.Sprintf("there is no ConfigMap %s in this namespace: make it (kubectl create configmap %s "+
			"-n %s --from-file=%s), or take interfacesFrom out", name.Name, name.Name, name.Namespace, key)}
	case !ok:
		return &interfaceFile{fault: fmt.Sprintf("the ConfigMap %s has no key %s: add it, or name another one in interfacesFrom.key", name.Name, key)}
	default:
		return readInterfaces(&v1alpha1.ConfigMapKey{Name: name.Name, Key: key}, text)
	}
}

// age is how long what was read of a namespace's ConfigMaps holds. f.mu is held.
func (f *Files) age(namespace string) time.Duration {
	return fileAge + time.Duration(len(f.read[namespace]))*eachFileAge
}

// ageOf is the same for one of them. f.mu is held.
func (f *Files) ageOf(namespace string, m *configMap) time.Duration {
	if m.noRoom {
		return withoutRoom * f.age(namespace)
	}
	return f.age(namespace)
}

// forget lets go of what nobody asks for any more. f.mu is held.
func (f *Files) forget() {
	now := f.clock.Now()
	maps.DeleteFunc(f.read, func(namespace string, read map[string]*configMap) bool {
		age := f.age(namespace)
		maps.DeleteFunc(read, func(_ string, m *configMap) bool { return now.Sub(m.at) > 10*age })
		return len(read) == 0
	})
}
