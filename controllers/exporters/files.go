package exporters

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/names"
)

const (
	// fileAge is how long what was read of a ConfigMap holds, and eachFileAge how much longer for each of its namespace that is read: at most
	// ten of a namespace are read again a second, and none waits for those of others.
	fileAge     = 20 * time.Second
	eachFileAge = 100 * time.Millisecond
	// maxFiles is how many are read of a namespace: as many as there are devices for which the collectors of a fleet have room.
	maxFiles = config.MaxDevices
	// fileTimeout bounds reading one.
	fileTimeout = 5 * time.Second
	// wrongLines is how many lines with faults are named.
	wrongLines = 5
)

// Files reads the ConfigMaps of spec.interfacesFrom. They are the users', and not watched: a watch would bring all ConfigMaps of the
// cluster. It is safe for concurrent use.
type Files struct {
	reader client.Reader
	clock  clock.PassiveClock

	mu   sync.Mutex
	read map[string]map[string]*configMap // by namespace and name
}

// NewFiles returns Files that are read with a client that asks the API server.
func NewFiles(reader client.Reader, c clock.PassiveClock) *Files {
	return &Files{reader: reader, clock: c, read: make(map[string]map[string]*configMap)}
}

// configMap is what was read of one.
type configMap struct {
	at   time.Time
	keys map[string]*interfaceFile
}

// interfaceFile has the names of interfaces of one key.
type interfaceFile struct {
	networks map[netip.Prefix]map[uint32]config.Interface
	lengths  []int  // of the networks, the longest first
	text     string // its config.FileVersion
	fault    string
}

// Named are the names of interfaces that one FlowExporter has from its ConfigMap.
type Named struct {
	interfaces []config.Interface
	// text is the config.FileVersion of the file that they were read from.
	text string
	// fault says what is wrong with the ConfigMap and what to do, empty for nothing.
	fault string
}

// Of returns what ConfigMaps say for objects of one namespace, by the names of those that have interfacesFrom. What cannot be read now is as
// it was read last. What may not be read is a fault, so that one ConfigMap holds up nothing else of a fleet. An error is one of reading what
// was never read, which passes: without it the collectors would lose names that they have.
func (f *Files) Of(ctx context.Context, objects []*v1alpha1.FlowExporter) (map[string]*Named, error) {
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
	for _, o := range objects {
		if from := o.Spec.InterfacesFrom; from != nil {
			file, err := f.file(ctx, o, keys[from.Name])
			if err != nil {
				return nil, err
			}
			out[o.Name] = &Named{interfaces: file.of(o.Spec.Addresses), text: file.text, fault: file.fault}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget()
	return out, nil
}

// file is the key that an object names, and keys are all that are wanted of its ConfigMap. No other fleet waits while it is read.
func (f *Files) file(ctx context.Context, o *v1alpha1.FlowExporter, keys map[string]bool) (*interfaceFile, error) {
	from := o.Spec.InterfacesFrom
	name := types.NamespacedName{Namespace: o.Namespace, Name: from.Name}
	f.mu.Lock()
	now := f.clock.Now()
	known := f.read[name.Namespace][name.Name]
	if known != nil && now.Sub(known.at) < f.age(name.Namespace) && known.keys[from.Key] != nil {
		defer f.mu.Unlock()
		return known.keys[from.Key], nil
	}
	full := known == nil && len(f.read[name.Namespace]) >= maxFiles
	f.mu.Unlock()
	if full {
		return &interfaceFile{fault: fmt.Sprintf("FlowExporters of this namespace name more than %d ConfigMaps, and the operator does not read %s: put the names "+
			"of several devices into one", maxFiles, from.Name)}, nil
	}
	m := &corev1.ConfigMap{}
	ctx, cancel := context.WithTimeout(ctx, fileTimeout)
	defer cancel()
	err := f.reader.Get(ctx, name, m)
	f.mu.Lock()
	defer f.mu.Unlock()
	known = f.read[name.Namespace][name.Name]
	denied := apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
	switch {
	case err == nil, apierrors.IsNotFound(err):
	case known != nil && known.keys[from.Key] != nil:
		known.at = now // it is tried again when this one is due
		return known.keys[from.Key], nil
	case !denied:
		return nil, fmt.Errorf("reading ConfigMap %s for interfacesFrom of FlowExporter %s: %w", name, o.Name, err)
	}
	if known == nil || now.Sub(known.at) >= f.age(name.Namespace) {
		known = &configMap{at: now, keys: make(map[string]*interfaceFile)}
		if f.read[name.Namespace] == nil {
			f.read[name.Namespace] = make(map[string]*configMap)
		}
		f.read[name.Namespace][name.Name] = known
	}
	for key := range keys {
		known.keys[key] = readKey(m, name, key, denied, err)
	}
	return known.keys[from.Key], nil
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

// forget lets go of what nobody asks for any more. f.mu is held.
func (f *Files) forget() {
	now := f.clock.Now()
	maps.DeleteFunc(f.read, func(namespace string, read map[string]*configMap) bool {
		age := f.age(namespace)
		maps.DeleteFunc(read, func(_ string, m *configMap) bool { return now.Sub(m.at) > 10*age })
		return len(read) == 0
	})
}

// lineNumber finds the number of a line in what is wrong with it.
var lineNumber = regexp.MustCompile(`line (\d+)`)

// readInterfaces reads the names of interfaces of a file as exporters.namesFrom has it. What is wrong is told by the numbers of lines only:
// who reads a FlowExporter may not be one who may read ConfigMaps.
func readInterfaces(from *v1alpha1.ConfigMapKey, text string) *interfaceFile {
	lines, err := names.ReadLines(strings.NewReader(text))
	out := &interfaceFile{networks: make(map[netip.Prefix]map[uint32]config.Interface), text: config.FileVersion([]byte(text))}
	for i := range lines {
		l := &lines[i]
		if l.Table != names.Interfaces || l.Number > math.MaxUint32 {
			continue
		}
		network := l.Network.Masked()
		if out.networks[network] == nil {
			out.networks[network] = make(map[uint32]config.Interface)
			if !slices.Contains(out.lengths, network.Bits()) {
				out.lengths = append(out.lengths, network.Bits())
			}
		}
		out.networks[network][uint32(l.Number)] = config.Interface{Index: uint32(l.Number), Name: cmp.Or(l.Row.Name, l.Row.Description), Description: l.Row.Description}
	}
	slices.Sort(out.lengths)
	slices.Reverse(out.lengths)
	if err != nil {
		var at []string
		for _, found := range lineNumber.FindAllStringSubmatch(err.Error(), wrongLines) {
			at = append(at, found[1])
		}
		out.fault = fmt.Sprintf("%s of the ConfigMap %s has lines that are not exporter,table,key,name,description (%s): put them right; the others hold",
			from.Key, from.Name, cmp.Or(strings.Join(at, ", "), "too many"))
	}
	return out
}

// of are the names of a device's interfaces: of two networks the smaller counts, and of two addresses the first.
func (f *interfaceFile) of(addresses []v1alpha1.ExporterAddress) (out []config.Interface) {
	taken := make(map[uint32]bool)
	for _, text := range addresses {
		address, ok := parse(string(text))
		if !ok {
			continue
		}
		for _, bits := range f.lengths {
			network, err := address.Prefix(bits)
			if err != nil {
				continue // of the other family
			}
			for index, named := range f.networks[network] {
				if !taken[index] {
					taken[index] = true
					out = append(out, named)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b config.Interface) int { return cmp.Compare(a.Index, b.Index) })
	return out
}
