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
	// fileAge is how long what was read of a ConfigMap holds, and eachFileAge how much longer for each that is read: at most ten are read a
	// second.
	fileAge     = 20 * time.Second
	eachFileAge = 100 * time.Millisecond
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
	read map[types.NamespacedName]*configMap
}

// NewFiles returns Files that are read with a client that asks the API server.
func NewFiles(reader client.Reader, c clock.PassiveClock) *Files {
	return &Files{reader: reader, clock: c, read: make(map[types.NamespacedName]*configMap)}
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
	for _, o := range objects {
		if o.Spec.InterfacesFrom != nil {
			file, err := f.file(ctx, o)
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

// file is the key that an object names. No other fleet waits while it is read.
func (f *Files) file(ctx context.Context, o *v1alpha1.FlowExporter) (*interfaceFile, error) {
	from := o.Spec.InterfacesFrom
	name := types.NamespacedName{Namespace: o.Namespace, Name: from.Name}
	f.mu.Lock()
	now := f.clock.Now()
	if known := f.read[name]; known != nil && now.Sub(known.at) < f.age() && known.keys[from.Key] != nil {
		defer f.mu.Unlock()
		return known.keys[from.Key], nil
	}
	f.mu.Unlock()
	m := &corev1.ConfigMap{}
	ctx, cancel := context.WithTimeout(ctx, fileTimeout)
	defer cancel()
	err := f.reader.Get(ctx, name, m)
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.read[name]
	denied := apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
	switch {
	case err == nil, apierrors.IsNotFound(err):
	case known != nil && known.keys[from.Key] != nil:
		known.at = now // it is tried again when this one is due
		return known.keys[from.Key], nil
	case !denied:
		return nil, fmt.Errorf("reading ConfigMap %s for interfacesFrom of FlowExporter %s: %w", name, o.Name, err)
	}
	if known == nil || now.Sub(known.at) >= f.age() {
		known = &configMap{at: now, keys: make(map[string]*interfaceFile)}
		f.read[name] = known
	}
	text, ok := m.Data[from.Key]
	switch {
	case denied:
		known.keys[from.Key] = &interfaceFile{fault: fmt.Sprintf("the operator may not read the ConfigMap %s: give its account the right to get ConfigMaps "+
			"of this namespace", from.Name)}
	case err != nil:
		known.keys[from.Key] = &interfaceFile{fault: fmt.Sprintf("there is no ConfigMap %s in this namespace: make it (kubectl create configmap %s "+
			"-n %s --from-file=%s), or take interfacesFrom out", from.Name, from.Name, o.Namespace, from.Key)}
	case !ok:
		known.keys[from.Key] = &interfaceFile{fault: fmt.Sprintf("the ConfigMap %s has no key %s: add it, or name another one in interfacesFrom.key", from.Name,
			from.Key)}
	default:
		known.keys[from.Key] = readInterfaces(from, text)
	}
	return known.keys[from.Key], nil
}

func (f *Files) age() time.Duration { return fileAge + time.Duration(len(f.read))*eachFileAge }

// forget lets go of what nobody asks for any more. f.mu is held.
func (f *Files) forget() {
	now, age := f.clock.Now(), f.age()
	maps.DeleteFunc(f.read, func(_ types.NamespacedName, m *configMap) bool { return now.Sub(m.at) > 10*age })
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
