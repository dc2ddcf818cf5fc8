package exporters

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/names"
)

// interfaceFile has the names of interfaces of one key. It is immutable, and small: there are as many as users name.
type interfaceFile struct {
	networks []namedNetwork // the longest first, then by address
	lines    []namedLine    // those of a network are beside each other, in order of index
	names    string         // of all lines
	bytes    int            // of the text
	text     string         // its config.FileVersion
	fault    string
}

// namedNetwork has the lines up to where those of the next one begin.
type namedNetwork struct {
	prefix netip.Prefix
	first  int
}

// namedLine names an interface: at is where its name begins in the names, behind which its description is. Neither has more than
// names.MaxText bytes.
type namedLine struct {
	index, at         uint32
	name, description uint16
}

// lineNumber finds the number of a line in what is wrong with it.
var lineNumber = regexp.MustCompile(`line (\d+)`)

// readInterfaces reads the names of interfaces of a file as exporters.namesFrom has it. What is wrong is told by the numbers of lines only:
// who reads a FlowExporter may not be one who may read ConfigMaps.
func readInterfaces(from *v1alpha1.ConfigMapKey, text string) *interfaceFile {
	lines, err := names.ReadLines(strings.NewReader(text))
	out := &interfaceFile{bytes: len(text), text: config.FileVersion([]byte(text))}
	out.take(lines)
	if err != nil {
		var at []string
		for _, found := range lineNumber.FindAllStringSubmatch(err.Error(), wrongLines) {
			at = append(at, found[1])
		}
		out.fault = fmt.Sprintf("%s of the ConfigMap %s has lines that are not exporter,table,key,name,description (%s): correct them; the others are used",
			from.Key, from.Name, cmp.Or(strings.Join(at, ", "), "too many"))
	}
	return out
}

// take takes over the lines about interfaces. Of two for one interface of one network the later counts.
func (f *interfaceFile) take(lines []names.Line) {
	lines = slices.DeleteFunc(lines, func(l names.Line) bool { return l.Table != names.Interfaces })
	slices.SortStableFunc(lines, func(a, b names.Line) int {
		return cmp.Or(compareNetworks(a.Network, b.Network), cmp.Compare(a.Number, b.Number))
	})
	size, networks := 0, 0
	for i := range lines {
		size += len(lines[i].Row.Name) + len(lines[i].Row.Description)
		if i == 0 || lines[i].Network != lines[i-1].Network {
			networks++
		}
	}
	var all strings.Builder
	all.Grow(size)
	f.networks, f.lines = make([]namedNetwork, 0, networks), make([]namedLine, 0, len(lines))
	for i := range lines {
		l := &lines[i]
		if i+1 < len(lines) && lines[i+1].Network == l.Network && lines[i+1].Number == l.Number {
			continue
		}
		if len(f.networks) == 0 || f.networks[len(f.networks)-1].prefix != l.Network {
			f.networks = append(f.networks, namedNetwork{l.Network, len(f.lines)})
		}
		f.lines = append(f.lines, namedLine{uint32(l.Number), uint32(all.Len()), uint16(len(l.Row.Name)), uint16(len(l.Row.Description))})
		all.WriteString(l.Row.Name)
		all.WriteString(l.Row.Description)
	}
	f.names = all.String()
}

// compareNetworks puts the longer first.
func compareNetworks(a, b netip.Prefix) int {
	return cmp.Or(cmp.Compare(b.Bits(), a.Bits()), a.Addr().Compare(b.Addr()))
}

// of are the names of a device's interfaces: of two networks the smaller counts, and of two addresses the first. They are no more than one
// beyond config.MaxInterfaces.
func (f *interfaceFile) of(addresses []v1alpha1.ExporterAddress) (out []config.Interface) {
	taken := make(map[uint32]bool)
	for _, text := range addresses {
		address, ok := parse(string(text))
		if !ok {
			continue
		}
		for bits := address.BitLen(); bits >= 0; bits-- {
			network, err := address.Prefix(bits)
			if err != nil {
				continue
			}
			for _, l := range f.in(network) {
				if taken[l.index] {
					continue
				}
				if len(out) > config.MaxInterfaces {
					return out
				}
				taken[l.index] = true
				out = append(out, f.named(l))
			}
		}
	}
	slices.SortFunc(out, func(a, b config.Interface) int { return cmp.Compare(a.Index, b.Index) })
	return out
}

// in are the lines of a network.
func (f *interfaceFile) in(network netip.Prefix) []namedLine {
	i, found := sort.Find(len(f.networks), func(i int) int { return compareNetworks(network, f.networks[i].prefix) })
	switch {
	case !found:
		return nil
	case i+1 < len(f.networks):
		return f.lines[f.networks[i].first:f.networks[i+1].first]
	}
	return f.lines[f.networks[i].first:]
}

func (f *interfaceFile) named(l namedLine) config.Interface {
	text := f.names[l.at:]
	name, description := text[:l.name], text[l.name:int(l.name)+int(l.description)]
	return config.Interface{Index: l.index, Name: cmp.Or(name, description), Description: description}
}
