package exporters

import (
	"math"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// naming is how many records of a window got the names that flows are to carry; nil where none is to have any, or where that is not known.
func naming(w *Window, n *Figures) *v1alpha1.ExporterNaming {
	if n.NamingUntold || w.NamingUnknown {
		return nil
	}
	out := &v1alpha1.ExporterNaming{Named: w.Naming.Interfaces.Percent()}
	for table, of := range w.Naming.Tables {
		if named := of.Percent(); named != "" {
			out.Tables = append(out.Tables, v1alpha1.ExporterNamingTable{Table: table, Named: named})
		}
	}
	if len(out.Tables) == 0 {
		return nil
	}
	return out
}

// firstNamed reports that it is known for the first time how many flows have names of interfaces.
func firstNamed(before, after *v1alpha1.ExporterNaming) bool {
	return namedText(before) == "" && namedText(after) != ""
}

func namedText(n *v1alpha1.ExporterNaming) string {
	if n == nil {
		return ""
	}
	return n.Named
}

// backwards reports a table of which there is less than before: a collector forgot a part.
func backwards(n *ledger.Naming) (less bool) {
	for _, of := range n.Tables {
		less = less || max(of.Named, of.Unnamed) > math.MaxInt64
	}
	return less
}
