package exporters

import (
	"fmt"
	"slices"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Asked is what users say in FlowExporters of one fleet and in their ConfigMaps, and not what this version of the operator makes of it: it
// stays the same where a later one makes something else of the same. It is in no particular order of the objects.
func Asked(objects []*v1alpha1.FlowExporter, from map[string]*Named) []string {
	var out []string
	for _, o := range objects {
		if discovered(o) {
			continue
		}
		says := fmt.Sprintf("%s %d", o.UID, o.Generation)
		if named := from[o.Name]; named != nil {
			says += " " + named.file.text
		}
		out = append(out, says)
	}
	slices.Sort(out)
	return out
}
